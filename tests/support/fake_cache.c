/* SPDX-License-Identifier: MIT */
/*
 * All methods come in as unregistered calls on one queue, which several threads
 * serve so that a delayed answer holds up no other call.
 */
#include "support/fake_cache.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <time.h>

#include <cmocka.h>
#include <grpc/byte_buffer.h>
#include <grpc/grpc.h>
#include <grpc/grpc_security.h>
#include <grpc/slice.h>

#include "lib/base/clock.h"
#include "lib/rpc/rpc.h"
#include "lib/wire/cache_item.h"

enum {
    METHODS = 4,
    ADDRESS_MAX = 200,
    ID_MAX = 2000,
    METADATA_MAX = 24,
    METADATA_NAME_MAX = 64,
    METADATA_VALUE_MAX = 600,
    REQUEST_KEPT = 256
};

static const char *const names[METHODS] = {"Get", "Put", "Exists", "Check"};

struct script {
    struct fake_cache_answer answers[FAKE_CACHE_SCRIPT_MAX];
    size_t count;
    size_t next;
    unsigned calls;
};

struct fake_cache {
    grpc_server *server;
    grpc_completion_queue *queue;
    grpc_completion_queue *stop_queue;
    pthread_t threads[FAKE_CACHE_THREADS];
    char address[ADDRESS_MAX];

    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t stop;
    bool stopping;
    struct script scripts[METHODS];
    struct {
        char name[METADATA_NAME_MAX];
        char value[METADATA_VALUE_MAX];
    } metadata[METADATA_MAX]; /* of the latest call */
    size_t metadata_count;
    char request[REQUEST_KEPT]; /* the beginning of the latest call's */
    size_t request_len;
};

enum call_state { CALL_AWAITED, CALL_READING, CALL_ANSWERING };

struct call {
    _Atomic int state; /* enum call_state; goes from thread to thread through gRPC's queue */
    grpc_call *rpc;
    grpc_call_details details;
    grpc_metadata_array metadata;
    grpc_byte_buffer *request;
    int cancelled;
};

static int method_of(const char *name)
{
    for (int i = 0; i < METHODS; i++) {
        if (strcmp(names[i], name) == 0)
            return i;
    }
    fail_msg("%s is no method of the cache", name);
    return 0;
}

/* The method of a path such as /Cache/Get; -1 for any other. */
static int method_of_path(const grpc_slice *path)
{
    for (int i = 0; i < METHODS; i++) {
        char expected[32];
        (void)snprintf(expected, sizeof(expected), "/Cache/%s", names[i]);
        if (grpc_slice_str_cmp(*path, expected) == 0)
            return i;
    }
    return -1;
}

static void free_call(struct call *call)
{
    grpc_call_details_destroy(&call->details);
    grpc_metadata_array_destroy(&call->metadata);
    if (call->request)
        grpc_byte_buffer_destroy(call->request);
    if (call->rpc)
        grpc_call_unref(call->rpc);
    free(call);
}

static void await_call(struct fake_cache *fake)
{
    struct call *call = calloc(1, sizeof(*call));
    grpc_call_details_init(&call->details);
    grpc_metadata_array_init(&call->metadata);
    if (grpc_server_request_call(fake->server, &call->rpc, &call->details, &call->metadata,
                                 fake->queue, fake->queue, call) != GRPC_CALL_OK)
        free_call(call);
}

/*
 * Never once the queue may be shut down, which gRPC answers by abort; the call
 * is freed then, as it is when the batch cannot be started.
 */
static void start_batch(struct fake_cache *fake, struct call *call, const grpc_op *ops,
                        size_t count)
{
    pthread_mutex_lock(&fake->lock);
    bool started =
        !fake->stopping && grpc_call_start_batch(call->rpc, ops, count, call, NULL) == GRPC_CALL_OK;
    pthread_mutex_unlock(&fake->lock);
    if (!started)
        free_call(call);
}

