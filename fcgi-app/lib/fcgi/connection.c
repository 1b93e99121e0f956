/* SPDX-License-Identifier: MIT */
#include "lib/fcgi/connection.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/secret.h"
#include "lib/fcgi/lookout.h"
#include "lib/fcgi/sender.h"
#include "lib/fcgi/watch.h"

enum {
    TURN_BYTES = 512 * 1024, /* read in one go, so that nobody else waits for long */
    LEAVE_MS = 2000,
    STOP_BEGINNING_MS = 250, /* for a request that has begun when the server stops */
    STOP_LEAVE_MS = 250,
    /*
     * A web server that finds a kept connection closed while it sends a request has lost the
     * request. So one that was used a moment ago, and may be used again now, is closed behind its
     * next answer. One that has been idle for longer is hardly the next to be used.
     */
    STOP_IDLE_MS = 300,
    /* A worker waits for a reader so long before the rest of the answer is copied. */
    PATIENCE_MS = 100,
    PATIENCE_TOTAL_MS = 1000,
    PEEK_LEN = 64 /* the end of standard input, padded, and an abort */
};

bool connection_may_warn(_Atomic int64_t *last_warning_ns)
{
    int64_t now = clock_now_ns();
    int64_t last = atomic_load_explicit(last_warning_ns, memory_order_relaxed);
    return now - last >= NS_PER_S && atomic_compare_exchange_strong(last_warning_ns, &last, now);
}

static void warn_of_peer(struct connection *connection, const char *reason)
{
    if (connection_may_warn(&connection->context->last_warning_ns))
        log_warn(connection->context->log, "Connection closed", LOG_FIELDS(LOG_STR("why", reason)));
}

static void enter(struct connection *connection, enum connection_stage stage)
{
    connection->stage = stage;
    connection->since_ns = connection->moved_ns = clock_now_ns();
}

struct connection *connection_new(int fd, bool is_local, struct connection_context *context)
{
    struct connection *connection = malloc(sizeof(*connection));
    if (!connection)
        return NULL;
    connection->fd = fd;
    connection->is_local = is_local;
    connection->context = context;
    connection->registered = connection->broken = false;
    connection->ahead = NULL;
    connection->left = NULL;
    connection->ahead_len = connection->left_len = connection->left_at = 0;
    intake_init(&connection->intake, &context->intake);
    enter(connection, STAGE_IDLE);
    atomic_fetch_add(&context->alive, 1);
    return connection;
}

static void forget_left(struct connection *connection)
{
    free(connection->left);
    budget_give_back(&connection->context->memory, connection->left_len);
    connection->left = NULL;
    connection->left_len = connection->left_at = 0;
}

void connection_free(struct connection **connection)
{
    struct connection *freed = *connection;
    forget_left(freed);
    intake_release(&freed->intake);
    secret_free(freed->ahead);
    (void)close(freed->fd);
    atomic_fetch_sub(&freed->context->alive, 1);
    free(freed);
    *connection = NULL;
}

/* --- Receiving --- */

/*
 * Closing a socket that holds unread bytes resets it, and the peer may lose the answer; so
 * let the peer close first, for a while.
 */
static enum connection_need leave(struct connection *connection)
{
    if (shutdown(connection->fd, SHUT_WR) != 0)
        return NEED_CLOSE;
    enter(connection, STAGE_LEAVING);
    return NEED_INPUT;
}

/* Replies are short, and who does not read them has no use for more. */
static bool send_reply(struct connection *connection)
{
    struct intake *intake = &connection->intake;
    size_t len = intake->reply_len;
    intake->reply_len = 0;
    return len == 0 ||
           send(connection->fd, intake->reply, len, MSG_NOSIGNAL | MSG_DONTWAIT) == (ssize_t)len;
}

/* Keep what lies behind what the intake took. */
static bool keep_ahead(struct connection *connection, const unsigned char *data, size_t len)
{
    unsigned char *before = connection->ahead;
    connection->ahead = NULL;
    connection->ahead_len = 0;
    if (len > 0 && (connection->ahead = malloc(len))) {
        memcpy(connection->ahead, data, len);
        connection->ahead_len = len;
    }
    secret_free(before);
    return connection->ahead_len == len;
}

