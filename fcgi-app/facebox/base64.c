/* SPDX-License-Identifier: MIT */
/*
 * OpenSSL's EVP_DecodeBlock counts the padding as bytes and takes no line ends in
 * the middle, its streaming form accepts what follows the end; hence this one.
 */
#include "facebox/base64.h"

#include <stdbool.h>
#include <stdint.h>

enum { PIECE_QUADS = 1024 };

/* Four characters so far, or fewer. */
struct quad {
    uint32_t bits;
    unsigned count;   /* characters, padding included */
    unsigned padding; /* of them */
};

/* The value of a digit, or -1. */
static int digit_value(unsigned char digit)
{
    if (digit >= 'A' && digit <= 'Z')
        return digit - 'A';
    if (digit >= 'a' && digit <= 'z')
        return digit - 'a' + 26;
    if (digit >= '0' && digit <= '9')
        return digit - '0' + 52;
    if (digit == '+')
        return 62;
    return digit == '/' ? 63 : -1;
}

static bool is_space(char byte)
{
    return byte == ' ' || byte == '\t' || byte == '\r' || byte == '\n';
}

/* Add one character; false when it may not stand here. */
static bool quad_add(struct quad *quad, char character)
{
    int value = digit_value((unsigned char)character);
    if (character == '=' && quad->count >= 2) {
        quad->padding++;
        value = 0;
    } else if (value < 0 || quad->padding > 0) {
        return false;
    }
    quad->bits = quad->bits << 6 | (uint32_t)value;
    quad->count++;
    return true;
}

/* Write the bytes of a full quad and return their number, 0 when unused bits are set. */
static size_t quad_bytes(const struct quad *quad, unsigned char *out)
{
    size_t len = 3 - quad->padding;
    uint32_t unused = quad->padding == 0 ? 0 : quad->padding == 1 ? 0xff : 0xffff;
    if (quad->bits & unused)
        return 0;
    for (size_t i = 0; i < len; i++)
        out[i] = (unsigned char)(quad->bits >> (16 - 8 * i));
    return len;
}

enum app_err base64_decode(const char *text, size_t len, struct buf *out)
{
    unsigned char piece[3 * PIECE_QUADS];
    size_t piece_len = 0;
    struct quad quad = {0};
    bool ended = false; /* there was padding */
    for (size_t i = 0; i < len; i++) {
        if (is_space(text[i]))
            continue;
        if (ended || !quad_add(&quad, text[i]))
            return APP_BAD_REQUEST;
        if (quad.count < 4)
            continue;
        size_t step = quad_bytes(&quad, piece + piece_len);
        if (step == 0)
            return APP_BAD_REQUEST;
        piece_len += step;
        ended = quad.padding > 0;
        quad = (struct quad){0};
        if (piece_len > sizeof(piece) - 3) {
            enum app_err err = buf_append(out, piece, piece_len);
            if (err)
                return err;
            piece_len = 0;
        }
    }
    return quad.count > 0 ? APP_BAD_REQUEST : buf_append(out, piece, piece_len);
}