static void read_request(struct fake_cache *fake, struct call *call)
{
    grpc_op op;
    memset(&op, 0, sizeof(op));
    op.op = GRPC_OP_RECV_MESSAGE;
    op.data.recv_message.recv_message = &call->request;
    call->state = CALL_READING;
    start_batch(fake, call, &op, 1);
}

static void copy_slice(char *out, size_t size, const grpc_slice *slice)
{
    (void)snprintf(out, size, "%.*s", (int)GRPC_SLICE_LENGTH(*slice),
                   (const char *)GRPC_SLICE_START_PTR(*slice));
}

static void note_metadata(struct fake_cache *fake, const struct call *call)
{
    fake->metadata_count = 0;
    for (size_t i = 0; i < call->metadata.count && i < METADATA_MAX; i++) {
        const grpc_metadata *entry = &call->metadata.metadata[i];
        copy_slice(fake->metadata[i].name, METADATA_NAME_MAX, &entry->key);
        copy_slice(fake->metadata[i].value, METADATA_VALUE_MAX, &entry->value);
        fake->metadata_count++;
    }
}

static void note_request(struct fake_cache *fake, const struct call *call)
{
    struct rpc_pieces pieces;
    fake->request_len = 0;
    if (!call->request || rpc_pieces_init(&pieces, call->request))
        return;
    size_t len = grpc_byte_buffer_length(call->request);
    const struct wire_span kept = {0, 0, len < REQUEST_KEPT ? len : REQUEST_KEPT};
    wire_span_copy(pieces.at, pieces.count, &kept, fake->request);
    fake->request_len = len;
    rpc_pieces_release(&pieces);
}

/* Wait as long as the answer says; a stop cuts it short. Caller holds the lock. */
static void delay(struct fake_cache *fake, unsigned delay_ms)
{
    int64_t until_ns = deadline_in_ms(delay_ms);
    const struct timespec until = {until_ns / NS_PER_S, until_ns % NS_PER_S};
    int status = 0;
    while (delay_ms > 0 && !fake->stopping && status == 0)
        status = pthread_cond_timedwait(&fake->stop, &fake->lock, &until);
}

/* The next answer of the script, after its delay. */
static struct fake_cache_answer next_answer(struct fake_cache *fake, const struct call *call,
                                            int method)
{
    struct fake_cache_answer answer = {.ending = FAKE_CACHE_ECHO};
    pthread_mutex_lock(&fake->lock);
    note_metadata(fake, call);
    note_request(fake, call);
    if (method >= 0) {
        struct script *script = &fake->scripts[method];
        script->calls++;
        if (script->count > 0)
            answer = script->answers[script->next];
        if (script->next + 1 < script->count)
            script->next++;
    }
    delay(fake, answer.delay_ms);
    pthread_mutex_unlock(&fake->lock);
    return answer;
}

/* The id of a request as a StringValue. */
static grpc_slice echo_id(const struct call *call)
{
    struct rpc_pieces pieces;
    struct wire_cache_item item;
    char id[ID_MAX];
    char message[ID_MAX + WIRE_CACHE_ITEM_HEAD_MAX];
    size_t len = 0;
    if (call->request && !rpc_pieces_init(&pieces, call->request)) {
        if (!wire_cache_item_parse(pieces.at, pieces.count, &item) && item.id.len <= sizeof(id)) {
            wire_span_copy(pieces.at, pieces.count, &item.id, id);
            len = wire_cache_item_head(id, item.id.len, 0, message);
        }
        rpc_pieces_release(&pieces);
    }
    return grpc_slice_from_copied_buffer(message, len);
}

/* What a well-behaved, empty cache would say. */
static grpc_slice echo(const struct call *call, int method, int *status)
{
    *status = method == 0  ? GRPC_STATUS_NOT_FOUND
              : method < 0 ? GRPC_STATUS_UNIMPLEMENTED
                           : GRPC_STATUS_OK;
    if (method == 1)
        return echo_id(call);
    return grpc_slice_from_copied_string(method == 3 ? "\x08\x01" : "");
}

