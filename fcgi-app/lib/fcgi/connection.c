/* SPDX-License-Identifier: MIT */
/*
 * The library is driven through the fields of FCGX_Request, as its own
 * FCGX_Accept_r does: we put the connection in ipcFd and take it out again. So
 * we close it, too: the library's close waits up to two seconds for the peer
 * and, of one that keeps sending, for ever.
 */
#include "lib/fcgi/connection.h"

#include <errno.h>
#include <fcgiapp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/limits.h"
#include "lib/fcgi/lookout.h"
#include "lib/fcgi/protocol.h"
#include "lib/fcgi/sender.h"

enum {
    BEGINNING_MS = 3000,     /* from the connection, or the first byte, to the end of PARAMS */
    BEGINNING_STOP_MS = 250, /* the same when the server is stopping */
    KEEP_IDLE_MS = 2000,     /* a kept connection has a thread to itself, so not for long */
    BODY_STALL_MS = 10000,   /* between two bytes of standard input */
    BODY_TOTAL_MS = 30000,
    SEND_STALL_MS = 10000, /* between two bytes of an answer */
    SEND_TOTAL_MS = 60000,
    DRAIN_MS = 3000, /* for input that nobody wanted */
    DRAIN_MAX = 1024 * 1024,
    LINGER_MS = 500,
    RECHECK_MAX_MS = 32,
    PEEK_LEN = 64, /* the end of standard input, padded, and an abort */
    /* What the library's buffer takes beside record headers, END_REQUEST and padding. */
    SMALL_ANSWER = 8 * 1024 - 64
};

struct connection {
    struct connection_options options;
    struct arena *arena;
    unsigned char *peeked;

    /* of the connection in hand */
    FCGX_Request fcgi;
    int fd;

    /* of the request in hand */
    bool input_complete; /* all of standard input has come: reading it never waits */
    bool broken;         /* the answer could not be written */
    int64_t input_deadline_ns;
};

bool connection_may_warn(_Atomic int64_t *last_warning_ns)
{
    int64_t now = clock_now_ns();
    int64_t last = atomic_load_explicit(last_warning_ns, memory_order_relaxed);
    return now - last >= NS_PER_S && atomic_compare_exchange_strong(last_warning_ns, &last, now);
}

struct connection *connection_new(const struct connection_options *options)
{
    struct connection *connection = calloc(1, sizeof(*connection));
    if (!connection)
        return NULL;
    connection->options = *options;
    connection->fd = -1;
    connection->arena = arena_new(LIMIT_REQUEST_ARENA);
    connection->peeked = malloc(PROTOCOL_BEGINNING_MAX);
    FCGX_InitRequest(&connection->fcgi, -1, 0);
    if (!connection->arena || !connection->peeked)
        connection_free(&connection);
    return connection;
}

void connection_free(struct connection **connection)
{
    if (!*connection)
        return;
    arena_free(&(*connection)->arena);
    free((*connection)->peeked);
    free(*connection);
    *connection = NULL;
}

/* --- Waiting for a request --- */

/* Whether a kept connection brings something before it has been idle for too long. */
static bool wait_for_next(const struct connection *connection)
{
    struct pollfd fds[] = {{connection->fd, POLLIN, 0}, {connection->options.stop_fd, POLLIN, 0}};
    int64_t deadline = deadline_in_ms(KEEP_IDLE_MS);
    int ready;
    lookout_yield_mine();
    do
        ready = poll(fds, 2, (int)deadline_left_ms(deadline));
    while (ready < 0 && errno == EINTR);
    return ready > 0 && fds[1].revents == 0;
}

struct patience {
    int64_t deadline_ns;
    int64_t recheck_ms; /* grows, since what has been peeked at keeps the socket readable */
    bool stopping;
    bool hung_up;
};

