/* SPDX-License-Identifier: MIT */
/*
 * A call is one batch of six operations on the caller's own pluck queue. Its
 * deadline is gRPC's to keep, so the pluck itself waits for ever: when it comes
 * back nothing of the call is under way any more. Before it comes the gate: the
 * breaker, and the number of threads that may wait at length.
 */
#include "api/clients/cache_client.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include <grpc/byte_buffer.h>
#include <grpc/grpc.h>
#include <grpc/slice.h>

#include "api/clients/cache_channel.h"
#include "cache.pb-c.h"
#include "google/protobuf/wrappers.pb-c.h"
#include "lib/base/clock.h"
#include "lib/base/limits.h"
#include "lib/base/utf8.h"
#include "lib/rpc/rpc.h"
#include "lib/telemetry/wait.h"
#include "lib/wire/cache_item.h"

enum { SMALL_ANSWER = 1024 }; /* room for a number, and for fields that we do not know */

struct cache_caller {
    struct cache_channel *channel;
    struct cache_gate *gate;
    grpc_completion_queue *queue;
};

/* What came back. `message` is NULL unless `status` is GRPC_STATUS_OK. */
struct reply {
    grpc_status_code status;
    grpc_slice words;
    grpc_byte_buffer *message;
    bool abandoned; /* by us: nobody wants the answer any more */
};

static const char *const method_titles[CACHE_METHOD__MAX] = {
    [CACHE_GET] = "Get",
    [CACHE_PUT] = "Put",
    [CACHE_EXISTS] = "Exists",
    [CACHE_CHECK] = "Check",
};

enum app_err cache_caller_new(struct cache_client *client, struct cache_caller **caller)
{
    struct cache_caller *made = calloc(1, sizeof(*made));
    if (!made)
        return APP_NO_MEMORY;
    made->channel = cache_client_channel(client);
    made->gate = cache_client_gate(client);
    made->queue = grpc_completion_queue_create_for_pluck(NULL);
    *caller = made;
    return APP_OK;
}

void cache_caller_free(struct cache_caller **caller)
{
    if (!*caller)
        return;
    grpc_completion_queue_shutdown((*caller)->queue);
    grpc_completion_queue_destroy((*caller)->queue);
    free(*caller);
    *caller = NULL;
}

struct metadata {
    grpc_metadata entries[1 + CACHE_CALL_HEADERS_MAX];
    size_t count;
};

/* gRPC would fail the call for an entry that it may not send, so that one is left out. */
static void add_metadata(struct metadata *metadata, const char *name, const char *value)
{
    grpc_metadata *entry = &metadata->entries[metadata->count];
    memset(entry, 0, sizeof(*entry));
    entry->key = grpc_slice_from_copied_string(name);
    entry->value = grpc_slice_from_copied_string(value);
    if (*value && grpc_header_key_is_legal(entry->key) && !grpc_is_binary_header(entry->key) &&
        grpc_header_nonbin_value_is_legal(entry->value)) {
        metadata->count++;
        return;
    }
    grpc_slice_unref(entry->key);
    grpc_slice_unref(entry->value);
}

static void make_metadata(const struct cache_call *call, struct metadata *metadata)
{
    metadata->count = 0;
    if (call->request_id && strlen(call->request_id) <= LIMIT_REQUEST_ID)
        add_metadata(metadata, "x-request-id", call->request_id);
    for (size_t i = 0; i < call->header_count && i < CACHE_CALL_HEADERS_MAX; i++)
        add_metadata(metadata, call->headers[i].name, call->headers[i].value);
}

static void release_metadata(struct metadata *metadata)
{
    for (size_t i = 0; i < metadata->count; i++) {
        grpc_slice_unref(metadata->entries[i].key);
        grpc_slice_unref(metadata->entries[i].value);
    }
}

static void release_reply(struct reply *reply)
{
    grpc_slice_unref(reply->words);
    if (reply->message)
        grpc_byte_buffer_destroy(reply->message);
    reply->message = NULL;
}

