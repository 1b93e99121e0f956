/* SPDX-License-Identifier: MIT */
/*
 * A call's struct goes round: awaited, answered, spare. Its one batch sends the
 * whole answer and ends when the client has it or is gone.
 *
 * What clients that read slowly may keep waiting is limited for the sake of
 * memory, so a content that is sent for several calls at a time counts once.
 */
#include "cache/lane.h"

#include <stdlib.h>
#include <string.h>

#include <grpc/byte_buffer.h>
#include <grpc/slice.h>

#include "lib/rpc/rpc.h"
#include "lib/telemetry/trace.h"

enum { TRACEPARENT_MAX = 255 };

struct lane_call {
    struct lane_call *next; /* while spare */
    int method;             /* enum method or METHOD_OTHER */
    bool answering;         /* else awaited */
    grpc_call *rpc;
    grpc_metadata_array metadata;
    grpc_call_details details; /* of METHOD_OTHER */
    gpr_timespec deadline;     /* gRPC's to keep */
    grpc_byte_buffer *request;
    grpc_byte_buffer *response;
    struct content *content; /* that is being sent; NULL: none */
    int cancelled;           /* the client was gone; nothing is left to do about it */
};

static _Thread_local struct lane *turn_of; /* the lane whose turn this thread has */

/* Returns how many bytes are then being sent in all. */
static int64_t begin_sending(struct lane_shared *shared, struct content *content)
{
    bool is_first = atomic_fetch_add(&content->senders, 1) == 0;
    int64_t len = is_first ? (int64_t)content->len : 0;
    return atomic_fetch_add(&shared->answer_bytes, len) + len;
}

static void end_sending(struct lane_shared *shared, struct content *content)
{
    if (atomic_fetch_sub(&content->senders, 1) == 1)
        atomic_fetch_sub(&shared->answer_bytes, (int64_t)content->len);
}

static void recycle(struct lane *lane, struct lane_call *call)
{
    grpc_metadata_array_destroy(&call->metadata);
    grpc_call_details_destroy(&call->details);
    if (call->request)
        grpc_byte_buffer_destroy(call->request);
    if (call->response)
        grpc_byte_buffer_destroy(call->response);
    if (call->rpc)
        grpc_call_unref(call->rpc);
    if (call->content)
        end_sending(lane->shared, call->content);
    content_put(call->content);
    pthread_mutex_lock(&lane->lock);
    call->next = lane->spare;
    lane->spare = call;
    pthread_mutex_unlock(&lane->lock);
}

static grpc_call_error await(struct lane *lane, struct lane_call *call)
{
    if (call->method == METHOD_OTHER)
        return grpc_server_request_call(lane->shared->server, &call->rpc, &call->details,
                                        &call->metadata, lane->queue, lane->queue, call);
    return grpc_server_request_registered_call(
        lane->shared->server, lane->shared->methods[call->method], &call->rpc, &call->deadline,
        &call->metadata, &call->request, lane->queue, lane->queue, call);
}

/* Await one more call. False when that cannot be now, for want of memory. */
static bool await_method(struct lane *lane, int method)
{
    pthread_mutex_lock(&lane->lock);
    struct lane_call *call = lane->spare;
    if (call)
        lane->spare = call->next;
    pthread_mutex_unlock(&lane->lock);
    if (!call)
        call = malloc(sizeof(*call));
    if (!call)
        return false;
    *call = (struct lane_call){.method = method};
    grpc_metadata_array_init(&call->metadata);
    grpc_call_details_init(&call->details);
    if (await(lane, call) != GRPC_CALL_OK) {
        recycle(lane, call);
        return false;
    }
    lane->awaited[method]++;
    return true;
}

static void top_up(struct lane *lane)
{
    for (int method = 0; method < LANE_METHODS; method++) {
        while (!atomic_load(&lane->shared->stopping) && lane->awaited[method] < LANE_AWAITED) {
            if (!await_method(lane, method))
                return;
        }
    }
}

