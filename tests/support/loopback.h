/* SPDX-License-Identifier: MIT */
/*
 * A request without a socket: made from CGI variables and a body, handed to a
 * handler, and what it answers is kept to be looked at.
 *
 *     struct loopback loopback;
 *     loopback_init(&loopback, (const char *const[]){"REQUEST_METHOD=GET",
 *                                                    "REQUEST_URI=/health", NULL}, NULL, 0);
 *     my_handler(context, &loopback.request, &loopback.response);
 *     assert_int_equal(loopback.response.status, 200);
 *     assert_string_equal(loopback_header(&loopback, "Content-Type"), "text/plain");
 *     assert_string_equal(loopback.body.data, "OK\n");
 *     loopback_release(&loopback);
 *
 * A test that cannot get memory ends with a failed assertion.
 */
#ifndef TESTS_SUPPORT_LOOPBACK_H
#define TESTS_SUPPORT_LOOPBACK_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/base/arena.h"
#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/base/log.h"
#include "lib/fcgi/request.h"
#include "lib/fcgi/response.h"

struct loopback {
    enum app_err init_err; /* what request_init said */
    struct err_buf why;    /* and wrote */
    struct request request;
    struct response response;
    struct buf head; /* as written: "Status: 200 OK\r\n..."; empty when nothing was */
    struct buf body; /* data is never NULL */
    unsigned writes; /* answers written: 1 */

    /* What the other side does; set between loopback_init and the handler. */
    bool peer_gone; /* nothing can be written */
    bool left;      /* the client has gone, and the web server tells */

    /* private */
    struct arena *arena;
    struct log_sink sink;
    struct log log;
    char *params;
    char *sent;
    char value[1024];
};

/* `environment` ends with NULL; it and the body are copied. */
void loopback_init(struct loopback *loopback, const char *const *environment, const void *body,
                   size_t len);

void loopback_release(struct loopback *loopback);

/* A header of the answer by its name, any case; NULL when absent. Valid until the next call. */
const char *loopback_header(struct loopback *loopback, const char *name);

/* How often the answer has that header. */
unsigned loopback_header_count(const struct loopback *loopback, const char *name);

#endif
