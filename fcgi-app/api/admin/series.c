/* SPDX-License-Identifier: MIT */
/*
 * A chart's point is made of a row of the history and the one before it. The points of
 * all series at one time are a row of a matrix, which is then written series by series.
 */
#include "api/admin/series.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "api/admin/series_private.h"
#include "lib/base/clock.h"
#include "lib/telemetry/metrics_columns.h"
#include "lib/telemetry/quantile.h"

/* --- What there is --------------------------------------------------------------- */

enum view {
    VIEW_RATE,  /* growth a second */
    VIEW_VALUE, /* a gauge */
    VIEW_CALLS, /* a histogram's observations a second */
    VIEW_MEAN   /* of a histogram of nanoseconds, in milliseconds */
};

/* The series that are a metric, or one value of its first label. */
static const struct {
    const char *name;
    const char *metric;
    const char *label; /* NULL: it has none */
    enum view view;
} simple[] = {
    {"in_flight", "emojify_requests_in_flight", NULL, VIEW_VALUE},
    {"queue", "emojify_queue_length", NULL, VIEW_VALUE},
    {"running", "emojify_jobs_running", NULL, VIEW_VALUE},
    {"pictures", "emojify_pictures_total", NULL, VIEW_RATE},
    {"shared", "emojify_shared_total", NULL, VIEW_RATE},
    {"tier_hits", "emojify_local_cache_hits_total", NULL, VIEW_RATE},
    {"tier_stale", "emojify_local_cache_stale_total", NULL, VIEW_RATE},
    {"tier_misses", "emojify_local_cache_misses_total", NULL, VIEW_RATE},
    {"tier_bytes", "emojify_local_cache_bytes", NULL, VIEW_VALUE},
    {"tier_files", "emojify_local_cache_files", NULL, VIEW_VALUE},
    {"cache_calls", "emojify_upstream_duration_seconds", "cache", VIEW_CALLS},
    {"cache_ms", "emojify_upstream_duration_seconds", "cache", VIEW_MEAN},
    {"facebox_ms", "emojify_upstream_duration_seconds", "facebox", VIEW_MEAN},
    {"fetch_ms", "emojify_upstream_duration_seconds", "fetch", VIEW_MEAN},
};

/* Those that are made of several. */
enum {
    SERIES_CPU,
    SERIES_CACHE_CPU,
    SERIES_PROCESSES,
    SERIES_REQUESTS,
    SERIES_CLIENT_ERRORS,
    SERIES_SERVER_ERRORS,
    SERIES_P50,
    SERIES_P95,
    SERIES_P99,
    SERIES_SIMPLE /* the first of `simple` */
};
static const char *const names[SERIES_SIMPLE] = {
    [SERIES_CPU] = "cpu",
    [SERIES_CACHE_CPU] = "cache_cpu",
    [SERIES_PROCESSES] = "processes",
    [SERIES_REQUESTS] = "requests",
    [SERIES_CLIENT_ERRORS] = "errors_4xx",
    [SERIES_SERVER_ERRORS] = "errors_5xx",
    [SERIES_P50] = "p50_ms",
    [SERIES_P95] = "p95_ms",
    [SERIES_P99] = "p99_ms",
};

enum {
    SIMPLE_COUNT = sizeof(simple) / sizeof(simple[0]),
    ROUTES = SERIES_SIMPLE + SIMPLE_COUNT, /* the first series of the routes */
    ROUTE_SERIES = 2                       /* requests, CPU of a request */
};

struct charts {
    const struct pool_history *history;
    struct series_routes routes;
    struct pool_history_series simple[SIMPLE_COUNT]; /* column SIZE_MAX: there is no such metric */
    size_t cache_up;
    size_t cache_cpu;
    size_t series;      /* of one time */
    size_t columns;     /* of one row of the history */
    uint64_t *rows[2];  /* the one before, this one */
    int64_t *times;     /* SERIES_POINTS */
    double *points;     /* `series` a time */
    size_t point_count; /* times */
    bool has_newest;    /* rows[0] is the newest */
};

static struct pool_history_series find(const struct charts *charts, const char *metric,
                                       const char *label)
{
    struct pool_history_series found;
    if (!pool_history_find(charts->history, metric, label, &found))
        found = (struct pool_history_series){.column = SIZE_MAX};
    return found;
}

static void find_columns(struct charts *charts)
{
    for (size_t i = 0; i < SIMPLE_COUNT; i++)
        charts->simple[i] = find(charts, simple[i].metric, simple[i].label);
    charts->cache_up = find(charts, "emojify_watched_cache_up", NULL).column;
    charts->cache_cpu = find(charts, "emojify_watched_cache_cpu_seconds_total", NULL).column;
    series_routes_find(&charts->routes, charts->history);
    charts->series = ROUTES + ROUTE_SERIES * charts->routes.count;
    charts->columns = pool_history_width(charts->history);
}

