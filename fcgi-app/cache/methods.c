/* SPDX-License-Identifier: MIT */
/*
 * StringValue and HealthCheckRequest have the layout of a CacheItem without
 * data, so one parser reads every request, whatever pieces it came in.
 */
#include "cache/methods.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cache.pb-c.h"
#include "google/protobuf/wrappers.pb-c.h"
#include "lib/base/clock.h"
#include "lib/base/utf8.h"

/* A request, read. */
struct call {
    struct store *store;
    const struct iovec *pieces;
    size_t count;
    struct wire_cache_item item;
    char id[LIMIT_CACHE_FOREIGN_ID];
    size_t id_len;
    size_t bytes;           /* of the entry that was read or written, for the log */
    enum app_err store_err; /* what the store said */
};

static enum app_err run_get(struct call *call, struct answer *answer, struct err_buf *why);
static enum app_err run_put(struct call *call, struct answer *answer, struct err_buf *why);
static enum app_err run_exists(struct call *call, struct answer *answer, struct err_buf *why);
static enum app_err run_check(struct call *call, struct answer *answer, struct err_buf *why);

static const struct {
    const char *path;
    enum app_err (*run)(struct call *call, struct answer *answer, struct err_buf *why);
    enum log_level level; /* of a call that went well: of what changes something, and is rare */
} methods[METHOD__MAX] = {
    [METHOD_GET] = {"/Cache/Get", run_get, LOG_DEBUG},
    [METHOD_PUT] = {"/Cache/Put", run_put, LOG_INFO},
    [METHOD_EXISTS] = {"/Cache/Exists", run_exists, LOG_DEBUG},
    [METHOD_CHECK] = {"/Cache/Check", run_check, LOG_DEBUG},
    /* The name that grpc_health_probe, Consul, Kubernetes and Envoy ask; same messages. */
    [METHOD_HEALTH] = {"/grpc.health.v1.Health/Check", run_check, LOG_DEBUG},
};

const char *method_path(enum method method)
{
    return methods[method].path;
}

/* Store errors and our own as gRPC names them. */
static grpc_status_code status_of(enum app_err err)
{
    static const struct {
        enum app_err err;
        grpc_status_code status;
    } known[] = {
        {APP_OK, GRPC_STATUS_OK},
        {APP_NOT_FOUND, GRPC_STATUS_NOT_FOUND},
        {APP_GONE, GRPC_STATUS_FAILED_PRECONDITION},
        {APP_BAD_REQUEST, GRPC_STATUS_INVALID_ARGUMENT},
        {APP_TOO_LARGE, GRPC_STATUS_RESOURCE_EXHAUSTED},
        {APP_NO_MEMORY, GRPC_STATUS_RESOURCE_EXHAUSTED},
        {APP_UNAVAILABLE, GRPC_STATUS_UNAVAILABLE},
    };
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        if (known[i].err == err)
            return known[i].status;
    }
    return GRPC_STATUS_INTERNAL;
}

static enum app_err read_request(struct call *call, struct err_buf *why)
{
    if (wire_cache_item_parse(call->pieces, call->count, &call->item))
        return err_set(why, APP_BAD_REQUEST, "the message is malformed");
    if (call->item.id.len > sizeof(call->id))
        return err_set(why, APP_BAD_REQUEST, "the id is longer than %d bytes",
                       LIMIT_CACHE_FOREIGN_ID);
    wire_span_copy(call->pieces, call->count, &call->item.id, call->id);
    call->id_len = call->item.id.len;
    return APP_OK;
}

static enum app_err check_id(const struct call *call, struct err_buf *why)
{
    if (call->id_len == 0)
        return err_set(why, APP_BAD_REQUEST, "the id is empty");
    if (!utf8_is_valid(call->id, call->id_len))
        return err_set(why, APP_BAD_REQUEST, "the id is not UTF-8");
    return APP_OK;
}

static enum app_err run_get(struct call *call, struct answer *answer, struct err_buf *why)
{
    enum app_err err = check_id(call, why);
    if (!err)
        err = call->store_err =
            store_get(call->store, call->id, call->id_len, &answer->content, why);
    if (err)
        return err;
    call->bytes = answer->content->len;
    answer->head_len = wire_cache_item_head(call->id, call->id_len, call->bytes, answer->head);
    return APP_OK;
}