static enum connection_need need_of(struct connection *connection)
{
    switch (connection->intake.state) {
    case INTAKE_READY:
        return NEED_WORKER;
    case INTAKE_CLOSE:
        return leave(connection);
    case INTAKE_BROKEN:
        warn_of_peer(connection, connection->intake.reason);
        return NEED_CLOSE;
    case INTAKE_IDLE:
    case INTAKE_PARAMS:
    case INTAKE_BODY:
    case INTAKE_FULL:
        break;
    }
    return NEED_INPUT;
}

static bool is_hungry(const struct intake *intake)
{
    return intake->state <= INTAKE_BODY || intake->state == INTAKE_FULL;
}

/* Read what `data` holds as far as it goes. */
static enum connection_need feed(struct connection *connection, const unsigned char *data,
                                 size_t len)
{
    struct intake *intake = &connection->intake;
    enum intake_state before = intake->state;
    size_t used = 0;
    do {
        used += intake_feed(intake, data + used, len - used);
        if (intake->state == INTAKE_FULL &&
            !watch_evict(connection->context->watch, connection_rate(connection)))
            intake_fail(intake, APP_UNAVAILABLE);
    } while (send_reply(connection) && used < len && is_hungry(intake));
    if (!keep_ahead(connection, data + used, len - used))
        return NEED_CLOSE;
    bool has_begun = intake->state != INTAKE_IDLE || intake->header_len > 0;
    if (!has_begun)
        connection->stage = STAGE_IDLE;
    else if (connection->stage == STAGE_IDLE ||
             (before < INTAKE_BODY && intake->state == INTAKE_BODY))
        enter(connection, STAGE_READING);
    return need_of(connection);
}

/* Bytes that came while the connection is leaving are dropped. */
static enum connection_need drop(struct connection *connection, unsigned char *scratch)
{
    ssize_t len;
    while ((len = recv(connection->fd, scratch, CONNECTION_SCRATCH, MSG_DONTWAIT)) > 0 ||
           (len < 0 && errno == EINTR))
        explicit_bzero(scratch, len > 0 ? (size_t)len : 0);
    return len < 0 && errno == EAGAIN ? NEED_INPUT : NEED_CLOSE;
}

static enum connection_need receive(struct connection *connection, unsigned char *scratch)
{
    enum connection_need need = need_of(connection);
    if (connection->ahead_len > 0 && need != NEED_WORKER)
        need = feed(connection, connection->ahead, connection->ahead_len);
    for (size_t total = 0; need == NEED_INPUT && connection->stage <= STAGE_READING;) {
        ssize_t len = recv(connection->fd, scratch, CONNECTION_SCRATCH, MSG_DONTWAIT);
        if (len < 0 && errno == EINTR)
            continue;
        if (len <= 0)
            return len < 0 && errno == EAGAIN ? NEED_INPUT : NEED_CLOSE;
        need = feed(connection, scratch, (size_t)len);
        explicit_bzero(scratch, (size_t)len);
        total += (size_t)len;
        if (total >= TURN_BYTES || (size_t)len < CONNECTION_SCRATCH)
            break;
    }
    return need;
}

/* --- Sending --- */

static void log_cut(const struct connection *connection, const char *reason)
{
    log_info(connection->context->log, "Answer cut",
             LOG_FIELDS(LOG_STR("why", reason),
                        LOG_INT("left", connection->left_len - connection->left_at)));
}

/* The answer has been sent. What is still to come of the request is skipped. */
static enum connection_need finish_request(struct connection *connection)
{
    struct intake *intake = &connection->intake;
    bool keep = intake->keep && intake->whole && !atomic_load(&connection->context->stopping);
    bool ended = intake->ended;
    if (connection->broken)
        return NEED_CLOSE;
    intake_next(intake);
    enter(connection, STAGE_IDLE);
    if (!keep)
        return ended ? NEED_CLOSE : leave(connection);
    return NEED_INPUT;
}

static enum connection_need send_left(struct connection *connection)
{
    while (connection->left_at < connection->left_len) {
        ssize_t sent =
            send(connection->fd, connection->left + connection->left_at,
                 connection->left_len - connection->left_at, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent < 0 && errno == EINTR)
            continue;
        if (sent < 0 && errno == EAGAIN)
            return NEED_OUTPUT;
        if (sent < 0)
            return NEED_CLOSE;
        connection->left_at += (size_t)sent;
        connection->moved_ns = clock_now_ns();
    }
    forget_left(connection);
    return finish_request(connection);
}