/* A value as a text in `out` of `size` bytes; NULL when there is none that fits. */
static const char *find_metadata(const grpc_metadata_array *metadata, const char *name, char *out,
                                 size_t size)
{
    for (size_t i = 0; i < metadata->count; i++) {
        const grpc_slice *value = &metadata->metadata[i].value;
        size_t len = GRPC_SLICE_LENGTH(*value);
        if (len > 0 && len < size && grpc_slice_str_cmp(metadata->metadata[i].key, name) == 0) {
            memcpy(out, GRPC_SLICE_START_PTR(*value), len);
            out[len] = '\0';
            return out;
        }
    }
    return NULL;
}

/* A trace_lookup whose source is the text of traceparent, or NULL. */
static const char *find_trace_header(const void *source, const char *name)
{
    return strcmp(name, "traceparent") == 0 ? source : NULL;
}

/* Run the method, within what may be under way at a time. */
static void make_answer(struct lane *lane, struct lane_call *call, struct answer *answer)
{
    char id[LIMIT_REQUEST_ID + 1];
    char parent[TRACEPARENT_MAX + 1];
    struct trace trace;
    bool traced = trace_read(&trace, find_trace_header,
                             find_metadata(&call->metadata, "traceparent", parent, sizeof(parent)));
    struct log log =
        log_child(lane->shared->log, find_metadata(&call->metadata, "x-request-id", id, sizeof(id)),
                  traced ? trace.trace_id : NULL);
    struct rpc_pieces pieces;
    answer_init(answer);
    if (call->method == METHOD_OTHER) {
        answer_fail(answer, APP_NOT_IMPLEMENTED, GRPC_STATUS_UNIMPLEMENTED, "no such method");
    } else if (!call->request || rpc_pieces_init(&pieces, call->request)) {
        answer_fail(answer, APP_BAD_REQUEST, GRPC_STATUS_INVALID_ARGUMENT,
                    "no message that can be read");
    } else {
        method_run((enum method)call->method, lane->shared->store, pieces.at, pieces.count, &log,
                   answer);
        rpc_pieces_release(&pieces);
    }
    if (!answer->content)
        return;
    call->content = content_get(answer->content);
    int64_t bytes = begin_sending(lane->shared, call->content);
    if (bytes > LIMIT_CACHE_ANSWERS) {
        log_warn(&log, "Call refused, clients read too slowly",
                 LOG_FIELDS(LOG_INT("bytes", bytes)));
        answer_fail(answer, APP_BUSY, GRPC_STATUS_RESOURCE_EXHAUSTED, "too much is being sent");
    }
}

static void put_content(void *content)
{
    content_put(content);
}

/* The message of an answer; its reference to the content goes over to gRPC. */
static grpc_byte_buffer *make_message(struct answer *answer)
{
    grpc_slice slices[2];
    size_t count = 1;
    slices[0] = grpc_slice_from_copied_buffer((const char *)answer->head, answer->head_len);
    struct content *content = answer->content;
    if (content)
        slices[count++] =
            grpc_slice_new_with_user_data(content->data, content->len, put_content, content);
    answer->content = NULL;
    grpc_byte_buffer *message = grpc_raw_byte_buffer_create(slices, count);
    for (size_t i = 0; i < count; i++)
        grpc_slice_unref(slices[i]);
    return message;
}