static enum app_err run_put(struct call *call, struct answer *answer, struct err_buf *why)
{
    const struct wire_span *span = &call->item.data;
    enum app_err err = check_id(call, why);
    if (err)
        return err;
    if (span->len > LIMIT_RESULT_BYTES)
        return err_set(why, APP_BAD_REQUEST, "the data is longer than %d bytes",
                       LIMIT_RESULT_BYTES);
    char *data = malloc(span->len > 0 ? span->len : 1);
    if (!data)
        return APP_NO_MEMORY;
    wire_span_copy(call->pieces, call->count, span, data);
    err = call->store_err = store_put(call->store, call->id, call->id_len, data, span->len, why);
    free(data);
    if (err)
        return err;
    answer->received = span->len;
    answer->head_len = wire_cache_item_head(call->id, call->id_len, 0, answer->head);
    call->bytes = span->len;
    return APP_OK;
}

static enum app_err run_exists(struct call *call, struct answer *answer, struct err_buf *why)
{
    bool exists = false;
    enum app_err err = check_id(call, why);
    if (!err)
        err = call->store_err = store_exists(call->store, call->id, call->id_len, &exists, why);
    if (err)
        return err;
    Google__Protobuf__BoolValue message = GOOGLE__PROTOBUF__BOOL_VALUE__INIT;
    message.value = exists;
    answer->head_len = google__protobuf__bool_value__pack(&message, answer->head);
    return APP_OK;
}

/* The id is the name of a service here: empty for the server as a whole, or ours. */
static enum app_err run_check(struct call *call, struct answer *answer, struct err_buf *why)
{
    static const char ours[] = "Cache";
    bool is_ours = call->id_len == strlen(ours) && memcmp(call->id, ours, call->id_len) == 0;
    if (call->id_len > 0 && !is_ours)
        return err_set(why, APP_NOT_FOUND, "no such service");
    HealthCheckResponse message = HEALTH_CHECK_RESPONSE__INIT;
    message.status = HEALTH_CHECK_RESPONSE__SERVING_STATUS__SERVING;
    call->store_err = store_check(call->store, why);
    if (call->store_err) /* the reason is logged, the call itself went well */
        message.status = HEALTH_CHECK_RESPONSE__SERVING_STATUS__NOT_SERVING;
    answer->head_len = health_check_response__pack(&message, answer->head);
    return APP_OK;
}

void answer_init(struct answer *answer)
{
    answer->status = GRPC_STATUS_OK;
    answer->head_len = 0;
    answer->content = NULL;
    answer->err = APP_OK;
    answer->store_error = APP_OK;
    answer->received = 0;
}

void answer_fail(struct answer *answer, enum app_err err, grpc_status_code status,
                 const char *words)
{
    content_put(answer->content);
    answer->content = NULL;
    answer->head_len = 0;
    answer->err = err;
    answer->status = status;
    (void)snprintf(answer->words, sizeof(answer->words), "%s", words);
}

static void log_call(enum method method, const struct call *call, const struct log *log,
                     const struct answer *answer, const struct err_buf *why, int64_t spent_ns)
{
    bool well = answer->status == GRPC_STATUS_OK || answer->status == GRPC_STATUS_NOT_FOUND ||
                answer->status == GRPC_STATUS_FAILED_PRECONDITION;
    enum log_level level = well && why->detail[0] == '\0' ? methods[method].level : LOG_WARN;
    LOG_AT(log, level, "Cache called",
           LOG_FIELDS(LOG_STR("method", methods[method].path),
                      LOG_STRN("id", call->id, call->id_len), LOG_INT("status", answer->status),
                      LOG_INT("bytes", call->bytes), LOG_MS("ms", spent_ns),
                      /* the last two only when there is something to say */
                      {why->text[0] || why->detail[0] ? "error" : NULL, LOG_FIELD_TEXT, why->text,
                       strlen(why->text), 0},
                      LOG_STR("detail", why->detail)));
}

void method_run(enum method method, struct store *store, const struct iovec *pieces, size_t count,
                const struct log *log, struct answer *answer)
{
    int64_t started = clock_now_ns();
    struct err_buf why;
    why.text[0] = why.detail[0] = '\0';
    struct call call;
    call.store = store;
    call.pieces = pieces;
    call.count = count;
    call.id_len = 0;
    call.bytes = 0;
    call.store_err = APP_OK;

    enum app_err err = read_request(&call, &why);
    if (!err)
        err = methods[method].run(&call, answer, &why);
    if (err)
        answer_fail(answer, err, status_of(err), why.text[0] ? why.text : app_strerror(err));
    if (call.store_err != APP_NOT_FOUND && call.store_err != APP_GONE)
        answer->store_error = call.store_err;
    log_call(method, &call, log, answer, &why, clock_now_ns() - started);
}