/* --- One time -------------------------------------------------------------------- */

static double growth(const struct charts *charts, size_t column)
{
    uint64_t before = charts->rows[0][column], now = charts->rows[1][column];
    return now > before ? (double)(now - before) : 0;
}

static double growth_of(const struct charts *charts, size_t first, size_t count)
{
    double sum = 0;
    for (size_t i = 0; i < count; i++)
        sum += growth(charts, first + i);
    return sum;
}

static double simple_point(const struct charts *charts, size_t which, double seconds)
{
    size_t column = charts->simple[which].column;
    size_t buckets = charts->simple[which].bound_count + 1;
    double calls;
    if (column == SIZE_MAX)
        return NAN;
    switch (simple[which].view) {
    case VIEW_RATE:
        return growth(charts, column) / seconds;
    case VIEW_VALUE:
        return (double)(int64_t)charts->rows[1][column];
    case VIEW_CALLS:
        return growth_of(charts, column, buckets) / seconds;
    case VIEW_MEAN:
        calls = growth_of(charts, column, buckets);
        return calls > 0 ? growth(charts, column + buckets) / calls / NS_PER_MS : NAN;
    }
    return NAN;
}

/* Of all routes but the operators'. */
static void request_points(const struct charts *charts, double seconds, double *points)
{
    const struct series_routes *routes = &charts->routes;
    uint64_t counts[METRIC_BOUNDS_MAX + 1] = {0};
    for (size_t i = 0; i < routes->count; i++) {
        const struct pool_history_route *route = routes->at[i];
        double *own = points + ROUTES + ROUTE_SERIES * i;
        double requests = growth_of(charts, route->requests, SERIES_STATUS_GROUPS);
        own[0] = requests / seconds;
        own[1] = requests > 0 ? growth(charts, route->cpu) / requests / NS_PER_MS : NAN;
        points[SERIES_REQUESTS] += own[0];
        points[SERIES_CLIENT_ERRORS] +=
            growth(charts, route->requests + SERIES_CLIENT_ERROR) / seconds;
        points[SERIES_SERVER_ERRORS] +=
            growth(charts, route->requests + SERIES_SERVER_ERROR) / seconds;
        for (size_t part = 0; part <= route->duration.bound_count; part++)
            counts[part] += (uint64_t)growth(charts, route->duration.column + part);
    }
    static const double shares[] = {0.5, 0.95, 0.99};
    for (size_t i = 0; i < sizeof(shares) / sizeof(shares[0]); i++) {
        const struct pool_history_series *any = &routes->at[0]->duration;
        points[SERIES_P50 + i] =
            histogram_quantile(counts, any->bounds, any->bound_count, shares[i]) / NS_PER_MS;
    }
}

static void make_points(const struct charts *charts, int64_t span_ns, double *points)
{
    double seconds = (double)span_ns / NS_PER_S;
    const uint64_t *now = charts->rows[1];
    points[SERIES_CPU] = growth(charts, METRICS_COLUMN_CPU) / NS_PER_S / seconds;
    points[SERIES_PROCESSES] = (double)now[METRICS_COLUMN_PROCESSES];
    /* While nobody knows what it takes, it is not 0. */
    points[SERIES_CACHE_CPU] = now[charts->cache_up] > 0 && charts->rows[0][charts->cache_up] > 0
                                   ? growth(charts, charts->cache_cpu) / NS_PER_S / seconds
                                   : NAN;
    points[SERIES_REQUESTS] = points[SERIES_CLIENT_ERRORS] = points[SERIES_SERVER_ERRORS] = 0;
    for (size_t i = 0; i < SIMPLE_COUNT; i++)
        points[SERIES_SIMPLE + i] = simple_point(charts, i, seconds);
    request_points(charts, seconds, points);
}

/* --- All times ------------------------------------------------------------------- */

/* How many rows back the newest one is that is not after since_ns. */
static size_t first_age(const struct charts *charts, int64_t since_ns)
{
    size_t age = 0;
    int64_t time_ns;
    if (since_ns <= 0)
        return SERIES_POINTS;
    while (age < SERIES_POINTS && (!pool_history_row(charts->history, POOL_HISTORY_MINUTES, age,
                                                     &time_ns, charts->rows[1]) ||
                                   time_ns > since_ns))
        age++;
    return age;
}

