/* SPDX-License-Identifier: MIT */
/* The few lines of gRPC that would else stand in the client and in the server. */
#include "lib/rpc/rpc.h"

#include <stdatomic.h>
#include <stdlib.h>

#include <grpc/byte_buffer.h>
#include <grpc/impl/codegen/compression_types.h>
#include <grpc/slice.h>
#include <grpc/support/log.h>

#include "lib/base/clock.h"

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

void rpc_down(const struct log *log)
{
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

enum app_err rpc_message_pieces(const grpc_byte_buffer *message, struct iovec **pieces,
                                size_t *count)
{
    if (message->type != GRPC_BB_RAW || message->data.raw.compression != GRPC_COMPRESS_NONE)
        return APP_BAD_REQUEST;
    const grpc_slice_buffer *slices = &message->data.raw.slice_buffer;
    struct iovec *array = calloc(slices->count > 0 ? slices->count : 1, sizeof(*array));
    if (!array)
        return APP_NO_MEMORY;
    for (size_t i = 0; i < slices->count; i++) {
        array[i].iov_base = GRPC_SLICE_START_PTR(slices->slices[i]);
        array[i].iov_len = GRPC_SLICE_LENGTH(slices->slices[i]);
    }
    *pieces = array;
    *count = slices->count;
    return APP_OK;
}

grpc_arg rpc_arg_int(const char *key, int value)
{
    grpc_arg arg = {.type = GRPC_ARG_INTEGER, .value.integer = value};
    /* gRPC's struct lacks the const that its documentation promises. */
    arg.key = (char *)(uintptr_t)key;
    return arg;
}

grpc_arg rpc_arg_str(const char *key, const char *value)
{
    grpc_arg arg = {.type = GRPC_ARG_STRING};
    arg.key = (char *)(uintptr_t)key;
    arg.value.string = (char *)(uintptr_t)value;
    return arg;
}

grpc_arg rpc_arg_no_compression(void)
{
    return rpc_arg_int(GRPC_COMPRESSION_CHANNEL_ENABLED_ALGORITHMS_BITSET, 1 << GRPC_COMPRESS_NONE);
}
