/* SPDX-License-Identifier: MIT */
#include "api/localcache/read_through.h"

#include <stdio.h>
#include <stdlib.h>

#include "api/clients/upstream_error.h"
#include "api/jobs/flight.h"
#include "api/telemetry.h"
#include "lib/base/clock.h"
#include "lib/base/digest.h"
#include "lib/fcgi/worker.h"
#include "lib/http/content_type.h"
#include "lib/http/header.h"
#include "lib/telemetry/trace.h"

struct read_through {
    struct read_through_options options;
    struct coalescer *gets;
};

/* What the cache gave, for all who asked for it at the same time. */
struct got {
    struct cache_item item; /* nothing when another process has asked, and stored it */
    const char *type;
    uint64_t hash;
    bool in_tier;
    struct local_cache_file tier_file;
};

/* One who asks the cache. */
struct question {
    const struct read_through *reads;
    const struct read_through_call *call;
    struct local_cache *tier; /* NULL: not used */
    struct cache_call cache;
    struct err_buf *why;
};

enum app_err read_through_new(const struct read_through_options *options,
                              struct read_through **reads)
{
    struct read_through *made = calloc(1, sizeof(*made));
    if (!made)
        return APP_NO_MEMORY;
    made->options = *options;
    enum app_err err = coalescer_new(sizeof(struct got), &made->gets);
    if (err) {
        free(made);
        return err;
    }
    *reads = made;
    return APP_OK;
}

void read_through_free(struct read_through **reads)
{
    if (!*reads)
        return;
    coalescer_free(&(*reads)->gets);
    free(*reads);
    *reads = NULL;
}

static void release_got(void *shared)
{
    struct got *got = shared;
    cache_item_release(&got->item);
}

/* --- Asking the cache ------------------------------------------------------------ */

static void keep(const struct question *question, const struct local_cache_ticket *ticket,
                 struct got *got)
{
    const struct local_cache_content content = {
        .pieces = got->item.pieces,
        .count = got->item.count,
        .len = got->item.len,
        .hash = got->hash,
        .type = got->type,
    };
    got->in_tier =
        local_cache_store(question->tier, question->call->name, ticket, &content, &got->tier_file);
    if (!got->in_tier)
        telemetry_local_cache(question->reads->options.telemetry, LOCAL_CACHE_EVENT_UNSTORED);
}

static enum app_err ask(const struct question *question, struct got *got)
{
    const struct read_through_options *options = &question->reads->options;
    const char *name = question->call->name;
    struct local_cache_ticket ticket = local_cache_ticket(question->tier, name);
    int64_t started_ns = clock_now_ns();
    enum app_err err =
        cache_get(question->call->caller, &question->cache, name, &got->item, question->why);
    telemetry_upstream(options->telemetry, UPSTREAM_CACHE_GET, started_ns, err);
    if (err == APP_NOT_FOUND)
        (void)local_cache_remove(options->tier, name);
    if (err)
        return err;
    got->type = content_type_sniff_pieces(got->item.pieces, got->item.count);
    got->hash = xxh3_pieces(got->item.pieces, got->item.count);
    if (question->tier)
        keep(question, &ticket, got);
    return APP_OK;
}

/* The wait was cut short, since others wait for the cache already. */
static enum app_err busy(struct err_buf *why)
{
    return err_set(why, APP_UNAVAILABLE, "the cache is busy, try again later");
}

/* Whether that is an answer of the cache, and not of somebody who got none. */
static bool is_answer(enum app_err err)
{
    return err == APP_OK || err == APP_NOT_FOUND;
}

/* What says more of this process and its time than of the cache. */
static bool is_our_own(enum app_err err)
{
    return err == APP_UPSTREAM_TIMEOUT || err == APP_UNAVAILABLE || err == APP_NO_MEMORY;
}

/* As flight_begin. FLIGHT_TIMEOUT: outcome->err says what that means for the client. */
static enum flight_role begin_flight(const struct question *question, struct flight *flight,
                                     struct flight_outcome *outcome)
{
    const struct read_through_options *options = &question->reads->options;
    int64_t due_ns = question->cache.deadline_ns;
    int64_t deadline_ns = due_ns;
    bool at_length = cache_wait_begin(options->cache, &deadline_ns);
    const struct flight_call call = {
        .kind = FLIGHT_GET,
        .key = question->call->name,
        .since_ns = question->call->since_ns,
        .deadline_ns = deadline_ns,
    };
    enum flight_role role = flight_begin(options->table, &call, flight, outcome);
    cache_wait_end(options->cache, at_length, role == FLIGHT_DONE && is_answer(outcome->err));
    if (role == FLIGHT_TIMEOUT)
        outcome->err = deadline_ns < due_ns ? busy(question->why) : APP_UPSTREAM_TIMEOUT;
    return role;
}

/*
 * One process of the pool asks, the others find the file in the tier. Where it is not
 * found there all the same, everybody asks.
 */
