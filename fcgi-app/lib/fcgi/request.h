/* SPDX-License-Identifier: MIT */
/*
 * One request, as the web server's CGI variables and standard input describe
 * it (RFC 3875), checked.
 *
 * The path comes from REQUEST_URI up to '?', which nearly every web server hands on raw;
 * it is decoded once. Without it the path is SCRIPT_NAME and PATH_INFO, which are decoded
 * already. "%2F", "%00" and what is not UTF-8 are refused, "//", "." and ".." are not
 * resolved: they match no route.
 *
 * Made by the connection (or by tests/support/loopback) and handed to the handler;
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

/* What has come over a connection. All of it must live as long as the request. */
struct request_input {
    char *params; /* name-value pairs as in FCGI_PARAMS, and one byte more; written to */
    size_t params_len;
    bool params_cut; /* there were more of them than are kept */
    char *body;      /* with room for a NUL, written to; NULL when there is none */
    size_t body_len;
    enum app_err body_err;      /* why it is not here whole, else APP_OK */
    bool (*gone)(void *source); /* whether nobody waits for the answer; NULL: not known */
    void *source;
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
    int64_t started_ns;     /* CLOCK_MONOTONIC, when the body had come */
    struct arena *arena;    /* everything of this request's lifetime */
    struct log log;         /* the server's log with the request's ids */
    struct trace trace;     /* the one that the client's headers name, else one of our own */

    /* private to request.c */
    const struct request_param *params;
    size_t param_count;
    struct request_input input;
    bool gone; /* request_client_gone was true once */
};

/*
 * Fill `request`. The variables stay in input->params, where each gets its NUL.
 * APP_BAD_REQUEST with what is malformed in why->detail (variables, method, path,
 * CONTENT_LENGTH), APP_URI_TOO_LONG, APP_HEADERS_TOO_LARGE, APP_NO_MEMORY. On
 * an error request->id, ->trace, ->arena and ->log are valid all the same, so that
 * the answer and the log line have them. `request` must stay where it is.
 */
enum app_err request_init(struct request *request, struct arena *arena, const struct log *log,
                          const struct request_input *input, struct err_buf *why)
    __attribute__((warn_unused_result));

/* A header's value by its HTTP name ("Content-Type", any case), or NULL. Of several the first. */
const char *request_header(const struct request *request, const char *name);

/*
 * The value of a header that is a list. nginx sends a variable for each line of a repeated
 * header; they are joined by ", " (RFC 9110, section 5.3). NULL: absent, or no memory.
 */
const char *request_header_list(const struct request *request, const char *name);

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
 * The body, of at most `max` bytes; NUL-terminated, lives as long as the request.
 * APP_TOO_LARGE; APP_REQUEST_TIMEOUT: it came too slowly; APP_UNAVAILABLE: too many came
 * slowly at once; APP_BAD_REQUEST: it is shorter than Content-Length; APP_NO_MEMORY.
 */
enum app_err request_body(const struct request *request, size_t max, const char **body, size_t *len)
    __attribute__((warn_unused_result));

#endif
