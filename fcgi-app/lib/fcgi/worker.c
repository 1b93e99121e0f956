/* SPDX-License-Identifier: MIT */
#include "lib/fcgi/worker.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/condition.h"
#include "lib/base/limits.h"
#include "lib/fcgi/let_go.h"
#include "lib/fcgi/server_private.h"

enum {
    ABANDON_MS = 1000,      /* for threads that hold no request, when the grace is over */
    DESCRIPTORS = 16 * 1024 /* that we ask for at most */
};

void fcgi_worker_yield(void)
{
    lookout_yield_mine();
}

/* --- A thread --- */

/* Say how worker_init went and wait for the others; true: serve. */
static bool join_start(struct fcgi_server *server, enum app_err err, const struct err_buf *why)
{
    pthread_mutex_lock(&server->lock);
    if (err != APP_OK && server->start_err == APP_OK) {
        server->start_err = err;
        server->start_why = *why;
    }
    server->starting--;
    pthread_cond_broadcast(&server->changed);
    while (server->phase == PHASE_STARTING)
        pthread_cond_wait(&server->changed, &server->lock);
    bool serve = server->phase == PHASE_RUNNING;
    pthread_mutex_unlock(&server->lock);
    return serve;
}

static void *run(void *argument)
{
    struct fcgi_thread *self = argument;
    struct fcgi_server *server = self->server;
    const struct fcgi_server_options *options = &server->options;
    char name[16];
    lookout_join(server->lookout, &self->member);
    (void)snprintf(name, sizeof(name), "fcgi-%u", self->number % 100000);
    (void)pthread_setname_np(pthread_self(), name);

    struct err_buf why = {.text = ""};
    enum app_err err = APP_OK;
    if (options->worker_init)
        err = options->worker_init(options->context, &self->lent.worker, &why);
    if (join_start(server, err, &why))
        look_take_connections(self);
    if (err == APP_OK && options->worker_release)
        options->worker_release(options->context, self->lent.worker);

    pthread_mutex_lock(&server->lock);
    server->busy--;
    pthread_cond_broadcast(&server->changed);
    pthread_mutex_unlock(&server->lock);
    return NULL;
}

/* --- Start --- */

static bool wake_by(const struct fcgi_thread *self, int fd, uint32_t events)
{
    struct epoll_event event = {.events = EPOLLIN | events, .data.fd = fd};
    return epoll_ctl(self->epoll_fd, EPOLL_CTL_ADD, fd, &event) == 0;
}

static enum app_err prepare_thread(struct fcgi_thread *self)
{
    const struct fcgi_server *server = self->server;
    self->lent.arena = arena_new(LIMIT_REQUEST_ARENA);
    self->lent.scratch = malloc(CONNECTION_SCRATCH);
    if (!self->lent.arena || !self->lent.scratch)
        return APP_NO_MEMORY;
    if (server->options.quick)
        return APP_OK;
    self->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    bool ok = self->epoll_fd >= 0 && wake_by(self, server->options.listen_fd, EPOLLEXCLUSIVE) &&
              wake_by(self, server->watch_fd, EPOLLEXCLUSIVE) && wake_by(self, server->stop_fd, 0);
    return ok ? APP_OK : APP_INTERNAL;
}

/*
 * The library's write(2) takes an interruption for the end of the peer, and
 * SIGPIPE must not end the process. SIGPROF stays open for the profiler.
 */
static enum app_err create_thread(struct fcgi_thread *self)
{
    sigset_t blocked, before;
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGPIPE);
    sigaddset(&blocked, SIGTERM);
    sigaddset(&blocked, SIGINT);
    sigaddset(&blocked, SIGUSR1);
    sigaddset(&blocked, SIGHUP);
    pthread_sigmask(SIG_BLOCK, &blocked, &before);
    int status = pthread_create(&self->thread, NULL, run, self);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return status == 0 ? APP_OK : APP_NO_MEMORY;
}

static enum app_err add_thread(struct fcgi_server *server)
{
    struct fcgi_thread *self = &server->threads[server->created];
    enum app_err err = prepare_thread(self);
    if (err)
        return err;
    pthread_mutex_lock(&server->lock);
    server->starting++;
    server->busy++;
    pthread_mutex_unlock(&server->lock);
    err = create_thread(self);
    if (err == APP_OK) {
        server->created++;
        return APP_OK;
    }
    pthread_mutex_lock(&server->lock);
    server->starting--;
    server->busy--;
    pthread_mutex_unlock(&server->lock);
    return err;
}

