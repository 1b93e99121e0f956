/* SPDX-License-Identifier: MIT */
/* A new metric is a row in `table`, its number in the enum above it, and the call that counts. */
#include "cache/telemetry.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "cache/methods.h"
#include "lib/base/clock.h"

enum { NAME_LEN = 32 };

/* --- What can be told apart ------------------------------------------------------ */

/* "Get" of "/Cache/Get", and "Health" of grpc.health.v1, whose Check is another. */
static const char *const method_names[METHOD__MAX + 1] = {
    [METHOD_GET] = "Get",     [METHOD_PUT] = "Put",       [METHOD_EXISTS] = "Exists",
    [METHOD_CHECK] = "Check", [METHOD_HEALTH] = "Health", [METHOD__MAX] = "none"};

/* By their numbers, as https://grpc.io/docs/guides/status-codes/ has them. */
static const char *const status_names[] = {
    "OK",
    "CANCELLED",
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
    "UNAUTHENTICATED",
};
enum { STATUS_COUNT = sizeof(status_names) / sizeof(status_names[0]) };

static const char *method_label(size_t index)
{
    return index <= METHOD__MAX ? method_names[index] : NULL;
}

static const char *status_label(size_t index)
{
    return index < STATUS_COUNT ? status_names[index] : NULL;
}

static const char *error_label(size_t index)
{
    return index < APP_ERR__MAX ? app_err_slug((enum app_err)index) : NULL;
}

static const char *removal_label(size_t index)
{
    static const char *const names[STORE_REMOVAL__MAX] = {
        [STORE_REMOVAL_EXPIRED] = "expired", [STORE_REMOVAL_EVICTED] = "evicted"};
    return index < STORE_REMOVAL__MAX ? names[index] : NULL;
}

/* --- The table ------------------------------------------------------------------- */

#define US INT64_C(1000)
#define MS NS_PER_MS
static const int64_t bounds[] = {50 * US,   100 * US, 250 * US, 500 * US,  1 * MS,
                                 2500 * US, 5 * MS,   10 * MS,  25 * MS,   50 * MS,
                                 100 * MS,  250 * MS, 500 * MS, 1000 * MS, 2500 * MS};
#undef US
#undef MS

enum row {
    ROW_REQUESTS,
    ROW_DURATION,
    ROW_CPU,
    ROW_IN_FLIGHT,
    ROW_RECEIVED,
    ROW_SENT,
    ROW_STORE_ERRORS,
    ROW_STORE_ENTRIES,
    ROW_STORE_BYTES,
    ROW_REMOVED,
    ROW_MEMORY_BYTES,
    ROW_MEMORY_GETS,
    ROW_REDIS_AWAY,
    ROW_REDIS_CONNECTS,
    ROW__MAX
};

#define METHOD_LABEL                                                                               \
    {                                                                                              \
        .name = "method", .value = method_label                                                    \
    }

static const struct metric table[ROW__MAX] = {
    [ROW_REQUESTS] = {.name = "emojify_cache_requests_total",
                      .type = METRIC_COUNTER,
                      .help = "Calls answered, by gRPC status",
                      .labels = {METHOD_LABEL, {.name = "status", .value = status_label}},
                      .sparse = true},
    [ROW_DURATION] = {.name = "emojify_cache_request_duration_seconds",
                      .type = METRIC_HISTOGRAM,
                      .unit = METRIC_SECONDS,
                      .help = "Time from a call's arrival to its answer being handed to gRPC",
                      .labels = {METHOD_LABEL},
                      .bounds = bounds,
                      .bound_count = sizeof(bounds) / sizeof(bounds[0]),
                      .sparse = true},
    [ROW_CPU] = {.name = "emojify_cache_cpu_seconds_total",
                 .type = METRIC_COUNTER,
                 .unit = METRIC_SECONDS,
                 .help = "CPU time of the threads that answered calls, without that of gRPC",
                 .labels = {METHOD_LABEL},
                 .sparse = true},
    [ROW_IN_FLIGHT] = {.name = "emojify_cache_requests_in_flight",
                       .type = METRIC_GAUGE,
                       .help = "Calls being answered now"},
    [ROW_RECEIVED] = {.name = "emojify_cache_received_bytes_total",
                      .type = METRIC_COUNTER,
                      .help = "Bytes of pictures that were stored"},
    [ROW_SENT] = {.name = "emojify_cache_sent_bytes_total",
                  .type = METRIC_COUNTER,
                  .help = "Bytes of pictures that were handed out"},
    [ROW_STORE_ERRORS] = {.name = "emojify_cache_store_errors_total",
                          .type = METRIC_COUNTER,
                          .help = "Calls that the store failed, by our error code",
                          .labels = {METHOD_LABEL, {.name = "error", .value = error_label}},
                          .sparse = true},
    [ROW_STORE_ENTRIES] = {.name = "emojify_cache_store_entries",
                           .type = METRIC_GAUGE,
                           .help = "Entries in the directory at its last sweep; 0 for Redis"},
    [ROW_STORE_BYTES] = {.name = "emojify_cache_store_bytes",
                         .type = METRIC_GAUGE,
                         .help = "Bytes of the entries in the directory; 0 for Redis"},
    [ROW_REMOVED] = {.name = "emojify_cache_removed_entries_total",
                     .type = METRIC_COUNTER,
                     .help = "Entries removed from the directory, being too old or too many",
                     .labels = {{.name = "reason", .value = removal_label}}},
    [ROW_MEMORY_BYTES] = {.name = "emojify_cache_memory_bytes",
                          .type = METRIC_GAUGE,
                          .help = "Memory taken by entries of the directory that are kept there"},
    [ROW_MEMORY_GETS] = {.name = "emojify_cache_memory_gets_total",
                         .type = METRIC_COUNTER,
                         .help = "Gets answered from memory, the file being unchanged"},
    [ROW_REDIS_AWAY] = {.name = "emojify_cache_redis_away",
                        .type = METRIC_GAUGE,
                        .help = "1 while Redis, being the store, cannot be reached, else 0"},
    [ROW_REDIS_CONNECTS] = {.name = "emojify_cache_redis_connects_total",
                            .type = METRIC_COUNTER,
                            .help = "How often Redis was found to be there, or there again"},
};

