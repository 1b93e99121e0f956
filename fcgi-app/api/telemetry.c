/* SPDX-License-Identifier: MIT */
/* A new metric is a row in `table`, its number in the enum above it, and the call that counts. */
#include "api/telemetry.h"

#include "api/statsd_names.h"
#include "lib/base/clock.h"
#include "lib/picture/picture.h"
#include "lib/telemetry/statsd.h"

enum { STATUS_FIRST = 100, STATUS_LAST = 599, STATUS_NONE = 500 };

/* --- What can be told apart ------------------------------------------------------ */

enum upstream {
    UPSTREAM_CACHE,
    UPSTREAM_FACEBOX,
    UPSTREAM_ORIGIN,
    UPSTREAM_GATEWAY,
    UPSTREAM__MAX
};
static const char *const upstream_names[UPSTREAM__MAX] = {[UPSTREAM_CACHE] = "cache",
                                                          [UPSTREAM_FACEBOX] = "facebox",
                                                          [UPSTREAM_ORIGIN] = "fetch",
                                                          [UPSTREAM_GATEWAY] = "payment"};

enum operation {
    OPERATION_GET,
    OPERATION_PUT,
    OPERATION_EXISTS,
    OPERATION_CHECK,
    OPERATION_INFO,
    OPERATION_PAY,
    OPERATION__MAX
};
static const char *const operation_names[OPERATION__MAX] = {
    [OPERATION_GET] = "get",     [OPERATION_PUT] = "put",   [OPERATION_EXISTS] = "exists",
    [OPERATION_CHECK] = "check", [OPERATION_INFO] = "info", [OPERATION_PAY] = "pay",
};

static const struct {
    enum upstream upstream;
    enum operation operation;
} upstream_calls[UPSTREAM_CALL__MAX] = {
    [UPSTREAM_CACHE_GET] = {UPSTREAM_CACHE, OPERATION_GET},
    [UPSTREAM_CACHE_PUT] = {UPSTREAM_CACHE, OPERATION_PUT},
    [UPSTREAM_CACHE_EXISTS] = {UPSTREAM_CACHE, OPERATION_EXISTS},
    [UPSTREAM_CACHE_CHECK] = {UPSTREAM_CACHE, OPERATION_CHECK},
    [UPSTREAM_FACEBOX_CHECK] = {UPSTREAM_FACEBOX, OPERATION_CHECK},
    [UPSTREAM_FACEBOX_INFO] = {UPSTREAM_FACEBOX, OPERATION_INFO},
    [UPSTREAM_FETCH] = {UPSTREAM_ORIGIN, OPERATION_GET},
    [UPSTREAM_PAYMENT] = {UPSTREAM_GATEWAY, OPERATION_PAY},
};

static const char *const fault_route_names[FAULT_ROUTE__MAX] = {
    [FAULT_ROUTE_CACHE] = "cache", [FAULT_ROUTE_EMOJIFY] = "emojify"};
static const char *const fault_type_names[FAULT_TYPE__MAX] = {
    [FAULT_HTTP_ERROR] = "http_error", [FAULT_DELAY] = "delay", [FAULT_DUMP] = "dump"};

static const char *upstream_label(size_t index)
{
    return index < UPSTREAM__MAX ? upstream_names[index] : NULL;
}

static const char *breaker_label(size_t index)
{
    static const enum upstream upstreams[BREAKER__MAX] = {[BREAKER_CACHE] = UPSTREAM_CACHE,
                                                          [BREAKER_FACEBOX] = UPSTREAM_FACEBOX,
                                                          [BREAKER_PAYMENT] = UPSTREAM_GATEWAY};
    return index < BREAKER__MAX ? upstream_names[upstreams[index]] : NULL;
}

static const char *operation_label(size_t index)
{
    return index < OPERATION__MAX ? operation_names[index] : NULL;
}

static const char *error_label(size_t index)
{
    return index < APP_ERR__MAX ? app_err_slug((enum app_err)index) : NULL;
}

static const char *method_label(size_t index)
{
    return index < HTTP_METHOD__MAX ? http_method_name((enum http_method)index) : NULL;
}

static const char *fault_route_label(size_t index)
{
    return index < FAULT_ROUTE__MAX ? fault_route_names[index] : NULL;
}

static const char *fault_type_label(size_t index)
{
    return index < FAULT_TYPE__MAX ? fault_type_names[index] : NULL;
}

/* --- The table ------------------------------------------------------------------- */

