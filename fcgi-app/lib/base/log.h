/* SPDX-License-Identifier: MIT */
/*
 * The log: one record is one line is one write(2), so that lines of several
 * threads and processes never mix.
 *
 * Text records have the shape of hclog, which the Go service wrote:
 *     2026-11-22T10:23:34.152Z [INFO]  api: message: key=value key="two words"
 * JSON records have @timestamp, @level, @module, @message and the same keys.
 * Values are foreign text: whatever is not printable UTF-8 is escaped, so a
 * record cannot be forged from inside. Never log a token, a card or a picture;
 * nothing here can know what is secret.
 *
 * A struct log_sink is where records go, one a process. A struct log is a
 * light view of it that carries the module's name and the request's ids; make
 * one on the stack for each request with log_child. Any thread may log; the
 * sink's level may be changed at any time from any thread.
 */
#ifndef LIB_BASE_LOG_H
#define LIB_BASE_LOG_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum log_level { LOG_TRACE, LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR, LOG_OFF, LOG_LEVEL__MAX };
enum log_format { LOG_FORMAT_TEXT, LOG_FORMAT_JSON, LOG_FORMAT__MAX };

struct log_sink {
    int fd; /* a record that cannot be written is dropped */
    enum log_format format;
    _Atomic int level; /* enum log_level; records below it are not formatted */
};

struct log {
    struct log_sink *sink;
    const char *module;     /* "api" */
    const char *request_id; /* NULL outside a request */
    const char *trace_id;   /* of the trace that the request belongs to; NULL: none */
};

/* A key and its value, made by the macros below; a NULL key ends a list. */
struct log_field {
    const char *key;
    enum { LOG_FIELD_TEXT, LOG_FIELD_INT, LOG_FIELD_MS } type;
    const char *text;
    size_t len;
    int64_t number;
};

/* A string; NULL is written as an empty one. */
#define LOG_STR(name, value) log_field_str((name), (value))
/* Bytes with a length. */
#define LOG_STRN(name, value, length)                                                              \
    ((struct log_field){(name), LOG_FIELD_TEXT, (value), (length), 0})
#define LOG_INT(name, value) ((struct log_field){(name), LOG_FIELD_INT, NULL, 0, (int64_t)(value)})
/* A time span in nanoseconds, written as milliseconds with three decimals. */
#define LOG_MS(name, nanoseconds)                                                                  \
    ((struct log_field){(name), LOG_FIELD_MS, NULL, 0, (int64_t)(nanoseconds)})
#define LOG_FIELDS(...) ((const struct log_field[]){__VA_ARGS__, {.key = NULL}})

/* log_info(log, "Cache called", LOG_FIELDS(LOG_STR("file", name))); fields may be NULL. */
#define log_debug(log, message, ...) LOG_AT(log, LOG_DEBUG, message, __VA_ARGS__)
#define log_info(log, message, ...)  LOG_AT(log, LOG_INFO, message, __VA_ARGS__)
#define log_warn(log, message, ...)  LOG_AT(log, LOG_WARN, message, __VA_ARGS__)
#define log_error(log, message, ...) LOG_AT(log, LOG_ERROR, message, __VA_ARGS__)

/* Tests the level before the fields are evaluated. */
#define LOG_AT(log, level, message, ...)                                                           \
    do {                                                                                           \
        if (log_enabled((log), (level)))                                                           \
            log_write((log), (level), (message), __VA_ARGS__);                                     \
    } while (0)

static inline bool log_enabled(const struct log *log, enum log_level level)
{
    return (int)level >= atomic_load_explicit(&log->sink->level, memory_order_relaxed);
}

/* A view with a request's ids, which must outlive it; NULL: none. */
static inline struct log log_child(const struct log *log, const char *request_id,
                                   const char *trace_id)
{
    return (struct log){log->sink, log->module, request_id, trace_id};
}

/* "debug" and so on, as LOG_LEVEL has them; false: there is no such level. */
const char *log_level_name(enum log_level level);
bool log_level_parse(const char *name, enum log_level *level);

struct log_field log_field_str(const char *key, const char *value);

/*
 * Write one record whatever the level: use the macros above. `message` is our
 * own text. A record longer than LIMIT_LOG_RECORD is cut: in text it then ends
 * in "...", in JSON it stays valid and loses the fields that did not fit.
 */
void log_write(const struct log *log, enum log_level level, const char *message,
               const struct log_field *fields);

#endif
