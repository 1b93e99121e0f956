/* SPDX-License-Identifier: MIT */
#include "lib/base/ticker.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>

#include "lib/base/clock.h"
#include "lib/base/condition.h"

struct ticker {
    pthread_t thread;
    pthread_mutex_t lock; /* guards `stopping` */
    pthread_cond_t stop;
    bool stopping;
    size_t count;
    struct timed_chore {
        struct chore chore;
        int64_t due_ns; /* the thread's own */
    } chores[];
};

static int64_t run_due(struct ticker *ticker)
{
    int64_t next_ns = INT64_MAX;
    for (size_t i = 0; i < ticker->count; i++) {
        struct timed_chore *timed = &ticker->chores[i];
        if (timed->due_ns <= clock_now_ns()) {
            timed->chore.run(timed->chore.context);
            timed->due_ns = deadline_in_ms(timed->chore.every_ms);
        }
        next_ns = deadline_min(next_ns, timed->due_ns);
    }
    return next_ns;
}

/* Sleep until then, or until the end, which is told. */
static bool wait_for_stop(struct ticker *ticker, int64_t until_ns)
{
    pthread_mutex_lock(&ticker->lock);
    while (!ticker->stopping && condition_wait(&ticker->stop, &ticker->lock, until_ns))
        continue;
    bool stopping = ticker->stopping;
    pthread_mutex_unlock(&ticker->lock);
    return stopping;
}

static void *run(void *argument)
{
    struct ticker *ticker = argument;
    (void)pthread_setname_np(pthread_self(), "chores");
    while (!wait_for_stop(ticker, run_due(ticker)))
        continue;
    return NULL;
}

static void release(struct ticker *ticker)
{
    pthread_cond_destroy(&ticker->stop);
    pthread_mutex_destroy(&ticker->lock);
    free(ticker);
}

enum app_err ticker_new(const struct chore *chores, size_t count, struct ticker **ticker)
{
    *ticker = NULL;
    struct ticker *made = calloc(1, sizeof(*made) + count * sizeof(made->chores[0]));
    if (!made)
        return APP_NO_MEMORY;
    made->count = count;
    for (size_t i = 0; i < count; i++)
        made->chores[i].chore = chores[i];
    pthread_mutex_init(&made->lock, NULL);
    pthread_cond_init(&made->stop, NULL);
    if (pthread_create(&made->thread, NULL, run, made) != 0) {
        release(made);
        return APP_NO_MEMORY;
    }
    *ticker = made;
    return APP_OK;
}

void ticker_free(struct ticker **ticker)
{
    struct ticker *freed = *ticker;
    if (!freed)
        return;
    *ticker = NULL;
    pthread_mutex_lock(&freed->lock);
    freed->stopping = true;
    pthread_cond_signal(&freed->stop);
    pthread_mutex_unlock(&freed->lock);
    pthread_join(freed->thread, NULL);
    release(freed);
}