/* Wait until nothing of the call is under way; true: it was given up. */
static bool await(struct cache_caller *caller, const struct cache_call *call, grpc_call *rpc)
{
    const gpr_timespec never = gpr_inf_future(GPR_CLOCK_MONOTONIC);
    for (;;) {
        gpr_timespec until =
            call->cancel.asked ? rpc_deadline(deadline_in_ms(CANCEL_POLL_MS)) : never;
        grpc_event event = grpc_completion_queue_pluck(caller->queue, caller, until, NULL);
        if (event.type != GRPC_QUEUE_TIMEOUT)
            return false;
        if (cancel_asked(&call->cancel)) {
            (void)grpc_call_cancel(rpc, NULL);
            (void)grpc_completion_queue_pluck(caller->queue, caller, never, NULL);
            return true;
        }
    }
}

/* One try. Fills `reply`, which the caller releases, whatever happens. */
static void try_call(struct cache_caller *caller, const struct cache_call *call,
                     enum cache_method method, grpc_slice request, struct reply *reply)
{
    grpc_call *rpc = grpc_channel_create_registered_call(
        caller->channel->channel, NULL, GRPC_PROPAGATE_DEFAULTS, caller->queue,
        caller->channel->methods[method], rpc_deadline(call->deadline_ns), NULL);
    grpc_byte_buffer *message = grpc_raw_byte_buffer_create(&request, 1);
    struct metadata metadata;
    make_metadata(call, &metadata);
    grpc_metadata_array initial, trailing;
    grpc_metadata_array_init(&initial);
    grpc_metadata_array_init(&trailing);
    *reply = (struct reply){.status = GRPC_STATUS_UNKNOWN, .words = grpc_empty_slice()};

    grpc_op ops[6];
    memset(ops, 0, sizeof(ops));
    ops[0].op = GRPC_OP_SEND_INITIAL_METADATA;
    ops[0].data.send_initial_metadata.count = metadata.count;
    ops[0].data.send_initial_metadata.metadata = metadata.entries;
    ops[1].op = GRPC_OP_SEND_MESSAGE;
    ops[1].data.send_message.send_message = message;
    ops[2].op = GRPC_OP_SEND_CLOSE_FROM_CLIENT;
    ops[3].op = GRPC_OP_RECV_INITIAL_METADATA;
    ops[3].data.recv_initial_metadata.recv_initial_metadata = &initial;
    ops[4].op = GRPC_OP_RECV_MESSAGE;
    ops[4].data.recv_message.recv_message = &reply->message;
    ops[5].op = GRPC_OP_RECV_STATUS_ON_CLIENT;
    ops[5].data.recv_status_on_client.trailing_metadata = &trailing;
    ops[5].data.recv_status_on_client.status = &reply->status;
    ops[5].data.recv_status_on_client.status_details = &reply->words;
    atomic_fetch_add_explicit(&caller->channel->calls, 1, memory_order_relaxed);
    if (grpc_call_start_batch(rpc, ops, 6, caller, NULL) == GRPC_CALL_OK) {
        struct wait wait = wait_begin(WAIT_CACHE);
        reply->abandoned = await(caller, call, rpc);
        wait_end(&wait);
    }

    release_metadata(&metadata);
    grpc_metadata_array_destroy(&initial);
    grpc_metadata_array_destroy(&trailing);
    grpc_byte_buffer_destroy(message);
    grpc_call_unref(rpc);
}

/* A server that stops gracefully may end a call as CANCELLED, as we do when we give it up. */
static bool worth_another_try(enum cache_method method, const struct reply *reply)
{
    return method != CACHE_PUT && !reply->abandoned &&
           (reply->status == GRPC_STATUS_UNAVAILABLE || reply->status == GRPC_STATUS_CANCELLED);
}

static enum app_err malformed(enum cache_method method, struct err_buf *why)
{
    err_detail(why, "%s: the cache's answer is malformed", method_titles[method]);
    return err_set(why, APP_UPSTREAM_FAILED, "the cache failed");
}

