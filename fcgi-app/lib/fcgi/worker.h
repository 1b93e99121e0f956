/* SPDX-License-Identifier: MIT */
/*
 * The FastCGI side of the process: worker threads that answer the requests of one listening
 * socket. A thread reads what connections bring without waiting for any of them, and a
 * request is answered as soon as it is whole. So neither an idle connection nor a slow
 * body nor a slow reader holds a thread. A full descriptor table waits and tries again
 * instead of losing the thread. Nobody is authenticated here, and FCGI_WEB_SERVER_ADDRS is
 * not looked at: who can connect is trusted as the web server is, so guard the socket.
 *
 * Life cycle: fcgi_listen, fcgi_server_start after the signals are blocked and
 * the other libraries are up, fcgi_server_stop, fcgi_server_free. start, stop
 * and free from one thread; handlers run in the worker threads.
 */
#ifndef LIB_FCGI_WORKER_H
#define LIB_FCGI_WORKER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/err.h"
#include "lib/base/log.h"
#include "lib/fcgi/connection.h"
#include "lib/fcgi/request.h"
#include "lib/fcgi/response.h"

struct fcgi_server;

struct fcgi_server_options {
    int listen_fd;    /* stays the caller's */
    bool let_go;      /* the stop closes the socket, its number is /dev/null's then; or shuts it */
    bool is_own;      /* no other process has the socket: a stop that lets it go may shut it */
    unsigned workers; /* threads, at least 1 */
    /*
     * Most requests are answered without waiting, so one thread at a time looks out
     * (lib/fcgi/lookout.h). Else all wait at the listening socket, but one that waits for the
     * connections which are here: that is cheaper where nearly every request makes its thread
     * wait, and another would have to be woken each time.
     */
    bool quick;
    struct fcgi_limits limits; /* what is 0 gets its default */
    const struct log *log;     /* copied; its sink must outlive the server */
    void *context;             /* handed to the three functions */
    /*
     * Run in each new thread before it takes requests: `*worker` is what the
     * other two are handed. An error fails the start, then worker_release is not
     * run for it. Both may be NULL: no state.
     */
    enum app_err (*worker_init)(void *context, void **worker, struct err_buf *why);
    void (*worker_release)(void *context, void *worker);
    /*
     * Answer one request, which request_init has accepted. When it returns
     * without having sent anything, the answer is 500. The web server has the
     * whole answer as soon as it is sent, also while this still runs.
     */
    void (*handle)(void *context, void *worker, struct request *request, struct response *response);
};

/*
 * The listening socket: `address` is a path ("/run/x.sock" or "unix:/run/x.sock")
 * or host:port; NULL takes descriptor 0, as lighttpd, mod_fcgid, spawn-fcgi and
 * systemd (StandardInput=socket) hand it over. A path's stale socket is
 * replaced, a living one is not; the new one has mode 0600. For an inherited
 * Unix socket that we own the mode is tightened to 0600 too, for lighttpd
 * creates it with the umask only; but a group that may write to it keeps that
 * right. fcgi_listen_release closes *fd and removes a path's socket. APP_CONFIG
 * with the reason in why->text.
 */
enum app_err fcgi_listen(const char *address, int *fd, struct err_buf *why)
    __attribute__((warn_unused_result));
void fcgi_listen_release(const char *address, int fd);

/*
 * Start the threads; returns when all have run worker_init. The listening socket
 * becomes non-blocking. On an error nothing is left: what worker_init returned,
 * APP_CONFIG (not a usable socket), APP_NO_MEMORY, APP_INTERNAL; the reason is in
 * why->text.
 */
enum app_err fcgi_server_start(const struct fcgi_server_options *options,
                               struct fcgi_server **server, struct err_buf *why)
    __attribute__((warn_unused_result));

/*
 * Stop accepting and wait until the requests that have begun are answered, at most
 * `grace_ms`; those whose connections wait to be accepted, too. Connections without a request
 * are closed at once. Returns the number of threads that are still busy then (0: all done, and
 * worker_release has run in each); with some left the process should leave by _exit, for they
 * use what the caller would free.
 */
unsigned fcgi_server_stop(struct fcgi_server *server, int64_t grace_ms);

/*
 * Called by a handler before it waits for anything or computes for more than a millisecond:
 * from then on another thread is on the lookout. A handler that does not call it delays other
 * requests by some milliseconds. May be called again, and in any thread.
 */
void fcgi_worker_yield(void);

/* Free a server that stopped with 0 busy threads; NULLs the caller's pointer. */
void fcgi_server_free(struct fcgi_server **server);

#endif