/* --- Life ------------------------------------------------------------------------ */

enum app_err telemetry_start(struct telemetry *telemetry, const struct telemetry_options *options,
                             struct err_buf *why)
{
    const struct metrics_options metrics = {
        .table = table,
        .count = ROW__MAX,
        .prefix = "emojify_cache",
        .version = APP_VERSION,
        .directory = "", /* there are no siblings */
        .log = options->log,
    };
    const struct statsd_options statsd = {
        .server = options->statsd_server,
        .prefix = "cache.service.",
        .tags = "version:" APP_VERSION,
        .more_tags = options->statsd_tags,
        .log = options->log,
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

static void take_state(struct metrics *metrics, const struct store_state *state)
{
    metrics_gauge_set(metrics, ROW_STORE_ENTRIES, METRIC_AT(0), state->entries);
    metrics_gauge_set(metrics, ROW_STORE_BYTES, METRIC_AT(0), state->bytes);
    metrics_gauge_set(metrics, ROW_MEMORY_BYTES, METRIC_AT(0), state->memory_bytes);
    metrics_count_to(metrics, ROW_MEMORY_GETS, METRIC_AT(0), state->memory_gets);
    metrics_gauge_set(metrics, ROW_REDIS_AWAY, METRIC_AT(0), state->redis_away);
    for (size_t i = 0; i < STORE_REMOVAL__MAX; i++)
        metrics_count_to(metrics, ROW_REMOVED, METRIC_AT(i), state->removed[i]);
    metrics_count_to(metrics, ROW_REDIS_CONNECTS, METRIC_AT(0), state->redis_connects);
}

enum app_err telemetry_write(struct telemetry *telemetry, struct store *store, struct buf *out)
{
    struct store_state state = {.entries = 0};
    store_look(store, &state);
    take_state(telemetry->metrics, &state);
    return metrics_write(telemetry->metrics, out);
}

/* --- Calls ----------------------------------------------------------------------- */

static unsigned calls_stood_for(struct telemetry *telemetry, size_t method)
{
    if (method != METHOD_GET)
        return 1;
    unsigned before = atomic_fetch_add_explicit(&telemetry->gets, 1, memory_order_relaxed);
    if (before % TELEMETRY_GETS_A_SAMPLE != 0)
        return 0;
    return before == 0 ? 1 : TELEMETRY_GETS_A_SAMPLE;
}

void telemetry_call_begin(struct telemetry *telemetry, size_t method, struct telemetry_call *call)
{
    if (!telemetry)
        return;
    call->method = method < METHOD__MAX ? method : METHOD__MAX;
    call->started_ns = clock_now_ns();
    call->stands_for = calls_stood_for(telemetry, method);
    if (call->stands_for > 0)
        call->cpu_ns = clock_thread_cpu_ns();
    metrics_gauge_add(telemetry->metrics, ROW_IN_FLIGHT, METRIC_AT(0), 1);
}

/* "get.called" and so on, with the statuses that emojify-api has in its own. */
static void tell_statsd(struct statsd *statsd, size_t method, enum app_err err, int64_t spent_ns)
{
    char name[NAME_LEN];
    if (!statsd)
        return;
    (void)snprintf(name, sizeof(name), "%s.called", method_names[method]);
    name[0] = (char)tolower((unsigned char)name[0]);
    statsd_timing(statsd, name, spent_ns, app_err_status(err));
}

static void count_cpu(struct metrics *metrics, const struct telemetry_call *call)
{
    if (call->stands_for == 0)
        return;
    int64_t cpu_ns = clock_thread_cpu_ns() - call->cpu_ns;
    if (cpu_ns > 0)
        metrics_add(metrics, ROW_CPU, METRIC_AT(call->method), (uint64_t)cpu_ns * call->stands_for);
}

void telemetry_call_end(struct telemetry *telemetry, const struct telemetry_call *call,
                        const struct telemetry_outcome *outcome)
{
    if (!telemetry)
        return;
    struct metrics *metrics = telemetry->metrics;
    size_t method = call->method;
    int64_t spent_ns = clock_now_ns() - call->started_ns;
    count_cpu(metrics, call);
    metrics_add(metrics, ROW_REQUESTS, METRIC_AT(method, (size_t)outcome->status), 1);
    metrics_observe(metrics, ROW_DURATION, METRIC_AT(method), spent_ns);
    metrics_gauge_add(metrics, ROW_IN_FLIGHT, METRIC_AT(0), -1);
    metrics_add(metrics, ROW_RECEIVED, METRIC_AT(0), outcome->received);
    metrics_add(metrics, ROW_SENT, METRIC_AT(0), outcome->sent);
    if (outcome->store_error) {
        metrics_add(metrics, ROW_STORE_ERRORS, METRIC_AT(method, outcome->store_error), 1);
        telemetry_count(telemetry, "store.error");
    }
    tell_statsd(telemetry->statsd, method, outcome->err, spent_ns);
}

void telemetry_count(struct telemetry *telemetry, const char *name)
{
    statsd_count(telemetry->statsd, name);
}
