/* SPDX-License-Identifier: MIT */
#include "lib/fcgi/server_private.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/base/clock.h"

enum {
    RETRY_MS = 50,         /* when there is no descriptor or memory for a connection */
    SWEEP_MS = 500,        /* between two looks for connections whose time is up */
    ACCEPTS_IN_A_ROW = 16, /* before those that wait already are looked at */
    FIRST_BYTES_MS = 2,
    STOP_LOOK_MS = 1,
    STOP_SWEEP_MS = 10,
    STOP_ACCEPT_MS = 1000 /* where other processes share the socket new ones may come for ever */
};

/* --- Accepting --- */

/* Without a free descriptor accept fails also when nobody waits. */
static bool somebody_waits(const struct fcgi_server *server)
{
    struct pollfd waiting = {server->options.listen_fd, POLLIN, 0};
    return poll(&waiting, 1, 0) > 0;
}

/* There is no descriptor or memory: close an idle connection, or wait for better times. */
static void make_descriptor(struct fcgi_server *server, int error)
{
    struct connection *idle = watch_take_idle(server->watch);
    if (idle) {
        connection_free(&idle);
        return;
    }
    if (connection_may_warn(&server->context.last_warning_ns))
        log_warn(&server->log, "Cannot accept a connection",
                 LOG_FIELDS(LOG_STR("error", strerrordesc_np(error))));
    struct pollfd stop = {server->stop_fd, POLLIN, 0};
    (void)poll(&stop, 1, RETRY_MS);
}

/*
 * Of every error that is not one connection's own a later try may succeed; the
 * thread must survive them all, for nobody would start another.
 */
static void accept_failed(struct fcgi_server *server, int error)
{
    switch (error) {
    case EAGAIN: /* another process was faster */
    case EINTR:
    case ECONNABORTED:
    case EPROTO:
    case EPERM:    /* a firewall rule */
    case EINVAL:   /* it was shut */
    case ENOTSOCK: /* let_go_of_listener was faster */
        return;
    default:
        if (somebody_waits(server))
            make_descriptor(server, error);
    }
}

