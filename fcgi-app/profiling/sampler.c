/* SPDX-License-Identifier: MIT */
/*
 * Windows, toggle and ring are receivers of one stream of samples: whoever comes
 * by (a waiting window, the control thread) takes what the handler has queued
 * and gives each sample to all whose time span it lies in. The lock is never
 * held while a profile is built, and the signal handler never takes it.
 */
#include "profiling/sampler.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "lib/base/clock.h"
#include "profiling/sample_ring.h"
#include "profiling/sampler_session.h"

/* A set of stacks of this size holds about 30000 different ones. */
#define WINDOW_MAX_BYTES (16 * 1024 * 1024)
#define POLL_NS          (100 * NS_PER_MS)

struct receiver {
    struct stacks *stacks; /* NULL: not in use */
    int64_t start_ns;      /* takes samples of [start, end) */
    int64_t end_ns;
    uint64_t dropped_before; /* samples that the handler had dropped before `start` */
};

struct sampler {
    pthread_mutex_t lock; /* guards all below but the options */
    struct sampler_options options;
    struct route_table routes;
    struct sampler_session *session;
    struct receiver windows[SAMPLER_WINDOWS];
    struct receiver toggle;
    bool toggle_on;
    struct sample_ring *ring; /* NULL: none */
    uint64_t samples;
    struct sample scratch;
};

static int64_t wall_clock_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return now.tv_sec * NS_PER_S + now.tv_nsec;
}

static bool is_open(const struct receiver *receiver, int64_t now_ns)
{
    return receiver->stacks && now_ns < receiver->end_ns;
}

static unsigned open_windows(const struct sampler *sampler, int64_t now_ns)
{
    unsigned count = 0;
    for (size_t i = 0; i < SAMPLER_WINDOWS; i++)
        count += is_open(&sampler->windows[i], now_ns);
    return count;
}

/* The rate that is wanted now, by whoever is still within his time. */
static enum app_err apply_rate(struct sampler *sampler, int64_t now_ns, struct err_buf *why)
{
    bool wanted = sampler->toggle_on || open_windows(sampler, now_ns) > 0;
    return sampler_session_set_rate(sampler->session,
                                    wanted ? sampler->options.hz : sampler->options.ring_hz, why);
}

static void give(const struct receiver *receiver, const struct sample *sample)
{
    if (receiver->stacks && sample->time_ns >= receiver->start_ns &&
        sample->time_ns < receiver->end_ns)
        stacks_add(receiver->stacks, sample->pcs, sample->depth, 1, (double)sample->cpu_ns);
}

static void drain(struct sampler *sampler)
{
    struct sample *sample = &sampler->scratch;
    while (sampler_session_take(sampler->session, sample)) {
        sampler->samples++;
        for (size_t i = 0; i < SAMPLER_WINDOWS; i++)
            give(&sampler->windows[i], sample);
        give(&sampler->toggle, sample);
        if (sampler->ring)
            sample_ring_add(sampler->ring, sample);
    }
}

/* What found the queue full is missing from every receiver of that time. */
static void count_dropped(const struct sampler *sampler, const struct receiver *receiver)
{
    uint64_t dropped = sampler_session_dropped(sampler->session);
    stacks_add_dropped(receiver->stacks, (double)(dropped - receiver->dropped_before));
}

enum app_err sampler_new(const struct sampler_options *options, struct sampler **sampler,
                         struct err_buf *why)
{
    struct sampler *made = calloc(1, sizeof(*made));
    if (!made)
        return APP_NO_MEMORY;
    pthread_mutex_init(&made->lock, NULL);
    made->options = *options;
    made->routes = (struct route_table){options->routes, options->route_count};

    enum app_err err = sampler_session_new(&made->session, why);
    if (!err && options->ring_hz > 0) {
        made->ring = sample_ring_new(clock_now_ns());
        err = made->ring ? sampler_session_set_rate(made->session, options->ring_hz, why)
                         : APP_NO_MEMORY;
    }
    if (err)
        sampler_free(&made);
    else
        *sampler = made;
    return err;
}

void sampler_free(struct sampler **sampler)
{
    struct sampler *old = *sampler;
    if (!old)
        return;
    sampler_session_free(&old->session);
    for (size_t i = 0; i < SAMPLER_WINDOWS; i++)
        stacks_free(&old->windows[i].stacks);
    stacks_free(&old->toggle.stacks);
    sample_ring_free(&old->ring);
    pthread_mutex_destroy(&old->lock);
    free(old);
    *sampler = NULL;
}