#define US INT64_C(1000)
#define MS NS_PER_MS
#define S  NS_PER_S
static const int64_t request_bounds[] = {
    250 * US, 500 * US, 1 * MS,   2500 * US, 5 * MS,    10 * MS, 25 * MS, 50 * MS,
    100 * MS, 250 * MS, 500 * MS, 1 * S,     2500 * MS, 5 * S,   10 * S,  30 * S};
static const int64_t step_bounds[] = {500 * US, 1 * MS,    2500 * US, 5 * MS,   10 * MS,
                                      25 * MS,  50 * MS,   100 * MS,  250 * MS, 500 * MS,
                                      1 * S,    2500 * MS, 5 * S,     10 * S,   30 * S};
#undef US
#undef MS
#undef S

enum row {
    ROW_REQUESTS,
    ROW_REQUEST_DURATION,
    ROW_CPU,
    ROW_IN_FLIGHT,
    ROW_UPSTREAM_DURATION,
    ROW_UPSTREAM_ERRORS,
    ROW_BREAKER_OPEN,
    ROW_DRAW_DURATION,
    ROW_PICTURES,
    ROW_FACES,
    ROW_PICTURE_MEMORY,
    ROW_QUEUE_LENGTH,
    ROW_FETCHING,
    ROW_JOBS_RUNNING,
    ROW_SHARED,
    ROW_FAULT_DECISIONS,
    ROW_FAULTS,
    ROW_LOCAL_CACHE_HITS,
    ROW_LOCAL_CACHE_STALE,
    ROW_LOCAL_CACHE_MISSES,
    ROW_LOCAL_CACHE_UNSTORED,
    ROW_LOCAL_CACHE_BYTES,
    ROW_LOCAL_CACHE_FILES,
    ROW_WATCHED_CACHE_UP,
    ROW_WATCHED_CACHE_CPU,
    ROW__MAX
};

#define ROUTE_LABEL                                                                                \
    {                                                                                              \
        .name = "route", .value = route_name_text                                                  \
    }
#define UPSTREAM_LABEL                                                                             \
    {                                                                                              \
        .name = "upstream", .value = upstream_label                                                \
    }
#define BOUNDS(array) .bounds = (array), .bound_count = sizeof(array) / sizeof((array)[0])

