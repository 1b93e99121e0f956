/* SPDX-License-Identifier: MIT */
/*
 * tcmalloc keeps a stack with each sampled allocation until it is freed, which
 * gives what lives and no more. For all allocations its hook is used: it costs a
 * subtraction and tcmalloc's longer way until the thread's next sample is due. The gaps between
 * samples are exponential, as tcmalloc's are, so that no pattern of sizes escapes.
 *
 * The hook has no context argument, so what it needs is global.
 */
#include "profiling/heap.h"

#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <time.h>

#include "lib/base/clock.h"
#include "profiling/heap_sample.h"
#include "profiling/unwind.h"

#define STACKS_MAX_BYTES (8 * 1024 * 1024)

const struct profile_kind profile_kind_allocs = {
    .name = "allocs",
    .values = {{"alloc_objects", "count"},
               {"alloc_space", "bytes"},
               {"inuse_objects", "count"},
               {"inuse_space", "bytes"}},
    .value_count = 4,
    .period_type = {"space", "bytes"},
    .default_value = "alloc_space",
};

struct heap {
    const struct route_table *routes;
    const char *setting;
    int64_t period;            /* 0: sampling is off */
    uintptr_t allocator_start; /* where tcmalloc is mapped: its frames say nothing */
    uintptr_t allocator_end;
    _Atomic unsigned worth; /* an allocation that the hook meets counts so often; 0: no hook */
    _Atomic int64_t watched_until_ns;
    struct { /* heap_tick's */
        unsigned turn;
        unsigned chosen;
        uint64_t random;
    } turns;
    pthread_mutex_t lock;
    struct stacks *allocated; /* guarded by the lock */
};

/* A thread's way to its next sample. */
struct countdown {
    int64_t bytes_left;
    uint64_t random; /* 0: not begun */
    bool busy;       /* what this thread allocates now is ours, for a sample */
};

static struct heap *_Atomic hooked_heap;
static _Thread_local struct countdown countdown;

static double random_fraction(uint64_t *random)
{
    uint64_t z = *random += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return ((double)((z ^ (z >> 31)) >> 11) + 1) * 0x1p-53; /* (0, 1] */
}

static int64_t next_gap(struct countdown *thread, int64_t period)
{
    return 1 + (int64_t)(-log(random_fraction(&thread->random)) * (double)period);
}

/* What a sampled allocation of `size` bytes stands for. */
static double scale_of(double size, int64_t period)
{
    return 1 / -expm1(-size / (double)period);
}

/* The stack without the allocator's own frames at its inner end. */
static size_t skip_allocator(const struct heap *heap, const uintptr_t *pcs, size_t depth)
{
    size_t skip = 0;
    while (skip < depth && pcs[skip] >= heap->allocator_start && pcs[skip] < heap->allocator_end)
        skip++;
    return skip;
}

static void take_sample(struct heap *heap, size_t size, const void *return_address)
{
    uintptr_t pcs[UNWIND_MAX_DEPTH];
    size_t depth = unwind_here(return_address, pcs, UNWIND_MAX_DEPTH);
    size_t skip = skip_allocator(heap, pcs, depth);
    double scale = scale_of((double)size, heap->period) * atomic_load(&heap->worth);
    pthread_mutex_lock(&heap->lock);
    stacks_add(heap->allocated, pcs + skip, depth - skip, scale, scale * (double)size);
    pthread_mutex_unlock(&heap->lock);
}

static void count_down(struct countdown *thread, size_t size, const void *return_address)
{
    struct heap *heap = atomic_load(&hooked_heap);
    if (!heap)
        return;
    if (thread->random == 0) { /* a thread's first allocation is not yet a sample */
        thread->random = (uint64_t)clock_now_ns() ^ (uint64_t)(uintptr_t)thread;
        thread->bytes_left += next_gap(thread, heap->period);
        if (thread->bytes_left >= 0)
            return;
    }
    thread->busy = true;
    take_sample(heap, size, return_address);
    thread->busy = false;
    thread->bytes_left = next_gap(thread, heap->period);
}

/* tcmalloc calls it after every allocation, holding no lock. */
static void on_allocation(const void *memory, size_t size)
{
    struct countdown *thread = &countdown;
    if (!memory || thread->busy)
        return;
    thread->bytes_left -= (int64_t)size;
    if (__builtin_expect(thread->bytes_left < 0, 0))
        count_down(thread, size, __builtin_return_address(0));
}

static int64_t sampling_period(void)
{
    int64_t period = 0;
    void **entries = heap_sample_read(&period);
    bool available = entries != NULL;
    heap_sample_free(entries);
    return available ? period : 0;
}

static void set_worth(struct heap *heap, unsigned worth)
{
    unsigned before = atomic_load(&heap->worth);
    if (before > 0 && worth == 0)
        heap_sample_remove_hook(on_allocation);
    atomic_store(&heap->worth, worth); /* before it is needed */
    if (before == 0 && worth > 0 && !heap_sample_add_hook(on_allocation))
        atomic_store(&heap->worth, 0);
}