static void send_answer(struct lane *lane, struct lane_call *call, struct answer *answer)
{
    grpc_op ops[4];
    size_t count = 0;
    grpc_slice words = grpc_empty_slice();
    memset(ops, 0, sizeof(ops));
    ops[count++].op = GRPC_OP_SEND_INITIAL_METADATA;
    if (answer->status == GRPC_STATUS_OK) {
        call->response = make_message(answer);
        ops[count].op = GRPC_OP_SEND_MESSAGE;
        ops[count++].data.send_message.send_message = call->response;
    } else {
        words = grpc_slice_from_copied_string(answer->words);
    }
    ops[count].op = GRPC_OP_SEND_STATUS_FROM_SERVER;
    ops[count].data.send_status_from_server.status = answer->status;
    ops[count++].data.send_status_from_server.status_details = &words;
    ops[count].op = GRPC_OP_RECV_CLOSE_ON_SERVER;
    ops[count++].data.recv_close_on_server.cancelled = &call->cancelled;

    call->answering = true;
    pthread_mutex_lock(&lane->lock);
    bool started =
        !lane->shut && grpc_call_start_batch(call->rpc, ops, count, call, NULL) == GRPC_CALL_OK;
    pthread_mutex_unlock(&lane->lock);
    if (!started)
        recycle(lane, call);
    grpc_slice_unref(words);
}

/* All of it, and counted. */
static void answer_call(struct lane *lane, struct lane_call *call)
{
    struct telemetry *telemetry = lane->shared->telemetry;
    struct telemetry_call measured;
    struct answer answer;
    telemetry_call_begin(telemetry, (size_t)call->method, &measured);
    make_answer(lane, call, &answer);
    struct telemetry_outcome outcome = {
        .status = answer.status,
        .err = answer.err,
        .store_error = answer.store_error,
        .received = answer.received,
        .sent = answer.content ? answer.content->len : 0,
    };
    send_answer(lane, call, &answer);
    telemetry_call_end(telemetry, &measured, &outcome);
}

void lane_open(struct lane *lane, struct lane_shared *shared)
{
    lane->shared = shared;
    pthread_mutex_init(&lane->turn, NULL);
    pthread_mutex_init(&lane->lock, NULL);
    lane->queue = grpc_completion_queue_create_for_next(NULL);
    grpc_server_register_completion_queue(shared->server, lane->queue, NULL);
}

void lane_begin(struct lane *lane)
{
    top_up(lane);
}

/* The lock, under which the batch was started, tells ThreadSanitizer what gRPC sees to. */
static bool is_answered(struct lane *lane, const struct lane_call *call)
{
    pthread_mutex_lock(&lane->lock);
    bool answered = call->answering;
    pthread_mutex_unlock(&lane->lock);
    return answered;
}

/* Its thread has the turn, which it may give away on the way. */
static void handle_event(struct lane *lane, const grpc_event *event)
{
    struct lane_call *call = event->tag;
    if (is_answered(lane, call)) {
        recycle(lane, call);
    } else {
        lane->awaited[call->method]--;
        if (!event->success) { /* the server is stopping */
            recycle(lane, call);
            return;
        }
        top_up(lane); /* first, since handling may take a while */
        answer_call(lane, call);
    }
}

void lane_yield_turn(void)
{
    if (!turn_of)
        return;
    pthread_mutex_unlock(&turn_of->turn);
    turn_of = NULL;
}

void lane_run(struct lane *lane)
{
    for (;;) {
        if (!turn_of)
            pthread_mutex_lock(&lane->turn);
        turn_of = lane;
        grpc_event event =
            grpc_completion_queue_next(lane->queue, gpr_inf_future(GPR_CLOCK_MONOTONIC), NULL);
        if (event.type == GRPC_QUEUE_SHUTDOWN)
            break;
        handle_event(lane, &event);
    }
    lane_yield_turn();
}

void lane_shut(struct lane *lane)
{
    pthread_mutex_lock(&lane->lock);
    lane->shut = true;
    grpc_completion_queue_shutdown(lane->queue);
    pthread_mutex_unlock(&lane->lock);
}

void lane_close(struct lane *lane)
{
    grpc_completion_queue_destroy(lane->queue);
    pthread_mutex_destroy(&lane->lock);
    pthread_mutex_destroy(&lane->turn);
    while (lane->spare) {
        struct lane_call *call = lane->spare;
        lane->spare = call->next;
        free(call);
    }
}