/* Translate gRPC's status; its words may be the peer's, so they go to the log only. */
static enum app_err judge(enum cache_method method, const struct reply *reply, struct err_buf *why)
{
    if (reply->abandoned)
        return APP_CLIENT_GONE;
    if (reply->status == GRPC_STATUS_OK)
        return reply->message ? APP_OK : malformed(method, why);
    if (reply->status == GRPC_STATUS_NOT_FOUND && (method == CACHE_GET || method == CACHE_EXISTS))
        return APP_NOT_FOUND;
    err_detail(why, "%s: gRPC status %d: %.*s", method_titles[method], (int)reply->status,
               (int)GRPC_SLICE_LENGTH(reply->words),
               (const char *)GRPC_SLICE_START_PTR(reply->words));
    if (reply->status == GRPC_STATUS_FAILED_PRECONDITION &&
        (method == CACHE_PUT || method == CACHE_EXISTS))
        return err_set(why, APP_GONE, "%s", app_strerror(APP_GONE));
    if (reply->status == GRPC_STATUS_DEADLINE_EXCEEDED)
        return err_set(why, APP_UPSTREAM_TIMEOUT, "the cache took too long");
    return err_set(why, APP_UPSTREAM_FAILED, "the cache failed");
}

/* --- The gate ----------------------------------------------------------------- */

/* How a call passed. */
struct permit {
    struct breaker_pass pass;
    struct breaker *breaker; /* NULL: it is not asked, or there is none */
    bool in_budget;          /* counts among those who wait */
    bool at_length;          /* and holds a place */
    bool is_cut_short;       /* has less time, since there was no place */
    bool in_full;            /* it has the time that the cache is due */
};

/* Put belongs to a pipeline, which is limited as a whole; Check is how we learn of a return. */
static enum app_err enter(struct cache_caller *caller, struct cache_call *call,
                          enum cache_method method, struct permit *permit, struct err_buf *why)
{
    int64_t now_ns = clock_now_ns();
    int64_t shortly_ns = now_ns + WAIT_BUDGET_SHORT_MS * NS_PER_MS;
    int64_t due_ns = call->deadline_ns;
    *permit = (struct permit){
        .in_full = breaker_is_full_time(now_ns, call->deadline_ns, call->timeout_ms)};
    if (method == CACHE_CHECK)
        return APP_OK;
    permit->breaker = caller->gate->breaker;
    enum app_err err = breaker_enter(
        permit->breaker, now_ns, deadline_min(call->deadline_ns, shortly_ns), &permit->pass, why);
    if (err || method == CACHE_PUT || call->deadline_ns <= shortly_ns)
        return err;
    permit->in_budget = true;
    permit->at_length = wait_budget_enter(&caller->gate->budget, &call->deadline_ns);
    permit->is_cut_short = call->deadline_ns < due_ns;
    permit->in_full &= !permit->is_cut_short;
    return APP_OK;
}

/* gRPC's own words for what HTTP calls 5xx; too large a message is one picture's fault. */
static enum breaker_outcome outcome_of(const struct reply *reply, bool in_full)
{
    if (reply->abandoned)
        return BREAKER_UNKNOWN;
    if (reply->status == GRPC_STATUS_DEADLINE_EXCEEDED)
        return in_full ? BREAKER_FAILED : BREAKER_UNKNOWN;
    bool failed = reply->status == GRPC_STATUS_UNAVAILABLE ||
                  reply->status == GRPC_STATUS_CANCELLED || reply->status == GRPC_STATUS_INTERNAL ||
                  reply->status == GRPC_STATUS_UNKNOWN;
    return failed ? BREAKER_FAILED : BREAKER_ANSWERED;
}

static void leave(struct cache_caller *caller, const struct permit *permit,
                  const struct reply *reply)
{
    enum breaker_outcome outcome = outcome_of(reply, permit->in_full);
    if (permit->in_budget)
        wait_budget_leave(&caller->gate->budget, permit->at_length, outcome == BREAKER_ANSWERED);
    breaker_leave(permit->breaker, &permit->pass, outcome, clock_now_ns());
}

/*
 * Call with `request`, which is taken over. On APP_OK the caller owns *message.
 * APP_NOT_FOUND comes back without a reason.
 */
