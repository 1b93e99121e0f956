/* SPDX-License-Identifier: MIT */
/*
 * A descriptor is armed for one event (EPOLLONESHOT), so a connection that was taken out is
 * quiet until it is put in again. Events name descriptors and not memory: one that
 * arrives late, after its connection was taken out by another thread, finds nothing, or
 * the next connection of that number, which looks for nothing and goes on waiting.
 */
#include "lib/fcgi/watch.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

struct watch {
    int epoll_fd;
    int listen_fd;
    int stop_fd;
    pthread_mutex_t lock;        /* guards what follows */
    struct connection **waiting; /* by descriptor */
    size_t size;
};

static bool listen_for(const struct watch *watch, int fd, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.fd = fd};
    return epoll_ctl(watch->epoll_fd, EPOLL_CTL_ADD, fd, &event) == 0;
}

enum app_err watch_new(int stop_fd, struct watch **watch)
{
    struct watch *made = calloc(1, sizeof(*made));
    if (!made)
        return APP_NO_MEMORY;
    made->listen_fd = -1;
    made->stop_fd = stop_fd;
    pthread_mutex_init(&made->lock, NULL);
    made->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (made->epoll_fd < 0 || !listen_for(made, stop_fd, EPOLLIN)) {
        watch_free(&made);
        return APP_INTERNAL;
    }
    *watch = made;
    return APP_OK;
}

void watch_free(struct watch **watch)
{
    struct watch *freed = *watch;
    if (!freed)
        return;
    for (size_t i = 0; i < freed->size; i++) {
        if (freed->waiting[i])
            connection_free(&freed->waiting[i]);
    }
    free(freed->waiting);
    if (freed->epoll_fd >= 0)
        (void)close(freed->epoll_fd);
    pthread_mutex_destroy(&freed->lock);
    free(freed);
    *watch = NULL;
}

enum app_err watch_add_listener(struct watch *watch, int listen_fd)
{
    watch->listen_fd = listen_fd;
    /* Others wait at the same socket: one of them is enough for a connection. */
    return listen_for(watch, listen_fd, EPOLLIN | EPOLLEXCLUSIVE) ? APP_OK : APP_INTERNAL;
}

void watch_forget_listener(struct watch *watch)
{
    (void)epoll_ctl(watch->epoll_fd, EPOLL_CTL_DEL, watch->listen_fd, NULL);
}

/* --- With the lock held --- */

static struct connection *take_out(struct watch *watch, size_t fd)
{
    struct connection *connection = fd < watch->size ? watch->waiting[fd] : NULL;
    if (connection)
        watch->waiting[fd] = NULL;
    return connection;
}

static bool make_place(struct watch *watch, size_t fd)
{
    size_t size = watch->size ? watch->size : 64;
    while (size <= fd)
        size *= 2;
    if (size == watch->size)
        return true;
    struct connection **waiting = realloc(watch->waiting, size * sizeof(struct connection *));
    if (!waiting)
        return false;
    memset(waiting + watch->size, 0, (size - watch->size) * sizeof(struct connection *));
    watch->waiting = waiting;
    watch->size = size;
    return true;
}

static bool put_in(struct watch *watch, struct connection *connection, uint32_t events)
{
    struct epoll_event event = {.events = events | EPOLLONESHOT, .data.fd = connection->fd};
    int operation = connection->registered ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;
    if (!make_place(watch, (size_t)connection->fd) ||
        epoll_ctl(watch->epoll_fd, operation, connection->fd, &event) != 0)
        return false;
    connection->registered = true;
    watch->waiting[connection->fd] = connection;
    return true;
}

/* --- For any thread --- */

bool watch_put(struct watch *watch, struct connection *connection, enum connection_need need)
{
    pthread_mutex_lock(&watch->lock);
    bool put = put_in(watch, connection, need == NEED_OUTPUT ? EPOLLOUT : EPOLLIN);
    pthread_mutex_unlock(&watch->lock);
    return put;
}

enum watch_event watch_wait(struct watch *watch, int timeout_ms, struct connection **connection)
{
    struct epoll_event event;
    if (epoll_wait(watch->epoll_fd, &event, 1, timeout_ms) <= 0)
        return WATCH_NOTHING;
    if (event.data.fd == watch->listen_fd)
        return WATCH_LISTENER;
    if (event.data.fd == watch->stop_fd)
        return WATCH_STOP;
    pthread_mutex_lock(&watch->lock);
    *connection = take_out(watch, (size_t)event.data.fd);
    pthread_mutex_unlock(&watch->lock);
    return *connection ? WATCH_CONNECTION : WATCH_NOTHING;
}

struct connection *watch_take_late(struct watch *watch, int64_t now_ns)
{
    struct connection *late = NULL;
    pthread_mutex_lock(&watch->lock);
    for (size_t i = 0; i < watch->size && !late; i++) {
        if (watch->waiting[i] && connection_deadline(watch->waiting[i]) <= now_ns)
            late = take_out(watch, i);
    }
    pthread_mutex_unlock(&watch->lock);
    return late;
}

struct connection *watch_take_idle(struct watch *watch)
{
    struct connection *longest = NULL;
    pthread_mutex_lock(&watch->lock);
    for (size_t i = 0; i < watch->size; i++) {
        struct connection *connection = watch->waiting[i];
        if (connection && connection->stage == STAGE_IDLE &&
            (!longest || connection->since_ns < longest->since_ns))
            longest = connection;
    }
    if (longest)
        watch->waiting[longest->fd] = NULL;
    pthread_mutex_unlock(&watch->lock);
    return longest;
}

bool watch_evict(struct watch *watch, int64_t rate)
{
    struct connection *slowest = NULL;
    pthread_mutex_lock(&watch->lock);
    for (size_t i = 0; i < watch->size; i++) {
        struct connection *connection = watch->waiting[i];
        if (!connection || connection_memory(connection) == 0)
            continue;
        int64_t its_rate = connection_rate(connection);
        if (its_rate < rate) {
            slowest = connection;
            rate = its_rate;
        }
    }
    if (slowest) {
        watch->waiting[slowest->fd] = NULL;
        /* Writable at once: the thread that waits answers it. */
        if (connection_yield_memory(slowest) == NEED_CLOSE || !put_in(watch, slowest, EPOLLOUT))
            connection_free(&slowest);
        pthread_mutex_unlock(&watch->lock);
        return true;
    }
    pthread_mutex_unlock(&watch->lock);
    return false;
}
