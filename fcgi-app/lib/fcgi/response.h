/* SPDX-License-Identifier: MIT */
/*
 * One answer: status, headers, then the body in one call.
 *
 * A response is a small state machine: headers may be added until the body is
 * sent, the body is sent once, and doing it in another order is an error value
 * and not a corrupt answer. Every answer carries X-Request-Id, X-Content-Type-Options:
 * nosniff, Cache-Control (no-store unless it was added before: some caches keep even
 * a 404) and, but for 204 and 304, Content-Length. HEAD gets the headers only, with
 * the length that GET would have.
 *
 * Header names are our own text. Values with a control character are refused.
 * One thread.
 */
#ifndef LIB_FCGI_RESPONSE_H
#define LIB_FCGI_RESPONSE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/uio.h>

#include "lib/base/err.h"
#include "lib/fcgi/request.h"

enum response_state { RESPONSE_HEADERS, RESPONSE_SENT, RESPONSE_BROKEN };

/* Where the answer goes. Returns false when the client or web server is gone. */
struct response_output {
    /*
     * Write the header block and the body's pieces, in order. The pieces stay
     * the caller's and must be valid only during the call.
     */
    bool (*write)(void *sink, const char *head, size_t head_len, const struct iovec *pieces,
                  size_t count);
    void *sink;
};

struct response {
    const struct request *request; /* for the method, the id, Accept and the arena */
    struct response_output output;
    enum response_state state;
    int status;      /* as sent, 499 when it could not be; 0 before that */
    size_t body_len; /* bytes of body sent, for the log */
    char *head;      /* header lines so far, in the arena */
    size_t head_len;
    size_t head_capacity;
};

void response_init(struct response *response, const struct request *request,
                   struct response_output output);

/* Add a header. APP_INTERNAL after the body or with a bad value; APP_NO_MEMORY. */
enum app_err response_header(struct response *response, const char *name, const char *value);

/*
 * Send `status`, the headers and the body. `content_type` NULL: no body and no
 * type (204, 304). APP_CLIENT_GONE when it could not be written; APP_INTERNAL
 * when an answer was sent already; APP_NO_MEMORY.
 */
enum app_err response_send(struct response *response, int status, const char *content_type,
                           const void *body, size_t len);

/* The same with a body in pieces, which are never copied when they are large. */
enum app_err response_send_pieces(struct response *response, int status, const char *content_type,
                                  const struct iovec *pieces, size_t count);

/*
 * Send an error: text/plain with one printable line, or with Accept:
 * application/json a problem object (RFC 9457: type, title, status, detail,
 * code, request_id). `text` NULL or "": the code's own text. Retry-After: 1 is
 * added to 429 and 503 that have none. Headers added before stay, but for those that
 * describe the answer which it takes the place of: Cache-Control, ETag and
 * Content-Disposition. When there is no memory a 503 without any of them is sent
 * instead. APP_CLIENT_GONE sends nothing, the connection will be closed, and is
 * returned; other errors as response_send.
 */
enum app_err response_error(struct response *response, enum app_err err, const char *text);

#endif
