/* SPDX-License-Identifier: MIT */
/*
 * One list under one lock. A connection is cut by shutdown(2) on its socket,
 * which wakes the thread that serves it; the socket is open for as long as the
 * connection is in the list, because libmicrohttpd closes it afterwards.
 */
#include "lib/httpd/connections.h"

#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "lib/base/clock.h"
#include "lib/base/condition.h"

enum { DRAIN_SENDING_MS = 2000, DRAIN_POLL_MS = 100 };

struct connection {
    struct connections *all;
    struct connection *next;
    struct connection *previous;
    int socket;
    enum connection_phase phase;
    int64_t phase_end_ns; /* latest end of the phase, however busy the client is */
    int64_t deadline_ns;
};

struct connections {
    pthread_mutex_t lock; /* guards all that follows, and the connections */
    pthread_cond_t changed;
    struct connection *first;
    unsigned busy; /* connections that handle or send */
    bool draining;
    bool ending;
    int64_t idle_ns;
    pthread_t sweeper;
};

static bool is_busy(enum connection_phase phase)
{
    return phase == CONNECTION_HANDLING || phase == CONNECTION_SENDING;
}

/*
 * Cut what is late and return when to look again. No deadline is ever set to
 * less than the idle time from now, except in draining, so nothing can become
 * due earlier than this says.
 */
static int64_t sweep(struct connections *all)
{
    int64_t now = clock_now_ns();
    int64_t next = now + (all->draining ? DRAIN_POLL_MS * NS_PER_MS : all->idle_ns);
    for (struct connection *one = all->first; one; one = one->next) {
        if (one->deadline_ns <= now) {
            (void)shutdown(one->socket, SHUT_RDWR);
            one->deadline_ns = INT64_MAX;
        }
        next = deadline_min(next, one->deadline_ns);
    }
    return next;
}

static void *run_sweeper(void *argument)
{
    struct connections *all = argument;
    pthread_mutex_lock(&all->lock);
    while (!all->ending)
        (void)condition_wait(&all->changed, &all->lock, sweep(all));
    pthread_mutex_unlock(&all->lock);
    return NULL;
}

enum app_err connections_new(unsigned idle_timeout_s, struct connections **connections)
{
    struct connections *all = calloc(1, sizeof(*all));
    if (!all)
        return APP_NO_MEMORY;
    all->idle_ns = idle_timeout_s * NS_PER_S;
    pthread_cond_init(&all->changed, NULL);
    pthread_mutex_init(&all->lock, NULL);
    if (pthread_create(&all->sweeper, NULL, run_sweeper, all) != 0) {
        pthread_cond_destroy(&all->changed);
        pthread_mutex_destroy(&all->lock);
        free(all);
        return APP_NO_MEMORY;
    }
    *connections = all;
    return APP_OK;
}

void connections_free(struct connections **connections)
{
    struct connections *all = *connections;
    *connections = NULL;
    if (!all)
        return;
    pthread_mutex_lock(&all->lock);
    all->ending = true;
    pthread_cond_broadcast(&all->changed);
    pthread_mutex_unlock(&all->lock);
    pthread_join(all->sweeper, NULL);
    pthread_cond_destroy(&all->changed);
    pthread_mutex_destroy(&all->lock);
    free(all);
}

struct connection *connection_open(struct connections *connections, int socket)
{
    struct connection *connection = calloc(1, sizeof(*connection));
    if (!connection)
        return NULL;
    connection->all = connections;
    connection->socket = socket;
    connection->phase = CONNECTION_WAITING;
    connection->deadline_ns = clock_now_ns() + connections->idle_ns;
    pthread_mutex_lock(&connections->lock);
    connection->next = connections->first;
    if (connections->first)
        connections->first->previous = connection;
    connections->first = connection;
    pthread_mutex_unlock(&connections->lock);
    return connection;
}

void connection_close(struct connection *connection)
{
    struct connections *all = connection->all;
    pthread_mutex_lock(&all->lock);
    if (connection->previous)
        connection->previous->next = connection->next;
    else
        all->first = connection->next;
    if (connection->next)
        connection->next->previous = connection->previous;
    if (is_busy(connection->phase))
        all->busy--;
    pthread_cond_broadcast(&all->changed);
    pthread_mutex_unlock(&all->lock);
    free(connection);
}

/* The time that a phase has, from now. Locked. */
static void set_deadline(struct connection *connection, bool entered)
{
    const struct connections *all = connection->all;
    int64_t now = clock_now_ns();
    if (entered)
        connection->phase_end_ns = now + CONNECTION_PATIENCE * all->idle_ns;
    switch (connection->phase) {
    case CONNECTION_WAITING:
        connection->deadline_ns = now + all->idle_ns;
        break;
    case CONNECTION_RECEIVING:
        connection->deadline_ns = deadline_min(now + all->idle_ns, connection->phase_end_ns);
        break;
    case CONNECTION_SENDING:
        connection->deadline_ns =
            all->draining ? now + DRAIN_SENDING_MS * NS_PER_MS : connection->phase_end_ns;
        break;
    case CONNECTION_HANDLING:
    case CONNECTION_PHASE__MAX:
        connection->deadline_ns = INT64_MAX;
        break;
    }
}

bool connection_enter(struct connection *connection, enum connection_phase phase)
{
    struct connections *all = connection->all;
    pthread_mutex_lock(&all->lock);
    bool allowed = phase != CONNECTION_HANDLING || !all->draining;
    if (allowed) {
        bool entered = connection->phase != phase;
        all->busy += is_busy(phase);
        all->busy -= is_busy(connection->phase);
        connection->phase = phase;
        set_deadline(connection, entered);
        if (all->draining)
            pthread_cond_broadcast(&all->changed);
    }
    pthread_mutex_unlock(&all->lock);
    return allowed;
}

bool connections_draining(struct connections *connections)
{
    pthread_mutex_lock(&connections->lock);
    bool draining = connections->draining;
    pthread_mutex_unlock(&connections->lock);
    return draining;
}

void connections_drain(struct connections *connections)
{
    pthread_mutex_lock(&connections->lock);
    connections->draining = true;
    int64_t sending_end = deadline_in_ms(DRAIN_SENDING_MS);
    for (struct connection *one = connections->first; one; one = one->next) {
        if (!is_busy(one->phase))
            (void)shutdown(one->socket, SHUT_RDWR);
        else if (one->phase == CONNECTION_SENDING)
            one->deadline_ns = deadline_min(one->deadline_ns, sending_end);
    }
    pthread_cond_broadcast(&connections->changed);
    while (connections->busy > 0)
        pthread_cond_wait(&connections->changed, &connections->lock);
    pthread_mutex_unlock(&connections->lock);
}
