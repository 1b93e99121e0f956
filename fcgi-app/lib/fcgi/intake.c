/* SPDX-License-Identifier: MIT */
#include "lib/fcgi/intake.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/digits.h"
#include "lib/base/secret.h"

enum {
    PARAMS_FIRST_CAPACITY = 2048,
    PARAMS_KEPT_CAPACITY = 4096, /* between two requests */
    BODY_FIRST_CAPACITY = 16 * 1024,
    EXPECTED_UNSEEN = -2,
    EXPECTED_UNKNOWN = -1,
    REPLY_ROOM = PROTOCOL_VALUES_MAX /* the longest single reply */
};

void intake_init(struct intake *intake, const struct intake_limits *limits)
{
    *intake = (struct intake){.limits = limits, .expected = EXPECTED_UNSEEN};
}

static void give_back(struct intake *intake)
{
    budget_give_back(intake->limits->budget, intake->counted);
    intake->counted = 0;
}

/* Which bodies hold a card only their routes know, so all are overwritten. */
static void release_body(struct intake *intake)
{
    secret_free(intake->body.data);
    intake->body = (struct intake_bytes){0};
    give_back(intake);
}

/* Tokens are among the variables. Only what was used is overwritten: this is done for each GET. */
static void forget_params(struct intake *intake)
{
    if (intake->params.len > 0)
        explicit_bzero(intake->params.data, intake->params.len);
    intake->params.len = 0;
}

void intake_release(struct intake *intake)
{
    release_body(intake);
    forget_params(intake);
    free(intake->params.data);
    intake->params = (struct intake_bytes){0};
}

void intake_next(struct intake *intake)
{
    release_body(intake);
    forget_params(intake);
    if (intake->params.capacity > PARAMS_KEPT_CAPACITY) {
        free(intake->params.data);
        intake->params = (struct intake_bytes){0};
    }
    intake->params_total = 0;
    intake->params_cut = intake->whole = intake->ended = false;
    intake->body_err = APP_OK;
    intake->expected = EXPECTED_UNSEEN;
    intake->id = FCGI_NULL_REQUEST_ID;
    intake->state = INTAKE_IDLE;
}

void intake_fail(struct intake *intake, enum app_err err)
{
    release_body(intake);
    intake->body_err = err;
    intake->state = INTAKE_READY;
}

static void broken(struct intake *intake, const char *reason)
{
    intake->reason = reason;
    intake->state = INTAKE_BROKEN;
}

/* --- Variables and body --- */

static bool reserve(struct intake_bytes *bytes, size_t capacity)
{
    char *data = secret_realloc(bytes->data, capacity + 1);
    if (!data)
        return false;
    bytes->data = data;
    bytes->capacity = capacity;
    return true;
}

static void append(struct intake_bytes *bytes, const void *data, size_t len)
{
    memcpy(bytes->data + bytes->len, data, len);
    bytes->len += len;
}

static void take_params(struct intake *intake, const void *data, size_t len)
{
    struct intake_bytes *params = &intake->params;
    intake->params_total += len;
    if (intake->params_total > INTAKE_PARAMS_END)
        broken(intake, "variables without end");
    if (intake->params_total > INTAKE_PARAMS_MAX) {
        intake->params_cut = true;
        return;
    }
    size_t needed = params->len + len;
    size_t capacity = params->capacity ? params->capacity : PARAMS_FIRST_CAPACITY;
    while (capacity < needed)
        capacity *= 2;
    if (capacity > params->capacity && !reserve(params, capacity))
        broken(intake, "no memory");
    else
        append(params, data, len);
}

/* CONTENT_LENGTH, and 0 without it for methods whose requests have no body by custom. */
static int64_t read_expected(const struct intake *intake)
{
    struct protocol_pair pair;
    char *at = intake->params.data;
    const char *end = at ? at + intake->params.len : at;
    int64_t length = EXPECTED_UNKNOWN;
    bool bodiless = false;
    while (!intake->params_cut && protocol_next_pair(&at, end, &pair) == PAIR_READ) {
        if (pair.name_len == strlen("CONTENT_LENGTH") &&
            memcmp(pair.name, "CONTENT_LENGTH", pair.name_len) == 0) {
            if (pair.value_len > 0)
                return digits_read(pair.value, pair.value_len, &length) ? length : EXPECTED_UNKNOWN;
        } else if (pair.name_len == strlen("REQUEST_METHOD") &&
                   memcmp(pair.name, "REQUEST_METHOD", pair.name_len) == 0) {
            bodiless = (pair.value_len == 3 && memcmp(pair.value, "GET", 3) == 0) ||
                       (pair.value_len == 4 && memcmp(pair.value, "HEAD", 4) == 0);
        }
    }
    return bodiless ? 0 : EXPECTED_UNKNOWN;
}

