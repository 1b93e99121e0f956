/* SPDX-License-Identifier: MIT */
/*
 * What the bare gRPC core costs, to hold emojify-cache against:
 *
 *     grpc echo ADDRESS BYTES       a server that answers /Cache/Get with that many
 *                                   bytes from memory and does nothing else, until it
 *                                   is ended; one thread, as emojify-cache has one
 *                                   that works at a time
 *     grpc get ADDRESS ID SECONDS PID
 *                                   calls Get of a server, four threads with the api's
 *                                   own client, and prints calls, microseconds of CPU a
 *                                   call of client and of the server PID, as JSON
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include <grpc/grpc.h>
#include <grpc/grpc_security.h>

#include "api/clients/cache_client.h"
#include "bench/process_cpu.h"
#include "lib/base/clock.h"
#include "lib/rpc/rpc.h"
#include "lib/wire/cache_item.h"

enum { THREADS = 4, AWAITED = 16, PATIENCE_MS = 10 * 1000 };

static void die(const char *what)
{
    fprintf(stderr, "grpc: %s\n", what);
    exit(EXIT_FAILURE);
}

/* --- The server ------------------------------------------------------------------ */

struct echo_call {
    bool answering;
    grpc_call *rpc;
    gpr_timespec deadline;
    grpc_metadata_array metadata;
    grpc_byte_buffer *request;
    grpc_byte_buffer *response;
    int cancelled;
};

struct echo {
    grpc_server *server;
    void *method;
    grpc_completion_queue *queue;
    grpc_slice answer[2]; /* head and data, shared by all calls */
};

static void await(struct echo *echo, struct echo_call *call)
{
    memset(call, 0, sizeof(*call));
    grpc_metadata_array_init(&call->metadata);
    if (grpc_server_request_registered_call(echo->server, echo->method, &call->rpc, &call->deadline,
                                            &call->metadata, &call->request, echo->queue,
                                            echo->queue, call) != GRPC_CALL_OK)
        die("cannot await a call");
}

static void answer(struct echo *echo, struct echo_call *call)
{
    grpc_op ops[4];
    grpc_slice words = grpc_empty_slice();
    memset(ops, 0, sizeof(ops));
    call->response = grpc_raw_byte_buffer_create(echo->answer, 2);
    ops[0].op = GRPC_OP_SEND_INITIAL_METADATA;
    ops[1].op = GRPC_OP_SEND_MESSAGE;
    ops[1].data.send_message.send_message = call->response;
    ops[2].op = GRPC_OP_SEND_STATUS_FROM_SERVER;
    ops[2].data.send_status_from_server.status_details = &words;
    ops[3].op = GRPC_OP_RECV_CLOSE_ON_SERVER;
    ops[3].data.recv_close_on_server.cancelled = &call->cancelled;
    call->answering = true;
    if (grpc_call_start_batch(call->rpc, ops, 4, call, NULL) != GRPC_CALL_OK)
        die("cannot answer");
}

static void release(struct echo_call *call)
{
    grpc_metadata_array_destroy(&call->metadata);
    if (call->request)
        grpc_byte_buffer_destroy(call->request);
    if (call->response)
        grpc_byte_buffer_destroy(call->response);
    grpc_call_unref(call->rpc);
}

static void make_answer(struct echo *echo, size_t len)
{
    char head[WIRE_CACHE_ITEM_HEAD_MAX];
    char *data = calloc(1, len);
    if (!data)
        die("no memory");
    echo->answer[0] = grpc_slice_from_copied_buffer(head, wire_cache_item_head("", 0, len, head));
    echo->answer[1] = grpc_slice_new(data, len, free);
}

