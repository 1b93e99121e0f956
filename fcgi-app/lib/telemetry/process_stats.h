/* SPDX-License-Identifier: MIT */
/*
 * What the kernel says about a process in /proc, see proc(5). Needs the same
 * user for the descriptors. Any thread.
 */
#ifndef LIB_TELEMETRY_PROCESS_STATS_H
#define LIB_TELEMETRY_PROCESS_STATS_H

#include <stdbool.h>
#include <stdint.h>

struct process_stats {
    uint64_t cpu_ns; /* user and system, all threads; to the clock tick */
    uint64_t resident_bytes;
    uint64_t threads;
    uint64_t descriptors;
    uint64_t descriptor_limit; /* the soft one; 0: not to be had */
    uint64_t start_ticks;      /* since the machine started: together with the pid unique */
    double start_unix_time;    /* seconds */
};

/* False: no such process, or it is not shown to us. */
bool process_stats_read(int64_t pid, struct process_stats *stats);

#endif
