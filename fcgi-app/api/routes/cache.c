/* SPDX-License-Identifier: MIT */
/*
 * GET /cache/{file}: the stored bytes, straight from gRPC's slices to the web
 * server's socket. Other writers share the cache, so the name is checked here
 * and the type is sniffed, never believed. DELETE takes a file down.
 */
#include "api/app.h"
#include "api/faults.h"
#include "api/jobs/pipeline.h"
#include "api/routes/routes.h"
#include "api/routes/stored_file.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/clock.h"
#include "lib/base/limits.h"

/* 1 to LIMIT_CACHE_ID of these, the first not a dot. */
static bool is_cache_id(const char *name)
{
    static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                                  "0123456789._~=-";
    size_t len = strlen(name);
    return len >= 1 && len <= LIMIT_CACHE_ID && name[0] != '.' && strspn(name, allowed) == len;
}

/* What the cache gave, for all who asked for it at the same time. */
struct got {
    struct cache_item item;
    struct stored_file file;
};

static void release_got(void *shared)
{
    struct got *got = shared;
    cache_item_release(&got->item);
    free(got);
}

/* The call for all who wait for this file now. */
static void lead(struct exchange *exchange, const struct cache_call *call,
                 struct coalesce_member *member)
{
    struct telemetry *telemetry = &exchange->app->telemetry;
    struct got *got = calloc(1, sizeof(*got));
    int64_t started_ns = clock_now_ns();
    enum app_err err = APP_NO_MEMORY;
    if (got)
        err = cache_get(exchange->worker->cache, call, exchange->parameter, &got->item,
                        &exchange->why);
    telemetry_upstream(telemetry, UPSTREAM_CACHE_GET, started_ns, err);
    if (!err)
        stored_file_look(&got->file, got->item.pieces, got->item.count);
    coalesce_share(member, err, exchange->why.detail, got, got ? release_got : NULL);
}

static struct cache_call make_call(const struct exchange *exchange, int64_t timeout_ms,
                                   struct http_header headers[TRACE_HEADERS_MAX])
{
    return (struct cache_call){
        .deadline_ns = deadline_min(exchange->deadline_ns, deadline_in_ms(timeout_ms)),
        .timeout_ms = timeout_ms,
        .request_id = exchange->request->id,
        .headers = headers,
        .header_count = trace_headers(&exchange->request->trace, headers),
    };
}

/* As coalesce_join; who waits for another's call takes a place like who waits for a call. */
static enum app_err join(struct exchange *exchange, int64_t deadline_ns,
                         struct coalesce_member *member)
{
    struct app *app = exchange->app;
    bool at_length = cache_wait_begin(app->cache);
    if (!at_length)
        deadline_ns = deadline_min(deadline_ns, deadline_in_ms(WAIT_BUDGET_SHORT_MS));
    enum app_err err = coalesce_join(app->gets, exchange->parameter, deadline_ns, member);
    if (at_length)
        cache_wait_end(app->cache);
    else if (err == APP_UPSTREAM_TIMEOUT)
        err = err_set(&exchange->why, APP_UNAVAILABLE, "the cache is busy, try again later");
    return err;
}

enum app_err route_cache(struct exchange *exchange)
{
    struct telemetry *telemetry = &exchange->app->telemetry;
    struct http_header headers[TRACE_HEADERS_MAX];
    struct coalesce_member member;
    bool answered, dump;
    if (!is_cache_id(exchange->parameter)) {
        telemetry_count(telemetry, "cache.missing_parameter");
        return APP_NOT_FOUND;
    }
    enum app_err err = faults_inject(exchange, FAULT_ROUTE_CACHE, &answered, &dump);
    if (err || answered)
        return err;

    struct cache_call call = make_call(exchange, exchange->app->config.cache_timeout_ms, headers);
    err = join(exchange, call.deadline_ns, &member);
    if (err)
        return pipeline_upstream_error(&exchange->why, err, "the cache");
    if (member.leads)
        lead(exchange, &call, &member);
    err = member.err;
    if (err)
        telemetry_count(telemetry, err == APP_NOT_FOUND ? "cache.file_not_found" : "cache.error");
    if (err)
        err_detail(&exchange->why, "%s", member.text);
    const struct got *got = member.result;
    if (!err && dump)
        faults_dump(exchange->parameter, &got->item);
    if (!err)
        err = stored_file_headers(exchange, &got->file);
    if (!err)
        err = stored_file_send(exchange, &got->file, got->item.pieces, got->item.count);
    coalesce_leave(&member);
    return pipeline_upstream_error(&exchange->why, err, "the cache");
}

enum app_err route_cache_delete(struct exchange *exchange)
{
    const struct request *request = exchange->request;
    struct http_header headers[TRACE_HEADERS_MAX];
    if (!is_cache_id(exchange->parameter))
        return APP_NOT_FOUND;
    struct cache_call call = make_call(exchange, CACHE_PUT_TIMEOUT_MS, headers);
    int64_t started_ns = clock_now_ns();
    enum app_err err =
        cache_take_down(exchange->worker->cache, &call, exchange->parameter, &exchange->why);
    telemetry_upstream(&exchange->app->telemetry, UPSTREAM_CACHE_PUT, started_ns, err);
    if (err)
        return pipeline_upstream_error(&exchange->why, err, "the cache");
    log_warn(&request->log, "Picture taken down",
             LOG_FIELDS(LOG_STR("file", exchange->parameter),
                        LOG_STR("remote", request_param(request, "REMOTE_ADDR"))));
    return response_send(exchange->response, 204, NULL, NULL, 0);
}
