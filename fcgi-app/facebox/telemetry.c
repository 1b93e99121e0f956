/* SPDX-License-Identifier: MIT */
/* A new metric is a row in `table`, its number in the enum above it, and the call that counts. */
#include "facebox/telemetry.h"

#include <time.h>

#include "facebox/server.h"
#include "lib/base/clock.h"

enum { STATUS_FIRST = 100, STATUS_LAST = 599 };

#define MS NS_PER_MS
static const int64_t bounds[] = {1 * MS,   5 * MS,   10 * MS,   25 * MS,   50 * MS,   100 * MS,
                                 250 * MS, 500 * MS, 1000 * MS, 2500 * MS, 5000 * MS, 10000 * MS};
#undef MS

enum row { ROW_REQUESTS, ROW_DURATION, ROW_CPU, ROW_IN_FLIGHT, ROW_FACES, ROW__MAX };

#define ROUTE_LABEL                                                                                \
    {                                                                                              \
        .name = "route", .value = server_route_name                                                \
    }

static const struct metric table[ROW__MAX] = {
    [ROW_REQUESTS] = {.name = "emojify_facebox_requests_total",
                      .type = METRIC_COUNTER,
                      .help = "Requests answered, by the status that was sent",
                      .labels = {ROUTE_LABEL,
                                 {.name = "status", .from = STATUS_FIRST, .to = STATUS_LAST}},
                      .sparse = true},
    [ROW_DURATION] = {.name = "emojify_facebox_request_duration_seconds",
                      .type = METRIC_HISTOGRAM,
                      .unit = METRIC_SECONDS,
                      .help = "Time from a request having come whole to its answer being ready",
                      .labels = {ROUTE_LABEL},
                      .bounds = bounds,
                      .bound_count = sizeof(bounds) / sizeof(bounds[0]),
                      .sparse = true},
    [ROW_CPU] = {.name = "emojify_facebox_cpu_seconds_total",
                 .type = METRIC_COUNTER,
                 .unit = METRIC_SECONDS,
                 .help = "CPU time of the threads that answered requests, while they did",
                 .labels = {ROUTE_LABEL},
                 .sparse = true},
    [ROW_IN_FLIGHT] = {.name = "emojify_facebox_requests_in_flight",
                       .type = METRIC_GAUGE,
                       .help = "Requests being answered now, this one included"},
    [ROW_FACES] = {.name = "emojify_facebox_faces_total",
                   .type = METRIC_COUNTER,
                   .help = "Faces found"},
};

enum app_err telemetry_start(struct telemetry *telemetry, const struct log *log)
{
    const struct metrics_options options = {
        .table = table,
        .count = ROW__MAX,
        .prefix = "emojify_facebox",
        .version = APP_VERSION,
        .directory = "", /* there are no siblings */
        .log = log,
    };
    return metrics_new(&options, &telemetry->metrics);
}

void telemetry_stop(struct telemetry *telemetry)
{
    metrics_free(&telemetry->metrics);
}

enum app_err telemetry_write(struct telemetry *telemetry, struct buf *out)
{
    return metrics_write(telemetry->metrics, out);
}

void telemetry_request_begin(struct telemetry *telemetry, struct telemetry_request *request)
{
    if (!telemetry)
        return;
    request->started_ns = clock_now_ns();
    request->cpu_ns = clock_thread_cpu_ns();
    metrics_gauge_add(telemetry->metrics, ROW_IN_FLIGHT, METRIC_AT(0), 1);
}

void telemetry_request_end(struct telemetry *telemetry, const struct telemetry_request *request,
                           size_t route, int status, size_t faces)
{
    if (!telemetry)
        return;
    struct metrics *metrics = telemetry->metrics;
    int64_t cpu_ns = clock_thread_cpu_ns() - request->cpu_ns;
    metrics_add(metrics, ROW_REQUESTS, METRIC_AT(route, (size_t)(status - STATUS_FIRST)), 1);
    metrics_observe(metrics, ROW_DURATION, METRIC_AT(route), clock_now_ns() - request->started_ns);
    if (cpu_ns > 0)
        metrics_add(metrics, ROW_CPU, METRIC_AT(route), (uint64_t)cpu_ns);
    metrics_add(metrics, ROW_FACES, METRIC_AT(0), faces);
    metrics_gauge_add(metrics, ROW_IN_FLIGHT, METRIC_AT(0), -1);
}
