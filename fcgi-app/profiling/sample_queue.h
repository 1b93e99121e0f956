/* SPDX-License-Identifier: MIT */
/*
 * The way from the signal handler to ordinary code: a bounded queue that one
 * producer fills without a lock, an allocation or a system call, and one
 * consumer empties. gperftools lets one thread at a time into its handler, so
 * the handlers of all threads together are one producer.
 *
 * A sample that finds the queue full is dropped and counted.
 */
#ifndef PROFILING_SAMPLE_QUEUE_H
#define PROFILING_SAMPLE_QUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "profiling/unwind.h"

struct sample_queue;

struct sample {
    int64_t time_ns; /* CLOCK_MONOTONIC */
    int64_t cpu_ns;  /* CPU time of the process that it stands for */
    size_t depth;
    uintptr_t pcs[UNWIND_MAX_DEPTH]; /* as unwind.h has them */
};

/* NULL: no memory. */
struct sample_queue *sample_queue_new(void);
/* NULLs the caller's pointer. NULL allowed. */
void sample_queue_free(struct sample_queue **queue);

/* Producer, async-signal-safe. */
void sample_queue_put(struct sample_queue *queue, const struct sample *sample);

/* Consumer: the oldest sample; false when there is none. */
bool sample_queue_take(struct sample_queue *queue, struct sample *sample);

/* Any thread: samples dropped so far. */
uint64_t sample_queue_dropped(const struct sample_queue *queue);

#endif