static struct fcgi_server *server_new(const struct fcgi_server_options *options)
{
    struct fcgi_server *server =
        calloc(1, sizeof(*server) + options->workers * sizeof(server->threads[0]));
    if (!server)
        return NULL;
    server->options = *options;
    server->log = *options->log;
    server->options.log = &server->log;
    for (unsigned i = 0; i < options->workers; i++) {
        server->threads[i].server = server;
        server->threads[i].number = i;
        server->threads[i].epoll_fd = -1;
    }
    server->options.quick |= options->workers == 1; /* there is nobody to hand anything to */
    pthread_mutex_init(&server->lock, NULL);
    pthread_cond_init(&server->changed, NULL);
    server->stop_fd = eventfd(0, EFD_CLOEXEC);
    server->watch_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    return server;
}

/* What the caller left open; and as many connections as there are descriptors for. */
static void set_limits(struct fcgi_limits *limits)
{
    struct rlimit descriptors = {DESCRIPTORS, DESCRIPTORS};
    if (getrlimit(RLIMIT_NOFILE, &descriptors) == 0 && descriptors.rlim_cur < DESCRIPTORS) {
        descriptors.rlim_cur =
            descriptors.rlim_max < DESCRIPTORS ? descriptors.rlim_max : DESCRIPTORS;
        (void)setrlimit(RLIMIT_NOFILE, &descriptors);
    }
    const struct fcgi_limits standard = {
        .keepalive_ms = 65 * 1000,
        .beginning_ms = 10 * 1000,
        .upload_ms = 300 * 1000,
        .upload_grace_ms = 30 * 1000,
        .upload_rate = 1000,
        .send_stall_ms = 60 * 1000,
        .send_ms = 600 * 1000,
        .body_max = LIMIT_PICTURE_BYTES,
        .memory = 64 * 1024 * 1024,
        .connections =
            (unsigned)(descriptors.rlim_cur < DESCRIPTORS ? descriptors.rlim_cur : DESCRIPTORS) / 2,
    };
#define STANDARD(field)                                                                            \
    if (limits->field == 0)                                                                        \
    limits->field = standard.field
    STANDARD(keepalive_ms);
    STANDARD(beginning_ms);
    STANDARD(upload_ms);
    STANDARD(upload_grace_ms);
    STANDARD(upload_rate);
    STANDARD(send_stall_ms);
    STANDARD(send_ms);
    STANDARD(body_max);
    STANDARD(memory);
    STANDARD(connections);
#undef STANDARD
}

static void prepare_context(struct fcgi_server *server)
{
    const struct fcgi_limits *limits = &server->options.limits;
    struct connection_context *context = &server->context;
    set_limits(&server->options.limits);
    context->limits = limits;
    context->memory.max = limits->memory;
    context->intake =
        (struct intake_limits){limits->body_max, &context->memory, limits->connections};
    context->watch = server->watch;
    context->log = &server->log;
    context->handler_context = server->options.context;
    context->handle = server->options.handle;
}

/* The thread on the lookout must not block in accept. */
static enum app_err prepare_listener(struct fcgi_server *server, struct err_buf *why)
{
    int fd = server->options.listen_fd;
    struct sockaddr_storage address = {0};
    socklen_t len = sizeof(address);
    int flags = fcntl(fd, F_GETFL);
    if (flags < 0 || getsockname(fd, (struct sockaddr *)&address, &len) != 0 ||
        fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0)
        return err_set(why, APP_CONFIG, "the listening socket cannot be used: %s",
                       strerrordesc_np(errno));
    server->is_tcp = address.ss_family == AF_INET || address.ss_family == AF_INET6;
    return APP_OK;
}

static enum app_err create_threads(struct fcgi_server *server)
{
    for (unsigned i = 0; i < server->options.workers; i++) {
        enum app_err err = add_thread(server);
        if (err)
            return err;
    }
    return APP_OK;
}

/* Let the threads go on once they all are ready, or end when one failed. */
static enum app_err finish_start(struct fcgi_server *server, struct err_buf *why)
{
    pthread_mutex_lock(&server->lock);
    while (server->starting > 0)
        pthread_cond_wait(&server->changed, &server->lock);
    enum app_err err = server->start_err;
    if (err == APP_OK) {
        server->phase = PHASE_RUNNING;
        pthread_cond_broadcast(&server->changed);
    } else if (why) {
        *why = server->start_why;
    }
    pthread_mutex_unlock(&server->lock);
    return err;
}

