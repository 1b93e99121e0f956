/* SPDX-License-Identifier: MIT */
/*
 * The totals are counted for every wait by two atomic additions; only sampled
 * waits take the lock and unwind. Time is cut into slots of 100 ms, each with
 * its share of stacks; at the end of a slot the threshold doubles when the share
 * was used up, and halves when less than a quarter was.
 */
#include "profiling/contention.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <time.h>

#include "lib/base/clock.h"
#include "profiling/unwind.h"

#define SLOT_NS          (100 * NS_PER_MS)
#define THRESHOLD_MIN_NS INT64_C(1000)
#define THRESHOLD_MAX_NS NS_PER_S
#define STACKS_MAX_BYTES (4 * 1024 * 1024)

enum { STACKS_PER_SLOT = CONTENTION_STACKS_PER_S / 10 };

/* All waits of a kind, and what the sampled ones stand for. */
struct waits {
    _Atomic uint64_t count;
    _Atomic uint64_t delay_ns;
    struct stacks *stacks; /* as below, guarded by the lock */
    double sampled_count;
    double sampled_delay_ns;
};

struct contention {
    const struct route_table *routes;
    int64_t start_ns; /* CLOCK_REALTIME */
    int64_t start_monotonic_ns;
    _Atomic int64_t threshold_ns;
    _Atomic int64_t slot_end_ns;  /* changed under the lock, as the threshold is */
    _Atomic unsigned slot_stacks; /* taken in this slot */
    _Atomic uint64_t random;
    pthread_mutex_t lock;
    struct waits waits[CONTENTION__MAX];
};

/* splitmix64: its state is a counter, so threads share it by an addition. */
static double random_fraction(struct contention *contention)
{
    uint64_t z = atomic_fetch_add_explicit(&contention->random, UINT64_C(0x9e3779b97f4a7c15),
                                           memory_order_relaxed);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return (double)((z ^ (z >> 31)) >> 11) * 0x1p-53;
}

static void turn_slot(struct contention *contention, int64_t now_ns)
{
    pthread_mutex_lock(&contention->lock);
    if (now_ns >= atomic_load(&contention->slot_end_ns)) {
        unsigned used = atomic_load(&contention->slot_stacks);
        int64_t threshold_ns = atomic_load(&contention->threshold_ns);
        if (used >= STACKS_PER_SLOT && threshold_ns < THRESHOLD_MAX_NS)
            atomic_store(&contention->threshold_ns, threshold_ns * 2);
        else if (used < STACKS_PER_SLOT / 4 && threshold_ns > THRESHOLD_MIN_NS)
            atomic_store(&contention->threshold_ns, threshold_ns / 2);
        atomic_store(&contention->slot_stacks, 0);
        atomic_store(&contention->slot_end_ns, now_ns + SLOT_NS);
    }
    pthread_mutex_unlock(&contention->lock);
}

/* Whether this slot still has a stack to give. Without the lock when it has not. */
static bool take_share(struct contention *contention)
{
    int64_t now_ns = clock_now_ns();
    if (now_ns >= atomic_load(&contention->slot_end_ns))
        turn_slot(contention, now_ns);
    return atomic_load(&contention->slot_stacks) < STACKS_PER_SLOT &&
           atomic_fetch_add(&contention->slot_stacks, 1) < STACKS_PER_SLOT;
}

static void record(struct waits *waits, const uintptr_t *pcs, size_t depth, double weight,
                   int64_t waited_ns)
{
    if (!stacks_add(waits->stacks, pcs, depth, weight, weight * (double)waited_ns))
        return; /* no room for another stack: its share goes to the others */
    waits->sampled_count += weight;
    waits->sampled_delay_ns += weight * (double)waited_ns;
}