static void answer_call(struct fake_cache *fake, struct call *call)
{
    int method = method_of_path(&call->details.method);
    struct fake_cache_answer answer = next_answer(fake, call, method);
    int status = answer.status;
    grpc_slice bytes = answer.ending == FAKE_CACHE_ECHO
                           ? echo(call, method, &status)
                           : grpc_slice_from_copied_buffer(answer.message, answer.len);
    grpc_byte_buffer *message = grpc_raw_byte_buffer_create(&bytes, 1);
    grpc_slice words = grpc_slice_from_copied_string(answer.words ? answer.words : "");
    if (answer.ending == FAKE_CACHE_RESET)
        (void)grpc_call_cancel(call->rpc, NULL);

    grpc_op ops[4];
    size_t count = 0;
    memset(ops, 0, sizeof(ops));
    ops[count++].op = GRPC_OP_SEND_INITIAL_METADATA;
    if (status == GRPC_STATUS_OK && answer.ending != FAKE_CACHE_SILENCE) {
        ops[count].op = GRPC_OP_SEND_MESSAGE;
        ops[count++].data.send_message.send_message = message;
    }
    ops[count].op = GRPC_OP_SEND_STATUS_FROM_SERVER;
    ops[count].data.send_status_from_server.status = (grpc_status_code)status;
    ops[count++].data.send_status_from_server.status_details = &words;
    ops[count].op = GRPC_OP_RECV_CLOSE_ON_SERVER;
    ops[count++].data.recv_close_on_server.cancelled = &call->cancelled;
    call->state = CALL_ANSWERING;
    start_batch(fake, call, ops, count);
    grpc_byte_buffer_destroy(message);
    grpc_slice_unref(words);
    grpc_slice_unref(bytes);
}

static bool is_stopping(struct fake_cache *fake)
{
    pthread_mutex_lock(&fake->lock);
    bool stopping = fake->stopping;
    pthread_mutex_unlock(&fake->lock);
    return stopping;
}

static void *run(void *argument)
{
    struct fake_cache *fake = argument;
    for (;;) {
        grpc_event event =
            grpc_completion_queue_next(fake->queue, gpr_inf_future(GPR_CLOCK_MONOTONIC), NULL);
        if (event.type == GRPC_QUEUE_SHUTDOWN)
            return NULL;
        struct call *call = event.tag;
        switch ((enum call_state)call->state) {
        case CALL_AWAITED:
            if (!is_stopping(fake))
                await_call(fake);
            if (event.success)
                read_request(fake, call);
            else
                free_call(call);
            break;
        case CALL_READING:
            answer_call(fake, call);
            break;
        case CALL_ANSWERING:
            free_call(call);
            break;
        }
    }
}

static grpc_server *create_server(void)
{
    grpc_arg args[] = {
        rpc_arg_int(GRPC_ARG_MAX_RECEIVE_MESSAGE_LENGTH, -1),
        rpc_arg_int(GRPC_ARG_ALLOW_REUSEPORT, 0),
    };
    const grpc_channel_args all = {sizeof(args) / sizeof(args[0]), args};
    return grpc_server_create(&all, NULL);
}

static void listen_at(struct fake_cache *fake, const char *address, const struct rpc_tls *tls)
{
    grpc_server_credentials *credentials = rpc_tls_server(tls);
    int port = grpc_server_add_http2_port(fake->server, address, credentials);
    grpc_server_credentials_release(credentials);
    if (port == 0)
        fail_msg("cannot listen at %s", address);
    (void)snprintf(fake->address, ADDRESS_MAX, "%s", address);
    if (strncmp(address, "unix:", 5) != 0)
        (void)snprintf(strrchr(fake->address, ':'), 8, ":%d", port);
}

struct fake_cache *fake_cache_start(const char *address)
{
    return fake_cache_start_tls(address, &(const struct rpc_tls){.ca = NULL});
}

