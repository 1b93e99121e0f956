/* SPDX-License-Identifier: MIT */
/*
 * Where threads of this process wait, and how long: the block profile (upstream
 * answers and queues) and the mutex profile (locks), both cumulative since the
 * start.
 *
 * Waits are sampled: a wait of at least the threshold is always recorded with
 * its stack; a shorter one with the probability waited / threshold, and then
 * stands for threshold / waited waits like it, so that the sums are right on
 * average and a long wait is never missed. The threshold begins at 1 us and
 * moves, so that about CONTENTION_STACKS_PER_S stacks a second are taken and
 * never more; the waits beyond are added in proportion when a profile is made. A stack
 * takes some 8 us and every request waits, so more would be seen in its CPU time.
 *
 * Life cycle: contention_new, then waits and profiles at any time from any thread,
 * contention_free when nobody tells of waits any more.
 */
#ifndef PROFILING_CONTENTION_H
#define PROFILING_CONTENTION_H

#include "profiling/stack_profile.h"

enum { CONTENTION_STACKS_PER_S = 100 };

struct contention;

enum contention_kind { CONTENTION_BLOCK, CONTENTION_MUTEX, CONTENTION__MAX };

/* The routes' array and names must outlive it. APP_NO_MEMORY. */
enum app_err contention_new(const struct route_table *routes, struct contention **contention)
    __attribute__((warn_unused_result));
/* NULLs the caller's pointer. NULL allowed. */
void contention_free(struct contention **contention);

/*
 * This thread has waited so long. The stack begins with the frame that `return_address`
 * lies in; NULL: with the caller of this function.
 */
void contention_waited(struct contention *contention, enum contention_kind kind, int64_t waited_ns,
                       const void *return_address);

/* All waits so far; a profile of profile_kind_contention, not symbolized. APP_NO_MEMORY. */
enum app_err contention_profile(struct contention *contention, enum contention_kind kind,
                                struct profile **profile) __attribute__((warn_unused_result));

#endif
