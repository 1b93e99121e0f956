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

#include "lib/base/err.h"
#include "lib/fcgi/worker.h"

struct connection;

/*
 * `stop_fd` becomes readable for good when the server stops. `last_warning_ns`
 * is shared by all threads and limits how often they warn of their peers. NULL
 * when there is no memory.
 */
struct connection *connection_new(const struct fcgi_server_options *options, int stop_fd,
                                  _Atomic int64_t *last_warning_ns);

/* NULLs the caller's pointer. NULL allowed. */
void connection_free(struct connection **connection);

/* Answer what comes over `fd`, a blocking stream socket; closes it. `worker` is the handler's. */
void connection_serve(struct connection *connection, int fd, void *worker);

/* Whether a second has passed since it was true last, for any thread. */
bool connection_may_warn(_Atomic int64_t *last_warning_ns);

#endif
