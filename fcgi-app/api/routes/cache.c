/* SPDX-License-Identifier: MIT */
/*
 * GET /cache/{file}: the stored bytes, straight from gRPC's slices to the web
 * server's socket. Other writers share the cache, so the name is checked here
 * and the type is sniffed, never believed. DELETE takes a file down.
 */
#include "api/app.h"
#include "api/faults.h"
#include "api/jobs/flight.h"
#include "api/jobs/pipeline.h"
#include "api/routes/routes.h"
#include "api/routes/stored_file.h"

#include <string.h>

#include "lib/base/clock.h"
#include "lib/base/limits.h"
#include "lib/fcgi/worker.h"

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
    struct cache_item item; /* nothing when another process has asked, and stored it */
    struct stored_file file;
    bool in_tier;
    struct local_cache_file tier_file;
};

static void release_got(void *shared)
{
    struct got *got = shared;
    cache_item_release(&got->item);
}

enum app_err route_cache_init(struct app *app)
{
    return coalescer_new(sizeof(struct got), &app->gets);
}

/* --- The local tier -------------------------------------------------------------- */

/*
 * The web server says for each request from which directory it sends files, in a
 * variable that no client can set, for theirs begin with HTTP_. Without it, or with
 * another directory, an X-Sendfile header would be an empty answer or a 403, so the
 * bytes go out as if there were no tier.
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

static enum app_err send_from_tier(struct exchange *exchange, const struct local_cache_file *found)
{
    struct stored_file file;
    stored_file_known(&file, found->type, found->hash);
    enum app_err err = stored_file_headers(exchange, &file);
    return err ? err : stored_file_send_path(exchange, &file, found->path, found->len);
}

static void keep(struct exchange *exchange, struct local_cache *tier,
                 const struct local_cache_ticket *ticket, struct got *got)
{
    const struct local_cache_content content = {
        .pieces = got->item.pieces,
        .count = got->item.count,
        .len = got->item.len,
        .hash = stored_file_hash(&got->file),
        .type = got->file.type,
    };
    got->in_tier = local_cache_store(tier, exchange->parameter, ticket, &content, &got->tier_file);
    if (!got->in_tier)
        telemetry_local_cache(&exchange->app->telemetry, LOCAL_CACHE_EVENT_UNSTORED);
}

/* --- Asking the cache ------------------------------------------------------------ */

static enum app_err ask(struct exchange *exchange, struct local_cache *tier,
                        const struct cache_call *call, struct got *got)
{
    struct telemetry *telemetry = &exchange->app->telemetry;
    struct local_cache_ticket ticket = local_cache_ticket(tier, exchange->parameter);
    int64_t started_ns = clock_now_ns();
    enum app_err err =
        cache_get(exchange->worker->cache, call, exchange->parameter, &got->item, &exchange->why);
    telemetry_upstream(telemetry, UPSTREAM_CACHE_GET, started_ns, err);
    if (err == APP_NOT_FOUND)
        (void)local_cache_remove(exchange->app->tier, exchange->parameter);
    if (err)
        return err;
    stored_file_look(&got->file, got->item.pieces, got->item.count);
    if (tier)
        keep(exchange, tier, &ticket, got);
    return APP_OK;
}

/* The wait was cut short, since others wait for the cache already. */
static enum app_err busy(struct exchange *exchange)
{
    return err_set(&exchange->why, APP_UNAVAILABLE, "the cache is busy, try again later");
}

/* Whether that is an answer of the cache, and not of somebody who got none. */
static bool is_answer(enum app_err err)
{
    return err == APP_OK || err == APP_NOT_FOUND;
}

/*
 * As flight_begin; who waits for another process takes a place like who waits for a call.
 * FLIGHT_TIMEOUT: outcome->err says what that means for the client.
 */
static enum flight_role begin_flight(struct exchange *exchange, int64_t deadline_ns,
                                     struct flight *flight, struct flight_outcome *outcome)
{
    struct app *app = exchange->app;
    int64_t due_ns = deadline_ns;
    bool at_length = cache_wait_begin(app->cache, &deadline_ns);
    const struct flight_call call = {
        .kind = FLIGHT_GET,
        .key = exchange->parameter,
        .since_ns = exchange->request->started_ns,
        .deadline_ns = deadline_ns,
    };
    enum flight_role role = flight_begin(app->table, &call, flight, outcome);
    cache_wait_end(app->cache, at_length, role == FLIGHT_DONE && is_answer(outcome->err));
    if (role == FLIGHT_TIMEOUT)
        outcome->err = deadline_ns < due_ns ? busy(exchange) : APP_UPSTREAM_TIMEOUT;
    return role;
}

/* What says more of this process and its time than of the cache. */
static bool is_our_own(enum app_err err)
{
    return err == APP_UPSTREAM_TIMEOUT || err == APP_UNAVAILABLE || err == APP_NO_MEMORY;
}

/*
 * One process of the pool asks, the others find the file in the tier. Where it is not
 * found there all the same, everybody asks.
 */
