/* SPDX-License-Identifier: MIT */
/*
 * The library's own notice that the last connection has gone comes on a queue of
 * its own: the lanes' queues must stay open until then, or the answers of calls
 * in hand could not be sent.
 */
#include "cache/service.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <grpc/grpc_security.h>

#include "cache/lane.h"
#include "lib/base/clock.h"
#include "lib/base/limits.h"
#include "lib/rpc/rpc.h"

enum {
    LANES_MAX = 16,
    CORES_PER_LANE = 4, /* the rest is for clients, the kernel and the web server */
    LANE_THREADS = 4,   /* of which all but one may wait for the disk or for Redis */
    THREADS_MAX = LANES_MAX * LANE_THREADS,
    /* What a Put has besides its data, and fields that we do not know. */
    RECEIVE_ROOM = WIRE_CACHE_ITEM_HEAD_MAX + LIMIT_CACHE_FOREIGN_ID + 1024,
    STREAMS_MAX = 64, /* of a connection at a time: a message is held whole */
    ADDRESS_MAX = 300,
    SOCKET_UMASK = 0117, /* leaves 0660 */
};

static const char unix_prefix[] = "unix:";

struct service {
    struct lane_shared shared;
    struct lane lanes[LANES_MAX];
    size_t lane_count; /* that were opened */
    pthread_t threads[THREADS_MAX];
    size_t thread_count;
    grpc_completion_queue *stop_queue;
    char address[ADDRESS_MAX];
};

static bool is_unix(const char *address)
{
    return strncmp(address, unix_prefix, strlen(unix_prefix)) == 0;
}

/* gRPC takes a socket's path away from whoever listens there, so ask first. */
static bool unix_is_taken(const char *address)
{
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    (void)snprintf(name.sun_path, sizeof(name.sun_path), "%s", address + strlen(unix_prefix));
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return false;
    bool taken = connect(fd, (const struct sockaddr *)&name, sizeof(name)) == 0 || errno == EAGAIN;
    close(fd);
    return taken;
}

static grpc_server *create_server(void)
{
    grpc_arg args[] = {
        rpc_arg_int(GRPC_ARG_MAX_RECEIVE_MESSAGE_LENGTH, LIMIT_RESULT_BYTES + RECEIVE_ROOM),
        rpc_arg_int(GRPC_ARG_MAX_CONCURRENT_STREAMS, STREAMS_MAX),
        /* By default a second server would share the port without a word. */
        rpc_arg_int(GRPC_ARG_ALLOW_REUSEPORT, 0),
        /* Whether we are there may be asked oftener than gRPC allows by itself, calls or not. */
        rpc_arg_int(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1),
        rpc_arg_int(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, 10000),
        rpc_arg_int(GRPC_ARG_KEEPALIVE_TIME_MS, 60000),
        rpc_arg_int(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 20000),
        /* Makes clients look up the name again, and so find further servers. */
        rpc_arg_int(GRPC_ARG_MAX_CONNECTION_AGE_MS, 30 * 60 * 1000),
        rpc_arg_int(GRPC_ARG_MAX_CONNECTION_AGE_GRACE_MS, 10000),
        rpc_arg_no_compression(),
    };
    const grpc_channel_args all = {sizeof(args) / sizeof(args[0]), args};
    return grpc_server_create(&all, NULL);
}

/*
 * Returns the port, 0 when the address cannot be had. A socket that gRPC makes
 * has all permissions that the umask leaves, and for no moment may others
 * connect to it, so chmod would come too late.
 */
static int add_port(struct service *service, const struct rpc_tls *tls)
{
    grpc_server_credentials *credentials = rpc_tls_server(tls);
    mode_t before = umask(SOCKET_UMASK);
    int port = grpc_server_add_http2_port(service->shared.server, service->address, credentials);
    (void)umask(before);
    grpc_server_credentials_release(credentials);
    return port;
}

/* Fill in service->address. */
static enum app_err bind_address(struct service *service, const struct service_options *options,
                                 struct err_buf *why)
{
    const char *host = options->address;
    if (is_unix(host)) {
        (void)snprintf(service->address, ADDRESS_MAX, "%s", host);
        if (unix_is_taken(host))
            return err_set(why, APP_CONFIG, "%s: somebody listens there already", host);
    } else {
        bool bare_ipv6 = strchr(host, ':') && host[0] != '[';
        (void)snprintf(service->address, ADDRESS_MAX, "%s%s%s:%u", bare_ipv6 ? "[" : "", host,
                       bare_ipv6 ? "]" : "", options->port);
    }
    int port = add_port(service, &options->tls);
    if (port == 0)
        return err_set(why, APP_CONFIG, "%s: cannot listen there", service->address);
    if (!is_unix(host) && options->port == 0)
        (void)snprintf(strrchr(service->address, ':'), sizeof(":65535"), ":%d", port);
    return APP_OK;
}

