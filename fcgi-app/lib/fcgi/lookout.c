/* SPDX-License-Identifier: MIT */
/*
 * The holder is changed under the lock and read without it, for each thread asks only
 * whether it is itself. The guard looks at the holder's steps: the same odd number twice
 * is one connection for a whole look. It goes to sleep after some looks without a
 * step; who steps and finds it sleeping wakes it. That each then sees what the other did
 * is why these are the only sequentially consistent operations (Dekker's pattern).
 */
#include "lib/fcgi/lookout.h"

#include <pthread.h>
#include <stdlib.h>

#include "lib/base/clock.h"
#include "lib/base/condition.h"

enum {
    LOOK_MS = 5,
    LOOKS_UNTIL_SLEEP = 20,
};

struct lookout {
    const struct lookout_member *_Atomic holder; /* NULL: nobody */
    _Atomic bool guarded;                        /* the guard is awake, or there is none */
    _Atomic bool stopped;

    pthread_mutex_t lock;  /* guards changes of the three above */
    pthread_cond_t passed; /* there is no holder now; or stopped */
    pthread_cond_t roused; /* guarded; or stopped */
    bool one_at_a_time;    /* never changes */
    pthread_t guard;
};

static void pass_on(struct lookout *lookout, const struct lookout_member *from)
{
    pthread_mutex_lock(&lookout->lock);
    if (atomic_load_explicit(&lookout->holder, memory_order_relaxed) == from) {
        atomic_store(&lookout->holder, NULL);
        pthread_cond_signal(&lookout->passed);
    }
    pthread_mutex_unlock(&lookout->lock);
}

/* --- The guard --- */

struct look {
    const struct lookout_member *holder;
    uint64_t steps;
};

static struct look look_at(struct lookout *lookout)
{
    struct look look = {.holder = atomic_load(&lookout->holder)};
    if (look.holder)
        look.steps = atomic_load(&look.holder->steps);
    return look;
}

static bool is_same(struct look before, struct look now)
{
    return before.holder == now.holder && before.steps == now.steps;
}

/* Until somebody steps, unless one has stepped since `last`. */
static void sleep_until_roused(struct lookout *lookout, struct look last)
{
    atomic_store(&lookout->guarded, false);
    if (!is_same(last, look_at(lookout)))
        atomic_store(&lookout->guarded, true);
    pthread_mutex_lock(&lookout->lock);
    while (!atomic_load(&lookout->guarded) && !atomic_load(&lookout->stopped))
        pthread_cond_wait(&lookout->roused, &lookout->lock);
    pthread_mutex_unlock(&lookout->lock);
}

/* False: stopped. */
static bool wait_for_look(struct lookout *lookout)
{
    int64_t deadline = deadline_in_ms(LOOK_MS);
    pthread_mutex_lock(&lookout->lock);
    while (!atomic_load(&lookout->stopped) &&
           condition_wait(&lookout->roused, &lookout->lock, deadline))
        continue;
    pthread_mutex_unlock(&lookout->lock);
    return !atomic_load(&lookout->stopped);
}

static void *run_guard(void *argument)
{
    struct lookout *lookout = argument;
    struct look last = look_at(lookout);
    unsigned quiet = 0;
    (void)pthread_setname_np(pthread_self(), "fcgi-guard");
    while (wait_for_look(lookout)) {
        struct look now = look_at(lookout);
        bool same = is_same(last, now);
        if (same && now.holder && now.steps % 2 == 1)
            pass_on(lookout, now.holder);
        quiet = same ? quiet + 1 : 0;
        if (quiet >= LOOKS_UNTIL_SLEEP)
            sleep_until_roused(lookout, now);
        last = now;
    }
    return NULL;
}

static void rouse(struct lookout *lookout)
{
    pthread_mutex_lock(&lookout->lock);
    atomic_store(&lookout->guarded, true);
    pthread_cond_signal(&lookout->roused);
    pthread_mutex_unlock(&lookout->lock);
}

/* --- The threads --- */

bool lookout_take(struct lookout *lookout, struct lookout_member *self)
{
    if (!lookout->one_at_a_time ||
        atomic_load_explicit(&lookout->holder, memory_order_relaxed) == self)
        return !atomic_load_explicit(&lookout->stopped, memory_order_relaxed);
    pthread_mutex_lock(&lookout->lock);
    while (atomic_load_explicit(&lookout->holder, memory_order_relaxed) &&
           !atomic_load_explicit(&lookout->stopped, memory_order_relaxed))
        pthread_cond_wait(&lookout->passed, &lookout->lock);
    bool stopped = atomic_load(&lookout->stopped);
    if (!stopped)
        atomic_store(&lookout->holder, self);
    pthread_mutex_unlock(&lookout->lock);
    return !stopped;
}

void lookout_begin(struct lookout *lookout, struct lookout_member *self)
{
    atomic_fetch_add(&self->steps, 1);
    if (!atomic_load(&lookout->guarded))
        rouse(lookout);
}

void lookout_end(struct lookout_member *self)
{
    atomic_fetch_add_explicit(&self->steps, 1, memory_order_release);
}

void lookout_yield(struct lookout *lookout, const struct lookout_member *self)
{
    if (atomic_load_explicit(&lookout->holder, memory_order_relaxed) == self)
        pass_on(lookout, self);
}

static _Thread_local struct {
    struct lookout *lookout; /* NULL: the thread has joined none */
    const struct lookout_member *self;
} mine;

void lookout_join(struct lookout *lookout, const struct lookout_member *self)
{
    mine.lookout = lookout;
    mine.self = self;
}

void lookout_yield_mine(void)
{
    if (mine.lookout)
        lookout_yield(mine.lookout, mine.self);
}

/* --- Life --- */

enum app_err lookout_new(bool one_at_a_time, struct lookout **lookout)
{
    struct lookout *made = calloc(1, sizeof(*made));
    if (!made)
        return APP_NO_MEMORY;
    atomic_store(&made->guarded, true);
    pthread_mutex_init(&made->lock, NULL);
    pthread_cond_init(&made->passed, NULL);
    pthread_cond_init(&made->roused, NULL);
    if (one_at_a_time && pthread_create(&made->guard, NULL, run_guard, made) != 0) {
        lookout_free(&made);
        return APP_NO_MEMORY;
    }
    made->one_at_a_time = one_at_a_time;
    *lookout = made;
    return APP_OK;
}

void lookout_stop(struct lookout *lookout)
{
    pthread_mutex_lock(&lookout->lock);
    atomic_store(&lookout->stopped, true);
    pthread_cond_broadcast(&lookout->passed);
    pthread_cond_broadcast(&lookout->roused);
    pthread_mutex_unlock(&lookout->lock);
}

void lookout_free(struct lookout **lookout)
{
    struct lookout *freed = *lookout;
    if (!freed)
        return;
    if (freed->one_at_a_time) {
        lookout_stop(freed);
        pthread_join(freed->guard, NULL);
    }
    pthread_cond_destroy(&freed->roused);
    pthread_cond_destroy(&freed->passed);
    pthread_mutex_destroy(&freed->lock);
    free(freed);
    *lookout = NULL;
}