static const struct metric table[ROW__MAX] = {
    [ROW_REQUESTS] = {.name = "emojify_requests_total",
                      .type = METRIC_COUNTER,
                      .help = "Requests answered, by the status that was sent",
                      .labels = {ROUTE_LABEL,
                                 {.name = "method", .value = method_label},
                                 {.name = "status", .from = STATUS_FIRST, .to = STATUS_LAST}},
                      .sparse = true},
    [ROW_REQUEST_DURATION] = {.name = "emojify_request_duration_seconds",
                              .type = METRIC_HISTOGRAM,
                              .unit = METRIC_SECONDS,
                              .help = "Time from the request's arrival to its answer being sent",
                              .labels = {ROUTE_LABEL},
                              BOUNDS(request_bounds),
                              .sparse = true},
    [ROW_CPU] = {.name = "emojify_cpu_seconds_total",
                 .type = METRIC_COUNTER,
                 .unit = METRIC_SECONDS,
                 .help = "CPU time of the threads that handled requests, while they did",
                 .labels = {ROUTE_LABEL},
                 .sparse = true},
    [ROW_IN_FLIGHT] = {.name = "emojify_requests_in_flight",
                       .type = METRIC_GAUGE,
                       .help = "Requests being handled now, this one included"},
    [ROW_UPSTREAM_DURATION] = {.name = "emojify_upstream_duration_seconds",
                               .type = METRIC_HISTOGRAM,
                               .unit = METRIC_SECONDS,
                               .help = "Time until an upstream had answered, or had failed to",
                               .labels = {UPSTREAM_LABEL,
                                          {.name = "operation", .value = operation_label}},
                               BOUNDS(step_bounds),
                               .sparse = true},
    [ROW_UPSTREAM_ERRORS] = {.name = "emojify_upstream_errors_total",
                             .type = METRIC_COUNTER,
                             .help = "Calls to an upstream that gave no result, by our error code",
                             .labels = {UPSTREAM_LABEL, {.name = "error", .value = error_label}},
                             .sparse = true},
    [ROW_BREAKER_OPEN] = {.name = "emojify_breaker_open",
                          .type = METRIC_GAUGE,
                          .help = "Processes that refuse calls to an upstream, since it failed",
                          .labels = {{.name = "upstream", .value = breaker_label}}},
    [ROW_DRAW_DURATION] = {.name = "emojify_draw_duration_seconds",
                           .type = METRIC_HISTOGRAM,
                           .unit = METRIC_SECONDS,
                           .help = "Time to draw on a picture and to encode it",
                           BOUNDS(step_bounds)},
    [ROW_PICTURES] = {.name = "emojify_pictures_total",
                      .type = METRIC_COUNTER,
                      .help = "Pictures emojified and stored"},
    [ROW_FACES] = {.name = "emojify_faces_total",
                   .type = METRIC_COUNTER,
                   .help = "Faces covered in those pictures"},
    [ROW_PICTURE_MEMORY] = {.name = "emojify_picture_memory_bytes",
                            .type = METRIC_GAUGE,
                            .help =
                                "Memory that the picture library holds, after the last picture"},
    [ROW_QUEUE_LENGTH] = {.name = "emojify_queue_length",
                          .type = METRIC_GAUGE,
                          .help = "Requests and jobs that wait for their turn to be worked on"},
    [ROW_FETCHING] = {.name = "emojify_fetching",
                      .type = METRIC_GAUGE,
                      .help = "Pictures that are being fetched, for requests and for jobs"},
    [ROW_JOBS_RUNNING] = {.name = "emojify_jobs_running",
                          .type = METRIC_GAUGE,
                          .help = "Pictures that are being worked on, for requests and for jobs"},
    [ROW_SHARED] = {.name = "emojify_shared_total",
                    .type = METRIC_COUNTER,
                    .help = "Requests and jobs that got what was done for another one"},
    [ROW_FAULT_DECISIONS] = {.name = "emojify_fault_decisions_total",
                             .type = METRIC_COUNTER,
                             .help = "Requests that fault injection was asked about",
                             .labels = {{.name = "route", .value = fault_route_label}}},
    [ROW_FAULTS] = {.name = "emojify_injected_faults_total",
                    .type = METRIC_COUNTER,
                    .help = "Faults injected on purpose",
                    .labels = {{.name = "route", .value = fault_route_label},
                               {.name = "type", .value = fault_type_label}}},
    [ROW_LOCAL_CACHE_HITS] = {.name = "emojify_local_cache_hits_total",
                              .type = METRIC_COUNTER,
                              .help = "Requests answered from the local tier alone"},
    [ROW_LOCAL_CACHE_STALE] = {.name = "emojify_local_cache_stale_total",
                               .type = METRIC_COUNTER,
                               .help =
                                   "Requests whose file was in the local tier for LOCAL_CACHE_TTL, "
                                   "so that the cache was asked"},
    [ROW_LOCAL_CACHE_MISSES] = {.name = "emojify_local_cache_misses_total",
                                .type = METRIC_COUNTER,
                                .help = "Requests whose file the local tier did not have"},
    [ROW_LOCAL_CACHE_UNSTORED] = {.name = "emojify_local_cache_unstored_total",
                                  .type = METRIC_COUNTER,
                                  .help =
                                      "Answers of the cache that the local tier could not keep"},
    [ROW_LOCAL_CACHE_BYTES] = {.name = "emojify_local_cache_bytes",
                               .type = METRIC_GAUGE,
                               .help = "What the files of the local tier take, in whole pages"},
    [ROW_LOCAL_CACHE_FILES] = {.name = "emojify_local_cache_files",
                               .type = METRIC_GAUGE,
                               .help = "Files in the local tier"},
    [ROW_WATCHED_CACHE_UP] = {.name = "emojify_watched_cache_up",
                              .type = METRIC_GAUGE,
                              .help = "Whether CACHE_METRICS_ADDRESS tells the cache's CPU time"},
    [ROW_WATCHED_CACHE_CPU] = {.name = "emojify_watched_cache_cpu_seconds_total",
                               .type = METRIC_COUNTER,
                               .unit = METRIC_SECONDS,
                               .help = "CPU time that the cache has taken while it told"},
};

/* --- Life ------------------------------------------------------------------------ */

