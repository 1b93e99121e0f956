/* SPDX-License-Identifier: MIT */
/*
 * A small HTTP server for what is not the product itself: health pages, the
 * face detection service, and the origin server of our tests. The only module
 * that includes libmicrohttpd.
 *
 * A thread a connection, so that one slow answer holds up nobody else; the
 * number of connections is limited (one more is closed at once), and so is
 * the time that a client may be idle, take to send a request or to accept its
 * answer (see connections.h). Request bodies are read whole, up to a ceiling,
 * before the handler runs; one that is larger is answered with 413, a multipart
 * body that is cut off with 400. Paths and methods are the handler's business;
 * HEAD is passed to it too, and its answer goes out without the body.
 *
 * httpd_start after the signals are blocked; handlers run in the server's
 * threads, several at once; httpd_stop ends them all.
 */
#ifndef LIB_HTTPD_HTTPD_H
#define LIB_HTTPD_HTTPD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/base/log.h"

struct httpd;
struct httpd_exchange; /* private */

struct httpd_request {
    const char *method;
    const char *path; /* decoded (but %00 stays), without the query */
    const char *body; /* raw body, NUL-terminated; "" when it was multipart */
    size_t body_len;
    const char *content_type;        /* media type in lower case, "" when absent */
    struct httpd_exchange *exchange; /* NULL in a test's own: it has no headers, no fields */
};

/* A header's value or NULL; valid during the handler. Names in any case. */
const char *httpd_request_header(const struct httpd_request *request, const char *name);

/*
 * A field of a multipart/form-data or application/x-www-form-urlencoded body,
 * or NULL; `*len` is its size. Bytes, not text, with a NUL behind them; valid
 * during the handler. The first of several with that name; those after the
 * LIMIT_HTTPD_FIELDS-th field of a body are not seen.
 */
const char *httpd_request_field(const struct httpd_request *request, const char *name, size_t *len);

/* Fill in the answer; starts as 200 with no body. */
struct httpd_response {
    int status;
    const char *content_type; /* static */
    struct buf body;          /* at most LIMIT_HTTPD_ANSWER; released by the server */
    const char *extra_name;   /* one further header, NULL: none */
    char extra_value[256];
};

typedef void httpd_handler(void *context, const struct httpd_request *request,
                           struct httpd_response *response);

struct httpd_options {
    const char *address; /* numeric or name; "" means every address */
    uint16_t port;       /* 0: any free one, see httpd_port */
    unsigned max_connections;
    size_t max_body;         /* larger: 413 */
    unsigned idle_timeout_s; /* of a connection, at least 1 */
    httpd_handler *handler;
    void *context;
    const struct log *log; /* outlives the server */
};

/* Listen and serve. APP_CONFIG with the reason in why->text when it cannot; APP_NO_MEMORY. */
enum app_err httpd_start(const struct httpd_options *options, struct httpd **httpd,
                         struct err_buf *why) __attribute__((warn_unused_result));

/* The port that is listened on. */
uint16_t httpd_port(const struct httpd *httpd);

/*
 * Stop listening, cut idle connections, let running handlers end and their
 * answers go out, free everything; NULLs the pointer. NULL allowed.
 */
void httpd_stop(struct httpd **httpd);

#endif
