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

#define XXH_STATIC_LINKING_ONLY /* for the state on the stack */
#include <xxhash.h>

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

/* The same from every process and machine, so that any of them may answer 304. */
static uint64_t hash_item(const struct cache_item *item)
{
    XXH3_state_t state;
    XXH3_INITSTATE(&state);
    (void)XXH3_64bits_reset(&state);
    for (size_t i = 0; i < item->count; i++)
        (void)XXH3_64bits_update(&state, item->pieces[i].iov_base, item->pieces[i].iov_len);
    return XXH3_64bits_digest(&state);
}

static enum app_err add_headers(struct exchange *exchange, uint64_t hash)
{
    char cache_control[64] = "no-cache";
    char etag[24];
    int64_t seconds = exchange->app->config.local_cache_ttl_ms / 1000;
    if (seconds > 0)
        (void)snprintf(cache_control, sizeof(cache_control), "public, max-age=%" PRId64, seconds);
    (void)snprintf(etag, sizeof(etag), "\"%016" PRIx64 "\"", hash);
    enum app_err err = response_header(exchange->response, "Cache-Control", cache_control);
    return err ? err : response_header(exchange->response, "ETag", etag);
}

/*
 * The directory that the web server says it sends files from, for this request, in a
 * variable that no client can set (theirs begin with HTTP_). Without it, or when it is
 * another one, an X-Sendfile header would be an empty answer.
 */
static struct local_cache *usable_tier(const struct exchange *exchange)
{
    struct local_cache *tier = exchange->app->tier;
    const char *from = request_param(exchange->request, "EMOJIFY_SENDFILE");
    if (!tier || !from || exchange->app->config.cache_fault.rate > 0)
        return NULL;
    size_t len = strlen(from);
    while (len > 1 && from[len - 1] == '/')
        len--;
    const char *directory = local_cache_directory(tier);
    return strlen(directory) == len && memcmp(directory, from, len) == 0 ? tier : NULL;
}

/* Web servers decode the path. */
static char *encode_path(struct arena *arena, const char *path)
{
    static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                                "0123456789/._~=-";
    char *encoded = arena_alloc(arena, strlen(path) * 3 + 1);
    char *out = encoded;
    for (; encoded && *path; path++) {
        if (strchr(plain, *path))
            *out++ = *path;
        else
            out += snprintf(out, 4, "%%%02X", (unsigned char)*path);
    }
    if (encoded)
        *out = '\0';
    return encoded;
}

/* The web server does the rest, Range and If-None-Match too. */
static enum app_err send_file(struct exchange *exchange, const struct local_cache_file *file)
{
    char *path = encode_path(exchange->request->arena, file->path);
    enum app_err err = path ? add_headers(exchange, file->hash) : APP_NO_MEMORY;
    if (!err)
        err = response_header(exchange->response, "X-Sendfile", path);
    return err ? err : response_send(exchange->response, 200, file->type, NULL, 0);
}

static enum app_err send_item(struct exchange *exchange, const struct cache_item *item)
{
    enum app_err err = add_headers(exchange, hash_item(item));
    if (err)
        return err;
    return response_send_pieces(exchange->response, 200, sniff(item), item->pieces, item->count);
}

static enum app_err ask_cache(struct exchange *exchange, struct cache_item *item)
{
    struct http_header headers[TRACE_HEADERS_MAX];
    struct telemetry *telemetry = &exchange->app->telemetry;
    int64_t started_ns = clock_now_ns();
    struct cache_call call = {
        .deadline_ns = deadline_min(exchange->deadline_ns,
                                    deadline_in_ms(exchange->app->config.cache_timeout_ms)),
        .request_id = exchange->request->id,
        .headers = headers,
        .header_count = trace_headers(&exchange->request->trace, headers),
    };
    enum app_err err =
        cache_get(exchange->worker->cache, &call, exchange->parameter, item, &exchange->why);
    telemetry_upstream(telemetry, UPSTREAM_CACHE_GET, started_ns, err);
    if (err)
        telemetry_count(telemetry, err == APP_NOT_FOUND ? "cache.file_not_found" : "cache.error");
    return err;
}

static enum app_err send_through_tier(struct exchange *exchange, struct local_cache *tier,
                                      const struct local_cache_ticket *ticket,
                                      const struct cache_item *item)
{
    struct local_cache_file file;
    const struct local_cache_content content = {
        .pieces = item->pieces,
        .count = item->count,
        .len = item->len,
        .hash = hash_item(item),
        .type = sniff(item),
    };
    if (local_cache_store(tier, exchange->parameter, ticket, &content, &file))
        return send_file(exchange, &file);
    telemetry_local_cache(&exchange->app->telemetry, LOCAL_CACHE_EVENT_UNSTORED);
    return send_item(exchange, item);
}

static enum app_err answer_from_cache(struct exchange *exchange, struct local_cache *tier,
                                      bool dump)
{
    struct cache_item item = {.pieces = NULL};
    struct local_cache_ticket ticket = local_cache_ticket(tier, exchange->parameter);
    enum app_err err = ask_cache(exchange, &item);
    if (err == APP_NOT_FOUND)
        local_cache_remove(exchange->app->tier, exchange->parameter);
    if (!err && dump)
        faults_dump(exchange->parameter, &item);
    if (!err)
        err = tier ? send_through_tier(exchange, tier, &ticket, &item) : send_item(exchange, &item);
    cache_item_release(&item);
    return pipeline_upstream_error(&exchange->why, err, "the cache");
}

enum app_err route_cache(struct exchange *exchange)
{
    struct telemetry *telemetry = &exchange->app->telemetry;
    struct local_cache *tier = usable_tier(exchange);
    struct local_cache_file file;
    bool answered, dump;
    if (!is_cache_id(exchange->parameter)) {
        telemetry_count(telemetry, "cache.missing_parameter");
        return APP_NOT_FOUND;
    }
    enum app_err err = faults_inject(exchange, FAULT_ROUTE_CACHE, &answered, &dump);
    if (err || answered)
        return err;
    if (!tier)
        return answer_from_cache(exchange, NULL, dump);

    switch (local_cache_find(tier, exchange->parameter, &file)) {
    case LOCAL_CACHE_FRESH:
        telemetry_local_cache(telemetry, LOCAL_CACHE_EVENT_HIT);
        return send_file(exchange, &file);
    case LOCAL_CACHE_STALE:
        telemetry_local_cache(telemetry, LOCAL_CACHE_EVENT_STALE);
        break;
    case LOCAL_CACHE_MISSING:
        telemetry_local_cache(telemetry, LOCAL_CACHE_EVENT_MISS);
        break;
    }
    return answer_from_cache(exchange, tier, dump);
}
