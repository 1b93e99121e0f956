/* SPDX-License-Identifier: MIT */
/*
 * A record is built in a buffer on the stack, since logging must work when
 * there is no memory, and must not take a lock that a stopped thread holds.
 */
#include "lib/base/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "lib/base/limits.h"
#include "lib/base/utf8.h"

struct record {
    char data[LIMIT_LOG_RECORD];
    size_t len;
    bool full;
};

/* Kept free for the end of a cut record: "..." and what closes a JSON object. */
enum { TAIL_ROOM = 8 };

static const char *const level_names[LOG_LEVEL__MAX] = {
    [LOG_TRACE] = "trace", [LOG_DEBUG] = "debug", [LOG_INFO] = "info",
    [LOG_WARN] = "warn",   [LOG_ERROR] = "error", [LOG_OFF] = "off",
};

/* hclog pads to the longest name, so that messages line up. */
static const char *const level_tags[LOG_LEVEL__MAX] = {
    [LOG_TRACE] = "[TRACE]", [LOG_DEBUG] = "[DEBUG]", [LOG_INFO] = "[INFO] ",
    [LOG_WARN] = "[WARN] ",  [LOG_ERROR] = "[ERROR]", [LOG_OFF] = "[OFF]  ",
};

static void put(struct record *record, const char *text, size_t len)
{
    if (record->full || len > sizeof(record->data) - TAIL_ROOM - record->len) {
        record->full = true;
        return;
    }
    memcpy(record->data + record->len, text, len);
    record->len += len;
}

static void put_str(struct record *record, const char *text)
{
    put(record, text, strlen(text));
}

__attribute__((format(printf, 2, 3))) static void put_format(struct record *record,
                                                             const char *format, ...)
{
    char text[64];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    put_str(record, text);
}

/* In decimal, of at least `digits` digits. By hand: a record has several, and printf is slow. */
static void put_number(struct record *record, uint64_t value, size_t digits)
{
    char text[20];
    size_t at = sizeof(text);
    while (value > 0 || sizeof(text) - at < digits) {
        text[--at] = (char)('0' + value % 10);
        value /= 10;
    }
    put(record, text + at, sizeof(text) - at);
}

static void put_signed(struct record *record, int64_t value)
{
    if (value < 0)
        put_str(record, "-");
    put_number(record, value < 0 ? -(uint64_t)value : (uint64_t)value, 1);
}

/* Nanoseconds as milliseconds, rounded to microseconds. */
static void put_ms(struct record *record, int64_t ns)
{
    uint64_t us = ((ns < 0 ? -(uint64_t)ns : (uint64_t)ns) + 500) / 1000;
    if (ns < 0)
        put_str(record, "-");
    put_number(record, us / 1000, 1);
    put_str(record, ".");
    put_number(record, us % 1000, 3);
}

/* The inside of a quoted string; in JSON a bad byte becomes U+00XX, as Latin-1. */
static void put_escaped(struct record *record, const char *text, size_t len, bool json)
{
    for (size_t i = 0; i < len && !record->full;) {
        unsigned char byte = (unsigned char)text[i];
        size_t step = utf8_printable_len(text + i, len - i);
        if (byte == '"' || byte == '\\') {
            put_format(record, "\\%c", byte);
            i++;
        } else if (step > 0) {
            put(record, text + i, step);
            i += step;
        } else if (byte == '\n') {
            put_str(record, "\\n");
            i++;
        } else {
            put_format(record, json ? "\\u%04x" : "\\x%02x", byte);
            i++;
        }
    }
}

static bool is_bare(const char *text, size_t len)
{
    if (len == 0)
        return false;
    for (size_t i = 0; i < len; i++) {
        unsigned char byte = (unsigned char)text[i];
        if (byte <= ' ' || byte >= 0x7f || byte == '"' || byte == '\\' || byte == '=')
            return false;
    }
    return true;
}

