/* SPDX-License-Identifier: MIT */
#include "lib/fcgi/protocol.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

bool protocol_read_header(const unsigned char header[FCGI_HEADER_LEN],
                          struct protocol_record *record)
{
    if (header[0] != FCGI_VERSION_1)
        return false;
    record->type = header[1];
    record->id = header[2] << 8 | header[3];
    record->content_len = (size_t)header[4] << 8 | header[5];
    record->padding_len = header[6];
    return true;
}

void protocol_write_header(unsigned char out[FCGI_HEADER_LEN], int type, int id, size_t content_len)
{
    assert(content_len <= FCGI_MAX_LENGTH);
    out[0] = FCGI_VERSION_1;
    out[1] = (unsigned char)type;
    out[2] = (unsigned char)(id >> 8);
    out[3] = (unsigned char)id;
    out[4] = (unsigned char)(content_len >> 8);
    out[5] = (unsigned char)content_len;
    out[6] = 0;
    out[7] = 0;
}

/* --- Names and values --- */

/* A length: one byte, or four with the first bit set. */
static bool read_length(const unsigned char **at, const unsigned char *end, size_t *length)
{
    const unsigned char *from = *at;
    if (end - from < 1)
        return false;
    if (from[0] < 0x80) {
        *length = from[0];
        *at = from + 1;
        return true;
    }
    if (end - from < 4)
        return false;
    *length =
        (size_t)(from[0] & 0x7f) << 24 | (size_t)from[1] << 16 | (size_t)from[2] << 8 | from[3];
    *at = from + 4;
    return true;
}

enum pair_state protocol_next_pair(char **at, const char *end, struct protocol_pair *pair)
{
    const unsigned char *from = (const unsigned char *)*at;
    const unsigned char *limit = (const unsigned char *)end;
    if (from == limit)
        return PAIR_END;
    if (!read_length(&from, limit, &pair->name_len) || !read_length(&from, limit, &pair->value_len))
        return PAIR_BROKEN;
    size_t left = (size_t)(limit - from);
    if (pair->name_len > left || pair->value_len > left - pair->name_len)
        return PAIR_BROKEN;
    pair->name = *at + (from - (const unsigned char *)*at);
    pair->value = pair->name + pair->name_len;
    *at = pair->value + pair->value_len;
    return PAIR_READ;
}

/* --- Short records --- */

void protocol_write_end(unsigned char out[PROTOCOL_SHORT_LEN], int id, int status)
{
    memset(out, 0, PROTOCOL_SHORT_LEN);
    protocol_write_header(out, FCGI_END_REQUEST, id, sizeof(FCGI_EndRequestBody));
    out[FCGI_HEADER_LEN + 4] = (unsigned char)status;
}

void protocol_write_unknown_type(unsigned char out[PROTOCOL_SHORT_LEN], int type)
{
    memset(out, 0, PROTOCOL_SHORT_LEN);
    protocol_write_header(out, FCGI_UNKNOWN_TYPE, FCGI_NULL_REQUEST_ID,
                          sizeof(FCGI_UnknownTypeBody));
    out[FCGI_HEADER_LEN] = (unsigned char)type;
}

size_t protocol_write_values(unsigned char out[PROTOCOL_VALUES_MAX], char *pairs, size_t len,
                             unsigned connections)
{
    const struct {
        const char *name;
        unsigned value;
    } known[] = {{FCGI_MAX_CONNS, connections}, {FCGI_MAX_REQS, connections}, {FCGI_MPXS_CONNS, 0}};
    bool told[sizeof(known) / sizeof(known[0])] = {false};
    struct protocol_pair asked;
    size_t used = FCGI_HEADER_LEN;
    char *at = pairs;
    while (protocol_next_pair(&at, pairs + len, &asked) == PAIR_READ) {
        for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
            size_t name_len = strlen(known[i].name);
            if (told[i] || asked.name_len != name_len ||
                memcmp(asked.name, known[i].name, name_len) != 0)
                continue;
            char text[2 + 16 + 12];
            int value_len =
                snprintf(text + 2, sizeof(text) - 2, "%s%u", known[i].name, known[i].value) -
                (int)name_len;
            text[0] = (char)name_len;
            text[1] = (char)value_len;
            memcpy(out + used, text, 2 + name_len + (size_t)value_len);
            used += 2 + name_len + (size_t)value_len;
            told[i] = true;
        }
    }
    protocol_write_header(out, FCGI_GET_VALUES_RESULT, FCGI_NULL_REQUEST_ID,
                          used - FCGI_HEADER_LEN);
    return used;
}

bool protocol_is_abort(const unsigned char *data, size_t len, int id)
{
    size_t at = 0;
    struct protocol_record record;
    while (len - at >= FCGI_HEADER_LEN) {
        if (!protocol_read_header(data + at, &record) || record.id != id || record.content_len > 0)
            return false;
        if (record.type == FCGI_ABORT_REQUEST)
            return true;
        if (record.type != FCGI_STDIN || FCGI_HEADER_LEN + record.padding_len > len - at)
            return false;
        at += FCGI_HEADER_LEN + record.padding_len;
    }
    return false;
}