void contention_waited(struct contention *contention, enum contention_kind kind, int64_t waited_ns,
                       const void *return_address)
{
    struct waits *waits = &contention->waits[kind];
    if (!return_address)
        return_address = __builtin_return_address(0);
    if (waited_ns < 1)
        waited_ns = 1;
    atomic_fetch_add_explicit(&waits->count, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&waits->delay_ns, (uint64_t)waited_ns, memory_order_relaxed);

    int64_t threshold_ns = atomic_load_explicit(&contention->threshold_ns, memory_order_relaxed);
    double weight = 1;
    if (waited_ns < threshold_ns) {
        weight = (double)threshold_ns / (double)waited_ns;
        if (random_fraction(contention) * weight >= 1)
            return;
    }

    if (!take_share(contention))
        return;

    uintptr_t pcs[UNWIND_MAX_DEPTH];
    size_t depth = unwind_here(return_address, pcs, UNWIND_MAX_DEPTH);
    pthread_mutex_lock(&contention->lock);
    record(waits, pcs, depth, weight, waited_ns);
    pthread_mutex_unlock(&contention->lock);
}

enum app_err contention_new(const struct route_table *routes, struct contention **contention)
{
    struct contention *made = calloc(1, sizeof(*made));
    if (!made)
        return APP_NO_MEMORY;
    for (size_t i = 0; i < CONTENTION__MAX; i++)
        made->waits[i].stacks = stacks_new(STACKS_MAX_BYTES);
    if (!made->waits[CONTENTION_BLOCK].stacks || !made->waits[CONTENTION_MUTEX].stacks) {
        for (size_t i = 0; i < CONTENTION__MAX; i++)
            stacks_free(&made->waits[i].stacks);
        free(made);
        return APP_NO_MEMORY;
    }
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    made->start_ns = now.tv_sec * NS_PER_S + now.tv_nsec;
    made->start_monotonic_ns = clock_now_ns();
    made->random = (uint64_t)made->start_ns;
    made->threshold_ns = THRESHOLD_MIN_NS;
    made->routes = routes;
    pthread_mutex_init(&made->lock, NULL);
    unwind_warm_up();
    *contention = made;
    return APP_OK;
}

void contention_free(struct contention **contention)
{
    if (!*contention)
        return;
    for (size_t i = 0; i < CONTENTION__MAX; i++)
        stacks_free(&(*contention)->waits[i].stacks);
    pthread_mutex_destroy(&(*contention)->lock);
    free(*contention);
    *contention = NULL;
}

/* A copy of the stacks, with the factors that bring their sums to the true totals. */
static struct stacks *copy(struct contention *contention, enum contention_kind kind,
                           struct stack_values *values)
{
    struct waits *waits = &contention->waits[kind];
    struct stacks *stacks = stacks_new(STACKS_MAX_BYTES * 2);
    if (!stacks)
        return NULL;
    pthread_mutex_lock(&contention->lock);
    stacks_add_all(stacks, waits->stacks);
    *values = (struct stack_values){0, 1, 1, 1};
    if (waits->sampled_count > 0) {
        values->count_scale = (double)atomic_load(&waits->count) / waits->sampled_count;
        values->value_scale = (double)atomic_load(&waits->delay_ns) / waits->sampled_delay_ns;
    }
    pthread_mutex_unlock(&contention->lock);
    return stacks;
}

enum app_err contention_profile(struct contention *contention, enum contention_kind kind,
                                struct profile **profile)
{
    struct stack_values values;
    struct stack_profile *builder = NULL;
    struct stacks *stacks = copy(contention, kind, &values);
    enum app_err err = stacks ? APP_OK : APP_NO_MEMORY;
    if (!err)
        err = stack_profile_new(&profile_kind_contention, contention->routes, &builder);
    if (!err)
        err = stack_profile_add(builder, stacks, &values);
    if (!err) {
        profile_set_time(stack_profile_get(builder), contention->start_ns,
                         clock_now_ns() - contention->start_monotonic_ns, 1);
        *profile = stack_profile_take(builder);
    }
    stack_profile_free(&builder);
    stacks_free(&stacks);
    return err;
}
