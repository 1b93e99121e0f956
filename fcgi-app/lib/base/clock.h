/* SPDX-License-Identifier: MIT */
/*
 * Monotonic time and deadlines. A deadline is a point of CLOCK_MONOTONIC in
 * nanoseconds, so that it can be handed down a call chain unchanged and every
 * step takes what is left of it.
 */
#ifndef LIB_BASE_CLOCK_H
#define LIB_BASE_CLOCK_H

#include <stdint.h>
#include <time.h>

#define NS_PER_MS INT64_C(1000000)
#define NS_PER_S  INT64_C(1000000000)

static inline int64_t clock_now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * NS_PER_S + now.tv_nsec;
}

/* CPU time that this thread has used. */
static inline int64_t clock_thread_cpu_ns(void)
{
    struct timespec used;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
    return used.tv_sec * NS_PER_S + used.tv_nsec;
}

static inline int64_t deadline_in_ms(int64_t ms)
{
    return clock_now_ns() + ms * NS_PER_MS;
}

/* The earlier of two deadlines. */
static inline int64_t deadline_min(int64_t a_ns, int64_t b_ns)
{
    return a_ns < b_ns ? a_ns : b_ns;
}

/* Milliseconds until the deadline, rounded up; 0 when it has passed. */
static inline int64_t deadline_left_ms(int64_t deadline_ns)
{
    int64_t left = deadline_ns - clock_now_ns();
    return left <= 0 ? 0 : (left + NS_PER_MS - 1) / NS_PER_MS;
}

/* Sleep until then, whatever signals come meanwhile: the profiler's cut any sleep short. */
static inline void deadline_sleep(int64_t deadline_ns)
{
    const struct timespec until = {deadline_ns / NS_PER_S, deadline_ns % NS_PER_S};
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL) != 0)
        continue;
}

#endif
