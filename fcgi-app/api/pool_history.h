/* SPDX-License-Identifier: MIT */
/*
 * What the pool has counted (api/telemetry.h) as it stood in the last ten minutes, every
 * 2 s, and in the last hour, every 60 s: for charts, and for who watches what a route costs.
 * All of it lies in lib/telemetry/history.h; here is which metrics and routes its columns are.
 *
 * pool_history_new once the metrics are there, pool_history_free before they go.
 * pool_history_record for the pool's leader; the others from any thread.
 */
#ifndef API_POOL_HISTORY_H
#define API_POOL_HISTORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "api/route_name.h"
#include "lib/base/err.h"
#include "lib/base/log.h"
#include "lib/telemetry/history.h"

struct metrics;

enum pool_history_ring { POOL_HISTORY_MINUTES, POOL_HISTORY_HOUR };

/* A metric in a row of the history. */
struct pool_history_series {
    size_t column; /* of a histogram the first of bound_count + 1; its sum follows */
    const int64_t *bounds;
    size_t bound_count; /* 0: it is no histogram */
};

/* What is known of a route. */
struct pool_history_route {
    const char *name;
    bool operators;  /* what it costs is what they asked for */
    size_t requests; /* first of 5 columns, answers of 1xx to 5xx */
    size_t cpu;      /* nanoseconds */
    struct pool_history_series duration;
};

struct pool_history {
    /* Its own. */
    struct metrics *metrics;
    struct history *history;
    struct pool_history_route routes[ROUTE_NAME__MAX];
};

struct pool_history_options {
    struct metrics *metrics; /* must outlive it */
    const char *run_dir;     /* where the pool shares it, if it shares the metrics */
    const struct log *log;   /* for one WARN, when the directory cannot be used */
};

/* APP_NO_MEMORY, APP_INTERNAL. */
enum app_err pool_history_new(const struct pool_history_options *options,
                              struct pool_history **history) __attribute__((warn_unused_result));
/* NULLs the caller's pointer. NULL allowed. */
void pool_history_free(struct pool_history **history);

/* Whether it is time for a row. `now_ns`: CLOCK_MONOTONIC. */
bool pool_history_is_due(const struct pool_history *history, int64_t now_ns);

/* Add the numbers of now, when it is time. About once a second. */
void pool_history_record(struct pool_history *history, int64_t now_ns);

/* The numbers in a row, and a row: see history_row. */
size_t pool_history_width(const struct pool_history *history);
bool pool_history_row(const struct pool_history *history, enum pool_history_ring ring, size_t age,
                      int64_t *time_ns, uint64_t *values);

/* How much columns have grown in a window of time: see history_growth. */
bool pool_history_growth(const struct pool_history *history, enum pool_history_ring ring,
                         struct history_window asked, const size_t *columns, size_t count,
                         uint64_t *growth, struct history_window *found);

/* A metric by its name, and the value of its first label (NULL: it has none). False: unknown. */
bool pool_history_find(const struct pool_history *history, const char *metric, const char *label,
                       struct pool_history_series *series);
/* The values of a metric's first label, from 0 on; NULL beyond the last, and when it has none. */
const char *pool_history_label(const struct pool_history *history, const char *metric,
                               size_t index);

/* The routes, ROUTE_NAME__MAX of them; they live as long as the history. */
const struct pool_history_route *pool_history_routes(const struct pool_history *history);

#endif
