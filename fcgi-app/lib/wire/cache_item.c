/* SPDX-License-Identifier: MIT */
/*
 * A cursor walks over the pieces; every length is checked against what is left
 * of the whole message before the cursor moves, so a walk cannot leave it.
 */
#include "lib/wire/cache_item.h"

#include <stdint.h>
#include <string.h>

enum wire_type { WIRE_VARINT = 0, WIRE_FIXED64 = 1, WIRE_BYTES = 2, WIRE_FIXED32 = 5 };
enum field_number { FIELD_ID = 1, FIELD_DATA = 2 };
enum { VARINT_MAX = 10 }; /* bytes of the longest encoding of 64 bits */

struct cursor {
    const struct iovec *pieces;
    size_t piece;
    size_t offset; /* within the piece */
    size_t left;   /* bytes of the message that lie ahead */
};

/* Leave pieces that are used up. Only valid while something is left. */
static void settle(struct cursor *cursor)
{
    while (cursor->offset == cursor->pieces[cursor->piece].iov_len) {
        cursor->piece++;
        cursor->offset = 0;
    }
}

/* Requires len <= left. */
static void skip(struct cursor *cursor, size_t len)
{
    cursor->left -= len;
    while (len > 0) {
        settle(cursor);
        size_t here = cursor->pieces[cursor->piece].iov_len - cursor->offset;
        size_t step = len < here ? len : here;
        cursor->offset += step;
        len -= step;
    }
}

static enum app_err read_varint(struct cursor *cursor, uint64_t *value)
{
    uint64_t sum = 0;
    for (unsigned i = 0; i < VARINT_MAX && cursor->left > 0; i++) {
        settle(cursor);
        const unsigned char *bytes = cursor->pieces[cursor->piece].iov_base;
        unsigned char byte = bytes[cursor->offset];
        skip(cursor, 1);
        sum |= (uint64_t)(byte & 0x7f) << (7 * i);
        if (byte < 0x80) {
            *value = sum;
            return APP_OK;
        }
    }
    return APP_BAD_REQUEST;
}

/* Reads the length and leaves the cursor at the first byte of the content. */
static enum app_err read_span(struct cursor *cursor, struct wire_span *span)
{
    uint64_t len;
    if (read_varint(cursor, &len) || len > cursor->left)
        return APP_BAD_REQUEST;
    if (len > 0)
        settle(cursor);
    *span = (struct wire_span){cursor->piece, cursor->offset, (size_t)len};
    return APP_OK;
}

static enum app_err skip_checked(struct cursor *cursor, size_t len)
{
    if (len > cursor->left)
        return APP_BAD_REQUEST;
    skip(cursor, len);
    return APP_OK;
}

static enum app_err read_field(struct cursor *cursor, struct wire_cache_item *item)
{
    uint64_t tag;
    if (read_varint(cursor, &tag) || tag > UINT32_MAX || tag >> 3 == 0)
        return APP_BAD_REQUEST;

    switch (tag & 7) {
    case WIRE_VARINT:
        return read_varint(cursor, &tag);
    case WIRE_FIXED64:
        return skip_checked(cursor, 8);
    case WIRE_FIXED32:
        return skip_checked(cursor, 4);
    case WIRE_BYTES: {
        struct wire_span span;
        if (read_span(cursor, &span))
            return APP_BAD_REQUEST;
        if (tag >> 3 == FIELD_ID)
            item->id = span;
        else if (tag >> 3 == FIELD_DATA)
            item->data = span;
        return skip_checked(cursor, span.len);
    }
    default: /* groups, which proto3 does not have, and the two unused types */
        return APP_BAD_REQUEST;
    }
}

enum app_err wire_cache_item_parse(const struct iovec *pieces, size_t count,
                                   struct wire_cache_item *item)
{
    struct cursor cursor = {.pieces = pieces};
    for (size_t i = 0; i < count; i++)
        cursor.left += pieces[i].iov_len;

    struct wire_cache_item found = {0};
    while (cursor.left > 0) {
        enum app_err err = read_field(&cursor, &found);
        if (err)
            return err;
    }
    *item = found;
    return APP_OK;
}

/* The part of `span` that lies in `piece`, of which `left` bytes are still to come. */
static struct iovec part(const struct iovec *piece, size_t offset, size_t left)
{
    size_t here = piece->iov_len - offset;
    return (struct iovec){(char *)piece->iov_base + offset, left < here ? left : here};
}

size_t wire_span_piece_count(const struct iovec *pieces, size_t count, const struct wire_span *span)
{
    size_t touched = 0;
    size_t offset = span->offset;
    size_t left = span->len;
    for (size_t i = span->piece; i < count && left > 0; i++) {
        size_t len = part(&pieces[i], offset, left).iov_len;
        touched += len > 0;
        left -= len;
        offset = 0;
    }
    return touched;
}

void wire_span_pieces(const struct iovec *pieces, size_t count, const struct wire_span *span,
                      struct iovec *out)
{
    size_t offset = span->offset;
    size_t left = span->len;
    for (size_t i = span->piece; i < count && left > 0; i++) {
        struct iovec piece = part(&pieces[i], offset, left);
        if (piece.iov_len > 0)
            *out++ = piece;
        left -= piece.iov_len;
        offset = 0;
    }
}

void wire_span_copy(const struct iovec *pieces, size_t count, const struct wire_span *span,
                    void *out)
{
    char *at = out;
    size_t offset = span->offset;
    size_t left = span->len;
    for (size_t i = span->piece; i < count && left > 0; i++) {
        struct iovec piece = part(&pieces[i], offset, left);
        if (piece.iov_len > 0)
            memcpy(at, piece.iov_base, piece.iov_len);
        at += piece.iov_len;
        left -= piece.iov_len;
        offset = 0;
    }
}

static unsigned char *put_varint(unsigned char *at, uint64_t value)
{
    for (; value >= 0x80; value >>= 7)
        *at++ = (unsigned char)(value | 0x80);
    *at++ = (unsigned char)value;
    return at;
}

static unsigned char *put_field(unsigned char *at, enum field_number field, size_t len)
{
    at = put_varint(at, (uint64_t)field << 3 | WIRE_BYTES);
    return put_varint(at, len);
}

size_t wire_cache_item_head(const char *id, size_t id_len, size_t data_len, void *out)
{
    unsigned char *at = out;
    if (id_len > 0) {
        at = put_field(at, FIELD_ID, id_len);
        memcpy(at, id, id_len);
        at += id_len;
    }
    if (data_len > 0)
        at = put_field(at, FIELD_DATA, data_len);
    return (size_t)(at - (unsigned char *)out);
}
