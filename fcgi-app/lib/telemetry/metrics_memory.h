/* SPDX-License-Identifier: MIT */
/*
 * Where the numbers of metrics.h lie: a file in the pool's directory, mapped by
 * every process, or memory of this process. Private to lib/telemetry/metrics*.c.
 *
 * lib/base/shared_file.h says how the file and the processes' slots in it are kept.
 */
#ifndef LIB_TELEMETRY_METRICS_MEMORY_H
#define LIB_TELEMETRY_METRICS_MEMORY_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "lib/base/digest.h"
#include "lib/base/err.h"
#include "lib/base/limits.h"
#include "lib/base/shared_file.h"

/* At the start of the file. */
struct metrics_header {
    struct shared_file_header file;
    _Atomic uint64_t cpu_ns; /* that all processes have taken so far */
};

struct metrics_slot {
    _Atomic int64_t pid;          /* 0: was never used */
    _Atomic uint64_t start_ticks; /* field 22 of /proc/pid/stat, tells it from a later process */
    _Atomic uint64_t cpu_ns;      /* of this process, as far as it is in the header's */
};

struct metrics_memory {
    struct shared_file file;
    struct metrics_header *header;
    struct metrics_slot *slots; /* LIMIT_METRICS_PROCESSES */
    _Atomic int64_t *gauges;    /* gauge_count for each slot */
    size_t gauge_count;
    _Atomic uint64_t *cells; /* cell_count */
    size_t cell_count;
    size_t slot; /* ours */
};

/*
 * Map the file for `layout`, making it and `directory` if they are missing, and
 * take a slot. APP_CONFIG with the reason in why->detail.
 */
enum app_err metrics_memory_share(struct metrics_memory *memory, const char *directory,
                                  const char layout[MD5_HEX_LEN + 1], struct err_buf *why)
    __attribute__((warn_unused_result));

/* The same with memory that nobody else sees. APP_NO_MEMORY. */
enum app_err metrics_memory_private(struct metrics_memory *memory)
    __attribute__((warn_unused_result));

/* Give the slot and the memory back. Both _share and _private want the counts set before. */
void metrics_memory_release(struct metrics_memory *memory);

/* Whether a process, ours or another, holds the slot now. */
bool metrics_memory_alive(const struct metrics_memory *memory, size_t slot);

/* The gauges of a slot. */
static inline _Atomic int64_t *metrics_memory_gauges(const struct metrics_memory *memory,
                                                     size_t slot)
{
    return memory->gauges + slot * memory->gauge_count;
}

/*
 * Take up that the process of a slot has used `cpu_ns` of CPU time: what is new
 * goes to the pool's sum. Less than before is ignored. Any process, any thread.
 */
void metrics_memory_account(const struct metrics_memory *memory, size_t slot, uint64_t cpu_ns);

#endif