static enum app_err ask_once(struct exchange *exchange, struct local_cache *tier,
                             const struct cache_call *call, struct got *got)
{
    struct flight_outcome outcome = {.err = APP_OK};
    struct flight flight;
    switch (begin_flight(exchange, call->deadline_ns, &flight, &outcome)) {
    case FLIGHT_OWNER:
        outcome = (struct flight_outcome){.err = ask(exchange, tier, call, got)};
        flight_end(&flight, is_our_own(outcome.err) ? NULL : &outcome);
        return outcome.err;
    case FLIGHT_DONE:
        telemetry_shared(&exchange->app->telemetry);
        if (outcome.err)
            return outcome.err;
        got->in_tier =
            local_cache_find(tier, exchange->parameter, &got->tier_file) == LOCAL_CACHE_FRESH;
        return got->in_tier ? APP_OK : ask(exchange, tier, call, got);
    case FLIGHT_TIMEOUT:
        return outcome.err;
    }
    return APP_INTERNAL;
}

/* The call for all who wait for this file now. */
static void lead(struct exchange *exchange, struct local_cache *tier, const struct cache_call *call,
                 struct coalesce_member *member)
{
    struct got *got = coalesce_room(member);
    got->item = (struct cache_item){.pieces = NULL};
    got->in_tier = false;
    bool once = tier && exchange->app->config.local_cache_ttl_ms > 0;
    enum app_err err = once ? ask_once(exchange, tier, call, got) : ask(exchange, tier, call, got);
    coalesce_share(member, err, exchange->why.detail, got, release_got);
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
static enum app_err join(struct exchange *exchange, const char *key, int64_t deadline_ns,
                         struct coalesce_member *member)
{
    struct app *app = exchange->app;
    int64_t due_ns = deadline_ns;
    bool at_length = cache_wait_begin(app->cache, &deadline_ns);
    enum app_err err = coalesce_join(app->gets, key, deadline_ns, member);
    cache_wait_end(app->cache, at_length, !err && !member->leads && is_answer(member->err));
    if (err == APP_UPSTREAM_TIMEOUT && deadline_ns < due_ns)
        err = busy(exchange);
    return err;
}

static enum app_err send_got(struct exchange *exchange, const struct got *got)
{
    if (got->in_tier)
        return send_from_tier(exchange, &got->tier_file);
    enum app_err err = stored_file_headers(exchange, &got->file);
    return err ? err : stored_file_send(exchange, &got->file, got->item.pieces, got->item.count);
}

static enum app_err answer_from_cache(struct exchange *exchange, struct local_cache *tier,
                                      bool dump)
{
    struct telemetry *telemetry = &exchange->app->telemetry;
    struct http_header headers[TRACE_HEADERS_MAX];
    struct coalesce_member member;
    fcgi_worker_yield();
    struct cache_call call = make_call(exchange, exchange->app->config.cache_timeout_ms, headers);
    /* Who may not use the tier needs the bytes, so those are groups of their own. */
    const char *key =
        arena_printf(exchange->request->arena, "%s%s", tier ? "tier/" : "", exchange->parameter);
    if (!key)
        return APP_NO_MEMORY;
    enum app_err err = join(exchange, key, call.deadline_ns, &member);
    if (err)
        return pipeline_upstream_error(&exchange->why, err, "the cache");
    if (member.leads)
        lead(exchange, tier, &call, &member);
    err = member.err;
    if (err)
        telemetry_count(telemetry, err == APP_NOT_FOUND ? "cache.file_not_found" : "cache.error");
    if (err)
        err_detail(&exchange->why, "%s", member.text);
    const struct got *got = member.result;
    if (!err && dump)
        faults_dump(exchange->parameter, &got->item);
    if (!err)
        err = send_got(exchange, got);
    coalesce_leave(&member);
    return pipeline_upstream_error(&exchange->why, err, "the cache");
}

/* --- The routes ------------------------------------------------------------------ */

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
    if (!tier) /* an injected fault may be a delay */
        fcgi_worker_yield();
    enum app_err err = faults_inject(exchange, FAULT_ROUTE_CACHE, &answered, &dump);
    if (err || answered)
        return err;
    if (!tier)
        return answer_from_cache(exchange, NULL, dump);

    switch (local_cache_find(tier, exchange->parameter, &file)) {
    case LOCAL_CACHE_FRESH:
        telemetry_local_cache(telemetry, LOCAL_CACHE_EVENT_HIT);
        return send_from_tier(exchange, &file);
    case LOCAL_CACHE_STALE:
        telemetry_local_cache(telemetry, LOCAL_CACHE_EVENT_STALE);
        break;
    case LOCAL_CACHE_MISSING:
        telemetry_local_cache(telemetry, LOCAL_CACHE_EVENT_MISS);
        break;
    }
    return answer_from_cache(exchange, tier, dump);
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
    /* Also when the call failed, for it may have come through. */
    int64_t gone_ns = deadline_in_ms(local_cache_remove(exchange->app->tier, exchange->parameter));
    if (err)
        return pipeline_upstream_error(&exchange->why, err, "the cache");
    log_warn(&request->log, "Picture taken down",
             LOG_FIELDS(LOG_STR("file", exchange->parameter),
                        LOG_STR("remote", request_param(request, "REMOTE_ADDR"))));
    deadline_sleep(gone_ns); /* after a 204 nobody may be sent it any more */
    return response_send(exchange->response, 204, NULL, NULL, 0);
}
