/* SPDX-License-Identifier: MIT */
/*
 * All numbers of metrics.h as one row of columns, to keep a history of them: what a
 * new metric counts is in it without further code.
 *
 * The columns are as few as charts need. Of a metric's labels the first is told
 * apart; what the others tell apart is summed up, but for numbers like a status,
 * which are kept by hundreds. A histogram has a column for each bucket (not
 * cumulative) and one for the sum of what was observed.
 */
#ifndef LIB_TELEMETRY_METRICS_COLUMNS_H
#define LIB_TELEMETRY_METRICS_COLUMNS_H

#include "lib/telemetry/metrics.h"

/* Those before the table's: CPU nanoseconds of all processes ever, and how many live. */
enum { METRICS_COLUMN_CPU, METRICS_COLUMN_PROCESSES, METRICS_COLUMN_TABLE };

size_t metrics_column_count(const struct metrics *metrics);

/* Which column of a metric. */
struct metrics_column_at {
    size_t label; /* index of the first label's value */
    size_t group; /* hundreds of the number among the labels, from the lowest: 0 is 1xx */
    size_t part;  /* bucket of a histogram; bound_count + 1 is the sum */
};
size_t metrics_column(const struct metrics *metrics, size_t row, struct metrics_column_at at);

/* The row of the metric of that name; NULL: the table has none. */
const struct metric *metrics_find(const struct metrics *metrics, const char *name, size_t *row);

/* Digest of what decides the columns' meaning, MD5_HEX_LEN characters; lives with `metrics`. */
const char *metrics_layout(const struct metrics *metrics);

/* Write metrics_column_count numbers; a gauge's is an int64_t. */
void metrics_snapshot(struct metrics *metrics, uint64_t *values);

#endif
