/* SPDX-License-Identifier: MIT */
/*
 * Only the pool's own thread looks up names and finds out whether Redis is
 * there, so a call neither waits for a name server nor, when Redis is frozen,
 * for more than the one command that met its deadline.
 */
#include "cache/redis_pool.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "cache/resolver.h"
#include "lib/base/clock.h"
#include "lib/base/condition.h"

enum {
    CONNECT_MS = 1000,
    RETRY_MS = 500,
    IDLE_MAX = 64, /* more threads than these are not in the store at a time */
};

struct redis_pool {
    struct redis_url url;
    const struct log *log;
    struct resolver *resolver; /* the keeper's; NULL: the url has a path */
    pthread_t keeper;

    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t wake;  /* of the keeper: `state` or `stopping` has changed */
    pthread_cond_t tried; /* the keeper has tried for the first time */
    bool stopping;
    enum { REDIS_UNTRIED, REDIS_THERE, REDIS_AWAY } state;
    unsigned epoch;               /* counts how often Redis came back */
    struct redis_address address; /* where it answered last */
    struct err_buf reason;        /* why it is away */
    struct redis_connection *idle[IDLE_MAX];
    size_t idle_count;
};

/* A connection in use. */
struct loan {
    struct redis_connection *connection;
    unsigned epoch; /* that it was taken in */
    bool was_idle;
};

/* --- What is idle; callers hold the lock --------------------------------------- */

static void close_idle(struct redis_pool *pool)
{
    while (pool->idle_count > 0)
        redis_connection_free(&pool->idle[--pool->idle_count]);
}

static void set_away(struct redis_pool *pool, const struct err_buf *why)
{
    bool news = pool->state != REDIS_AWAY || strcmp(pool->reason.detail, why->detail) != 0;
    pool->state = REDIS_AWAY;
    pool->reason = *why;
    close_idle(pool);
    if (news)
        log_warn(pool->log, why->text, LOG_FIELDS(LOG_STR("detail", why->detail)));
}

static void set_there(struct redis_pool *pool, const struct redis_address *address,
                      struct redis_connection *connection)
{
    pool->state = REDIS_THERE;
    pool->epoch++;
    pool->address = *address;
    pool->idle[pool->idle_count++] = connection;
    log_info(pool->log, "Redis connected", NULL);
}

/* --- The keeper ---------------------------------------------------------------- */

/* Connect to one of the addresses that the host has now. */
static enum app_err connect_to_host(struct redis_pool *pool, struct redis_address *address,
                                    struct redis_connection **connection, struct err_buf *why)
{
    struct addrinfo *list;
    enum app_err err = resolver_lookup(pool->resolver, deadline_in_ms(CONNECT_MS), &list, why);
    if (err)
        return err_set(why, err, "Redis cannot be reached");
    const struct addrinfo *at = list;
    do {
        address->len = at->ai_addrlen;
        memcpy(&address->name, at->ai_addr, at->ai_addrlen);
        err =
            redis_connection_new(address, &pool->url, deadline_in_ms(CONNECT_MS), connection, why);
        at = at->ai_next;
    } while (err && at);
    freeaddrinfo(list);
    return err;
}

/* Look whether Redis is there. */
static void try_redis(struct redis_pool *pool)
{
    struct redis_address address = {.len = 0};
    struct redis_connection *connection = NULL;
    struct err_buf why = {.text = "out of memory"};
    enum app_err err;
    if (pool->url.path[0]) {
        address = redis_address_of_path(&pool->url);
        err = redis_connection_new(&address, &pool->url, deadline_in_ms(CONNECT_MS), &connection,
                                   &why);
    } else {
        err = connect_to_host(pool, &address, &connection, &why);
    }
    pthread_mutex_lock(&pool->lock);
    if (err)
        set_away(pool, &why);
    else
        set_there(pool, &address, connection);
    pthread_cond_broadcast(&pool->tried);
    pthread_mutex_unlock(&pool->lock);
}

/* Sleep until Redis has to be looked for. False: the pool is being freed. */
static bool wait_for_need(struct redis_pool *pool, int64_t not_before_ns)
{
    pthread_mutex_lock(&pool->lock);
    while (!pool->stopping && pool->state == REDIS_THERE)
        pthread_cond_wait(&pool->wake, &pool->lock);
    while (!pool->stopping && condition_wait(&pool->wake, &pool->lock, not_before_ns))
        continue;
    bool go_on = !pool->stopping;
    pthread_mutex_unlock(&pool->lock);
    return go_on;
}

static void *run_keeper(void *argument)
{
    struct redis_pool *pool = argument;
    int64_t not_before_ns = 0;
    while (wait_for_need(pool, not_before_ns)) {
        try_redis(pool);
        not_before_ns = deadline_in_ms(RETRY_MS);
    }
    return NULL;
}

/* --- Calls --------------------------------------------------------------------- */

