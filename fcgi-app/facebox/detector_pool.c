/* SPDX-License-Identifier: MIT */
/* A stack, so that a detector whose memory is still in a cache goes out first. */
#include "facebox/detector_pool.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#include "lib/base/clock.h"

struct detector_pool {
    pthread_mutex_t lock; /* guards free_count and idle */
    pthread_cond_t returned;
    size_t free_count;
    struct detector *idle[]; /* free_count of them */
};

enum app_err detector_pool_new(size_t count, struct detector_pool **pool)
{
    struct detector_pool *made = calloc(1, sizeof(*made) + count * sizeof(made->idle[0]));
    if (!made)
        return APP_NO_MEMORY;
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&made->returned, &monotonic);
    pthread_condattr_destroy(&monotonic);
    pthread_mutex_init(&made->lock, NULL);

    enum app_err err = detector_new(&made->idle[0]);
    for (made->free_count = !err; !err && made->free_count < count; made->free_count += !err)
        err = detector_copy(made->idle[0], &made->idle[made->free_count]);
    if (err)
        detector_pool_free(&made);
    else
        *pool = made;
    return err;
}

void detector_pool_free(struct detector_pool **pool)
{
    struct detector_pool *old = *pool;
    *pool = NULL;
    if (!old)
        return;
    while (old->free_count > 0)
        detector_free(&old->idle[--old->free_count]);
    pthread_cond_destroy(&old->returned);
    pthread_mutex_destroy(&old->lock);
    free(old);
}

enum app_err detector_pool_take(struct detector_pool *pool, int64_t deadline_ns,
                                struct detector **detector)
{
    struct timespec until = {.tv_sec = deadline_ns / NS_PER_S, .tv_nsec = deadline_ns % NS_PER_S};
    enum app_err err = APP_OK;
    pthread_mutex_lock(&pool->lock);
    while (pool->free_count == 0 && !err) {
        if (pthread_cond_timedwait(&pool->returned, &pool->lock, &until) == ETIMEDOUT)
            err = APP_BUSY;
    }
    if (pool->free_count > 0) { /* one may have come with the timeout */
        *detector = pool->idle[--pool->free_count];
        err = APP_OK;
    }
    pthread_mutex_unlock(&pool->lock);
    return err;
}

void detector_pool_return(struct detector_pool *pool, struct detector **detector)
{
    if (!*detector)
        return;
    pthread_mutex_lock(&pool->lock);
    pool->idle[pool->free_count++] = *detector;
    pthread_cond_signal(&pool->returned);
    pthread_mutex_unlock(&pool->lock);
    *detector = NULL;
}