struct fake_cache *fake_cache_start_tls(const char *address, const struct rpc_tls *tls)
{
    struct fake_cache *fake = calloc(1, sizeof(*fake));
    assert_non_null(fake);
    pthread_mutex_init(&fake->lock, NULL);
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&fake->stop, &attributes);
    pthread_condattr_destroy(&attributes);

    rpc_up(NULL);
    fake->server = create_server();
    fake->queue = grpc_completion_queue_create_for_next(NULL);
    fake->stop_queue = grpc_completion_queue_create_for_pluck(NULL);
    grpc_server_register_completion_queue(fake->server, fake->queue, NULL);
    grpc_server_register_completion_queue(fake->server, fake->stop_queue, NULL);
    listen_at(fake, address, tls);
    grpc_server_start(fake->server);
    for (int i = 0; i < FAKE_CACHE_THREADS; i++) {
        await_call(fake);
        assert_int_equal(pthread_create(&fake->threads[i], NULL, run, fake), 0);
    }
    return fake;
}

void fake_cache_stop(struct fake_cache **fake)
{
    struct fake_cache *self = *fake;
    if (!self)
        return;
    *fake = NULL;
    pthread_mutex_lock(&self->lock);
    self->stopping = true;
    pthread_cond_broadcast(&self->stop);
    pthread_mutex_unlock(&self->lock);
    grpc_server_shutdown_and_notify(self->server, self->stop_queue, self);
    grpc_server_cancel_all_calls(self->server);
    (void)grpc_completion_queue_pluck(self->stop_queue, self, gpr_inf_future(GPR_CLOCK_MONOTONIC),
                                      NULL);
    grpc_completion_queue_shutdown(self->queue);
    for (int i = 0; i < FAKE_CACHE_THREADS; i++)
        pthread_join(self->threads[i], NULL);
    grpc_completion_queue_destroy(self->queue);
    grpc_completion_queue_shutdown(self->stop_queue);
    grpc_completion_queue_destroy(self->stop_queue);
    grpc_server_destroy(self->server);
    rpc_down(NULL);
    pthread_cond_destroy(&self->stop);
    pthread_mutex_destroy(&self->lock);
    free(self);
}

const char *fake_cache_address(const struct fake_cache *fake)
{
    return fake->address;
}

void fake_cache_script(struct fake_cache *fake, const char *method,
                       const struct fake_cache_answer *answers, size_t count)
{
    assert_in_range(count, 0, FAKE_CACHE_SCRIPT_MAX);
    struct script *script = &fake->scripts[method_of(method)];
    pthread_mutex_lock(&fake->lock);
    if (count > 0)
        memcpy(script->answers, answers, count * sizeof(*answers));
    script->count = count;
    script->next = 0;
    pthread_mutex_unlock(&fake->lock);
}

unsigned fake_cache_calls(struct fake_cache *fake, const char *method)
{
    pthread_mutex_lock(&fake->lock);
    unsigned calls = fake->scripts[method_of(method)].calls;
    pthread_mutex_unlock(&fake->lock);
    return calls;
}

size_t fake_cache_request(struct fake_cache *fake, void *out, size_t size)
{
    pthread_mutex_lock(&fake->lock);
    size_t len = fake->request_len;
    size_t kept = len < REQUEST_KEPT ? len : REQUEST_KEPT;
    memcpy(out, fake->request, kept < size ? kept : size);
    pthread_mutex_unlock(&fake->lock);
    return len;
}

void fake_cache_metadata(struct fake_cache *fake, const char *name, char *out, size_t size)
{
    out[0] = '\0';
    pthread_mutex_lock(&fake->lock);
    for (size_t i = 0; i < fake->metadata_count; i++) {
        if (strcmp(fake->metadata[i].name, name) == 0)
            (void)snprintf(out, size, "%s", fake->metadata[i].value);
    }
    pthread_mutex_unlock(&fake->lock);
}