/* Whether what is here is enough, now that no more is at hand. */
static void consider_body(struct intake *intake)
{
    if (intake->expected == EXPECTED_UNSEEN)
        intake->expected = read_expected(intake);
    if (intake->expected > (int64_t)intake->limits->body_max) {
        intake_fail(intake, APP_TOO_LARGE);
    } else if (intake->expected >= 0 && intake->body.len >= (size_t)intake->expected) {
        intake->whole = true;
        intake->state = INTAKE_READY;
    }
}

/* Twice the size at each step, but not beyond what is announced or allowed. */
static size_t body_capacity(const struct intake *intake, size_t needed)
{
    size_t capacity = intake->body.capacity ? intake->body.capacity : BODY_FIRST_CAPACITY;
    while (capacity < needed)
        capacity *= 2;
    size_t most = intake->limits->body_max;
    if (intake->expected >= (int64_t)needed)
        most = (size_t)intake->expected;
    return capacity < most || most < needed ? capacity : most;
}

/* Returns how much it has taken: all, or nothing when there is no room. */
static size_t take_body(struct intake *intake, const void *data, size_t len)
{
    struct intake_bytes *body = &intake->body;
    if (body->len == 0 && intake->expected == EXPECTED_UNSEEN)
        consider_body(intake);
    if (intake->state != INTAKE_BODY)
        return 0;
    size_t needed = body->len + len;
    if (needed > intake->limits->body_max) {
        intake_fail(intake, APP_TOO_LARGE);
        return 0;
    }
    if (needed > body->capacity) {
        size_t capacity = body_capacity(intake, needed);
        size_t more = capacity - body->capacity;
        if (!budget_take(intake->limits->budget, more)) {
            intake->state = INTAKE_FULL;
            return 0;
        }
        intake->counted += more;
        if (!reserve(body, capacity)) {
            intake_fail(intake, APP_NO_MEMORY);
            return 0;
        }
    }
    append(body, data, len);
    return len;
}

/* --- Records --- */

static void reply(struct intake *intake, const void *record, size_t len)
{
    memcpy(intake->reply + intake->reply_len, record, len);
    intake->reply_len += len;
}

static void reply_end(struct intake *intake, int id, int status)
{
    unsigned char end[PROTOCOL_SHORT_LEN];
    protocol_write_end(end, id, status);
    reply(intake, end, sizeof(end));
}

static void manage(struct intake *intake)
{
    unsigned char record[PROTOCOL_VALUES_MAX];
    size_t len = PROTOCOL_SHORT_LEN;
    if (intake->record.type == FCGI_GET_VALUES)
        len = protocol_write_values(record, (char *)intake->question, intake->question_len,
                                    intake->limits->connections);
    else
        protocol_write_unknown_type(record, intake->record.type);
    reply(intake, record, len);
}

static void begin_request(struct intake *intake)
{
    const unsigned char *body = intake->question;
    int id = intake->record.id;
    bool keep = body[2] & FCGI_KEEP_CONN;
    if (intake->record.content_len != sizeof(FCGI_BeginRequestBody)) {
        broken(intake, "a BEGIN_REQUEST of a wrong length");
    } else if (intake->state != INTAKE_IDLE && id == intake->id) {
        broken(intake, "a second BEGIN_REQUEST of one request");
    } else if (intake->state != INTAKE_IDLE) {
        reply_end(intake, id, FCGI_CANT_MPX_CONN);
    } else if ((body[0] << 8 | body[1]) != FCGI_RESPONDER) {
        reply_end(intake, id, FCGI_UNKNOWN_ROLE);
        intake->state = keep ? INTAKE_IDLE : INTAKE_CLOSE;
    } else {
        intake->id = id;
        intake->keep = keep;
        intake->state = INTAKE_PARAMS;
    }
}

static void abort_request(struct intake *intake)
{
    bool keep = intake->keep;
    reply_end(intake, intake->id, FCGI_REQUEST_COMPLETE);
    intake_next(intake);
    if (!keep)
        intake->state = INTAKE_CLOSE;
}