void heap_tick(struct heap *heap, int64_t now_ns)
{
    if (heap->period == 0)
        return;
    unsigned turn = heap->turns.turn++ % HEAP_TURNS;
    if (turn == 0)
        heap->turns.chosen = (unsigned)(random_fraction(&heap->turns.random) * HEAP_TURNS);
    if (now_ns < atomic_load(&heap->watched_until_ns))
        set_worth(heap, 1);
    else
        set_worth(heap, turn == heap->turns.chosen % HEAP_TURNS ? HEAP_TURNS : 0);
}

enum app_err heap_new(const struct route_table *routes, const char *setting, struct heap **heap)
{
    struct heap *made = calloc(1, sizeof(*made));
    if (made)
        made->allocated = stacks_new(STACKS_MAX_BYTES);
    if (!made || !made->allocated) {
        free(made);
        return APP_NO_MEMORY;
    }
    made->routes = routes;
    made->setting = setting;
    made->period = sampling_period();
    pthread_mutex_init(&made->lock, NULL);
    if (made->period > 0) {
        unwind_object((uintptr_t)malloc, &made->allocator_start, &made->allocator_end);
        unwind_warm_up();
        atomic_store(&hooked_heap, made);
        made->turns.random = (uint64_t)clock_now_ns();
        set_worth(made, 1);
        if (atomic_load(&made->worth) == 0)
            made->period = 0;
    }
    *heap = made;
    return APP_OK;
}

void heap_free(struct heap **heap)
{
    if (!*heap)
        return;
    set_worth(*heap, 0);
    atomic_store(&hooked_heap, NULL);
    stacks_free(&(*heap)->allocated);
    pthread_mutex_destroy(&(*heap)->lock);
    free(*heap);
    *heap = NULL;
}

/* One entry of tcmalloc's list; returns how many words it has. */
static size_t add_entry(const struct heap *heap, void **entry, struct stacks *stacks)
{
    uintptr_t pcs[UNWIND_MAX_DEPTH];
    double count = (double)(uintptr_t)entry[0];
    double bytes = (double)(uintptr_t)entry[1];
    size_t depth = (uintptr_t)entry[2];
    size_t taken = depth < UNWIND_MAX_DEPTH ? depth : UNWIND_MAX_DEPTH;
    for (size_t i = 0; i < taken; i++)
        pcs[i] = (uintptr_t)entry[3 + i] - 1; /* of the call, not behind it */
    size_t skip = skip_allocator(heap, pcs, taken);
    double scale = scale_of(bytes / count, heap->period);
    stacks_add(stacks, pcs + skip, taken - skip, scale * count, scale * bytes);
    return 3 + depth;
}

static enum app_err collect_live(struct heap *heap, struct stack_profile *builder)
{
    static const struct stack_values values = {2, 3, 1, 1};
    int64_t period;
    struct stacks *stacks = stacks_new(STACKS_MAX_BYTES);
    if (!stacks)
        return APP_NO_MEMORY;
    enum app_err err = APP_NO_MEMORY;
    void **entries = heap_sample_read(&period);
    if (entries) {
        for (void **entry = entries; entry[0];)
            entry += add_entry(heap, entry, stacks);
        err = stack_profile_add(builder, stacks, &values);
    }
    heap_sample_free(entries);
    stacks_free(&stacks);
    return err;
}

static enum app_err collect_allocated(struct heap *heap, struct stack_profile *builder)
{
    static const struct stack_values values = {0, 1, 1, 1};
    struct stacks *stacks = stacks_new(STACKS_MAX_BYTES * 2);
    if (!stacks)
        return APP_NO_MEMORY;
    countdown.busy = true; /* the copy allocates while it holds the lock that a sample takes */
    pthread_mutex_lock(&heap->lock);
    stacks_add_all(stacks, heap->allocated);
    pthread_mutex_unlock(&heap->lock);
    countdown.busy = false;
    enum app_err err = stack_profile_add(builder, stacks, &values);
    stacks_free(&stacks);
    return err;
}

enum app_err heap_profile(struct heap *heap, const struct profile_kind *kind,
                          struct profile **profile, struct err_buf *why)
{
    struct stack_profile *builder = NULL;
    if (heap->period == 0)
        return err_set(why, APP_NOT_FOUND,
                       "the heap is not sampled: %s is 0, or this build has another allocator "
                       "than tcmalloc",
                       heap->setting);
    atomic_store(&heap->watched_until_ns, deadline_in_ms(HEAP_WATCHED_MS));
    enum app_err err = stack_profile_new(kind, heap->routes, &builder);
    if (!err)
        err = collect_live(heap, builder);
    if (!err)
        err = collect_allocated(heap, builder);
    if (!err) {
        struct timespec now;
        clock_gettime(CLOCK_REALTIME, &now);
        profile_set_time(stack_profile_get(builder), now.tv_sec * NS_PER_S + now.tv_nsec, 0,
                         heap->period);
        *profile = stack_profile_take(builder);
    }
    stack_profile_free(&builder);
    return err;
}

void heap_release_memory(void)
{
    heap_sample_release_memory();
}
