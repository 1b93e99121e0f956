/* SPDX-License-Identifier: MIT */
/* Unary calls on one pluck queue, received whole. */
#include "support/grpc_client.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cmocka.h>
#include <grpc/byte_buffer.h>
#include <grpc/grpc.h>
#include <grpc/grpc_security.h>
#include <grpc/impl/codegen/compression_types.h>
#include <grpc/slice.h>

#include "lib/base/clock.h"
#include "lib/rpc/rpc.h"
#include "lib/wire/cache_item.h"

enum { PATIENCE_MS = 20000 };

struct grpc_client {
    grpc_channel *channel;
    grpc_completion_queue *queue;
    uint32_t call_flags;
};

struct call {
    grpc_call *rpc;
    grpc_metadata_array initial;
    grpc_metadata_array trailing;
    grpc_status_code status;
    grpc_slice words;
    grpc_byte_buffer *reply;
};

struct grpc_client *grpc_client_new(const struct grpc_client_options *options)
{
    grpc_arg args[] = {
        rpc_arg_int(GRPC_ARG_MAX_RECEIVE_MESSAGE_LENGTH, -1),
        rpc_arg_int(GRPC_ARG_ENABLE_HTTP_PROXY, 0),
        rpc_arg_int(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1),
        rpc_arg_int(GRPC_COMPRESSION_CHANNEL_DEFAULT_ALGORITHM,
                    options->compress ? GRPC_COMPRESS_GZIP : GRPC_COMPRESS_NONE),
    };
    const grpc_channel_args all = {sizeof(args) / sizeof(args[0]), args};
    struct grpc_client *client = calloc(1, sizeof(*client));
    assert_non_null(client);
    rpc_up(NULL);
    grpc_channel_credentials *credentials = rpc_tls_client(&options->tls, NULL);
    client->channel = grpc_channel_create(options->address, credentials, &all);
    client->queue = grpc_completion_queue_create_for_pluck(NULL);
    client->call_flags = options->patient ? GRPC_INITIAL_METADATA_WAIT_FOR_READY : 0;
    grpc_channel_credentials_release(credentials);
    return client;
}

void grpc_client_free(struct grpc_client **client)
{
    if (!*client)
        return;
    grpc_channel_destroy((*client)->channel);
    grpc_completion_queue_shutdown((*client)->queue);
    grpc_completion_queue_destroy((*client)->queue);
    free(*client);
    *client = NULL;
    rpc_down(NULL);
}

static void start_call(struct grpc_client *client, const char *method, const void *message,
                       size_t len, struct call *call)
{
    memset(call, 0, sizeof(*call));
    grpc_slice path = grpc_slice_from_copied_string(method);
    grpc_slice bytes = grpc_slice_from_copied_buffer(message, len);
    grpc_byte_buffer *request = grpc_raw_byte_buffer_create(&bytes, 1);
    call->rpc =
        grpc_channel_create_call(client->channel, NULL, GRPC_PROPAGATE_DEFAULTS, client->queue,
                                 path, NULL, rpc_deadline(deadline_in_ms(PATIENCE_MS)), NULL);
    grpc_metadata_array_init(&call->initial);
    grpc_metadata_array_init(&call->trailing);
    grpc_op ops[6];
    memset(ops, 0, sizeof(ops));
    ops[0].op = GRPC_OP_SEND_INITIAL_METADATA;
    ops[0].flags = client->call_flags;
    ops[1].op = GRPC_OP_SEND_MESSAGE;
    ops[1].data.send_message.send_message = request;
    ops[2].op = GRPC_OP_SEND_CLOSE_FROM_CLIENT;
    ops[3].op = GRPC_OP_RECV_INITIAL_METADATA;
    ops[3].data.recv_initial_metadata.recv_initial_metadata = &call->initial;
    ops[4].op = GRPC_OP_RECV_MESSAGE;
    ops[4].data.recv_message.recv_message = &call->reply;
    ops[5].op = GRPC_OP_RECV_STATUS_ON_CLIENT;
    ops[5].data.recv_status_on_client.trailing_metadata = &call->trailing;
    ops[5].data.recv_status_on_client.status = &call->status;
    ops[5].data.recv_status_on_client.status_details = &call->words;
    assert_int_equal(grpc_call_start_batch(call->rpc, ops, 6, call, NULL), GRPC_CALL_OK);
    grpc_byte_buffer_destroy(request);
    grpc_slice_unref(bytes);
    grpc_slice_unref(path);
}

static void copy_message(grpc_byte_buffer *reply, struct grpc_client_answer *answer)
{
    struct rpc_pieces pieces;
    const struct wire_span whole = {0, 0, grpc_byte_buffer_length(reply)};
    assert_int_equal(rpc_pieces_init(&pieces, reply), APP_OK);
    answer->message = malloc(whole.len > 0 ? whole.len : 1);
    assert_non_null(answer->message);
    wire_span_copy(pieces.at, pieces.count, &whole, answer->message);
    answer->len = whole.len;
    rpc_pieces_release(&pieces);
}

static void end_call(struct grpc_client *client, struct call *call,
                     struct grpc_client_answer *answer)
{
    (void)grpc_completion_queue_pluck(client->queue, call, gpr_inf_future(GPR_CLOCK_MONOTONIC),
                                      NULL);
    answer->status = (int)call->status;
    (void)snprintf(answer->words, sizeof(answer->words), "%.*s",
                   (int)GRPC_SLICE_LENGTH(call->words),
                   (const char *)GRPC_SLICE_START_PTR(call->words));
    if (call->reply) {
        copy_message(call->reply, answer);
        grpc_byte_buffer_destroy(call->reply);
    }
    grpc_slice_unref(call->words);
    grpc_metadata_array_destroy(&call->initial);
    grpc_metadata_array_destroy(&call->trailing);
    grpc_call_unref(call->rpc);
}

void grpc_client_call(struct grpc_client *client, const char *method, const void *message,
                      size_t len, struct grpc_client_answer *answer)
{
    struct call call;
    grpc_client_answer_release(answer);
    start_call(client, method, message, len, &call);
    end_call(client, &call, answer);
}

void grpc_client_answer_release(struct grpc_client_answer *answer)
{
    free(answer->message);
    *answer = (struct grpc_client_answer){0};
}

size_t grpc_client_neglect(struct grpc_client *client, const char *method, const void *message,
                           size_t len, size_t count, int64_t idle_ms, int status)
{
    struct call *calls = calloc(count, sizeof(*calls));
    assert_non_null(calls);
    for (size_t i = 0; i < count; i++)
        start_call(client, method, message, len, &calls[i]);
    usleep((useconds_t)idle_ms * 1000);
    size_t found = 0;
    for (size_t i = 0; i < count; i++) {
        struct grpc_client_answer answer = {0};
        end_call(client, &calls[i], &answer);
        found += answer.status == status;
        grpc_client_answer_release(&answer);
    }
    free(calls);
    return found;
}
