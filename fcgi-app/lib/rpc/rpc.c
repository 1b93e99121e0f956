/* SPDX-License-Identifier: MIT */
/* The few lines of gRPC that would else stand in the client and in the server. */
#include "lib/rpc/rpc.h"

#include <poll.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <grpc/byte_buffer.h>
#include <grpc/grpc_security.h>
#include <grpc/impl/codegen/compression_types.h>
#include <grpc/slice.h>
#include <grpc/support/log.h>

#include "lib/base/clock.h"

enum { WAKE_MS = 200 }; /* at most, for one step of rpc_down's own connection */

/*
 * The one exception to "no mutable globals": gRPC takes a log function for the
 * whole process and hands it no context.
 */
static _Atomic(const struct log *) grpc_log;

static void log_message(gpr_log_func_args *args)
{
    static const enum log_level levels[] = {
        [GPR_LOG_SEVERITY_DEBUG] = LOG_DEBUG,
        [GPR_LOG_SEVERITY_INFO] = LOG_INFO,
        [GPR_LOG_SEVERITY_ERROR] = LOG_WARN, /* whether it is one for us, only the caller knows */
    };
    const struct log *log = atomic_load(&grpc_log);
    if (log)
        LOG_AT(log, levels[args->severity], "gRPC",
               LOG_FIELDS(LOG_STR("says", args->message), LOG_STR("file", args->file),
                          LOG_INT("line", args->line)));
}

void rpc_up(const struct log *log)
{
    if (log)
        atomic_store(&grpc_log, log);
    gpr_set_log_function(log_message);
    grpc_init();
}

/* A socket in the abstract name space under a name that the kernel picks; -1: none to be had. */
static int listen_anywhere(char *target, size_t size)
{
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    socklen_t len = sizeof(name.sun_family);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    if (bind(fd, (const struct sockaddr *)&name, len) != 0 || listen(fd, 1) != 0)
        goto failed;
    len = sizeof(name);
    if (getsockname(fd, (struct sockaddr *)&name, &len) != 0)
        goto failed;
    size_t name_len = len - offsetof(struct sockaddr_un, sun_path) - 1;
    (void)snprintf(target, size, "unix-abstract:%.*s", (int)name_len, name.sun_path + 1);
    return fd;
failed:
    close(fd);
    return -1;
}

/* Wait until the channel has seen its connection fail. */
static void wait_for_failure(grpc_channel *channel)
{
    grpc_completion_queue *queue = grpc_completion_queue_create_for_pluck(NULL);
    const gpr_timespec deadline = rpc_deadline(deadline_in_ms(WAKE_MS));
    grpc_connectivity_state state = GRPC_CHANNEL_IDLE;
    grpc_event event = {.success = 1};
    while (event.success && state != GRPC_CHANNEL_TRANSIENT_FAILURE) {
        grpc_channel_watch_connectivity_state(channel, state, deadline, queue, NULL);
        event = grpc_completion_queue_pluck(queue, NULL, gpr_inf_future(GPR_CLOCK_MONOTONIC), NULL);
        state = grpc_channel_check_connectivity_state(channel, 0);
    }
    grpc_completion_queue_shutdown(queue);
    grpc_completion_queue_destroy(queue);
}

/*
 * When a write has filled a socket's buffer, a library thread polls for 10 s,
 * and shutdown waits for it even if nothing is left to poll for
 * (github.com/grpc/grpc/issues/41050; 1.51 and before). It leaves as soon as
 * anything happens on any connection, so make something happen: a connection
 * that is closed by its peer.
 */
static void wake_pollers(void)
{
    char target[64];
    int listener = listen_anywhere(target, sizeof(target));
    if (listener < 0)
        return;
    grpc_channel_credentials *credentials = grpc_insecure_credentials_create();
    grpc_channel *channel = grpc_channel_create(target, credentials, NULL);
    grpc_channel_credentials_release(credentials);
    (void)grpc_channel_check_connectivity_state(channel, 1);
    struct pollfd ready = {.fd = listener, .events = POLLIN};
    if (poll(&ready, 1, WAKE_MS) == 1) {
        close(accept4(listener, NULL, NULL, SOCK_CLOEXEC));
        wait_for_failure(channel);
    }
    grpc_channel_destroy(channel);
    close(listener);
}

void rpc_down(const struct log *log)
{
    wake_pollers();
    /* Plain grpc_shutdown may go on in a thread of its own after it has returned. */
    grpc_shutdown_blocking();
    (void)atomic_compare_exchange_strong(&grpc_log, &log, NULL);
}

gpr_timespec rpc_deadline(int64_t deadline_ns)
{
    return (gpr_timespec){
        .tv_sec = deadline_ns / NS_PER_S,
        .tv_nsec = (int32_t)(deadline_ns % NS_PER_S),
        .clock_type = GPR_CLOCK_MONOTONIC,
    };
}

enum app_err rpc_pieces_init(struct rpc_pieces *pieces, const grpc_byte_buffer *message)
{
    if (message->type != GRPC_BB_RAW || message->data.raw.compression != GRPC_COMPRESS_NONE)
        return APP_BAD_REQUEST;
    const grpc_slice_buffer *slices = &message->data.raw.slice_buffer;
    pieces->at = pieces->few;
    if (slices->count > RPC_PIECES_FEW)
        pieces->at = calloc(slices->count, sizeof(*pieces->at));
    if (!pieces->at)
        return APP_NO_MEMORY;
    for (size_t i = 0; i < slices->count; i++) {
        pieces->at[i].iov_base = GRPC_SLICE_START_PTR(slices->slices[i]);
        pieces->at[i].iov_len = GRPC_SLICE_LENGTH(slices->slices[i]);
    }
    pieces->count = slices->count;
    return APP_OK;
}

void rpc_pieces_release(struct rpc_pieces *pieces)
{
    if (pieces->at != pieces->few)
        free(pieces->at);
}

/* gRPC's struct lacks the const that its documentation promises. */
static void set_text(char **member, const char *text)
{
    memcpy(member, &text, sizeof(text));
}

grpc_arg rpc_arg_int(const char *key, int value)
{
    grpc_arg arg = {.type = GRPC_ARG_INTEGER, .value.integer = value};
    set_text(&arg.key, key);
    return arg;
}

grpc_arg rpc_arg_str(const char *key, const char *value)
{
    grpc_arg arg = {.type = GRPC_ARG_STRING};
    set_text(&arg.key, key);
    set_text(&arg.value.string, value);
    return arg;
}

grpc_arg rpc_arg_no_compression(void)
{
    return rpc_arg_int(GRPC_COMPRESSION_CHANNEL_ENABLED_ALGORITHMS_BITSET, 1 << GRPC_COMPRESS_NONE);
}
