/* SPDX-License-Identifier: MIT */
/*
 * What emojify-api counts, in one table (telemetry.c), and the few functions by
 * which the rest of it says what happened. Everything goes to /metrics, and under
 * the Go service's names (api/statsd_names.h) to statsd.
 *
 * telemetry_start after the signals are blocked and gRPC is up, telemetry_stop
 * after the last worker has ended; the others from any thread.
 */
#ifndef API_TELEMETRY_H
#define API_TELEMETRY_H

#include <stdbool.h>
#include <stdint.h>

#include "api/config.h"
#include "api/route_name.h"
#include "lib/base/err.h"
#include "lib/base/log.h"
#include "lib/http/method.h"
#include "lib/telemetry/metrics.h"

/* Whom we ask for what. */
enum upstream_call {
    UPSTREAM_CACHE_GET,
    UPSTREAM_CACHE_PUT,
    UPSTREAM_CACHE_EXISTS,
    UPSTREAM_CACHE_CHECK,
    UPSTREAM_FACEBOX_CHECK,
    UPSTREAM_FACEBOX_INFO,
    UPSTREAM_FETCH,
    UPSTREAM_PAYMENT,
    UPSTREAM_CALL__MAX
};

/* The upstreams that have a breaker. */
enum telemetry_breaker { BREAKER_CACHE, BREAKER_FACEBOX, BREAKER_PAYMENT, BREAKER__MAX };

/* Routes and kinds of injected faults, see api/faults.h. */
enum fault_route { FAULT_ROUTE_CACHE, FAULT_ROUTE_EMOJIFY, FAULT_ROUTE__MAX };
enum fault_type { FAULT_HTTP_ERROR, FAULT_DELAY, FAULT_DUMP, FAULT_TYPE__MAX };

/* What GET /cache/{file} found in the local tier. */
enum local_cache_event {
    LOCAL_CACHE_EVENT_HIT,
    LOCAL_CACHE_EVENT_STALE, /* it was there, but the cache had to be asked */
    LOCAL_CACHE_EVENT_MISS,
    LOCAL_CACHE_EVENT_UNSTORED, /* what the cache had answered could not be kept */
    LOCAL_CACHE_EVENT__MAX
};

/* Zeroed at first. */
struct telemetry {
    /* Its own. */
    struct metrics *metrics;
    struct statsd *statsd; /* NULL: nobody is told */
};

/* APP_CONFIG, APP_NO_MEMORY, APP_INTERNAL; telemetry_stop takes down what is up. */
enum app_err telemetry_start(struct telemetry *telemetry, const struct api_config *config,
                             const struct log *log, struct err_buf *why)
    __attribute__((warn_unused_result));
void telemetry_stop(struct telemetry *telemetry);

/* The text for a scrape. Errors as metrics_write. */
enum app_err telemetry_write(struct telemetry *telemetry, struct buf *out)
    __attribute__((warn_unused_result));

/* Call it about once a second, for the sake of siblings that have ended; see metrics_tick. */
void telemetry_tick(struct telemetry *telemetry, int64_t now_ns);

/* The pool's processes: see metrics_processes. */
size_t telemetry_processes(struct telemetry *telemetry,
                           struct metrics_process processes[LIMIT_METRICS_PROCESSES]);

/* What is counted, for its history (api/pool_history.h). */
struct metrics *telemetry_metrics(struct telemetry *telemetry);

/*
 * What a look at the cache service's own metrics has found (api/admin/cache_watch.h):
 * whether they can be had, and how much CPU time it took since the last look. For the
 * pool's leader.
 */
void telemetry_watched_cache(struct telemetry *telemetry, bool up, uint64_t cpu_ns);

/* A request on its way through the handler; both by the thread that handles it. */
struct telemetry_request {
    int64_t cpu_ns; /* of the thread at its start */
};
void telemetry_request_begin(struct telemetry *telemetry, struct telemetry_request *request);

/* What has become of it. */
struct telemetry_outcome {
    enum route_name route;
    enum http_method method;
    int status;
    int64_t started_ns;
};
void telemetry_request_end(struct telemetry *telemetry, const struct telemetry_request *request,
                           const struct telemetry_outcome *outcome);

/* An upstream has answered, or not, to what was asked at `started_ns`. */
void telemetry_upstream(struct telemetry *telemetry, enum upstream_call call, int64_t started_ns,
                        enum app_err err);

/* A breaker of this process has opened, or closed. */
void telemetry_breaker(struct telemetry *telemetry, enum telemetry_breaker breaker, bool open);

/* A picture was drawn on, encoded or not. */
void telemetry_drawn(struct telemetry *telemetry, int64_t started_ns, enum app_err err);

/* A picture is stored, with so many faces covered. */
void telemetry_stored(struct telemetry *telemetry, size_t faces);

/* The pictures of one request are not in memory any more. */
void telemetry_pictures_freed(struct telemetry *telemetry);

void telemetry_local_cache(struct telemetry *telemetry, enum local_cache_event event);
/* What the local tier holds; 0 and 0 in all processes of the pool but one. */
void telemetry_local_cache_size(struct telemetry *telemetry, int64_t bytes, int64_t files);

/* So many more requests and jobs wait for their turn, or for who does the same work. */
void telemetry_queue(struct telemetry *telemetry, int change);
/* So many more pictures are being fetched. */
void telemetry_fetching(struct telemetry *telemetry, int change);
/* So many more pictures are being worked on. */
void telemetry_running(struct telemetry *telemetry, int change);
/*
 * A job in the background, by the thread that does it: its CPU time counts for the
 * route that it was asked for by, for that is what asking costs.
 */
void telemetry_job_begin(struct telemetry_request *job);
void telemetry_job_end(struct telemetry *telemetry, const struct telemetry_request *job);
/* A request or job has got what another one did. */
void telemetry_shared(struct telemetry *telemetry);

/* One more of a statsd counter of the Go service: "cache.file_not_found". */
void telemetry_count(struct telemetry *telemetry, const char *name);

/*
 * The number of this decision on whether to inject a fault, counted over all
 * processes of the pool from 0; and that one was injected.
 */
uint64_t telemetry_fault_decision(struct telemetry *telemetry, enum fault_route route);
void telemetry_fault(struct telemetry *telemetry, enum fault_route route, enum fault_type type);

/* As the metrics and the log have them. */
const char *fault_type_name(enum fault_type type);
const char *fault_route_name(enum fault_route route);

#endif
