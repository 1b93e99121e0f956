/* SPDX-License-Identifier: MIT */
/*
 * The connections that no worker holds, and the listening socket. One thread at a time waits
 * (lookout.h); any thread may put a connection in. A thousand idle connections cost their
 * memory and nothing else.
 */
#ifndef LIB_FCGI_WATCH_H
#define LIB_FCGI_WATCH_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/err.h"
#include "lib/fcgi/connection.h"

struct watch;

enum watch_event { WATCH_NOTHING, WATCH_LISTENER, WATCH_STOP, WATCH_CONNECTION };

/* `stop_fd` stays the caller's. APP_NO_MEMORY, APP_INTERNAL. */
enum app_err watch_new(int stop_fd, struct watch **watch) __attribute__((warn_unused_result));

/*
 * Watch the listening socket, too, which stays the caller's. Of several that wait at one with
 * EPOLLEXCLUSIVE the kernel wakes the first that has come, so who is added last is woken when
 * all others are busy. Once, before any thread waits. APP_INTERNAL.
 */
enum app_err watch_add_listener(struct watch *watch, int listen_fd)
    __attribute__((warn_unused_result));

/* Frees the connections in it, too. NULLs the caller's pointer; NULL allowed. */
void watch_free(struct watch **watch);

/*
 * Wait for one event, at most `timeout_ms` (-1: without end). WATCH_CONNECTION: the caller
 * has `*connection` from now on. WATCH_NOTHING also comes early. WATCH_STOP comes
 * again and again while `stop_fd` is readable, taking turns with other events.
 */
enum watch_event watch_wait(struct watch *watch, int timeout_ms, struct connection **connection);

/* Watch for what the connection needs: NEED_INPUT or NEED_OUTPUT. False: it cannot be. */
bool watch_put(struct watch *watch, struct connection *connection, enum connection_need need)
    __attribute__((warn_unused_result));

/* Take out a connection whose deadline has passed; NULL: there is none. */
struct connection *watch_take_late(struct watch *watch, int64_t now_ns);

/* Take out the connection that has been without a request for the longest time, or NULL. */
struct connection *watch_take_idle(struct watch *watch);

/*
 * Have the slowest connection give its memory back, if it is slower than `rate`; what is
 * to be said to its web server is said by the thread that waits. False: there is none.
 */
bool watch_evict(struct watch *watch, int64_t rate);

/* No events of the listening socket from now on. Any thread. */
void watch_forget_listener(struct watch *watch);

#endif
