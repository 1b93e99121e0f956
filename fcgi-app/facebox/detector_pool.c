/* SPDX-License-Identifier: MIT */
/*
 * A stack: the detector that was used last goes out first. So its memory may still be
 * in a cache, and those that are not needed stay idle until they are trimmed.
 */
#include "facebox/detector_pool.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>

#include "lib/base/clock.h"
#include "lib/base/condition.h"

struct idle {
    struct detector *detector;
    int64_t since_ns;
    bool is_trimmed;
};

struct detector_pool {
    pthread_mutex_t lock; /* guards free_count and idle */
    pthread_cond_t returned;
    size_t free_count;
    struct idle idle[]; /* free_count of them */
};

enum app_err detector_pool_new(size_t count, const struct network *network,
                               const struct detector_options *options, struct detector_pool **pool,
                               struct err_buf *why)
{
    struct detector_pool *made = calloc(1, sizeof(*made) + count * sizeof(made->idle[0]));
    if (!made)
        return APP_NO_MEMORY;
    pthread_cond_init(&made->returned, NULL);
    pthread_mutex_init(&made->lock, NULL);

    enum app_err err = APP_OK;
    while (!err && made->free_count < count) {
        err = detector_new(network, options, &made->idle[made->free_count].detector, why);
        made->free_count += !err;
    }
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
        detector_free(&old->idle[--old->free_count].detector);
    pthread_cond_destroy(&old->returned);
    pthread_mutex_destroy(&old->lock);
    free(old);
}

enum app_err detector_pool_take(struct detector_pool *pool, int64_t deadline_ns,
                                struct detector **detector)
{
    enum app_err err = APP_OK;
    pthread_mutex_lock(&pool->lock);
    while (pool->free_count == 0 && condition_wait(&pool->returned, &pool->lock, deadline_ns))
        continue;
    if (pool->free_count > 0)
        *detector = pool->idle[--pool->free_count].detector;
    else
        err = APP_BUSY;
    pthread_mutex_unlock(&pool->lock);
    return err;
}

void detector_pool_return(struct detector_pool *pool, struct detector **detector)
{
    if (!*detector)
        return;
    pthread_mutex_lock(&pool->lock);
    pool->idle[pool->free_count++] = (struct idle){*detector, clock_now_ns(), false};
    pthread_cond_signal(&pool->returned);
    pthread_mutex_unlock(&pool->lock);
    *detector = NULL;
}

bool detector_pool_trim(struct detector_pool *pool, int64_t idle_ms)
{
    int64_t latest_ns = clock_now_ns() - idle_ms * NS_PER_MS;
    bool any = false;
    pthread_mutex_lock(&pool->lock);
    for (size_t i = 0; i < pool->free_count; i++) {
        struct idle *idle = &pool->idle[i];
        if (idle->is_trimmed || idle->since_ns > latest_ns)
            continue;
        detector_trim(idle->detector);
        idle->is_trimmed = true;
        any = true;
    }
    pthread_mutex_unlock(&pool->lock);
    return any;
}
