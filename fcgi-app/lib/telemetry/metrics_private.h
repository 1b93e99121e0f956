/* SPDX-License-Identifier: MIT */
/* What metrics.c and metrics_text.c have in common. Private to lib/telemetry/metrics*.c. */
#ifndef LIB_TELEMETRY_METRICS_PRIVATE_H
#define LIB_TELEMETRY_METRICS_PRIVATE_H

#include "lib/telemetry/metrics.h"
#include "lib/telemetry/metrics_memory.h"

/* Where a row's numbers are. */
struct metric_place {
    size_t first;                     /* in the cells, or in a slot's gauges */
    size_t counts[METRIC_LABELS_MAX]; /* of values of each label; 1: no such label */
    size_t series;                    /* all combinations */
    size_t width;                     /* numbers of a series: a histogram's buckets and sum */
};

struct metrics {
    struct metrics_options options;
    struct metric_place *places;
    struct metrics_memory memory;
    char layout[MD5_HEX_LEN + 1]; /* digest of where each number lies */
    _Atomic int64_t ticked_ns;    /* see metrics_tick */
};

/* Note the CPU time of this process up to now. */
void metrics_account_self(struct metrics *metrics);

#endif
