/* SPDX-License-Identifier: MIT */
/*
 * Telling a profiler where threads wait, without knowing one.
 *
 *     struct wait wait = wait_begin(WAIT_CACHE);
 *     ... grpc_completion_queue_pluck(...) ...
 *     wait_end(&wait);
 *
 * While nobody listens that costs one relaxed load. Waits may be nested, and one
 * that began before anybody listened is not told. Time is wall-clock time
 * between the two calls.
 *
 * Any thread. The listener is one a process, so it is a global; it is set at
 * start, before there are waits, and taken away after the last.
 */
#ifndef LIB_TELEMETRY_WAIT_H
#define LIB_TELEMETRY_WAIT_H

#include <stdatomic.h>
#include <stdint.h>

#include "lib/base/clock.h"

enum wait_kind {
    WAIT_CACHE,   /* an answer of the cache */
    WAIT_FACEBOX, /* an answer of FaceBox */
    WAIT_FETCH,   /* a picture's own server */
    WAIT_QUEUE,   /* a turn: the queue of the pipeline, a budget */
    WAIT_LOCK,    /* a mutex */
    WAIT_KIND__MAX
};

struct wait_hooks {
    /* Called in the thread that waited; `return_address` lies in who called wait_end. */
    void (*waited)(void *context, enum wait_kind kind, int64_t waited_ns,
                   const void *return_address);
    void *context;
};

/* Have every later wait told to `hooks`, which must outlive them; NULL: to nobody. */
void wait_set_hooks(const struct wait_hooks *hooks);

struct wait {
    enum wait_kind kind;
    int64_t since_ns; /* 0: nobody listened when it began */
};

/* Not for use outside this header and wait.c. */
extern const struct wait_hooks *_Atomic wait_hooks_now;
void wait_report(const struct wait *wait);

static inline struct wait wait_begin(enum wait_kind kind)
{
    if (!atomic_load_explicit(&wait_hooks_now, memory_order_relaxed))
        return (struct wait){kind, 0};
    return (struct wait){kind, clock_now_ns()};
}

static inline void wait_end(const struct wait *wait)
{
    if (wait->since_ns != 0)
        wait_report(wait);
}

#endif