/* A profile of `stacks`, for a time span of the monotonic clock. Not under the lock. */
static enum app_err build(struct sampler *sampler, const struct stacks *stacks, int64_t start_ns,
                          int64_t end_ns, int hz, struct profile **profile)
{
    static const struct stack_values values = {0, 1, 1, 1};
    struct stack_profile *builder = NULL;
    enum app_err err = stack_profile_new(&profile_kind_cpu, &sampler->routes, &builder);
    if (!err)
        err = stack_profile_add(builder, stacks, &values);
    if (!err) {
        int64_t start_of_day_ns = wall_clock_ns() - clock_now_ns();
        profile_set_time(stack_profile_get(builder), start_of_day_ns + start_ns, end_ns - start_ns,
                         NS_PER_S / hz);
        *profile = stack_profile_take(builder);
    }
    stack_profile_free(&builder);
    return err;
}

static enum app_err open_window(struct sampler *sampler, double seconds, struct receiver **window,
                                struct err_buf *why)
{
    int64_t now_ns = clock_now_ns();
    struct receiver *free_one = NULL;
    for (size_t i = 0; i < SAMPLER_WINDOWS && !free_one; i++)
        if (!sampler->windows[i].stacks)
            free_one = &sampler->windows[i];
    if (!free_one)
        return err_set(why, APP_UNAVAILABLE, "too many profiles are being taken");

    struct stacks *stacks = stacks_new(WINDOW_MAX_BYTES);
    if (!stacks)
        return APP_NO_MEMORY;
    *free_one = (struct receiver){stacks, now_ns, now_ns + (int64_t)(seconds * (double)NS_PER_S),
                                  sampler_session_dropped(sampler->session)};
    enum app_err err = apply_rate(sampler, now_ns, why);
    if (err)
        stacks_free(&free_one->stacks);
    else
        *window = free_one;
    return err;
}

/* Take the window out of the stream; what it got is then the caller's. */
static void close_window(struct sampler *sampler, struct receiver *window, struct receiver *result)
{
    int64_t now_ns = clock_now_ns();
    window->end_ns = now_ns < window->end_ns ? now_ns : window->end_ns;
    drain(sampler);
    *result = *window;
    window->stacks = NULL;
    count_dropped(sampler, result);
    (void)apply_rate(sampler, now_ns, NULL); /* to less or nothing, which cannot fail */
}

enum app_err sampler_collect(struct sampler *sampler, double seconds,
                             bool (*cancelled)(void *context), void *context,
                             struct profile **profile, struct err_buf *why)
{
    struct receiver *window = NULL;
    struct receiver result;
    pthread_mutex_lock(&sampler->lock);
    enum app_err err = open_window(sampler, seconds, &window, why);
    int64_t end_ns = window ? window->end_ns : 0;
    pthread_mutex_unlock(&sampler->lock);
    if (!window)
        return err;

    while (clock_now_ns() < end_ns && !(cancelled && cancelled(context))) {
        deadline_sleep(deadline_min(clock_now_ns() + POLL_NS, end_ns));
        pthread_mutex_lock(&sampler->lock);
        drain(sampler);
        pthread_mutex_unlock(&sampler->lock);
    }

    pthread_mutex_lock(&sampler->lock);
    close_window(sampler, window, &result);
    pthread_mutex_unlock(&sampler->lock);
    err =
        build(sampler, result.stacks, result.start_ns, result.end_ns, sampler->options.hz, profile);
    stacks_free(&result.stacks);
    return err;
}

enum app_err sampler_past(struct sampler *sampler, double seconds, double ago,
                          struct profile **profile, struct err_buf *why)
{
    if (!sampler->ring)
        return err_set(why, APP_NOT_FOUND, "nothing of the past is kept: the ring is off");
    struct stacks *stacks = stacks_new(SAMPLE_RING_MAX_BYTES * 2);
    if (!stacks)
        return APP_NO_MEMORY;

    int64_t now_ns = clock_now_ns();
    int64_t from_ns = now_ns - (int64_t)(ago * (double)NS_PER_S);
    int64_t to_ns = deadline_min(from_ns + (int64_t)(seconds * (double)NS_PER_S), now_ns);
    pthread_mutex_lock(&sampler->lock);
    drain(sampler);
    sample_ring_tick(sampler->ring, now_ns);
    int64_t reach_ns = sample_ring_reach(sampler->ring);
    from_ns = from_ns > reach_ns ? from_ns : reach_ns;
    sample_ring_collect(sampler->ring, from_ns, to_ns, stacks);
    pthread_mutex_unlock(&sampler->lock);

