/* SPDX-License-Identifier: MIT */
/*
 * One request, as the web server's CGI variables and standard input describe
 * it (RFC 3875), checked and copied: nothing of the FastCGI library's memory
 * is reachable from here.
 *
 * The path comes from REQUEST_URI, the one variable that every web server
 * hands on raw, up to '?'; it is decoded once. "%2F", "%00" and what is not
 * UTF-8 are refused, "//", "." and ".." are not resolved: they match no route.
 *
 * Made by the worker (or by tests/support/loopback) and handed to the handler;
 * valid until the handler returns. One thread.
 */
#ifndef LIB_FCGI_REQUEST_H
#define LIB_FCGI_REQUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/arena.h"
#include "lib/base/err.h"
#include "lib/base/log.h"
#include "lib/http/method.h"
#include "lib/telemetry/trace.h"

/* Where the body comes from: returns bytes read, 0 at the end, -1 on an error. */
struct request_input {
    ptrdiff_t (*read)(void *source, char *out, size_t size);
    void *source;
    bool (*gone)(void *source); /* whether nobody waits for the answer; NULL: not known */
};

struct request_param {
    const char *name;
    size_t name_len;
    const char *value;
};

struct request {
    enum http_method method;
    const char *method_name;
    const char *uri;        /* REQUEST_URI as the client sent it */
    const char *path;       /* decoded; begins with '/' */
    const char *query;      /* behind '?', raw; "" when there is none */
    const char *id;         /* X-Request-Id when the client's is sane, else made here */
    int64_t content_length; /* -1 when the web server gave none */
    int64_t started_ns;     /* CLOCK_MONOTONIC */
    struct arena *arena;    /* everything of this request's lifetime */
    struct log log;         /* the server's log with the request's ids */
    struct trace trace;     /* the one that the client's headers name, else one of our own */

    /* private to request.c */
    const struct request_param *params;
    size_t param_count;
    struct request_input input;
    size_t body_read; /* bytes taken from input so far */
    bool gone;        /* request_client_gone was true once */
};

/*
 * Fill `request` from a NULL-terminated list of "NAME=value" strings, all of
 * which are copied into `arena`. Duplicate names: the first counts.
 * APP_BAD_REQUEST (no method, a path that is not acceptable, a bad
 * CONTENT_LENGTH), APP_URI_TOO_LONG, APP_HEADERS_TOO_LARGE, APP_NO_MEMORY. On
 * an error request->id, ->trace, ->arena and ->log are valid all the same, so that
 * the answer and the log line have them. `request` must stay where it is.
 */
enum app_err request_init(struct request *request, struct arena *arena, const struct log *log,
                          char *const *environment, struct request_input input)
    __attribute__((warn_unused_result));

/* A header's value by its HTTP name ("Content-Type", any case), or NULL. */
const char *request_header(const struct request *request, const char *name);

/* A CGI variable ("REMOTE_ADDR"), or NULL. */
const char *request_param(const struct request *request, const char *name);

/* The media type of Content-Type in lower case without parameters; "" when absent. */
const char *request_media_type(const struct request *request);

/* Whether Accept prefers JSON to plain text, see lib/http/accept.h. */
bool request_accepts_json(const struct request *request);

/*
 * Whether the web server has told that nobody waits for the answer: it has closed
 * the connection, or sent FCGI_ABORT_REQUEST after the body, which must have been
 * read. Once true it stays so. Costs two system calls; ask between the steps of long
 * work. nginx closes the connection when its client leaves; lighttpd 1.4.69 and
 * Apache keep it and say nothing, so false does not mean that somebody waits.
 */
bool request_client_gone(struct request *request);

/*
 * Read the body whole, at most `max` bytes; `*body` is NUL-terminated and lives
 * in memory that the request's arena releases (it is not counted against the
 * arena's ceiling). APP_TOO_LARGE, decided by Content-Length before anything is
 * read where there is one; APP_BAD_REQUEST when the body is shorter than
 * Content-Length; APP_CLIENT_GONE, also when it stalls for 10 s or takes more than
 * 30 s; APP_NO_MEMORY. Call once.
 */
enum app_err request_read_body(struct request *request, size_t max, const char **body, size_t *len)
    __attribute__((warn_unused_result));

#endif