enum app_err telemetry_start(struct telemetry *telemetry, const struct api_config *config,
                             const struct log *log, struct err_buf *why)
{
    const struct metrics_options metrics = {
        .table = table,
        .count = ROW__MAX,
        .prefix = "emojify",
        .version = APP_VERSION,
        .directory = config->run_dir,
        .log = log,
    };
    const struct statsd_options statsd = {
        .server = config->statsd_server,
        .prefix = STATSD_PREFIX,
        .tags = "version:" APP_VERSION,
        .more_tags = config->statsd_tags,
        .log = log,
    };
    enum app_err err = metrics_new(&metrics, &telemetry->metrics);
    if (err)
        err_detail(why, "the metrics have no memory");
    else
        err = statsd_new(&statsd, &telemetry->statsd, why);
    return err;
}

void telemetry_stop(struct telemetry *telemetry)
{
    statsd_free(&telemetry->statsd);
    metrics_free(&telemetry->metrics);
}

enum app_err telemetry_write(struct telemetry *telemetry, struct buf *out)
{
    metrics_gauge_set(telemetry->metrics, ROW_PICTURE_MEMORY, METRIC_AT(0),
                      (int64_t)picture_library_memory());
    return metrics_write(telemetry->metrics, out);
}

void telemetry_tick(struct telemetry *telemetry, int64_t now_ns)
{
    metrics_tick(telemetry->metrics, now_ns);
}

size_t telemetry_processes(struct telemetry *telemetry,
                           struct metrics_process processes[LIMIT_METRICS_PROCESSES])
{
    return metrics_processes(telemetry->metrics, processes);
}

struct metrics *telemetry_metrics(struct telemetry *telemetry)
{
    return telemetry->metrics;
}

/* --- Requests -------------------------------------------------------------------- */

void telemetry_request_begin(struct telemetry *telemetry, struct telemetry_request *request)
{
    request->cpu_ns = clock_thread_cpu_ns();
    metrics_gauge_add(telemetry->metrics, ROW_IN_FLIGHT, METRIC_AT(0), 1);
}

void telemetry_request_end(struct telemetry *telemetry, const struct telemetry_request *request,
                           const struct telemetry_outcome *outcome)
{
    struct metrics *metrics = telemetry->metrics;
    enum route_name route = outcome->route;
    int64_t now_ns = clock_now_ns();
    int64_t spent_ns = now_ns - outcome->started_ns;
    int64_t cpu_ns = clock_thread_cpu_ns() - request->cpu_ns;
    /* What was not answered by the route will be a 500 from the server. */
    int status = outcome->status < STATUS_FIRST ? STATUS_NONE : outcome->status;

    metrics_add(metrics, ROW_REQUESTS,
                METRIC_AT(route, outcome->method, (size_t)(status - STATUS_FIRST)), 1);
    metrics_observe(metrics, ROW_REQUEST_DURATION, METRIC_AT(route), spent_ns);
    if (cpu_ns > 0)
        metrics_add(metrics, ROW_CPU, METRIC_AT(route), (uint64_t)cpu_ns);
    metrics_gauge_add(metrics, ROW_IN_FLIGHT, METRIC_AT(0), -1);
    metrics_tick(metrics, now_ns);
    if (statsd_name_of_route(route))
        statsd_timing(telemetry->statsd, statsd_name_of_route(route), spent_ns, status);
}

/* --- Steps ----------------------------------------------------------------------- */

void telemetry_upstream(struct telemetry *telemetry, enum upstream_call call, int64_t started_ns,
                        enum app_err err)
{
    enum upstream upstream = upstream_calls[call].upstream;
    int64_t spent_ns = clock_now_ns() - started_ns;
    if (err != APP_UNAVAILABLE) /* else it was not the upstream's time, but our refusal */
        metrics_observe(telemetry->metrics, ROW_UPSTREAM_DURATION,
                        METRIC_AT(upstream, upstream_calls[call].operation), spent_ns);
    /* That the cache has nothing, or shall not have it, is an answer. */
    if (err != APP_OK && err != APP_NOT_FOUND && err != APP_GONE)
        metrics_add(telemetry->metrics, ROW_UPSTREAM_ERRORS, METRIC_AT(upstream, err), 1);
    if (statsd_name_of_call(call))
        statsd_timing(telemetry->statsd, statsd_name_of_call(call), spent_ns, app_err_status(err));
}

void telemetry_breaker(struct telemetry *telemetry, enum telemetry_breaker breaker, bool open)
{
    metrics_gauge_set(telemetry->metrics, ROW_BREAKER_OPEN, METRIC_AT(breaker), open ? 1 : 0);
}

