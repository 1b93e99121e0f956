/* SPDX-License-Identifier: MIT */
/*
 * GET /health, for monitors: do the upstreams answer? GET /health/live, for a
 * supervisor: does the process run? GET /health/ready, for a load balancer:
 * should requests come here? Only the first asks anybody else, since restarting
 * or unreadying every process because a shared upstream is down helps nobody.
 */
#include "api/app.h"
#include "api/clients/breaker.h"
#include "api/routes/answer.h"
#include "api/routes/routes.h"

#include <stdio.h>

#include "lib/base/clock.h"
#include "lib/fcgi/request.h"
#include "lib/http/header.h"
#include "lib/telemetry/trace.h"

/* An upstream as it is seen from here: what it says itself, and what our calls met. */
struct upstream {
    enum app_err err; /* of the question that was asked for this page */
    enum breaker_state breaker;
};

/* Half open is no fault: only a call can close it, and a balancer must send some. */
static bool is_healthy(const struct upstream *upstream)
{
    return upstream->err == APP_OK && upstream->breaker != BREAKER_OPEN;
}

static const char *upstream_state(const struct upstream *upstream)
{
    enum app_err err = upstream->err;
    if (err == APP_OK)
        return is_healthy(upstream) ? "ok" : "breaker open";
    return err == APP_UPSTREAM_TIMEOUT ? "no answer in time" : "failed";
}

static json_t *upstream_json(const struct upstream *upstream)
{
    return json_pack("{s:s, s:s}", "status", upstream_state(upstream), "breaker",
                     breaker_state_name(upstream->breaker));
}

static enum app_err answer_report_json(struct exchange *exchange,
                                       const struct health_report *report,
                                       const struct upstream *facebox, const struct upstream *cache)
{
    bool healthy = is_healthy(facebox) && is_healthy(cache);
    json_t *object = json_pack("{s:s, s:o, s:o}", "status", healthy ? "ok" : "failed", "facebox",
                               upstream_json(facebox), "cache", upstream_json(cache));
    if (object && report->facebox == APP_OK)
        json_object_set_new(json_object_get(object, "facebox"), "version",
                            json_integer(report->facebox_version));
    return answer_json(exchange, healthy ? 200 : 503, object);
}

static void log_failure(struct exchange *exchange, const char *upstream, enum app_err err,
                        const struct err_buf *why)
{
    if (err)
        log_warn(&exchange->request->log, "Upstream is not healthy",
                 LOG_FIELDS(LOG_STR("upstream", upstream), LOG_STR("error", app_err_slug(err)),
                            LOG_STR("detail", why->detail)));
}

enum app_err route_health(struct exchange *exchange)
{
    struct health_report report;
    struct http_header headers[TRACE_HEADERS_MAX];
    struct health_call call = {
        .cache = exchange->worker->cache,
        .http = exchange->worker->http,
        .faces = &exchange->app->faces,
        .request_id = exchange->request->id,
        .headers = headers,
        .header_count = trace_headers(&exchange->request->trace, headers),
        .telemetry = &exchange->app->telemetry,
        .deadline_ns = exchange->deadline_ns,
    };
    enum app_err err = health_get(&exchange->app->health, &call, &report);
    if (err)
        return err;

    struct app *app = exchange->app;
    int64_t now_ns = clock_now_ns();
    const struct upstream facebox = {report.facebox, breaker_state(&app->breakers.facebox, now_ns)};
    const struct upstream cache = {report.cache, breaker_state(&app->breakers.cache, now_ns)};
    bool healthy = is_healthy(&facebox) && is_healthy(&cache);
    log_failure(exchange, "facebox", report.facebox, &report.facebox_why);
    log_failure(exchange, "cache", report.cache, &report.cache_why);
    if (request_accepts_json(exchange->request))
        return answer_report_json(exchange, &report, &facebox, &cache);

    char text[160];
    if (healthy)
        (void)snprintf(text, sizeof(text), "OK\nFacebox version: %d\nCache status %d\n",
                       report.facebox_version, report.cache_status);
    else
        (void)snprintf(text, sizeof(text), "facebox: %s; cache: %s\n", upstream_state(&facebox),
                       upstream_state(&cache));
    return answer_text(exchange, healthy ? 200 : 503, text);
}

enum app_err route_health_live(struct exchange *exchange)
{
    return answer_text(exchange, 200, "OK\n");
}

enum app_err route_health_ready(struct exchange *exchange)
{
    if (atomic_load(&exchange->app->stopping))
        return err_set(&exchange->why, APP_UNAVAILABLE, "stopping");
    return answer_text(exchange, 200, "OK\n");
}
