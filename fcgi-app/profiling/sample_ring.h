/* SPDX-License-Identifier: MIT */
/*
 * The last 10 minutes of samples, for a profile of what has already happened.
 *
 * Samples are kept in slices of about a second: a slice is the unit of time that
 * can be asked for. Together they have a ceiling in bytes, SAMPLE_RING_MAX_BYTES;
 * beyond it the oldest slices go first, so that a very busy process looks back
 * less far, and sample_ring_reach says how far.
 *
 * One thread at a time.
 */
#ifndef PROFILING_SAMPLE_RING_H
#define PROFILING_SAMPLE_RING_H

#include <stdint.h>

#include "profiling/sample_queue.h"
#include "profiling/stacks.h"

enum {
    SAMPLE_RING_SECONDS = 600,
    SAMPLE_RING_MAX_BYTES = 8 * 1024 * 1024,
};

struct sample_ring;

/* An empty ring that begins now. NULL: no memory. */
struct sample_ring *sample_ring_new(int64_t now_ns);
/* NULLs the caller's pointer. NULL allowed. */
void sample_ring_free(struct sample_ring **ring);

/* Samples come in order of time, but for a few microseconds. */
void sample_ring_add(struct sample_ring *ring, const struct sample *sample);

/* Forget what is older than 10 minutes. */
void sample_ring_tick(struct sample_ring *ring, int64_t now_ns);

/* Add the samples of the slices that began in [from, to) to `stacks`. */
void sample_ring_collect(const struct sample_ring *ring, int64_t from_ns, int64_t to_ns,
                         struct stacks *stacks);

/* The oldest moment that is still covered. */
int64_t sample_ring_reach(const struct sample_ring *ring);
size_t sample_ring_bytes(const struct sample_ring *ring);

#endif
