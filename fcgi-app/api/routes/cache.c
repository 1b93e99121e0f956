/* SPDX-License-Identifier: MIT */
/*
 * GET /cache/{file}: the stored bytes, straight from gRPC's slices to the web
 * server's socket. Other writers share the cache, so the name is checked here
 * and the type is sniffed, never believed.
 */
#include "api/app.h"
#include "api/faults.h"
#include "api/jobs/pipeline.h"
#include "api/routes/routes.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/clock.h"
#include "lib/base/limits.h"
#include "lib/http/content_type.h"

/* 1 to LIMIT_CACHE_ID of these, the first not a dot. */
static bool is_cache_id(const char *name)
{
    static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                                  "0123456789._~=-";
    size_t len = strlen(name);
    return len >= 1 && len <= LIMIT_CACHE_ID && name[0] != '.' && strspn(name, allowed) == len;
}

static const char *sniff(const struct cache_item *item)
{
    char start[CONTENT_TYPE_SNIFF_LEN];
    size_t len = 0;
    for (size_t i = 0; i < item->count && len < sizeof(start); i++) {
        size_t room = sizeof(start) - len;
        size_t part = item->pieces[i].iov_len < room ? item->pieces[i].iov_len : room;
        memcpy(start + len, item->pieces[i].iov_base, part);
        len += part;
    }
    return content_type_sniff(start, len);
}

static enum app_err send_item(struct exchange *exchange, const struct cache_item *item)
{
    char cache_control[64] = "no-cache";
    int64_t seconds = exchange->app->config.local_cache_ttl_ms / 1000;
    if (seconds > 0)
        (void)snprintf(cache_control, sizeof(cache_control), "public, max-age=%" PRId64, seconds);
    enum app_err err = response_header(exchange->response, "Cache-Control", cache_control);
    if (err)
        return err;
    return response_send_pieces(exchange->response, 200, sniff(item), item->pieces, item->count);
}

enum app_err route_cache(struct exchange *exchange)
{
    struct cache_item item = {.pieces = NULL};
    struct telemetry *telemetry = &exchange->app->telemetry;
    struct http_header headers[TRACE_HEADERS_MAX];
    bool answered, dump;
    if (!is_cache_id(exchange->parameter)) {
        telemetry_count(telemetry, "cache.missing_parameter");
        return APP_NOT_FOUND;
    }
    enum app_err err = faults_inject(exchange, FAULT_ROUTE_CACHE, &answered, &dump);
    if (err || answered)
        return err;

    int64_t started_ns = clock_now_ns();
    struct cache_call call = {
        .deadline_ns = deadline_min(exchange->deadline_ns,
                                    deadline_in_ms(exchange->app->config.cache_timeout_ms)),
        .timeout_ms = exchange->app->config.cache_timeout_ms,
        .cancel = exchange->cancel,
        .request_id = exchange->request->id,
        .headers = headers,
        .header_count = trace_headers(&exchange->request->trace, headers),
    };
    err = cache_get(exchange->worker->cache, &call, exchange->parameter, &item, &exchange->why);
    telemetry_upstream(telemetry, UPSTREAM_CACHE_GET, started_ns, err);
    if (err)
        telemetry_count(telemetry, err == APP_NOT_FOUND ? "cache.file_not_found" : "cache.error");
    if (!err && dump)
        faults_dump(exchange->parameter, &item);
    if (!err)
        err = send_item(exchange, &item);
    cache_item_release(&item);
    return pipeline_upstream_error(&exchange->why, err, "the cache");
}