static void put_value(struct record *record, const struct log_field *field, bool json)
{
    switch (field->type) {
    case LOG_FIELD_INT:
        put_signed(record, field->number);
        break;
    case LOG_FIELD_MS:
        put_ms(record, field->number);
        break;
    case LOG_FIELD_TEXT:
        if (!json && is_bare(field->text, field->len)) {
            put(record, field->text, field->len);
        } else {
            put_str(record, "\"");
            put_escaped(record, field->text, field->len, json);
            put_str(record, "\"");
        }
        break;
    }
}

/* Returns false when the field did not fit and was taken back whole. */
static bool put_field(struct record *record, const struct log_field *field, bool json)
{
    size_t before = record->len;
    put_str(record, json ? ",\"" : " ");
    put_str(record, field->key);
    put_str(record, json ? "\":" : "=");
    put_value(record, field, json);
    if (!record->full)
        return true;
    if (!json)
        return false; /* a cut text record may end anywhere */
    record->len = before;
    return false;
}

/* As put_field, of an id that may be absent. */
static bool put_id(struct record *record, const char *key, const char *id, bool json)
{
    const struct log_field field = LOG_STR(key, id);
    return !id || put_field(record, &field, json);
}

/* The text of a second is made once for all records of a thread in that second. */
static void put_timestamp(struct record *record)
{
    static _Thread_local struct {
        time_t second;
        char text[32];
        size_t len;
    } last;
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (last.len == 0 || now.tv_sec != last.second) {
        struct tm utc;
        gmtime_r(&now.tv_sec, &utc);
        last.len = strftime(last.text, sizeof(last.text), "%Y-%m-%dT%H:%M:%S.", &utc);
        last.second = now.tv_sec;
    }
    put(record, last.text, last.len);
    put_number(record, (uint64_t)now.tv_nsec / 1000000, 3);
    put_str(record, "Z");
}

static void put_head(struct record *record, const struct log *log, enum log_level level,
                     const char *message, bool json)
{
    put_str(record, json ? "{\"@timestamp\":\"" : "");
    put_timestamp(record);
    if (json) {
        put_str(record, "\",\"@level\":\"");
        put_str(record, level_names[level]);
        put_str(record, "\",\"@module\":\"");
        put_str(record, log->module);
        put_str(record, "\",\"@message\":\"");
        put_escaped(record, message, strlen(message), true);
        put_str(record, "\"");
    } else {
        put_str(record, " ");
        put_str(record, level_tags[level]);
        put_str(record, " ");
        put_str(record, log->module);
        put_str(record, ": ");
        put_str(record, message);
    }
}

const char *log_level_name(enum log_level level)
{
    return level_names[level];
}

bool log_level_parse(const char *name, enum log_level *level)
{
    for (int i = 0; i < LOG_LEVEL__MAX; i++) {
        if (strcmp(name, level_names[i]) == 0) {
            *level = (enum log_level)i;
            return true;
        }
    }
    return false;
}

struct log_field log_field_str(const char *key, const char *value)
{
    return (struct log_field){key, LOG_FIELD_TEXT, value ? value : "", value ? strlen(value) : 0,
                              0};
}

void log_write(const struct log *log, enum log_level level, const char *message,
               const struct log_field *fields)
{
    struct record record;
    record.len = 0;
    record.full = false;
    bool json = log->sink->format == LOG_FORMAT_JSON;

    put_head(&record, log, level, message, json);
    if (!json && (log->request_id || log->trace_id || (fields && fields->key)))
        put_str(&record, ":");
    bool fits = put_id(&record, "request_id", log->request_id, json) &&
                put_id(&record, "trace_id", log->trace_id, json);
    for (; fits && fields && fields->key; fields++)
        fits = put_field(&record, fields, json);

    /* put() left TAIL_ROOM bytes for this. */
    const char *tail = json ? "}\n" : record.full ? "...\n" : "\n";
    size_t tail_len = strlen(tail);
    memcpy(record.data + record.len, tail, tail_len);
    record.len += tail_len;

    ssize_t written;
    do
        written = write(log->sink->fd, record.data, record.len);
    while (written < 0 && errno == EINTR);
}