/* Accept a connection that waits; NULL with errno. */
static struct connection *accept_connection(struct fcgi_server *server)
{
    int fd = accept4(server->options.listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0)
        return NULL;
    if (server->is_tcp) {
        int on = 1;
        (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    }
    if (atomic_load(&server->context.alive) >= server->options.limits.connections) {
        struct connection *idle = watch_take_idle(server->watch);
        if (idle)
            connection_free(&idle);
    }
    struct connection *connection = connection_new(fd, !server->is_tcp, &server->context);
    if (!connection) {
        (void)close(fd);
        errno = ENOMEM;
    }
    return connection;
}

/* --- On the lookout --- */

static struct connection *try_accept(struct fcgi_server *server)
{
    struct connection *connection = accept_connection(server);
    if (!connection)
        accept_failed(server, errno);
    return connection;
}

/*
 * Nobody was woken for a connection that waits already, so one is accepted without asking
 * the watch where that is likely.
 */
static struct connection *await_connection(struct fcgi_server *server, int timeout_ms)
{
    struct lookout_state *look = &server->look;
    struct connection *connection = NULL;
    if (look->accept_first && look->accepts++ < ACCEPTS_IN_A_ROW)
        connection = try_accept(server);
    if (connection)
        return connection;
    look->accepts = 0;
    enum watch_event event = watch_wait(server->watch, timeout_ms, &connection);
    look->accept_first = event == WATCH_LISTENER;
    return event == WATCH_LISTENER ? try_accept(server) : connection;
}

/* A connection that has waited for too long, unless something has come meanwhile. */
static enum connection_need look_after(struct fcgi_thread *self, struct connection *connection)
{
    enum connection_need need = connection_go_on(connection, &self->lent);
    bool waits = need == NEED_INPUT || need == NEED_OUTPUT;
    if (waits && connection_deadline(connection) <= clock_now_ns())
        need = connection_give_up(connection);
    return need;
}

/* Answer its requests, then leave the connection to the watch. */
static void answer_and_leave(struct fcgi_thread *self, struct connection *connection,
                             enum connection_need need)
{
    while (need == NEED_WORKER)
        need = connection_answer(connection, &self->lent);
    if (need == NEED_CLOSE || !watch_put(self->server->watch, connection, need))
        connection_free(&connection);
}

/* Go on with a connection until it has to wait. */
static void serve(struct fcgi_thread *self, struct connection *connection, bool is_late)
{
    struct fcgi_server *server = self->server;
    lookout_begin(server->lookout, &self->member);
    atomic_fetch_add(&server->in_hand, 1);
    answer_and_leave(self, connection,
                     is_late ? look_after(self, connection)
                             : connection_go_on(connection, &self->lent));
    atomic_fetch_sub(&server->in_hand, 1);
    lookout_end(&self->member);
}

/* A connection whose time is up, or one that something has come over; NULL: none yet. */
static struct connection *next_connection(struct fcgi_server *server, bool *is_late)
{
    struct lookout_state *look = &server->look;
    bool any = atomic_load(&server->context.alive) > 0;
    int64_t now_ns = any ? clock_now_ns() : 0;
    *is_late = now_ns > look->sweep_ns;
    if (*is_late) {
        struct connection *late = watch_take_late(server->watch, now_ns);
        if (late)
            return late;
        look->sweep_ns = now_ns + SWEEP_MS * NS_PER_MS;
        *is_late = false;
    }
    return await_connection(server, any ? SWEEP_MS : -1);
}

static void look(struct fcgi_thread *self)
{
    bool is_late;
    struct connection *connection = next_connection(self->server, &is_late);
    if (connection)
        serve(self, connection, is_late);
}

/* --- All on the lookout --- */

/* Let another thread wait at the watch. */
static void call_for_watcher(struct fcgi_server *server)
{
    const uint64_t one = 1;
    atomic_store(&server->watched, false);
    (void)!write(server->watch_fd, &one, sizeof(one));
}

/*
 * Wait at the watch until there is a request to be answered, and answer it. New connections
 * come here when all other threads are busy.
 */
static void keep_watch(struct fcgi_thread *self)
{
    struct fcgi_server *server = self->server;
    enum connection_need need = NEED_INPUT;
    struct connection *connection = NULL;
    while (need != NEED_WORKER && !atomic_load(&server->context.stopping)) {
        bool is_late;
        connection = next_connection(server, &is_late);
        if (!connection)
            continue;
        need = is_late ? look_after(self, connection) : connection_go_on(connection, &self->lent);
        if (need != NEED_WORKER)
            answer_and_leave(self, connection, need);
    }
    atomic_fetch_add(&server->in_hand, need == NEED_WORKER);
    call_for_watcher(server);
    if (need != NEED_WORKER)
        return;
    answer_and_leave(self, connection, need);
    atomic_fetch_sub(&server->in_hand, 1);
}

/* The web server has connected and is about to write: that is not worth another thread. */
static void await_first_bytes(int fd)
{
    struct pollfd readable = {fd, POLLIN, 0};
    (void)poll(&readable, 1, FIRST_BYTES_MS);
}

static void look_beside_others(struct fcgi_thread *self)
{
    struct fcgi_server *server = self->server;
    struct epoll_event event;
    uint64_t calls;
    if (!atomic_exchange(&server->watched, true)) {
        keep_watch(self);
        return;
    }
    if (epoll_wait(self->epoll_fd, &event, 1, -1) <= 0)
        return;
    if (event.data.fd == server->watch_fd)
        (void)!read(server->watch_fd, &calls, sizeof(calls));
    if (event.data.fd != server->options.listen_fd)
        return;
    struct connection *connection = try_accept(server);
    if (!connection)
        return;
    await_first_bytes(connection->fd);
    serve(self, connection, false);
}

/* --- Stopping --- */

/*
 * A stop also finds requests that nobody has accepted yet. Their web server has sent them,
 * and would not send them again: they are answered as well.
 */
static struct connection *accept_last(struct fcgi_server *server)
{
    struct lookout_state *look = &server->look;
    if (look->stop_ns == 0)
        look->stop_ns = deadline_in_ms(STOP_ACCEPT_MS);
    /* Before the look: what it does not see is nowhere. */
    bool has_let_go = atomic_load(&server->has_let_go);
    struct connection *connection = accept_connection(server);
    bool in_time = atomic_load(&server->shut) || deadline_left_ms(look->stop_ns) > 0;
    if (!in_time || (!connection && has_let_go))
        look->stopped_accepting = true;
    return connection;
}

/* As look, until there is no connection left. */
static void look_while_stopping(struct fcgi_thread *self)
{
    struct fcgi_server *server = self->server;
    struct lookout_state *look = &server->look;
    int64_t until_ns = atomic_load(&server->abandon) ? INT64_MAX : clock_now_ns();
    struct connection *connection = look->stopped_accepting ? NULL : accept_last(server);
    if (connection) {
        serve(self, connection, false);
        return;
    }
    connection = watch_take_late(server->watch, until_ns);
    if (connection && until_ns == INT64_MAX) {
        connection_free(&connection);
        return;
    }
    if (connection) {
        serve(self, connection, true);
        return;
    }
    unsigned others = until_ns == INT64_MAX ? atomic_load(&server->in_hand) : 0;
    if (look->stopped_accepting && atomic_load(&server->context.alive) <= others) {
        lookout_stop(server->lookout);
        return;
    }
    if (watch_wait(server->watch, 0, &connection) == WATCH_CONNECTION)
        serve(self, connection, false);
    else
        (void)poll(NULL, 0, look->stopped_accepting ? STOP_SWEEP_MS : STOP_LOOK_MS);
}

void look_take_connections(struct fcgi_thread *self)
{
    struct fcgi_server *server = self->server;
    while (lookout_take(server->lookout, &self->member)) {
        if (atomic_load(&server->context.stopping))
            look_while_stopping(self);
        else if (server->options.quick)
            look(self);
        else
            look_beside_others(self);
    }
}