/* An empty record ends the stream. */
static void end_stream(struct intake *intake)
{
    if (intake->record.type == FCGI_PARAMS) {
        intake->state = INTAKE_BODY;
    } else {
        intake->whole = intake->ended = true;
        intake->state = INTAKE_READY;
    }
}

/* Whether the record is one of the request that is being read. */
static bool is_ours(const struct intake *intake)
{
    return intake->state != INTAKE_IDLE && intake->record.id == intake->id;
}

/* What of a record of ours cannot come now. */
static const char *misplaced(const struct intake *intake)
{
    if (!is_ours(intake))
        return NULL;
    if (intake->record.type == FCGI_PARAMS && intake->state != INTAKE_PARAMS)
        return "PARAMS behind their end";
    if (intake->record.type == FCGI_STDIN && intake->state != INTAKE_BODY)
        return "STDIN before the end of PARAMS";
    return NULL;
}

static void begin_record(struct intake *intake)
{
    intake->header_len = 0;
    if (!protocol_read_header(intake->header, &intake->record)) {
        broken(intake, "not FastCGI version 1");
        return;
    }
    const char *reason = misplaced(intake);
    if (reason)
        broken(intake, reason);
    intake->content_left = intake->record.content_len;
    intake->padding_left = intake->record.padding_len;
    intake->question_len = 0;
}

/* All of a record's content is here. */
static void end_content(struct intake *intake)
{
    const struct protocol_record *record = &intake->record;
    if (record->id == FCGI_NULL_REQUEST_ID)
        manage(intake);
    else if (record->type == FCGI_BEGIN_REQUEST)
        begin_request(intake);
    else if (record->type == FCGI_ABORT_REQUEST && is_ours(intake))
        abort_request(intake);
    else if ((record->type == FCGI_PARAMS || record->type == FCGI_STDIN) && is_ours(intake) &&
             record->content_len == 0)
        end_stream(intake);
}

/* Returns how much of it was taken. */
static size_t take_content(struct intake *intake, const unsigned char *data, size_t len)
{
    const struct protocol_record *record = &intake->record;
    if (record->id == FCGI_NULL_REQUEST_ID || record->type == FCGI_BEGIN_REQUEST) {
        size_t room = sizeof(intake->question) - intake->question_len;
        size_t kept = len < room ? len : room;
        memcpy(intake->question + intake->question_len, data, kept);
        intake->question_len += kept;
    } else if (is_ours(intake) && record->type == FCGI_PARAMS) {
        take_params(intake, data, len);
    } else if (is_ours(intake) && record->type == FCGI_STDIN) {
        len = take_body(intake, data, len);
    }
    intake->content_left -= len;
    return len;
}

static bool is_reading(const struct intake *intake)
{
    return intake->state <= INTAKE_BODY && intake->reply_len + REPLY_ROOM <= INTAKE_REPLY_MAX;
}

/* The next part of a record: its header, content or padding. Returns how much was used. */
static size_t take_part(struct intake *intake, const unsigned char *data, size_t len)
{
    if (intake->content_left > 0) {
        size_t taken =
            take_content(intake, data, len < intake->content_left ? len : intake->content_left);
        if (taken > 0 && intake->content_left == 0)
            end_content(intake);
        return taken;
    }
    if (intake->padding_left > 0) {
        size_t skipped = len < intake->padding_left ? len : intake->padding_left;
        intake->padding_left -= skipped;
        return skipped;
    }
    size_t missing = sizeof(intake->header) - intake->header_len;
    size_t taken = len < missing ? len : missing;
    memcpy(intake->header + intake->header_len, data, taken);
    intake->header_len += (unsigned)taken;
    if (taken == missing) {
        begin_record(intake);
        if (intake->content_left == 0 && intake->state != INTAKE_BROKEN)
            end_content(intake);
    }
    return taken;
}

size_t intake_feed(struct intake *intake, const void *data, size_t len)
{
    const unsigned char *at = data;
    size_t used = 0;
    if (intake->state == INTAKE_FULL)
        intake->state = INTAKE_BODY;
    while (used < len && is_reading(intake))
        used += take_part(intake, at + used, len - used);
    if (intake->state == INTAKE_BODY)
        consider_body(intake);
    if (intake->state == INTAKE_READY && intake->body.data)
        intake->body.data[intake->body.len] = '\0';
    if (intake->state == INTAKE_READY)
        give_back(intake); /* how many are worked on is bounded by the workers */
    return used;
}
