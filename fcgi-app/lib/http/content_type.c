/* SPDX-License-Identifier: MIT */
/*
 * Never text/html, although Go and the standard would say it of a file that
 * begins with "<html": what is stored here was fetched on a stranger's word,
 * and served as a page it would run its scripts in this site's name. Nothing
 * that this service stores is HTML.
 */
#include "lib/http/content_type.h"

#include <string.h>

static const struct {
    const char *type;
    const char *pattern;
    const char *mask; /* bytes that are '\0' match anything; NULL: all count */
    size_t len;
} signatures[] = {
    {"image/x-icon", "\x00\x00\x01\x00", NULL, 4},
    {"image/x-icon", "\x00\x00\x02\x00", NULL, 4},
    {"image/bmp", "BM", NULL, 2},
    {"image/gif", "GIF87a", NULL, 6},
    {"image/gif", "GIF89a", NULL, 6},
    {"image/webp", "RIFF\0\0\0\0WEBPVP", "RIFF\0\0\0\0WEBPVP", 14},
    {"image/png", "\x89PNG\r\n\x1a\n", NULL, 8},
    {"image/jpeg", "\xff\xd8\xff", NULL, 3},
};

static bool matches(const char *data, const char *pattern, const char *mask, size_t len)
{
    if (!mask)
        return memcmp(data, pattern, len) == 0;
    for (size_t i = 0; i < len; i++) {
        if (mask[i] != '\0' && data[i] != pattern[i])
            return false;
    }
    return true;
}

/* The standard's binary data bytes, section 3: no text has them. */
static bool is_binary(unsigned char byte)
{
    return byte <= 0x08 || byte == 0x0b || (byte >= 0x0e && byte <= 0x1a) ||
           (byte >= 0x1c && byte <= 0x1f);
}

const char *content_type_sniff(const void *data, size_t len)
{
    const char *bytes = data;
    if (len > CONTENT_TYPE_SNIFF_LEN)
        len = CONTENT_TYPE_SNIFF_LEN;
    for (size_t i = 0; i < sizeof(signatures) / sizeof(signatures[0]); i++) {
        if (len >= signatures[i].len &&
            matches(bytes, signatures[i].pattern, signatures[i].mask, signatures[i].len))
            return signatures[i].type;
    }
    for (size_t i = 0; i < len; i++) {
        if (is_binary((unsigned char)bytes[i]))
            return "application/octet-stream";
    }
    return "text/plain; charset=utf-8";
}

const char *content_type_sniff_pieces(const struct iovec *pieces, size_t count)
{
    char start[CONTENT_TYPE_SNIFF_LEN];
    size_t len = 0;
    for (size_t i = 0; i < count && len < sizeof(start); i++) {
        size_t room = sizeof(start) - len;
        size_t part = pieces[i].iov_len < room ? pieces[i].iov_len : room;
        memcpy(start + len, pieces[i].iov_base, part);
        len += part;
    }
    return content_type_sniff(start, len);
}