/* Wait for more than the `have` bytes that are there; false: none will come. */
static bool wait_for_more(const struct connection *connection, size_t have,
                          struct patience *patience)
{
    int64_t left = deadline_left_ms(patience->deadline_ns);
    if (left == 0 || patience->hung_up)
        return false;
    lookout_yield_mine();
    if (have > 0) {
        left = left < patience->recheck_ms ? left : patience->recheck_ms;
        if (patience->recheck_ms < RECHECK_MAX_MS)
            patience->recheck_ms *= 2;
    }
    short events = have > 0 ? POLLRDHUP : POLLIN | POLLRDHUP;
    struct pollfd fds[] = {{connection->fd, events, 0}, {connection->options.stop_fd, POLLIN, 0}};
    int ready = poll(fds, patience->stopping ? 1 : 2, (int)left);
    if (ready > 0 && (fds[0].revents & (POLLRDHUP | POLLHUP | POLLERR)))
        patience->hung_up = true; /* but look once more at what came before */
    if (ready > 0 && !patience->stopping && fds[1].revents) {
        patience->stopping = true;
        patience->deadline_ns =
            deadline_min(patience->deadline_ns, deadline_in_ms(BEGINNING_STOP_MS));
    }
    return true;
}

static void warn_of_peer(const struct connection *connection, const char *reason)
{
    if (connection_may_warn(connection->options.last_warning_ns))
        log_warn(connection->options.log, "Connection closed", LOG_FIELDS(LOG_STR("why", reason)));
}

/* Whether a request's beginning is there, whole and well-formed. Reads nothing. */
static bool await_beginning(struct connection *connection)
{
    struct patience patience = {deadline_in_ms(BEGINNING_MS), 1, false, false};
    struct beginning beginning = {0};
    size_t have = 0;
    for (;;) {
        ssize_t len = recv(connection->fd, connection->peeked, PROTOCOL_BEGINNING_MAX,
                           MSG_PEEK | MSG_DONTWAIT);
        if (len == 0 || (len < 0 && errno != EAGAIN && errno != EINTR))
            return false;
        have = len > 0 ? (size_t)len : 0;
        enum beginning_state state = protocol_check_beginning(connection->peeked, have, &beginning);
        if (state == BEGINNING_READY) {
            connection->input_complete = beginning.complete;
            return true;
        }
        if (state == BEGINNING_PARTIAL && have == PROTOCOL_BEGINNING_MAX) {
            state = BEGINNING_BAD;
            beginning.reason = "PARAMS that are too long";
        }
        if (state == BEGINNING_BAD) {
            warn_of_peer(connection, beginning.reason);
            return false;
        }
        if (!wait_for_more(connection, have, &patience))
            break;
    }
    if (!patience.stopping && !patience.hung_up)
        warn_of_peer(connection, "no request within the time limit");
    return false;
}

/* --- Reading standard input --- */

static void set_receive_timeout(int fd, int64_t ms)
{
    struct timeval limit = {ms / 1000, (ms % 1000) * 1000};
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
}

/*
 * One byte, or EOF. A read with a time limit is never restarted after a signal,
 * and the library takes EINTR for the end: without this the profiler's SIGPROF
 * would break uploads.
 */
static int read_first_byte(struct connection *connection)
{
    if (connection->input_complete)
        return FCGX_GetChar(connection->fcgi.in);
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int byte = FCGX_GetChar(connection->fcgi.in);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return byte;
}

/*
 * A request_input. Only what the library has in its buffer is asked for beyond
 * the first byte: FCGX_GetStr would wait until it had it all, so a peer that
 * sends now and then a byte would never meet the deadline.
 */
