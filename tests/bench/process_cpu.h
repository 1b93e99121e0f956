/* SPDX-License-Identifier: MIT */
/* CPU time of another process. */
#ifndef TESTS_BENCH_PROCESS_CPU_H
#define TESTS_BENCH_PROCESS_CPU_H

#include <stdint.h>
#include <sys/types.h>
#include <time.h>

#include "lib/base/clock.h"

/* Of all its threads, those that have ended too, in nanoseconds; -1: there is no such process. */
static inline int64_t process_cpu_ns(pid_t pid)
{
    clockid_t clock;
    struct timespec used;
    if (clock_getcpuclockid(pid, &clock) != 0 || clock_gettime(clock, &used) != 0)
        return -1;
    return used.tv_sec * NS_PER_S + used.tv_nsec;
}

#endif