static enum app_err run_call(struct cache_caller *caller, const struct cache_call *call,
                             enum cache_method method, grpc_slice request,
                             grpc_byte_buffer **message, struct err_buf *why)
{
    struct reply reply;
    struct permit permit;
    struct cache_call admitted = *call;
    enum app_err err = enter(caller, &admitted, method, &permit, why);
    if (err) {
        grpc_slice_unref(request);
        return err;
    }
    try_call(caller, &admitted, method, request, &reply);
    if (worth_another_try(method, &reply) && clock_now_ns() < admitted.deadline_ns) {
        release_reply(&reply);
        try_call(caller, &admitted, method, request, &reply);
    }
    grpc_slice_unref(request);
    leave(caller, &permit, &reply);

    err = judge(method, &reply, why);
    if (err == APP_UPSTREAM_TIMEOUT && permit.is_cut_short)
        err = err_set(why, APP_UNAVAILABLE, "the cache is busy, try again later");
    if (!err) {
        *message = reply.message;
        reply.message = NULL;
    }
    release_reply(&reply);
    return err;
}

static enum app_err check_id(const char *id, struct err_buf *why)
{
    size_t len = strlen(id);
    if (len == 0 || len > LIMIT_CACHE_ID || !utf8_is_valid(id, len))
        return err_set(why, APP_BAD_REQUEST, "not the id of a stored picture");
    return APP_OK;
}

/* An id as a StringValue. */
static grpc_slice pack_id(const char *id)
{
    size_t len = strlen(id);
    char bytes[WIRE_CACHE_ITEM_HEAD_MAX + LIMIT_CACHE_ID];
    return grpc_slice_from_copied_buffer(bytes, wire_cache_item_head(id, len, 0, bytes));
}

static_assert((int)CACHE_ITEM_FEW >= (int)RPC_PIECES_FEW,
              "an item has room for a message's few pieces");

/* The data's pieces of a parsed message, which an array of the heap goes along with. */
static void keep_pieces(struct rpc_pieces *pieces, const struct wire_span *data,
                        struct cache_item *item)
{
    item->pieces = pieces->at == pieces->few ? item->few : pieces->at;
    item->count = wire_span_piece_count(pieces->at, pieces->count, data);
    item->len = data->len;
    wire_span_pieces(pieces->at, pieces->count, data, item->pieces);
}

/* Takes `message` over on success. */
static enum app_err take_item(grpc_byte_buffer *message, struct cache_item *item)
{
    struct rpc_pieces pieces;
    struct wire_cache_item found;
    enum app_err err = rpc_pieces_init(&pieces, message);
    if (err)
        return err;
    err = wire_cache_item_parse(pieces.at, pieces.count, &found);
    if (!err && found.data.len == 0)
        err = APP_NOT_FOUND;
    if (err) {
        rpc_pieces_release(&pieces);
        return err;
    }
    keep_pieces(&pieces, &found.data, item);
    item->message = message;
    return APP_OK;
}

enum app_err cache_get(struct cache_caller *caller, const struct cache_call *call, const char *id,
                       struct cache_item *item, struct err_buf *why)
{
    grpc_byte_buffer *message;
    enum app_err err = check_id(id, why);
    if (!err)
        err = run_call(caller, call, CACHE_GET, pack_id(id), &message, why);
    if (err)
        return err;
    err = take_item(message, item);
    if (err)
        grpc_byte_buffer_destroy(message);
    return err == APP_BAD_REQUEST ? malformed(CACHE_GET, why) : err;
}

void cache_item_release(struct cache_item *item)
{
    if (item->pieces != item->few)
        free(item->pieces);
    if (item->message)
        grpc_byte_buffer_destroy(item->message);
    item->pieces = NULL;
    item->count = item->len = 0;
    item->message = NULL;
}