static ptrdiff_t read_input(void *source, char *out, size_t size)
{
    struct connection *connection = source;
    FCGX_Stream *in = connection->fcgi.in;
    if (size == 0 || FCGX_GetError(in) != 0)
        return FCGX_GetError(in) != 0 ? -1 : 0;
    size_t len = 0;
    if (in->rdNext == in->stop) {
        if (clock_now_ns() >= connection->input_deadline_ns)
            return -1;
        int byte = read_first_byte(connection);
        if (byte == EOF)
            return FCGX_GetError(in) != 0 ? -1 : 0;
        out[len++] = (char)byte;
    }
    size_t buffered = (size_t)(in->stop - in->rdNext);
    size_t rest = size - len < buffered ? size - len : buffered;
    if (rest > 0)
        len += (size_t)FCGX_GetStr(out + len, (int)rest, in);
    return (ptrdiff_t)len;
}

/* Of a socket of this machine; over TCP a close of both directions looks like one of sending. */
static short events_of_closing(int fd)
{
    int domain = AF_UNIX;
    socklen_t len = sizeof(domain);
    (void)getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &len);
    return domain == AF_UNIX ? POLLHUP | POLLERR : POLLHUP | POLLERR | POLLRDHUP;
}

/*
 * A request_input's `gone`. What the library has not read yet is peeked at: behind
 * the body's last record an abort can follow. A body that is read in part only may
 * look like one, which ends that client's own request.
 */
static bool peer_gone(void *source)
{
    const struct connection *connection = source;
    const short closing = events_of_closing(connection->fd);
    struct pollfd pollfd = {connection->fd, closing, 0};
    pollfd.events |= POLLIN;
    if (poll(&pollfd, 1, 0) <= 0)
        return false;
    if (pollfd.revents & closing)
        return true;
    unsigned char waiting[PEEK_LEN];
    ssize_t len = recv(connection->fd, waiting, sizeof(waiting), MSG_PEEK | MSG_DONTWAIT);
    return len > 0 && protocol_is_abort(waiting, (size_t)len, connection->fcgi.requestId);
}

/* Read what the handler left; true: to its end, the connection holds nothing of this request. */
static bool drain_input(struct connection *connection)
{
    if (!connection->input_complete) {
        set_receive_timeout(connection->fd, DRAIN_MS);
        connection->input_deadline_ns = deadline_in_ms(DRAIN_MS);
    }
    char trash[4096];
    for (size_t total = 0; total < DRAIN_MAX;) {
        ptrdiff_t len = read_input(connection, trash, sizeof(trash));
        if (len <= 0)
            return len == 0;
        total += (size_t)len;
    }
    return false;
}

/* --- Answering --- */

/* Through the library's buffer an answer, its end and the request's leave in one write. */
static bool put_small(struct connection *connection, const char *head, size_t head_len,
                      const struct iovec *pieces, size_t count)
{
    FCGX_Stream *out = connection->fcgi.out;
    bool ok = FCGX_PutStr(head, (int)head_len, out) >= 0;
    for (size_t i = 0; ok && i < count; i++) {
        if (pieces[i].iov_len > 0)
            ok = FCGX_PutStr(pieces[i].iov_base, (int)pieces[i].iov_len, out) >= 0;
    }
    return ok;
}

/* A response_output. An answer is whole, so it ends the request for the web server. */
static bool write_answer(void *sink, const char *head, size_t head_len, const struct iovec *pieces,
                         size_t count)
{
    struct connection *connection = sink;
    size_t total = head_len;
    for (size_t i = 0; i < count; i++)
        total += pieces[i].iov_len;

    bool ok;
    bool is_large = total > SMALL_ANSWER;
    if (!is_large) {
        ok = put_small(connection, head, head_len, pieces, count);
    } else {
        const struct sender_limits limits = {SEND_STALL_MS, SEND_TOTAL_MS};
        lookout_yield_mine();
        ok = sender_send_stdout(connection->fd, connection->fcgi.requestId, &limits, head, head_len,
                                pieces, count);
    }
    bool ended =
        ok && FCGX_FClose(connection->fcgi.err) == 0 && FCGX_FClose(connection->fcgi.out) == 0;
    connection->broken = !ended;
    return ended || (ok && is_large && sender_peer_has_all(connection->fd));
}

