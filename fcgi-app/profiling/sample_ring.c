/* SPDX-License-Identifier: MIT */
/*
 * The newest slice is a set of stacks; when its second is over it is packed into
 * one block of its exact size. Slices stand in a circle of fixed length.
 */
#include "profiling/sample_ring.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/clock.h"

#define SLICE_NS NS_PER_S

enum { SLICES = SAMPLE_RING_SECONDS + 2, SLICE_MAX_BYTES = 1024 * 1024 };

/* In a block, followed by its addresses. */
struct packed {
    double count;
    double value;
    uint64_t depth;
};

struct slice {
    int64_t start_ns;
    size_t size;
    char *block;
};

struct sample_ring {
    struct slice slices[SLICES];
    size_t first; /* oldest */
    size_t count;
    size_t bytes;
    int64_t reach_ns;
    int64_t open_ns; /* when the newest slice began */
    struct stacks *open;
};

struct sample_ring *sample_ring_new(int64_t now_ns)
{
    struct sample_ring *ring = calloc(1, sizeof(*ring));
    if (ring)
        ring->open = stacks_new(SLICE_MAX_BYTES);
    if (!ring || !ring->open) {
        free(ring);
        return NULL;
    }
    ring->reach_ns = now_ns;
    ring->open_ns = now_ns;
    return ring;
}

static void drop_oldest(struct sample_ring *ring)
{
    struct slice *slice = &ring->slices[ring->first];
    free(slice->block);
    ring->bytes -= slice->size;
    *slice = (struct slice){.block = NULL};
    ring->first = (ring->first + 1) % SLICES;
    ring->count--;
    ring->reach_ns = ring->count > 0 ? ring->slices[ring->first].start_ns : ring->open_ns;
}

void sample_ring_free(struct sample_ring **ring)
{
    if (!*ring)
        return;
    while ((*ring)->count > 0)
        drop_oldest(*ring);
    stacks_free(&(*ring)->open);
    free(*ring);
    *ring = NULL;
}

static size_t packed_size(const struct stacks *stacks)
{
    size_t size = 0;
    for (const struct stack *stack = stacks_next(stacks, NULL); stack;
         stack = stacks_next(stacks, stack))
        size += sizeof(struct packed) + stack->depth * sizeof(*stack->pcs);
    return size;
}

static void pack(const struct stacks *stacks, char *block)
{
    for (const struct stack *stack = stacks_next(stacks, NULL); stack;
         stack = stacks_next(stacks, stack)) {
        struct packed packed = {stack->count, stack->value, stack->depth};
        memcpy(block, &packed, sizeof(packed));
        block += sizeof(packed);
        memcpy(block, stack->pcs, stack->depth * sizeof(*stack->pcs));
        block += stack->depth * sizeof(*stack->pcs);
    }
}

/* Close the open slice and begin the next at `now_ns`. Without memory its samples are lost. */
static void seal(struct sample_ring *ring, int64_t now_ns)
{
    struct stacks *fresh = stacks_new(SLICE_MAX_BYTES);
    if (!fresh)
        return; /* the slice stays open for longer */

    struct slice slice = {.start_ns = ring->open_ns, .size = packed_size(ring->open)};
    slice.block = slice.size > 0 ? malloc(slice.size) : NULL;
    if (slice.block)
        pack(ring->open, slice.block);
    else
        slice.size = 0;
    while (ring->count > 0 &&
           (ring->count == SLICES || ring->bytes + slice.size > SAMPLE_RING_MAX_BYTES))
        drop_oldest(ring);
    ring->slices[(ring->first + ring->count) % SLICES] = slice;
    ring->count++;
    ring->bytes += slice.size;
    stacks_free(&ring->open);
    ring->open = fresh;
    ring->open_ns = now_ns;
}

void sample_ring_add(struct sample_ring *ring, const struct sample *sample)
{
    if (sample->time_ns - ring->open_ns >= SLICE_NS)
        seal(ring, sample->time_ns);
    stacks_add(ring->open, sample->pcs, sample->depth, 1, (double)sample->cpu_ns);
}

void sample_ring_tick(struct sample_ring *ring, int64_t now_ns)
{
    int64_t oldest_ns = now_ns - SAMPLE_RING_SECONDS * NS_PER_S;
    if (now_ns - ring->open_ns >= SLICE_NS)
        seal(ring, now_ns);
    while (ring->count > 0 && ring->slices[ring->first].start_ns < oldest_ns)
        drop_oldest(ring);
}

static void unpack(const struct slice *slice, struct stacks *stacks)
{
    struct packed packed;
    uintptr_t pcs[UNWIND_MAX_DEPTH];
    for (size_t at = 0; at < slice->size;) {
        memcpy(&packed, slice->block + at, sizeof(packed));
        at += sizeof(packed);
        memcpy(pcs, slice->block + at, packed.depth * sizeof(*pcs));
        at += packed.depth * sizeof(*pcs);
        stacks_add(stacks, pcs, packed.depth, packed.count, packed.value);
    }
}

void sample_ring_collect(const struct sample_ring *ring, int64_t from_ns, int64_t to_ns,
                         struct stacks *stacks)
{
    for (size_t i = 0; i < ring->count; i++) {
        const struct slice *slice = &ring->slices[(ring->first + i) % SLICES];
        if (slice->start_ns >= from_ns && slice->start_ns < to_ns)
            unpack(slice, stacks);
    }
    if (ring->open_ns >= from_ns && ring->open_ns < to_ns)
        stacks_add_all(stacks, ring->open);
}

int64_t sample_ring_reach(const struct sample_ring *ring)
{
    return ring->reach_ns;
}

size_t sample_ring_bytes(const struct sample_ring *ring)
{
    return ring->bytes + stacks_bytes(ring->open);
}