/* A call has found that Redis is away, unless it has come back since. */
static void report_away(struct redis_pool *pool, unsigned epoch, const struct err_buf *why)
{
    pthread_mutex_lock(&pool->lock);
    if (pool->state == REDIS_THERE && pool->epoch == epoch) {
        set_away(pool, why);
        pthread_cond_signal(&pool->wake);
    }
    pthread_mutex_unlock(&pool->lock);
}

static enum app_err take(struct redis_pool *pool, int64_t deadline_ns, struct loan *loan,
                         struct err_buf *why)
{
    struct redis_address address = {.len = 0};
    enum app_err err = APP_OK;
    *loan = (struct loan){.connection = NULL};
    pthread_mutex_lock(&pool->lock);
    if (pool->state != REDIS_THERE) {
        *why = pool->reason;
        err = APP_UNAVAILABLE;
    } else if (pool->idle_count > 0) {
        loan->connection = pool->idle[--pool->idle_count];
        loan->was_idle = true;
    }
    loan->epoch = pool->epoch;
    address = pool->address;
    pthread_mutex_unlock(&pool->lock);
    if (err || loan->connection)
        return err;
    return redis_connection_new(&address, &pool->url,
                                deadline_min(deadline_ns, deadline_in_ms(CONNECT_MS)),
                                &loan->connection, why);
}

static void give_back(struct redis_pool *pool, struct loan *loan)
{
    pthread_mutex_lock(&pool->lock);
    if (pool->state == REDIS_THERE && pool->epoch == loan->epoch && pool->idle_count < IDLE_MAX) {
        pool->idle[pool->idle_count++] = loan->connection;
        loan->connection = NULL;
    }
    pthread_mutex_unlock(&pool->lock);
    redis_connection_free(&loan->connection);
}

enum app_err redis_pool_call(struct redis_pool *pool, const struct redis_word *words, size_t count,
                             int64_t deadline_ns, struct redis_reply *reply, struct err_buf *why)
{
    struct loan loan;
    struct err_buf reason = {.text = ""};
    enum app_err err;
    bool again;
    do {
        err = take(pool, deadline_ns, &loan, &reason);
        if (!err)
            err = redis_connection_call(loan.connection, words, count, deadline_ns, reply, &reason);
        if (!err) {
            give_back(pool, &loan);
            return APP_OK;
        }
        redis_connection_free(&loan.connection);
        again = err == APP_UPSTREAM_FAILED && loan.was_idle;
    } while (again);
    if (err == APP_UPSTREAM_FAILED || err == APP_UPSTREAM_TIMEOUT)
        report_away(pool, loan.epoch, &reason);
    if (why)
        *why = reason;
    return err;
}

void redis_pool_look(struct redis_pool *pool, bool *away, uint64_t *connects)
{
    pthread_mutex_lock(&pool->lock);
    *away = pool->state != REDIS_THERE;
    *connects = pool->epoch;
    pthread_mutex_unlock(&pool->lock);
}

/* --- Life ---------------------------------------------------------------------- */

/* Whatever stays when there is no keeper. */
static void release(struct redis_pool *pool)
{
    close_idle(pool);
    resolver_free(&pool->resolver);
    pthread_cond_destroy(&pool->tried);
    pthread_cond_destroy(&pool->wake);
    pthread_mutex_destroy(&pool->lock);
    free(pool);
}

static struct redis_pool *allocate(const struct redis_url *url, const struct log *log)
{
    struct redis_pool *pool = calloc(1, sizeof(*pool));
    if (!pool)
        return NULL;
    pool->url = *url;
    pool->log = log;
    (void)err_set(&pool->reason, APP_OK, "Redis is not connected yet");
    pthread_mutex_init(&pool->lock, NULL);
    pthread_cond_init(&pool->wake, NULL);
    pthread_cond_init(&pool->tried, NULL);
    if (!url->path[0] && resolver_new(url->host, url->port, &pool->resolver)) {
        release(pool);
        return NULL;
    }
    return pool;
}

enum app_err redis_pool_new(const struct redis_url *url, const struct log *log,
                            struct redis_pool **pool, struct err_buf *why)
{
    struct redis_pool *made = allocate(url, log);
    if (!made)
        return APP_NO_MEMORY;
    if (pthread_create(&made->keeper, NULL, run_keeper, made) != 0) {
        release(made);
        return err_set(why, APP_INTERNAL, "cannot start the thread that connects to Redis");
    }
    int64_t until_ns = deadline_in_ms(CONNECT_MS);
    pthread_mutex_lock(&made->lock);
    while (made->state == REDIS_UNTRIED && condition_wait(&made->tried, &made->lock, until_ns))
        continue;
    pthread_mutex_unlock(&made->lock);
    *pool = made;
    return APP_OK;
}

void redis_pool_free(struct redis_pool **pool)
{
    struct redis_pool *self = *pool;
    *pool = NULL;
    if (!self)
        return;
    pthread_mutex_lock(&self->lock);
    self->stopping = true;
    pthread_cond_signal(&self->wake);
    pthread_mutex_unlock(&self->lock);
    pthread_join(self->keeper, NULL);
    release(self);
}