static void *run_lane(void *argument)
{
    lane_run(argument);
    return NULL;
}

static size_t lanes_wanted(void)
{
    long wanted = sysconf(_SC_NPROCESSORS_ONLN) / CORES_PER_LANE;
    if (wanted < 1)
        return 1;
    return wanted > LANES_MAX ? LANES_MAX : (size_t)wanted;
}

static enum app_err start_threads(struct service *service, struct err_buf *why)
{
    grpc_server_start(service->shared.server);
    for (size_t i = 0; i < service->lane_count; i++)
        lane_begin(&service->lanes[i]);
    for (size_t i = 0; i < service->lane_count * LANE_THREADS; i++) {
        struct lane *lane = &service->lanes[i % service->lane_count];
        if (pthread_create(&service->threads[i], NULL, run_lane, lane) != 0)
            return err_set(why, APP_INTERNAL, "cannot start a thread that serves calls");
        service->thread_count++;
    }
    return APP_OK;
}

enum app_err service_start(const struct service_options *options, struct service **service,
                           struct err_buf *why)
{
    enum app_err err = rpc_tls_check(&options->tls, "TLS_", why);
    if (err)
        return err;
    struct service *made = calloc(1, sizeof(*made));
    if (!made)
        return APP_NO_MEMORY;
    made->shared.store = options->store;
    options->store->before_wait = lane_yield_turn;
    made->shared.log = options->log;
    made->shared.telemetry = options->telemetry;
    rpc_up(options->log);
    made->shared.server = create_server();
    for (enum method method = 0; method < METHOD__MAX; method++)
        made->shared.methods[method] =
            grpc_server_register_method(made->shared.server, method_path(method), NULL,
                                        GRPC_SRM_PAYLOAD_READ_INITIAL_BYTE_BUFFER, 0);
    const grpc_completion_queue_attributes stop_attributes = {GRPC_CQ_CURRENT_VERSION, GRPC_CQ_NEXT,
                                                              GRPC_CQ_NON_LISTENING, NULL};
    made->stop_queue = grpc_completion_queue_create(
        grpc_completion_queue_factory_lookup(&stop_attributes), &stop_attributes, NULL);
    grpc_server_register_completion_queue(made->shared.server, made->stop_queue, NULL);
    for (size_t wanted = lanes_wanted(); made->lane_count < wanted; made->lane_count++)
        lane_open(&made->lanes[made->lane_count], &made->shared);

    err = bind_address(made, options, why);
    if (!err)
        err = start_threads(made, why);
    if (err) {
        service_stop(&made, 0);
        return err;
    }
    *service = made;
    return APP_OK;
}

const char *service_address(const struct service *service)
{
    return service->address;
}

static void stop_server(struct service *service, int64_t grace_ms)
{
    atomic_store(&service->shared.stopping, true);
    grpc_server_shutdown_and_notify(service->shared.server, service->stop_queue, service);
    grpc_event event = grpc_completion_queue_next(service->stop_queue,
                                                  rpc_deadline(deadline_in_ms(grace_ms)), NULL);
    if (event.type == GRPC_QUEUE_TIMEOUT) {
        log_warn(service->shared.log, "Calls are cancelled that did not end in time", NULL);
        grpc_server_cancel_all_calls(service->shared.server);
        (void)grpc_completion_queue_next(service->stop_queue, gpr_inf_future(GPR_CLOCK_MONOTONIC),
                                         NULL);
    }
}

/* Let the lanes' last events be handled. Those without a thread are drained here. */
static void stop_lanes(struct service *service)
{
    for (size_t i = 0; i < service->lane_count; i++)
        lane_shut(&service->lanes[i]);
    for (size_t i = 0; i < service->thread_count; i++)
        pthread_join(service->threads[i], NULL);
    for (size_t i = 0; i < service->lane_count; i++) {
        lane_run(&service->lanes[i]);
        lane_close(&service->lanes[i]);
    }
}

void service_stop(struct service **service, int64_t grace_ms)
{
    struct service *self = *service;
    if (!self)
        return;
    *service = NULL;
    stop_server(self, grace_ms);
    stop_lanes(self);
    grpc_completion_queue_shutdown(self->stop_queue);
    (void)grpc_completion_queue_next(self->stop_queue, gpr_inf_future(GPR_CLOCK_MONOTONIC), NULL);
    grpc_completion_queue_destroy(self->stop_queue);
    grpc_server_destroy(self->shared.server);
    rpc_down(self->shared.log);
    free(self);
}