void telemetry_drawn(struct telemetry *telemetry, int64_t started_ns, enum app_err err)
{
    int64_t spent_ns = clock_now_ns() - started_ns;
    metrics_observe(telemetry->metrics, ROW_DRAW_DURATION, METRIC_AT(0), spent_ns);
    statsd_timing(telemetry->statsd, STATSD_DRAWN, spent_ns, app_err_status(err));
    if (err)
        statsd_count(telemetry->statsd, STATSD_ENCODING_FAILED);
}

void telemetry_stored(struct telemetry *telemetry, size_t faces)
{
    metrics_add(telemetry->metrics, ROW_PICTURES, METRIC_AT(0), 1);
    metrics_add(telemetry->metrics, ROW_FACES, METRIC_AT(0), faces);
}

void telemetry_pictures_freed(struct telemetry *telemetry)
{
    metrics_gauge_set(telemetry->metrics, ROW_PICTURE_MEMORY, METRIC_AT(0),
                      (int64_t)picture_library_memory());
}

void telemetry_local_cache(struct telemetry *telemetry, enum local_cache_event event)
{
    static const enum row rows[LOCAL_CACHE_EVENT__MAX] = {
        [LOCAL_CACHE_EVENT_HIT] = ROW_LOCAL_CACHE_HITS,
        [LOCAL_CACHE_EVENT_STALE] = ROW_LOCAL_CACHE_STALE,
        [LOCAL_CACHE_EVENT_MISS] = ROW_LOCAL_CACHE_MISSES,
        [LOCAL_CACHE_EVENT_UNSTORED] = ROW_LOCAL_CACHE_UNSTORED,
    };
    metrics_add(telemetry->metrics, rows[event], METRIC_AT(0), 1);
}

void telemetry_local_cache_size(struct telemetry *telemetry, int64_t bytes, int64_t files)
{
    metrics_gauge_set(telemetry->metrics, ROW_LOCAL_CACHE_BYTES, METRIC_AT(0), bytes);
    metrics_gauge_set(telemetry->metrics, ROW_LOCAL_CACHE_FILES, METRIC_AT(0), files);
}

void telemetry_queue(struct telemetry *telemetry, int change)
{
    metrics_gauge_add(telemetry->metrics, ROW_QUEUE_LENGTH, METRIC_AT(0), change);
}

void telemetry_fetching(struct telemetry *telemetry, int change)
{
    metrics_gauge_add(telemetry->metrics, ROW_FETCHING, METRIC_AT(0), change);
}

void telemetry_watched_cache(struct telemetry *telemetry, bool up, uint64_t cpu_ns)
{
    metrics_gauge_set(telemetry->metrics, ROW_WATCHED_CACHE_UP, METRIC_AT(0), up ? 1 : 0);
    metrics_add(telemetry->metrics, ROW_WATCHED_CACHE_CPU, METRIC_AT(0), cpu_ns);
}

void telemetry_running(struct telemetry *telemetry, int change)
{
    metrics_gauge_add(telemetry->metrics, ROW_JOBS_RUNNING, METRIC_AT(0), change);
}

void telemetry_job_begin(struct telemetry_request *job)
{
    job->cpu_ns = clock_thread_cpu_ns();
}

void telemetry_job_end(struct telemetry *telemetry, const struct telemetry_request *job)
{
    int64_t cpu_ns = clock_thread_cpu_ns() - job->cpu_ns;
    if (cpu_ns > 0)
        metrics_add(telemetry->metrics, ROW_CPU, METRIC_AT(ROUTE_EMOJIFY_CREATE), (uint64_t)cpu_ns);
}

void telemetry_shared(struct telemetry *telemetry)
{
    metrics_add(telemetry->metrics, ROW_SHARED, METRIC_AT(0), 1);
}

void telemetry_count(struct telemetry *telemetry, const char *name)
{
    statsd_count(telemetry->statsd, name);
}

/* --- Faults ---------------------------------------------------------------------- */

uint64_t telemetry_fault_decision(struct telemetry *telemetry, enum fault_route route)
{
    return metrics_add(telemetry->metrics, ROW_FAULT_DECISIONS, METRIC_AT(route), 1);
}

void telemetry_fault(struct telemetry *telemetry, enum fault_route route, enum fault_type type)
{
    metrics_add(telemetry->metrics, ROW_FAULTS, METRIC_AT(route, type), 1);
    statsd_count(telemetry->statsd, STATSD_FAULT_WAS_INJECTED);
}

const char *fault_type_name(enum fault_type type)
{
    return fault_type_names[type];
}

const char *fault_route_name(enum fault_route route)
{
    return fault_route_names[route];
}