static void answer(struct connection *connection, void *worker)
{
    const struct connection_options *options = &connection->options;
    struct request request;
    enum app_err err =
        request_init(&request, connection->arena, options->log, connection->fcgi.envp,
                     (struct request_input){read_input, connection, peer_gone});
    struct response response;
    response_init(&response, &request, (struct response_output){write_answer, connection});
    if (err == APP_OK) {
        options->handle(options->context, worker, &request, &response);
        if (response.state == RESPONSE_HEADERS) {
            log_warn(&request.log, "The handler gave no answer",
                     LOG_FIELDS(LOG_STR("path", request.path)));
            err = APP_INTERNAL;
        }
    } else {
        log_info(&request.log, "Request refused", LOG_FIELDS(LOG_STR("error", app_err_slug(err))));
    }
    if (err != APP_OK)
        (void)response_error(&response, err, NULL);
    if (response.state != RESPONSE_SENT)
        connection->broken = true;
}

/* --- A connection --- */

/*
 * Closing a socket that holds unread bytes resets it, and the peer may lose the
 * answer; so let the peer close first, for a while.
 */
static void linger(int fd)
{
    char trash[4096];
    int64_t deadline = deadline_in_ms(LINGER_MS);
    int64_t left;
    lookout_yield_mine();
    if (shutdown(fd, SHUT_WR) != 0)
        return;
    while ((left = deadline_left_ms(deadline)) > 0) {
        struct pollfd readable = {fd, POLLIN, 0};
        int ready = poll(&readable, 1, (int)left);
        if (ready < 0 && errno == EINTR)
            continue;
        if (ready <= 0 || recv(fd, trash, sizeof(trash), MSG_DONTWAIT) <= 0)
            return;
    }
}

/* Let the library read the request whose beginning is there; false: it closed the connection. */
static bool accept_request(struct connection *connection)
{
    FCGX_Request *fcgi = &connection->fcgi;
    fcgi->ipcFd = connection->fd;
    fcgi->listen_sock = -1;
    /* Without it FCGX_Accept_r would close ipcFd as that of the last request. */
    fcgi->keepConnection = 1;
    /* Detached: when it closes the connection, it does not wait for the peer. */
    (void)FCGX_Detach(fcgi);
    return FCGX_Accept_r(fcgi) == 0;
}

/* Serve the request whose beginning is there; true: the connection may bring another. */
static bool serve_request(struct connection *connection, void *worker)
{
    FCGX_Request *fcgi = &connection->fcgi;
    if (!accept_request(connection)) {
        connection->fd = -1;
        return false;
    }
    connection->broken = false;
    connection->input_deadline_ns = INT64_MAX;
    if (!connection->input_complete) {
        lookout_yield_mine();
        connection->input_deadline_ns = deadline_in_ms(BODY_TOTAL_MS);
        set_receive_timeout(connection->fd, BODY_STALL_MS);
    }
    answer(connection, worker);

    bool keep = fcgi->keepConnection != 0;
    bool clean = false;
    if (!connection->broken && (keep || connection->input_complete))
        clean = drain_input(connection);
    arena_reset(connection->arena);
    FCGX_Free(fcgi, 0);
    fcgi->ipcFd = -1;
    if (!connection->broken && !clean)
        linger(connection->fd);
    return keep && clean;
}

/* The library writes small answers with a plain write(2), so this bounds it. */
static void prepare_socket(int fd)
{
    struct timeval limit = {SEND_STALL_MS / 1000, 0};
    (void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
}

void connection_serve(struct connection *connection, int fd, void *worker)
{
    connection->fd = fd;
    prepare_socket(fd);
    while (await_beginning(connection) && serve_request(connection, worker) &&
           wait_for_next(connection))
        ;
    if (connection->fd >= 0)
        (void)close(connection->fd);
    connection->fd = -1;
}
