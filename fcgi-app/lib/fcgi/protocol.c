/* SPDX-License-Identifier: MIT */
/*
 * A walk over whole records. Every call starts anew, since more calls than one
 * for a request are rare: web servers send its beginning in one write.
 */
#include "lib/fcgi/protocol.h"

#include <assert.h>
#include <string.h>

struct record {
    int type;
    int id;
    unsigned char *content;
    size_t content_len;
    size_t total; /* with header and padding */
};

enum { BEGIN_BODY_LEN = 8 };

/* BEGINNING_READY: `*record` is there whole. */
static enum beginning_state next_record(unsigned char *data, size_t len, struct record *record,
                                        struct beginning *beginning)
{
    if (len > 0 && data[0] != PROTOCOL_VERSION) {
        beginning->reason = "not FastCGI version 1";
        return BEGINNING_BAD;
    }
    if (len < PROTOCOL_HEADER_LEN)
        return BEGINNING_PARTIAL;
    record->type = data[1];
    record->id = data[2] << 8 | data[3];
    record->content = data + PROTOCOL_HEADER_LEN;
    record->content_len = (size_t)(data[4] << 8 | data[5]);
    record->total = PROTOCOL_HEADER_LEN + record->content_len + data[6];
    return len >= record->total ? BEGINNING_READY : BEGINNING_PARTIAL;
}

static enum beginning_state bad(struct beginning *beginning, const char *reason)
{
    beginning->reason = reason;
    return BEGINNING_BAD;
}

static enum beginning_state check_begin(unsigned char *data, size_t len, struct record *record,
                                        struct beginning *beginning)
{
    enum beginning_state state = next_record(data, len, record, beginning);
    if (state == BEGINNING_BAD || (state == BEGINNING_PARTIAL && len < PROTOCOL_HEADER_LEN))
        return state;
    if (record->type != RECORD_BEGIN_REQUEST || record->id == 0 ||
        record->content_len != BEGIN_BODY_LEN)
        return bad(beginning, "no valid BEGIN_REQUEST");
    if (record->total > PROTOCOL_HEADER_LEN + BEGIN_BODY_LEN)
        return bad(beginning, "padding behind BEGIN_REQUEST");
    if (state == BEGINNING_PARTIAL)
        return state;
    if ((record->content[0] << 8 | record->content[1]) != PROTOCOL_ROLE_RESPONDER)
        return bad(beginning, "a role other than responder");
    return BEGINNING_READY;
}

/* A length of name or value: one byte, or four with the first bit set. */
static bool read_length(const unsigned char **data, const unsigned char *end, size_t *length)
{
    const unsigned char *at = *data;
    if (end - at < 1)
        return false;
    if (at[0] < 0x80) {
        *length = at[0];
        *data = at + 1;
        return true;
    }
    if (end - at < 4)
        return false;
    *length = (size_t)(at[0] & 0x7f) << 24 | (size_t)at[1] << 16 | (size_t)at[2] << 8 | at[3];
    *data = at + 4;
    return true;
}

static bool pairs_are_whole(const unsigned char *data, size_t len)
{
    const unsigned char *end = data + len;
    while (data < end) {
        size_t name_len, value_len;
        if (!read_length(&data, end, &name_len) || !read_length(&data, end, &value_len))
            return false;
        size_t left = (size_t)(end - data);
        if (name_len > left || value_len > left - name_len)
            return false;
        data += name_len + value_len;
    }
    return true;
}

/* Whether records of standard input up to its end follow. */
static bool input_is_complete(unsigned char *data, size_t len, int id)
{
    struct record record;
    struct beginning ignored;
    while (next_record(data, len, &record, &ignored) == BEGINNING_READY &&
           record.type == RECORD_STDIN && record.id == id) {
        if (record.content_len == 0)
            return true;
        data += record.total;
        len -= record.total;
    }
    return false;
}

enum beginning_state protocol_check_beginning(unsigned char *data, size_t len,
                                              struct beginning *beginning)
{
    *beginning = (struct beginning){0};
    struct record record;
    enum beginning_state state = check_begin(data, len, &record, beginning);
    if (state != BEGINNING_READY)
        return state;
    int id = record.id;

    /* The pieces of PARAMS are moved together at the front to be read as one. */
    unsigned char *params = data;
    size_t params_len = 0;
    do {
        data += record.total;
        len -= record.total;
        state = next_record(data, len, &record, beginning);
        if (state == BEGINNING_PARTIAL && len < PROTOCOL_HEADER_LEN)
            return state;
        if (state != BEGINNING_BAD && (record.type != RECORD_PARAMS || record.id != id))
            return bad(beginning, "a record that has no place before the end of PARAMS");
        if (state != BEGINNING_READY)
            return state;
        memmove(params + params_len, record.content, record.content_len);
        params_len += record.content_len;
    } while (record.content_len > 0);
    if (record.total > PROTOCOL_HEADER_LEN)
        return bad(beginning, "padding behind the end of PARAMS");

    if (!pairs_are_whole(params, params_len))
        return bad(beginning, "PARAMS that end within a variable");
    beginning->complete = input_is_complete(data + record.total, len - record.total, id);
    return BEGINNING_READY;
}

void protocol_write_header(unsigned char out[PROTOCOL_HEADER_LEN], enum protocol_record type,
                           int request_id, size_t content_len)
{
    assert(content_len <= 0xffff);
    out[0] = PROTOCOL_VERSION;
    out[1] = (unsigned char)type;
    out[2] = (unsigned char)(request_id >> 8);
    out[3] = (unsigned char)request_id;
    out[4] = (unsigned char)(content_len >> 8);
    out[5] = (unsigned char)content_len;
    out[6] = 0;
    out[7] = 0;
}

bool protocol_is_abort(const unsigned char *data, size_t len, int request_id)
{
    size_t at = 0;
    while (len - at >= PROTOCOL_HEADER_LEN) {
        const unsigned char *header = data + at;
        int id = header[2] << 8 | header[3];
        size_t content_len = (size_t)header[4] << 8 | header[5];
        if (header[0] != PROTOCOL_VERSION || id != request_id || content_len > 0)
            return false;
        if (header[1] == RECORD_ABORT_REQUEST)
            return true;
        if (header[1] != RECORD_STDIN)
            return false;
        size_t record_len = PROTOCOL_HEADER_LEN + (size_t)header[6];
        if (record_len > len - at)
            return false;
        at += record_len;
    }
    return false;
}
