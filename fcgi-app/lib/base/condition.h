/* SPDX-License-Identifier: MIT */
/*
 * Waiting on a condition until a deadline of lib/base/clock.h. The clock belongs to the
 * wait, so the condition needs no attributes.
 *
 *     while (!done && condition_wait(&condition, &mutex, deadline_ns))
 *         continue;
 */
#ifndef LIB_BASE_CONDITION_H
#define LIB_BASE_CONDITION_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "lib/base/clock.h"

/*
 * Wait with `mutex` held, as pthread_cond_wait, which may return without a signal. False:
 * the deadline has passed.
 */
static inline bool condition_wait(pthread_cond_t *condition, pthread_mutex_t *mutex,
                                  int64_t deadline_ns)
{
    const struct timespec until = {deadline_ns / NS_PER_S, deadline_ns % NS_PER_S};
    return pthread_cond_clockwait(condition, mutex, CLOCK_MONOTONIC, &until) == 0;
}

#endif