static enum app_err put_item(struct cache_caller *caller, const struct cache_call *call,
                             const char *id, const void *data, size_t len, struct err_buf *why)
{
    enum app_err err = check_id(id, why);
    if (err)
        return err;

    /* Copied: after a deadline the transport may still hold what it was given. */
    size_t id_len = strlen(id);
    char *bytes = malloc(WIRE_CACHE_ITEM_HEAD_MAX + id_len + len);
    if (!bytes)
        return APP_NO_MEMORY;
    size_t head = wire_cache_item_head(id, id_len, len, bytes);
    if (len > 0)
        memcpy(bytes + head, data, len);

    grpc_byte_buffer *message;
    err = run_call(caller, call, CACHE_PUT, grpc_slice_new(bytes, head + len, free), &message, why);
    if (err)
        return err;
    /* The id in the answer is not compared: some caches answer with a hash of it. */
    struct rpc_pieces pieces;
    struct wire_cache_item answer;
    err = rpc_pieces_init(&pieces, message);
    if (!err) {
        err = wire_cache_item_parse(pieces.at, pieces.count, &answer);
        rpc_pieces_release(&pieces);
    }
    grpc_byte_buffer_destroy(message);
    return err == APP_BAD_REQUEST ? malformed(CACHE_PUT, why) : err;
}

enum app_err cache_put(struct cache_caller *caller, const struct cache_call *call, const char *id,
                       const void *data, size_t len, struct err_buf *why)
{
    if (len > LIMIT_RESULT_BYTES)
        return err_set(why, APP_TOO_LARGE, "the picture is too large for the cache");
    if (len == 0)
        return err_set(why, APP_BAD_REQUEST, "the picture has no bytes");
    return put_item(caller, call, id, data, len, why);
}

enum app_err cache_take_down(struct cache_caller *caller, const struct cache_call *call,
                             const char *id, struct err_buf *why)
{
    enum app_err err = put_item(caller, call, id, NULL, 0, why);
    /* A cache that refuses an item without bytes has not taken anything down. */
    return err == APP_GONE ? err_set(why, APP_UPSTREAM_FAILED, "the cache failed") : err;
}

/*
 * Copy an answer that has but a number in it to `out` of SMALL_ANSWER bytes,
 * since protobuf-c reads from one piece only. Frees the message.
 */
static enum app_err flatten(grpc_byte_buffer *message, uint8_t *out, size_t *len)
{
    struct rpc_pieces pieces;
    const struct wire_span whole = {0, 0, grpc_byte_buffer_length(message)};
    enum app_err err = APP_BAD_REQUEST;
    if (whole.len <= SMALL_ANSWER)
        err = rpc_pieces_init(&pieces, message);
    if (!err) {
        wire_span_copy(pieces.at, pieces.count, &whole, out);
        rpc_pieces_release(&pieces);
        *len = whole.len;
    }
    grpc_byte_buffer_destroy(message);
    return err;
}

enum app_err cache_exists(struct cache_caller *caller, const struct cache_call *call,
                          const char *id, bool *exists, struct err_buf *why)
{
    grpc_byte_buffer *message;
    enum app_err err = check_id(id, why);
    if (!err)
        err = run_call(caller, call, CACHE_EXISTS, pack_id(id), &message, why);
    if (err == APP_NOT_FOUND) { /* a cache that says no in this way means the same */
        *exists = false;
        return APP_OK;
    }
    if (err)
        return err;

    uint8_t bytes[SMALL_ANSWER];
    size_t len;
    err = flatten(message, bytes, &len);
    if (err == APP_NO_MEMORY)
        return err;
    Google__Protobuf__BoolValue *answer =
        err ? NULL : google__protobuf__bool_value__unpack(NULL, len, bytes);
    if (!answer)
        return malformed(CACHE_EXISTS, why);
    *exists = answer->value;
    google__protobuf__bool_value__free_unpacked(answer, NULL);
    return APP_OK;
}

enum app_err cache_check(struct cache_caller *caller, const struct cache_call *call, int *status,
                         struct err_buf *why)
{
    /* An empty HealthCheckRequest, which asks for the server as a whole, has no bytes. */
    grpc_byte_buffer *message;
    enum app_err err = run_call(caller, call, CACHE_CHECK, grpc_empty_slice(), &message, why);
    if (err)
        return err;

    uint8_t bytes[SMALL_ANSWER];
    size_t len;
    err = flatten(message, bytes, &len);
    if (err == APP_NO_MEMORY)
        return err;
    HealthCheckResponse *answer = err ? NULL : health_check_response__unpack(NULL, len, bytes);
    if (!answer)
        return malformed(CACHE_CHECK, why);
    *status = (int)answer->status;
    health_check_response__free_unpacked(answer, NULL);
    return APP_OK;
}