static enum app_err ask_once(const struct question *question, struct got *got)
{
    struct flight_outcome outcome = {.err = APP_OK};
    struct flight flight;
    switch (begin_flight(question, &flight, &outcome)) {
    case FLIGHT_OWNER:
        outcome = (struct flight_outcome){.err = ask(question, got)};
        flight_end(&flight, is_our_own(outcome.err) ? NULL : &outcome);
        return outcome.err;
    case FLIGHT_DONE:
        telemetry_shared(question->reads->options.telemetry);
        if (outcome.err)
            return outcome.err;
        got->in_tier = local_cache_find(question->tier, question->call->name, &got->tier_file) ==
                       LOCAL_CACHE_FRESH;
        return got->in_tier ? APP_OK : ask(question, got);
    case FLIGHT_TIMEOUT:
        return outcome.err;
    }
    return APP_INTERNAL;
}

/* The call for all threads that wait for this file now. */
static void lead(const struct question *question, struct coalesce_member *member)
{
    struct got *got = coalesce_room(member);
    got->item = (struct cache_item){.pieces = NULL};
    got->in_tier = false;
    bool once = question->tier && question->reads->options.stays_fresh;
    enum app_err err = once ? ask_once(question, got) : ask(question, got);
    coalesce_share(member, err, question->why->detail, got, release_got);
}

/* As coalesce_join. A call that does not use the tier is shared only with others of its kind. */
static enum app_err join(const struct question *question, struct coalesce_member *member)
{
    const struct read_through_options *options = &question->reads->options;
    char key[COALESCE_KEY_MAX + 1];
    int64_t due_ns = question->cache.deadline_ns;
    int64_t deadline_ns = due_ns;
    (void)snprintf(key, sizeof(key), "%s%s", question->tier ? "tier/" : "", question->call->name);
    bool at_length = cache_wait_begin(options->cache, &deadline_ns);
    enum app_err err = coalesce_join(question->reads->gets, key, deadline_ns, member);
    cache_wait_end(options->cache, at_length, !err && !member->leads && is_answer(member->err));
    if (err == APP_UPSTREAM_TIMEOUT && deadline_ns < due_ns)
        err = busy(question->why);
    return err;
}

static void take(const struct got *got, struct read_through_file *file)
{
    const struct local_cache_file *stored = got->in_tier ? &got->tier_file : NULL;
    file->type = stored ? stored->type : got->type;
    file->hash = stored ? stored->hash : got->hash;
    file->path = stored ? stored->path : NULL;
    file->len = stored ? stored->len : got->item.len;
    file->item = &got->item;
}

static enum app_err get_from_cache(const struct question *question, struct read_through_file *file)
{
    struct telemetry *telemetry = question->reads->options.telemetry;
    struct coalesce_member *member = &file->member;
    enum app_err err = join(question, member);
    if (err)
        return upstream_error(question->why, err, "the cache");
    if (member->leads)
        lead(question, member);
    err = member->err;
    if (!err) {
        file->is_member = true;
        take(member->result, file);
        return APP_OK;
    }
    telemetry_count(telemetry, err == APP_NOT_FOUND ? "cache.file_not_found" : "cache.error");
    err_detail(question->why, "%s", member->text);
    coalesce_leave(member);
    return upstream_error(question->why, err, "the cache");
}

/* --- What a route calls ---------------------------------------------------------- */

static bool find_in_tier(const struct read_through *reads, const char *name,
                         struct read_through_file *file)
{
    struct telemetry *telemetry = reads->options.telemetry;
    switch (local_cache_find(reads->options.tier, name, &file->fresh)) {
    case LOCAL_CACHE_FRESH:
        telemetry_local_cache(telemetry, LOCAL_CACHE_EVENT_HIT);
        file->type = file->fresh.type;
        file->hash = file->fresh.hash;
        file->path = file->fresh.path;
        file->len = file->fresh.len;
        file->item = NULL;
        return true;
    case LOCAL_CACHE_STALE:
        telemetry_local_cache(telemetry, LOCAL_CACHE_EVENT_STALE);
        return false;
    case LOCAL_CACHE_MISSING:
        telemetry_local_cache(telemetry, LOCAL_CACHE_EVENT_MISS);
        return false;
    }
    return false;
}

enum app_err read_through_get(struct read_through *reads, const struct read_through_call *call,
                              struct read_through_file *file, struct err_buf *why)
{
    struct local_cache *tier = call->use_tier ? reads->options.tier : NULL;
    struct http_header headers[TRACE_HEADERS_MAX];
    file->is_member = false;
    if (tier && find_in_tier(reads, call->name, file))
        return APP_OK;
    fcgi_worker_yield();
    const struct question question = {
        .reads = reads,
        .call = call,
        .tier = tier,
        .cache = {.deadline_ns =
                      deadline_min(call->deadline_ns, deadline_in_ms(reads->options.timeout_ms)),
                  .timeout_ms = reads->options.timeout_ms,
                  .request_id = call->request_id,
                  .headers = headers,
                  .header_count = trace_headers(call->trace, headers)},
        .why = why,
    };
    return get_from_cache(&question, file);
}

void read_through_release(struct read_through_file *file)
{
    if (file->is_member)
        coalesce_leave(&file->member);
    file->is_member = false;
}
