/* SPDX-License-Identifier: MIT */
/*
 * Serving one connection of a web server: its requests, one after the other,
 * until it is closed. With worker.c's start of the library the only place that
 * includes fcgiapp.h, and it owns the edges where that library is known to fail:
 * a request's beginning is checked and complete before the library reads it,
 * every wait has an end, standard input is read to its end or the connection is
 * closed, and large answers leave as records of up to 64 KiB without a copy.
 *
 * A struct connection is the state of one worker thread, used for all its
 * connections: connection_new, connection_serve ..., connection_free.
 */
#ifndef LIB_FCGI_CONNECTION_H
#define LIB_FCGI_CONNECTION_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/log.h"
#include "lib/fcgi/request.h"
#include "lib/fcgi/response.h"

struct connection;

/* All of it must outlive the connection. */
struct connection_options {
    int stop_fd; /* becomes readable for good when the server stops */
    const struct log *log;
    _Atomic int64_t *last_warning_ns; /* of all threads: how often they warn of their peers */
    void *context;
    /* As of struct fcgi_server_options. */
    void (*handle)(void *context, void *worker, struct request *request, struct response *response);
};

/* NULL when there is no memory. */
struct connection *connection_new(const struct connection_options *options);

/* NULLs the caller's pointer. NULL allowed. */
void connection_free(struct connection **connection);

/* Answer what comes over `fd`, a blocking stream socket; closes it. `worker` is the handler's. */
void connection_serve(struct connection *connection, int fd, void *worker);

/* Whether a second has passed since it was true last, for any thread. */
bool connection_may_warn(_Atomic int64_t *last_warning_ns);

#endif
