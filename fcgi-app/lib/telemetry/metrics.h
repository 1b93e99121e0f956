/* SPDX-License-Identifier: MIT */
/*
 * Counters, gauges and histograms of a pool of processes.
 *
 * Counters and histograms lie in memory that all processes of the pool share, a
 * file in their directory, so that a scrape of any of them sees all, and no
 * counter goes backwards when one of them ends, however it does. They live as
 * long as that file. A gauge is a process's own; what is shown is the sum over
 * the living. Besides the table's metrics the text has those of each process
 * (CPU time, memory, descriptors, threads, start), their sums, and the build.
 *
 * Updates are one to three relaxed atomic operations: no lock, no system call, no
 * allocation, and a process that is killed between two of them leaves at worst a
 * histogram's sum one observation behind.
 *
 * The directory must belong to one machine and one PID namespace. Where it cannot
 * be used the numbers are this process's alone, and one WARN says so.
 *
 * Life cycle: metrics_new, then everything else from any thread, metrics_free.
 */
#ifndef LIB_TELEMETRY_METRICS_H
#define LIB_TELEMETRY_METRICS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/base/limits.h"
#include "lib/base/log.h"
#include "lib/telemetry/process_stats.h"

enum metric_type { METRIC_COUNTER, METRIC_GAUGE, METRIC_HISTOGRAM };

/* What is counted: METRIC_SECONDS counts nanoseconds and shows seconds. */
enum metric_unit { METRIC_PLAIN, METRIC_SECONDS };

enum { METRIC_LABELS_MAX = 3, METRIC_BOUNDS_MAX = 24 };

/*
 * A label and all values that it can have: texts, or the numbers `from` to `to`.
 * An index beyond the last value counts as the last one.
 */
struct metric_label {
    const char *name;                   /* NULL: no such label */
    const char *(*value)(size_t index); /* NULL beyond the last; the function NULL: numbers */
    int from;
    int to;
};

/* One row a metric. All of it is constant. */
struct metric {
    const char *name;
    enum metric_type type;
    enum metric_unit unit;
    const char *help; /* one sentence, without a backslash or line break */
    struct metric_label labels[METRIC_LABELS_MAX];
    const int64_t *bounds; /* METRIC_HISTOGRAM: upper bounds, ascending */
    size_t bound_count;
    bool sparse; /* combinations of labels that never happened are not shown */
};

struct metrics_options {
    const struct metric *table; /* must outlive the metrics */
    size_t count;
    const char *prefix;    /* of the metrics that are not in the table: "emojify" */
    const char *version;   /* for prefix_build_info */
    const char *directory; /* made if it is missing; "": not shared */
    const struct log *log; /* for the one WARN */
};

struct metrics;

/* Of what metrics_write writes. */
#define METRICS_CONTENT_TYPE "text/plain; version=0.0.4; charset=utf-8"

/*
 * Which of a metric's series, by the indexes of its labels' values (of numbers:
 * counted from `from`): METRIC_AT(route, status), METRIC_AT(0) for no labels.
 */
struct metric_at {
    size_t label[METRIC_LABELS_MAX];
};
#define METRIC_AT(...) ((struct metric_at){{__VA_ARGS__}})

/* APP_NO_MEMORY, APP_INTERNAL. */
enum app_err metrics_new(const struct metrics_options *options, struct metrics **metrics)
    __attribute__((warn_unused_result));
/* NULLs the caller's pointer. NULL allowed. */
void metrics_free(struct metrics **metrics);

/* Whether other processes see these numbers. */
bool metrics_is_shared(const struct metrics *metrics);

/* Add to a counter, by its row's number; returns what it was before. */
uint64_t metrics_add(struct metrics *metrics, size_t row, struct metric_at at, uint64_t amount);

/*
 * Bring a counter up to `total`, which somebody else in this process counts; one
 * that is there already stays. Not for metrics that are shared.
 */
void metrics_count_to(struct metrics *metrics, size_t row, struct metric_at at, uint64_t total);

/* Count an observation in a histogram. */
void metrics_observe(struct metrics *metrics, size_t row, struct metric_at at, int64_t value);

void metrics_gauge_add(struct metrics *metrics, size_t row, struct metric_at at, int64_t amount);
void metrics_gauge_set(struct metrics *metrics, size_t row, struct metric_at at, int64_t value);

/*
 * Note the CPU time that this process has taken, at most once a second: call it
 * now and then, so that little is lost when the process is killed. `now_ns`:
 * CLOCK_MONOTONIC.
 */
void metrics_tick(struct metrics *metrics, int64_t now_ns);

struct metrics_process {
    int64_t pid;
    struct process_stats stats;
};

/* The processes of the pool that live now, this one among them; returns how many. */
size_t metrics_processes(struct metrics *metrics,
                         struct metrics_process processes[LIMIT_METRICS_PROCESSES]);

/*
 * Everything in Prometheus's text format 0.0.4. APP_NO_MEMORY, APP_TOO_LARGE: more
 * than `out` may hold.
 */
enum app_err metrics_write(struct metrics *metrics, struct buf *out)
    __attribute__((warn_unused_result));

#endif
