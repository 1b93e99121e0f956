/* SPDX-License-Identifier: MIT */
#include "api/pool_history.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/clock.h"
#include "lib/telemetry/metrics_columns.h"

/* --- What the columns are -------------------------------------------------------- */

static const struct metric *find_metric(const struct pool_history *history, const char *name,
                                        size_t label, struct pool_history_series *series)
{
    size_t row;
    const struct metric *metric = metrics_find(history->metrics, name, &row);
    if (metric)
        *series = (struct pool_history_series){
            .column =
                metrics_column(history->metrics, row, (struct metrics_column_at){.label = label}),
            .bounds = metric->bounds,
            .bound_count = metric->bound_count,
        };
    return metric;
}

const char *pool_history_label(const struct pool_history *history, const char *metric, size_t index)
{
    size_t row;
    const struct metric *found = metrics_find(history->metrics, metric, &row);
    return found && found->labels[0].value ? found->labels[0].value(index) : NULL;
}

bool pool_history_find(const struct pool_history *history, const char *metric, const char *label,
                       struct pool_history_series *series)
{
    size_t index = 0;
    const char *value;
    while (label && (value = pool_history_label(history, metric, index)) &&
           strcmp(value, label) != 0)
        index++;
    return find_metric(history, metric, index, series) != NULL;
}

/* These three are in the table of api/telemetry.c, and have a route as their first label. */
static void find_route(struct pool_history *history, enum route_name name)
{
    struct pool_history_route *route = &history->routes[name];
    struct pool_history_series requests = {.column = 0}, cpu = {.column = 0};
    const struct metric *metric =
        find_metric(history, "emojify_requests_total", (size_t)name, &requests);
    assert(metric);
    metric = find_metric(history, "emojify_cpu_seconds_total", (size_t)name, &cpu);
    assert(metric);
    metric =
        find_metric(history, "emojify_request_duration_seconds", (size_t)name, &route->duration);
    assert(metric);
    route->name = route_name_text(name);
    route->operators = route_name_is_operators(name);
    route->requests = requests.column;
    route->cpu = cpu.column;
}

const struct pool_history_route *pool_history_routes(const struct pool_history *history)
{
    return history->routes;
}

/* --- Life ------------------------------------------------------------------------ */

static enum app_err open_history(struct pool_history *made,
                                 const struct pool_history_options *options)
{
    const struct history_options history = {
        .directory = metrics_is_shared(options->metrics) ? options->run_dir : "",
        .layout = metrics_layout(options->metrics),
        .column_count = metrics_column_count(options->metrics),
        .rings = {[POOL_HISTORY_MINUTES] = {2 * NS_PER_S, 300},
                  [POOL_HISTORY_HOUR] = {60 * NS_PER_S, 66}},
        .log = options->log,
    };
    return history_new(&history, &made->history);
}

enum app_err pool_history_new(const struct pool_history_options *options,
                              struct pool_history **history)
{
    struct pool_history *made = calloc(1, sizeof(*made));
    if (!made)
        return APP_NO_MEMORY;
    made->metrics = options->metrics;
    enum app_err err = open_history(made, options);
    if (err) {
        free(made);
        return err;
    }
    for (enum route_name name = 0; name < ROUTE_NAME__MAX; name++)
        find_route(made, name);
    *history = made;
    return APP_OK;
}

void pool_history_free(struct pool_history **history)
{
    if (!*history)
        return;
    history_free(&(*history)->history);
    free(*history);
    *history = NULL;
}

/* --- Rows ------------------------------------------------------------------------ */

bool pool_history_is_due(const struct pool_history *history, int64_t now_ns)
{
    return history_is_due(history->history, now_ns);
}

void pool_history_record(struct pool_history *history, int64_t now_ns)
{
    if (!history_is_due(history->history, now_ns))
        return;
    uint64_t *values = calloc(pool_history_width(history), sizeof(*values));
    if (!values)
        return; /* a row less */
    metrics_snapshot(history->metrics, values);
    history_record(history->history, now_ns, values);
    free(values);
}

size_t pool_history_width(const struct pool_history *history)
{
    return metrics_column_count(history->metrics);
}

bool pool_history_row(const struct pool_history *history, enum pool_history_ring ring, size_t age,
                      int64_t *time_ns, uint64_t *values)
{
    return history_row(history->history, ring, age, time_ns, values);
}

bool pool_history_growth(const struct pool_history *history, enum pool_history_ring ring,
                         struct history_window asked, const size_t *columns, size_t count,
                         uint64_t *growth, struct history_window *found)
{
    return history_growth(history->history, ring, asked, columns, count, growth, found);
}