enum connection_need connection_go_on(struct connection *connection,
                                      const struct connection_worker *self)
{
    if (connection->stage == STAGE_LEAVING)
        return drop(connection, self->scratch);
    if (connection->stage == STAGE_SENDING) {
        enum connection_need need = send_left(connection);
        if (need != NEED_INPUT || connection->stage != STAGE_IDLE)
            return need;
    }
    return receive(connection, self->scratch);
}

/* Send while the reader takes it, but not for long. */
static enum sender_result send_for_a_while(struct connection *connection, struct sender *sender)
{
    struct pollfd writable = {connection->fd, POLLOUT, 0};
    enum sender_result result = sender_push(sender, connection->fd);
    if (result != SENDER_BLOCKED)
        return result;
    int64_t until_ns = deadline_in_ms(PATIENCE_TOTAL_MS);
    lookout_yield_mine();
    while (result == SENDER_BLOCKED && deadline_left_ms(until_ns) > 0) {
        int ready = poll(&writable, 1, PATIENCE_MS);
        if (ready == 0)
            break;
        if (ready > 0)
            result = sender_push(sender, connection->fd);
    }
    return result;
}

/* Copy the rest of an answer, so that its reader holds no worker; false: no room. */
static bool set_aside(struct connection *connection, struct sender *sender)
{
    size_t len = sender_left(sender);
    while (!budget_take(&connection->context->memory, len)) {
        /* How fast this reader is will be seen later. */
        if (!watch_evict(connection->context->watch, INT64_MAX))
            return false;
    }
    connection->left = malloc(len);
    if (!connection->left) {
        budget_give_back(&connection->context->memory, len);
        return false;
    }
    connection->left_len = len;
    connection->left_at = 0;
    sender_copy_left(sender, connection->left);
    return true;
}

/* A response_output. An answer is whole, so it ends the request for the web server. */
static bool write_answer(void *sink, const char *head, size_t head_len, const struct iovec *pieces,
                         size_t count)
{
    struct connection *connection = sink;
    struct sender sender;
    sender_init(&sender, connection->intake.id, head, head_len, pieces, count);
    enum sender_result result = send_for_a_while(connection, &sender);
    if (result == SENDER_BLOCKED && !set_aside(connection, &sender))
        log_cut(connection, "others need the memory");
    connection->broken =
        !connection->left && result != SENDER_DONE &&
        !(sender_left(&sender) <= sizeof(sender.end) && sender_peer_has_all(connection->fd));
    return !connection->broken;
}

/* --- Answering --- */

/*
 * A request_input's `gone`. Over TCP a close of both directions looks like one of sending.
 * What has not been read yet is looked at: behind the body an abort can follow.
 */
static bool peer_gone(void *source)
{
    const struct connection *connection = source;
    const short closing = (short)(POLLHUP | POLLERR | (connection->is_local ? 0 : POLLRDHUP));
    struct pollfd pollfd = {connection->fd, (short)(closing | POLLIN), 0};
    int id = connection->intake.id;
    if (connection->ahead_len > 0)
        return protocol_is_abort(connection->ahead, connection->ahead_len, id);
    if (poll(&pollfd, 1, 0) <= 0)
        return false;
    if (pollfd.revents & closing)
        return true;
    unsigned char waiting[PEEK_LEN];
    ssize_t len = recv(connection->fd, waiting, sizeof(waiting), MSG_PEEK | MSG_DONTWAIT);
    return len > 0 && protocol_is_abort(waiting, (size_t)len, id);
}