static void collect(struct charts *charts, int64_t since_ns)
{
    int64_t before_ns = 0, time_ns;
    size_t age = first_age(charts, since_ns) + 1;
    while (age-- > 0) {
        /* A row that came meanwhile makes all others one older: the same one again. */
        if (!pool_history_row(charts->history, POOL_HISTORY_MINUTES, age, &time_ns,
                              charts->rows[1]) ||
            time_ns <= before_ns)
            continue;
        if (before_ns != 0 && time_ns > since_ns && charts->point_count < SERIES_POINTS) {
            make_points(charts, time_ns - before_ns,
                        charts->points + charts->point_count * charts->series);
            charts->times[charts->point_count++] = time_ns;
        }
        uint64_t *newest = charts->rows[1];
        charts->rows[1] = charts->rows[0];
        charts->rows[0] = newest;
        charts->has_newest = true;
        before_ns = time_ns;
    }
}

/* --- Text ------------------------------------------------------------------------ */

static void put_series(struct series_text *text, const struct charts *charts, const char *name,
                       size_t which)
{
    series_put(text, "\"");
    series_put(text, name);
    series_put(text, "\":[");
    for (size_t i = 0; i < charts->point_count; i++) {
        series_put(text, i ? "," : "");
        series_put_number(text, charts->points[i * charts->series + which]);
    }
    series_put(text, "]");
}

static void put_pool(struct series_text *text, const struct charts *charts)
{
    series_put(text, "\"at\":[");
    for (size_t i = 0; i < charts->point_count; i++) {
        series_put(text, i ? "," : "");
        int64_t time_ms = charts->times[i] / NS_PER_MS;
        series_put_number(text, (double)time_ms);
    }
    series_put(text, "],\"series\":{");
    for (size_t i = 0; i < SERIES_SIMPLE; i++) {
        series_put(text, i ? "," : "");
        put_series(text, charts, names[i], i);
    }
    for (size_t i = 0; i < SIMPLE_COUNT; i++) {
        if (charts->simple[i].column == SIZE_MAX)
            continue;
        series_put(text, ",");
        put_series(text, charts, simple[i].name, SERIES_SIMPLE + i);
    }
    series_put(text, "}");
}

/* Those that were never asked would only make the charts' legends longer. */
static void put_routes(struct series_text *text, const struct charts *charts, int64_t now_ns)
{
    const char *between = "";
    series_put(text, ",\"routes\":{");
    for (size_t i = 0; i < charts->routes.count; i++) {
        const struct pool_history_route *route = charts->routes.at[i];
        if (!charts->has_newest || !series_route_was_asked(route, charts->rows[0]))
            continue;
        series_put(text, between);
        series_put(text, "\"");
        series_put(text, route->name);
        series_put(text, "\":{");
        put_series(text, charts, "requests", ROUTES + ROUTE_SERIES * i);
        series_put(text, ",");
        put_series(text, charts, "cpu_ms", ROUTES + ROUTE_SERIES * i + 1);
        series_put_minute(text, charts->history, route, now_ns);
        series_put(text, "}");
        between = ",";
    }
    series_put(text, "}");
}

/* How many processes have opened each of the breakers. */
static void put_breakers(struct series_text *text, const struct charts *charts)
{
    static const char metric[] = "emojify_breaker_open";
    const char *name;
    series_put(text, ",\"breakers\":{");
    for (size_t i = 0;
         charts->has_newest && (name = pool_history_label(charts->history, metric, i)); i++) {
        series_put(text, i ? ",\"" : "\"");
        series_put(text, name);
        series_put(text, "\":");
        series_put_number(text, (double)charts->rows[0][find(charts, metric, name).column]);
    }
    series_put(text, "}");
}

enum app_err series_write(const struct pool_history *history, int64_t since_ns, int64_t now_ns,
                          struct buf *out)
{
    struct charts charts = {.history = history};
    struct series_text text = {out, APP_OK};
    find_columns(&charts);
    charts.rows[0] = calloc(charts.columns, sizeof(uint64_t));
    charts.rows[1] = calloc(charts.columns, sizeof(uint64_t));
    charts.times = calloc(SERIES_POINTS, sizeof(*charts.times));
    charts.points = calloc(SERIES_POINTS * charts.series, sizeof(*charts.points));
    if (charts.rows[0] && charts.rows[1] && charts.times && charts.points) {
        collect(&charts, since_ns);
        put_pool(&text, &charts);
        put_routes(&text, &charts, now_ns);
        put_breakers(&text, &charts);
    } else {
        text.err = APP_NO_MEMORY;
    }
    free(charts.rows[0]);
    free(charts.rows[1]);
    free(charts.times);
    free(charts.points);
    return text.err;
}
