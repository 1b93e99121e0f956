/* SPDX-License-Identifier: MIT */
/*
 * The threads wait for the listening socket, all of them or the one on the lookout, beside
 * an eventfd that is written once, at the stop, and never read, so that it wakes
 * every thread whenever it looks.
 */
#include "lib/fcgi/worker.h"

#include <assert.h>
#include <errno.h>
#include <fcgiapp.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/condition.h"
#include "lib/fcgi/connection.h"
#include "lib/fcgi/lookout.h"

enum {
    RETRY_MS = 50, /* when there is no descriptor or memory for a connection */
    DRAIN_MS = 1000,
    DRAIN_LOOK_MS = 1,
    HANDSHAKE_MS = 2 /* several round trips to a web server in the same network */
};

enum phase { PHASE_STARTING, PHASE_RUNNING, PHASE_STOPPING };

struct fcgi_thread {
    struct fcgi_server *server;
    pthread_t thread;
    unsigned number;
    int epoll_fd;
    struct connection *connection;
    struct lookout_member member;
};

struct fcgi_server {
    struct fcgi_server_options options;
    struct log log; /* options.log points here, so that the caller's need not live on */
    int stop_fd;
    struct lookout *lookout;
    bool is_tcp;
    atomic_bool shut; /* nobody can come to the socket any more */
    _Atomic int64_t last_warning_ns;

    pthread_mutex_t lock;   /* guards what follows */
    pthread_cond_t changed; /* any of it */
    enum phase phase;
    unsigned starting; /* threads that have not run worker_init yet */
    unsigned busy;     /* threads that have not ended */
    enum app_err start_err;
    struct err_buf start_why;

    unsigned created; /* threads to join; start's and stop's only */
    bool gone;        /* the socket; stop's only */
    struct fcgi_thread threads[];
};

/* --- A thread --- */

static void wait_a_moment(const struct fcgi_server *server)
{
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
    case EAGAIN: /* another thread, or another process, was faster */
    case EINTR:
    case ECONNABORTED:
    case EPROTO:
    case EPERM:    /* a firewall rule */
    case ENOTSOCK: /* let_go was faster */
        return;
    default:
        if (connection_may_warn(&server->last_warning_ns))
            log_warn(&server->log, "Cannot accept a connection",
                     LOG_FIELDS(LOG_STR("error", strerrordesc_np(error))));
        wait_a_moment(server);
    }
}

/* Accept a connection that waits; -1 with errno. */
static int accept_connection(const struct fcgi_server *server)
{
    int fd = accept4(server->options.listen_fd, NULL, NULL, SOCK_CLOEXEC);
    if (fd >= 0 && server->is_tcp) {
        int on = 1;
        (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    }
    return fd;
}

/* Wait for a connection and accept it; -1: none this time. */
static int next_connection(struct fcgi_thread *self)
{
    const struct fcgi_server *server = self->server;
    struct epoll_event events[2];
    int fd = -1;
    errno = EAGAIN;
    if (server->options.quick) /* nobody was woken for one that waits already */
        fd = accept_connection(server);
    if (fd < 0 && errno == EAGAIN && epoll_wait(self->epoll_fd, events, 2, -1) > 0)
        fd = accept_connection(server);
    if (fd < 0)
        accept_failed(self->server, errno);
    return fd;
}

void fcgi_worker_yield(void)
{
    lookout_yield_mine();
}

/*
 * A stop also finds requests that nobody has accepted yet. Their web server has sent them,
 * and would not send them again: they are answered as well. That has an end, for where other
 * processes share the socket new ones may come for ever.
 */
static void answer_who_waits(struct fcgi_thread *self, void *state)
{
    struct fcgi_server *server = self->server;
    int64_t deadline = deadline_in_ms(DRAIN_MS);
    bool shut;
    do {
        shut = atomic_load(&server->shut); /* before the look: what it does not see is nowhere */
        int fd = accept_connection(server);
        if (fd >= 0)
            connection_serve(self->connection, fd, state);
        else if (errno == EAGAIN && server->options.let_go && !shut)
            (void)poll(NULL, 0, DRAIN_LOOK_MS); /* more may come until let_go is done */
        else
            return;
    } while (shut || deadline_left_ms(deadline) > 0);
}

static void take_connections(struct fcgi_thread *self, void *state)
{
    struct lookout *lookout = self->server->lookout;
    while (lookout_take(lookout, &self->member)) {
        int fd = next_connection(self);
        if (fd < 0)
            continue;
        lookout_begin(lookout, &self->member);
        connection_serve(self->connection, fd, state);
        lookout_end(&self->member);
    }
    answer_who_waits(self, state);
}

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

    void *state = NULL;
    struct err_buf why = {0};
    enum app_err err = APP_OK;
    if (options->worker_init)
        err = options->worker_init(options->context, &state, &why);
    if (join_start(server, err, &why))
        take_connections(self, state);
    if (err == APP_OK && options->worker_release)
        options->worker_release(options->context, state);

    pthread_mutex_lock(&server->lock);
    server->busy--;
    pthread_cond_broadcast(&server->changed);
    pthread_mutex_unlock(&server->lock);
    return NULL;
}

/* --- Start --- */