static void run_handler(struct connection *connection, const struct connection_worker *self)
{
    const struct connection_context *context = connection->context;
    struct intake *intake = &connection->intake;
    const struct request_input input = {
        .params = intake->params.data,
        .params_len = intake->params.len,
        .params_cut = intake->params_cut,
        .body = intake->body.data,
        .body_len = intake->body.len,
        .body_err = intake->body_err,
        .gone = peer_gone,
        .source = connection,
    };
    struct request request;
    struct response response;
    struct err_buf why = {.text = ""};
    enum app_err err = request_init(&request, self->arena, context->log, &input, &why);
    response_init(&response, &request, (struct response_output){write_answer, connection});
    if (err == APP_OK) {
        context->handle(context->handler_context, self->worker, &request, &response);
        if (response.state == RESPONSE_HEADERS) {
            log_warn(&request.log, "The handler gave no answer",
                     LOG_FIELDS(LOG_STR("path", request.path)));
            err = APP_INTERNAL;
        }
    } else {
        log_info(&request.log, "Request refused",
                 LOG_FIELDS(LOG_STR("error", app_err_slug(err)), LOG_STR("detail", why.detail)));
    }
    if (err != APP_OK)
        (void)response_error(&response, err, NULL);
    if (response.state != RESPONSE_SENT)
        connection->broken = true;
}

enum connection_need connection_answer(struct connection *connection,
                                       const struct connection_worker *self)
{
    connection->broken = false;
    run_handler(connection, self);
    arena_reset(self->arena);
    if (connection->left) {
        enter(connection, STAGE_SENDING);
        return NEED_OUTPUT;
    }
    enum connection_need need = finish_request(connection);
    if (need != NEED_INPUT || connection->stage != STAGE_IDLE)
        return need;
    return connection->ahead_len > 0 ? receive(connection, self->scratch) : NEED_INPUT;
}

/* --- Limits --- */

/* The least time that a body may take so far. */
static int64_t upload_deadline(const struct connection *connection)
{
    const struct fcgi_limits *limits = connection->context->limits;
    int64_t received = (int64_t)connection->intake.body.len;
    int64_t earned_ms = limits->upload_grace_ms + received * 1000 / limits->upload_rate;
    int64_t allowed_ms = earned_ms < limits->upload_ms ? earned_ms : limits->upload_ms;
    return connection->since_ns + allowed_ms * NS_PER_MS;
}

int64_t connection_deadline(const struct connection *connection)
{
    const struct fcgi_limits *limits = connection->context->limits;
    bool stopping = atomic_load(&connection->context->stopping);
    int64_t since_ns = connection->since_ns;
    switch (connection->stage) {
    case STAGE_IDLE:
        return since_ns + (stopping ? STOP_IDLE_MS : limits->keepalive_ms) * NS_PER_MS;
    case STAGE_READING:
        if (connection->intake.state == INTAKE_BODY)
            return upload_deadline(connection);
        return since_ns + (stopping ? STOP_BEGINNING_MS : limits->beginning_ms) * NS_PER_MS;
    case STAGE_SENDING:
        return deadline_min(since_ns + limits->send_ms * NS_PER_MS,
                            connection->moved_ns + limits->send_stall_ms * NS_PER_MS);
    case STAGE_LEAVING:
        break;
    }
    return since_ns + (stopping ? STOP_LEAVE_MS : LEAVE_MS) * NS_PER_MS;
}

enum connection_need connection_give_up(struct connection *connection)
{
    if (connection->stage == STAGE_SENDING) {
        log_cut(connection, "it was not read");
    } else if (connection->intake.state == INTAKE_BODY) {
        intake_fail(&connection->intake, APP_REQUEST_TIMEOUT);
        return NEED_WORKER;
    } else if (connection->stage == STAGE_READING && !atomic_load(&connection->context->stopping)) {
        warn_of_peer(connection, "no request within the time limit");
    }
    return NEED_CLOSE;
}

size_t connection_memory(const struct connection *connection)
{
    return connection->intake.counted + connection->left_len;
}

int64_t connection_rate(const struct connection *connection)
{
    size_t moved =
        connection->stage == STAGE_SENDING ? connection->left_at : connection->intake.body.len;
    int64_t ms = (clock_now_ns() - connection->since_ns) / NS_PER_MS + 1;
    return (int64_t)moved * 1000 / ms;
}

enum connection_need connection_yield_memory(struct connection *connection)
{
    if (connection->stage == STAGE_SENDING) {
        log_cut(connection, "others need the memory");
        return NEED_CLOSE;
    }
    intake_fail(&connection->intake, APP_UNAVAILABLE);
    return NEED_WORKER;
}