    enum app_err err = APP_OK;
    if (from_ns >= to_ns)
        err = err_set(why, APP_NOT_FOUND, "the past that is kept begins %lld s ago",
                      (long long)((now_ns - reach_ns) / NS_PER_S));
    else
        err = build(sampler, stacks, from_ns, to_ns, sampler->options.ring_hz, profile);
    stacks_free(&stacks);
    return err;
}

static enum app_err toggle_on(struct sampler *sampler, int for_s, struct err_buf *why)
{
    int64_t now_ns = clock_now_ns();
    int64_t end_ns = now_ns + for_s * NS_PER_S;
    if (!sampler->toggle_on) {
        struct stacks *stacks = stacks_new(WINDOW_MAX_BYTES);
        if (!stacks)
            return APP_NO_MEMORY;
        stacks_free(&sampler->toggle.stacks);
        sampler->toggle =
            (struct receiver){stacks, now_ns, end_ns, sampler_session_dropped(sampler->session)};
    }
    sampler->toggle_on = true;
    if (end_ns > sampler->toggle.end_ns)
        sampler->toggle.end_ns = end_ns;
    enum app_err err = apply_rate(sampler, now_ns, why);
    if (err)
        sampler->toggle_on = false;
    return err;
}

static void toggle_off(struct sampler *sampler)
{
    int64_t now_ns = clock_now_ns();
    if (!sampler->toggle_on)
        return;
    drain(sampler);
    sampler->toggle_on = false;
    sampler->toggle.end_ns = deadline_min(now_ns, sampler->toggle.end_ns);
    (void)apply_rate(sampler, now_ns, NULL); /* to less or nothing, which cannot fail */
}

enum app_err sampler_toggle(struct sampler *sampler, bool on, int for_s, struct err_buf *why)
{
    enum app_err err = APP_OK;
    pthread_mutex_lock(&sampler->lock);
    drain(sampler);
    if (on)
        err = toggle_on(sampler, for_s, why);
    else
        toggle_off(sampler);
    pthread_mutex_unlock(&sampler->lock);
    return err;
}

enum app_err sampler_toggled(struct sampler *sampler, struct profile **profile, struct err_buf *why)
{
    struct receiver copy = {.stacks = NULL};
    enum app_err err = APP_OK;
    pthread_mutex_lock(&sampler->lock);
    drain(sampler);
    if (sampler->toggle.stacks) {
        copy = sampler->toggle;
        copy.end_ns = deadline_min(clock_now_ns(), copy.end_ns);
        copy.stacks = stacks_new(WINDOW_MAX_BYTES);
        err = copy.stacks ? APP_OK : APP_NO_MEMORY;
    } else {
        err = err_set(why, APP_NOT_FOUND, "sampling was never switched on");
    }
    if (!err) {
        stacks_add_all(copy.stacks, sampler->toggle.stacks);
        count_dropped(sampler, &copy);
    }
    pthread_mutex_unlock(&sampler->lock);

    if (!err)
        err = build(sampler, copy.stacks, copy.start_ns, copy.end_ns, sampler->options.hz, profile);
    stacks_free(&copy.stacks);
    return err;
}

void sampler_state(struct sampler *sampler, struct sampler_state *state)
{
    pthread_mutex_lock(&sampler->lock);
    drain(sampler);
    *state = (struct sampler_state){
        .hz = sampler_session_rate(sampler->session),
        .windows = open_windows(sampler, clock_now_ns()),
        .toggle = sampler->toggle_on,
        .toggle_left_s =
            sampler->toggle_on ? (int)((deadline_left_ms(sampler->toggle.end_ns) + 999) / 1000) : 0,
        .ring = sampler->ring != NULL,
        .samples = sampler->samples,
        .dropped = sampler_session_dropped(sampler->session),
    };
    pthread_mutex_unlock(&sampler->lock);
}

void sampler_tick(struct sampler *sampler)
{
    bool expired = false;
    pthread_mutex_lock(&sampler->lock);
    int64_t now_ns = clock_now_ns();
    drain(sampler);
    if (sampler->toggle_on && now_ns >= sampler->toggle.end_ns) {
        toggle_off(sampler);
        expired = true;
    }
    (void)apply_rate(sampler, now_ns, NULL); /* to less or nothing, which cannot fail */
    if (sampler->ring)
        sample_ring_tick(sampler->ring, now_ns);
    sampler_session_tick(sampler->session);
    uint64_t samples = sampler->samples;
    pthread_mutex_unlock(&sampler->lock);
    if (expired)
        log_info(sampler->options.log, "Sampling switched itself off",
                 LOG_FIELDS(LOG_INT("samples", samples)));
}