static enum app_err watch(int epoll_fd, int fd, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.fd = fd};
    return epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event) == 0 ? APP_OK : APP_INTERNAL;
}

static enum app_err prepare_thread(struct fcgi_thread *self)
{
    struct fcgi_server *server = self->server;
    const struct connection_options options = {
        .stop_fd = server->stop_fd,
        .log = &server->log,
        .last_warning_ns = &server->last_warning_ns,
        .context = server->options.context,
        .handle = server->options.handle,
    };
    self->connection = connection_new(&options);
    if (!self->connection)
        return APP_NO_MEMORY;
    self->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (self->epoll_fd < 0)
        return APP_INTERNAL;
    /* Exclusive: a connection wakes one of those that wait, threads or processes. */
    enum app_err err =
        watch(self->epoll_fd, server->options.listen_fd, EPOLLIN | (uint32_t)EPOLLEXCLUSIVE);
    return err ? err : watch(self->epoll_fd, server->stop_fd, EPOLLIN);
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
    pthread_mutex_init(&server->lock, NULL);
    pthread_cond_init(&server->changed, NULL);
    server->stop_fd = eventfd(0, EFD_CLOEXEC);
    return server;
}

/* All threads may look for connections without blocking in accept. */
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
    if (err)
        goto out;
    if (created->stop_fd < 0 || FCGX_Init() != 0) {
        err = err_set(why, APP_INTERNAL, "the FastCGI library cannot be started");
        goto out;
    }
    err = lookout_new(options->quick && options->workers > 1, &created->lookout);
    if (!err)
        err = create_threads(created);
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

/*
 * The kernel shuts a TCP socket by closing it only, and resets who waits there. So drop the
 * beginnings of handshakes (SYN without ACK) first, and wait for the ends of those that are
 * under way. Who was dropped asks again after a second, and is refused.
 */
static void drop_handshakes(int fd)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_B | BPF_ABS, offsetof(struct tcphdr, th_flags)),
        BPF_STMT(BPF_ALU | BPF_AND | BPF_K, TH_SYN | TH_ACK),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, TH_SYN, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, 0),
        BPF_STMT(BPF_RET | BPF_K, UINT32_MAX),
    };
    const struct sock_fprog program = {sizeof(code) / sizeof(code[0]), code};
    if (setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program)) == 0)
        (void)poll(NULL, 0, HANDSHAKE_MS);
}

/*
 * Once nobody waits at the socket, close it by putting another file in its place: who comes
 * then is refused by the kernel, upon which a web server asks another process. One that were
 * let in and never accepted would be lost.
 */
static void close_when_empty(const struct fcgi_server *server)
{
    struct pollfd waiting = {server->options.listen_fd, POLLIN, 0};
    int64_t deadline = deadline_in_ms(DRAIN_MS);
    int nothing = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (nothing < 0)
        return;
    while (poll(&waiting, 1, 0) > 0 && deadline_left_ms(deadline) > 0)
        (void)poll(NULL, 0, DRAIN_LOOK_MS);
    (void)dup3(nothing, server->options.listen_fd, O_CLOEXEC);
    (void)close(nothing);
}

/*
 * Who comes to a Unix socket that is shut is refused, and who waits there is still accepted.
 * Others are closed; where the socket is another's as well, that one has it still. Where it is
 * ours alone but we cannot know (lighttpd made it), who comes between the last look and the
 * closing is lost: some microseconds.
 */
static void let_go(struct fcgi_server *server)
{
    int fd = server->options.listen_fd;
    if (server->options.is_own && !server->is_tcp && shutdown(fd, SHUT_RD) == 0) {
        atomic_store(&server->shut, true);
        return;
    }
    if (server->options.is_own && server->is_tcp)
        drop_handshakes(fd);
    close_when_empty(server);
}

static unsigned wait_until_idle(struct fcgi_server *server, int64_t grace_ms)
{
    int64_t deadline = deadline_in_ms(grace_ms);
    pthread_mutex_lock(&server->lock);
    server->phase = PHASE_STOPPING;
    pthread_cond_broadcast(&server->changed);
    while (server->busy > 0 && condition_wait(&server->changed, &server->lock, deadline))
        continue;
    unsigned busy = server->busy;
    pthread_mutex_unlock(&server->lock);
    return busy;
}

unsigned fcgi_server_stop(struct fcgi_server *server, int64_t grace_ms)
{
    uint64_t one = 1;
    if (server->lookout)
        lookout_stop(server->lookout);
    if (server->stop_fd >= 0 && write(server->stop_fd, &one, sizeof(one)) != sizeof(one))
        log_error(&server->log, "The workers cannot be woken", NULL);
    if (server->options.let_go && !server->gone)
        let_go(server);
    server->gone = true; /* a second stop waits for threads only */
    unsigned busy = wait_until_idle(server, grace_ms);
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
    for (unsigned i = 0; i < freed->options.workers; i++) {
        connection_free(&freed->threads[i].connection);
        if (freed->threads[i].epoll_fd >= 0)
            (void)close(freed->threads[i].epoll_fd);
    }
    if (freed->stop_fd >= 0)
        (void)close(freed->stop_fd);
    lookout_free(&freed->lookout);
    pthread_cond_destroy(&freed->changed);
    pthread_mutex_destroy(&freed->lock);
    free(freed);
    *server = NULL;
}
