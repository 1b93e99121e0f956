/* SPDX-License-Identifier: MIT */
/*
 * How long each connection of a server may go on with what it is doing, private
 * to this room. libmicrohttpd's own timer starts again at every byte, so a client
 * that sends one now and then would hold its thread for ever; here a thread of
 * its own cuts a connection
 *   - that is idle or sends a request's head for longer than the idle time,
 *   - whose body brings nothing for the idle time, or takes CONNECTION_PATIENCE
 *     times that altogether,
 *   - that takes CONNECTION_PATIENCE times the idle time to accept an answer.
 * A handler may take as long as it likes.
 *
 * Life cycle: connections_new; connection_open to connection_close for each
 * connection, with connection_enter between; connections_drain, then
 * connections_free. Any thread.
 */
#ifndef LIB_HTTPD_CONNECTIONS_H
#define LIB_HTTPD_CONNECTIONS_H

#include <stdbool.h>

#include "lib/base/err.h"

enum { CONNECTION_PATIENCE = 4 };

enum connection_phase {
    CONNECTION_WAITING,   /* idle, or sending a request's head */
    CONNECTION_RECEIVING, /* a request's body; entered again at every piece */
    CONNECTION_HANDLING,
    CONNECTION_SENDING,
    CONNECTION_PHASE__MAX
};

struct connections;
struct connection;

/* APP_NO_MEMORY, also when there is no thread to be had. */
enum app_err connections_new(unsigned idle_timeout_s, struct connections **connections)
    __attribute__((warn_unused_result));

/* After every connection_close; NULLs the pointer. NULL allowed. */
void connections_free(struct connections **connections);

/* Watch the socket until connection_close; it starts in CONNECTION_WAITING. NULL: no memory. */
struct connection *connection_open(struct connections *connections, int socket);
void connection_close(struct connection *connection);

/* Go to a phase. False: the server is stopping and takes on no more handlers. */
bool connection_enter(struct connection *connection, enum connection_phase phase);

/* Whether connections_drain was called. */
bool connections_draining(struct connections *connections);

/*
 * Cut the connections that wait or receive, refuse further handlers, and return
 * when the running ones are done and their answers sent (two seconds each).
 */
void connections_drain(struct connections *connections);

#endif