enum app_err fcgi_server_start(const struct fcgi_server_options *options,
                               struct fcgi_server **server, struct err_buf *why)
{
    assert(options->workers > 0 && options->handle);
    struct fcgi_server *created = server_new(options);
    if (!created)
        return err_set(why, APP_NO_MEMORY, "%s", app_strerror(APP_NO_MEMORY));
    enum app_err err = prepare_listener(created, why);
    if (!err && (created->stop_fd < 0 || created->watch_fd < 0))
        err = err_set(why, APP_INTERNAL, "there is no descriptor for events");
    if (err)
        goto out;
    err = watch_new(created->stop_fd, &created->watch);
    if (!err)
        err = lookout_new(created->options.quick && options->workers > 1, &created->lookout);
    prepare_context(created);
    if (!err)
        err = create_threads(created);
    if (!err)
        err = watch_add_listener(created->watch, options->listen_fd);
    if (err)
        err_set(why, err, "cannot start %u worker threads: %s", options->workers,
                app_strerror(err));
    else
        err = finish_start(created, why);
out:
    if (err == APP_OK) {
        *server = created;
        return APP_OK;
    }
    (void)fcgi_server_stop(created, INT64_MAX / NS_PER_MS / 2);
    fcgi_server_free(&created);
    return err;
}

/* --- Stop --- */

/* Wait until no more than `rest` threads are busy; returns how many are. */
static unsigned await_threads(struct fcgi_server *server, unsigned rest, int64_t wait_ms)
{
    int64_t deadline = deadline_in_ms(wait_ms);
    pthread_mutex_lock(&server->lock);
    server->phase = PHASE_STOPPING;
    pthread_cond_broadcast(&server->changed);
    while (server->busy > rest && condition_wait(&server->changed, &server->lock, deadline))
        continue;
    unsigned busy = server->busy;
    pthread_mutex_unlock(&server->lock);
    return busy;
}

/* Before the descriptor gets another meaning: where others have the socket, epoll has it, too. */
static void forget_listener(struct fcgi_server *server)
{
    int fd = server->options.listen_fd;
    if (server->watch)
        watch_forget_listener(server->watch);
    for (unsigned i = 0; i < server->options.workers; i++) {
        if (server->threads[i].epoll_fd >= 0)
            (void)epoll_ctl(server->threads[i].epoll_fd, EPOLL_CTL_DEL, fd, NULL);
    }
}

static void stop_accepting(struct fcgi_server *server)
{
    uint64_t one = 1;
    atomic_store(&server->context.stopping, true);
    if (server->stop_fd >= 0 && write(server->stop_fd, &one, sizeof(one)) != sizeof(one))
        log_error(&server->log, "The workers cannot be woken", NULL);
    forget_listener(server);
    if (server->options.let_go) {
        enum let_go_way way =
            let_go_of_listener(server->options.listen_fd, server->is_tcp, server->options.is_own);
        atomic_store(&server->shut, way == LET_GO_SHUT);
    }
    atomic_store(&server->has_let_go, true);
}

unsigned fcgi_server_stop(struct fcgi_server *server, int64_t grace_ms)
{
    if (!atomic_load(&server->has_let_go)) /* a second stop waits for threads only */
        stop_accepting(server);
    unsigned busy = await_threads(server, 0, grace_ms);
    if (busy > 0) {
        atomic_store(&server->abandon, true);
        busy = await_threads(server, atomic_load(&server->in_hand), ABANDON_MS);
    }
    if (busy > 0)
        return busy;
    for (; server->created > 0; server->created--)
        pthread_join(server->threads[server->created - 1].thread, NULL);
    return 0;
}

void fcgi_server_free(struct fcgi_server **server)
{
    struct fcgi_server *freed = *server;
    if (!freed)
        return;
    assert(freed->created == 0);
    watch_free(&freed->watch);
    for (unsigned i = 0; i < freed->options.workers; i++) {
        arena_free(&freed->threads[i].lent.arena);
        free(freed->threads[i].lent.scratch);
        if (freed->threads[i].epoll_fd >= 0)
            (void)close(freed->threads[i].epoll_fd);
    }
    if (freed->stop_fd >= 0)
        (void)close(freed->stop_fd);
    if (freed->watch_fd >= 0)
        (void)close(freed->watch_fd);
    lookout_free(&freed->lookout);
    pthread_cond_destroy(&freed->changed);
    pthread_mutex_destroy(&freed->lock);
    free(freed);
    *server = NULL;
}