static void run_echo(const char *address, size_t len)
{
    struct echo echo;
    rpc_up(NULL);
    make_answer(&echo, len);
    grpc_arg compression = rpc_arg_no_compression();
    const grpc_channel_args args = {1, &compression};
    grpc_server_credentials *plain = grpc_insecure_server_credentials_create();
    echo.server = grpc_server_create(&args, NULL);
    echo.method = grpc_server_register_method(echo.server, "/Cache/Get", NULL,
                                              GRPC_SRM_PAYLOAD_READ_INITIAL_BYTE_BUFFER, 0);
    echo.queue = grpc_completion_queue_create_for_next(NULL);
    grpc_server_register_completion_queue(echo.server, echo.queue, NULL);
    if (grpc_server_add_http2_port(echo.server, address, plain) == 0)
        die("cannot listen there");
    grpc_server_start(echo.server);
    for (int i = 0; i < AWAITED; i++) {
        struct echo_call *call = malloc(sizeof(*call));
        if (!call)
            die("no memory");
        await(&echo, call);
    }
    for (;;) {
        grpc_event event =
            grpc_completion_queue_next(echo.queue, gpr_inf_future(GPR_CLOCK_MONOTONIC), NULL);
        struct echo_call *call = event.tag;
        if (call->answering) {
            release(call);
            await(&echo, call);
        } else {
            answer(&echo, call);
        }
    }
}

/* --- The client ------------------------------------------------------------------ */

struct getter {
    struct cache_client *client;
    const char *id;
    int64_t until_ns;
    unsigned long calls;
    pthread_t thread;
};

static void *get_often(void *argument)
{
    struct getter *getter = argument;
    struct cache_caller *caller;
    if (cache_caller_new(getter->client, &caller))
        die("no memory");
    while (clock_now_ns() < getter->until_ns) {
        struct cache_item item = {.pieces = NULL};
        struct err_buf why = {.text = ""};
        const struct cache_call call = {.deadline_ns = deadline_in_ms(PATIENCE_MS),
                                        .timeout_ms = PATIENCE_MS};
        if (cache_get(caller, &call, getter->id, &item, &why)) {
            fprintf(stderr, "grpc: %s %s\n", why.text, why.detail);
            exit(EXIT_FAILURE);
        }
        cache_item_release(&item);
        getter->calls++;
    }
    cache_caller_free(&caller);
    return NULL;
}

static double own_cpu_us(void)
{
    struct rusage used;
    (void)getrusage(RUSAGE_SELF, &used);
    return (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) * 1e6 +
           (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec);
}

static double cpu_us_of(const char *pid)
{
    int64_t ns = process_cpu_ns((pid_t)strtol(pid, NULL, 10));
    if (ns < 0)
        die("there is no such process");
    return (double)ns / 1000;
}

static void run_get(const char *address, const char *id, double seconds, const char *pid)
{
    static struct getter getters[THREADS];
    struct log_sink sink = {.fd = 2, .format = LOG_FORMAT_TEXT, .level = LOG_ERROR};
    struct log log = {.sink = &sink, .module = "bench"};
    struct cache_client *client;
    struct err_buf why = {.text = ""};
    const struct cache_client_options options = {.address = address, .log = &log};
    if (cache_client_new(&options, &client, &why))
        die(why.text);
    double client_us = own_cpu_us(), server_us = cpu_us_of(pid);
    int64_t until_ns = clock_now_ns() + (int64_t)(seconds * (double)NS_PER_S);
    for (int i = 0; i < THREADS; i++) {
        getters[i] = (struct getter){.client = client, .id = id, .until_ns = until_ns};
        if (pthread_create(&getters[i].thread, NULL, get_often, &getters[i]) != 0)
            die("no thread");
    }
    unsigned long calls = 0;
    for (int i = 0; i < THREADS; i++) {
        pthread_join(getters[i].thread, NULL);
        calls += getters[i].calls;
    }
    client_us = own_cpu_us() - client_us;
    server_us = cpu_us_of(pid) - server_us;
    printf("{\"calls\":%lu,\"client_us\":%.1f,\"server_us\":%.1f}\n", calls,
           client_us / (double)calls, server_us / (double)calls);
    cache_client_free(&client);
}

int main(int argc, char **argv)
{
    if (argc == 4 && strcmp(argv[1], "echo") == 0)
        run_echo(argv[2], strtoul(argv[3], NULL, 10));
    else if (argc == 6 && strcmp(argv[1], "get") == 0)
        run_get(argv[2], argv[3], strtod(argv[4], NULL), argv[5]);
    else
        die("usage: grpc echo ADDRESS BYTES | grpc get ADDRESS ID SECONDS PID");
    return EXIT_SUCCESS;
}
