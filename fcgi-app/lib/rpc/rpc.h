/* SPDX-License-Identifier: MIT */
/*
 * What a client and a server of the gRPC core have in common: the library up
 * and down, its log in our form, and messages as pieces of memory. For the
 * modules that speak gRPC, which use its types themselves.
 *
 * rpc_up before anything else of gRPC, with signals blocked, since the threads
 * that it starts inherit the mask; rpc_down after everything of gRPC was
 * destroyed. They may nest. The rest: any thread in between.
 */
#ifndef LIB_RPC_RPC_H
#define LIB_RPC_RPC_H

#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include <grpc/grpc.h>

#include "lib/base/err.h"
#include "lib/base/log.h"

/*
 * `log` gets gRPC's own messages, errors only unless GRPC_VERBOSITY says more,
 * until the rpc_down with the same `log`; the latest rpc_up decides. NULL: this
 * user of gRPC does not care.
 */
void rpc_up(const struct log *log);
void rpc_down(const struct log *log);

/* A point of CLOCK_MONOTONIC as gRPC wants it. */
gpr_timespec rpc_deadline(int64_t deadline_ns);

enum { RPC_PIECES_FEW = 32 };

/* The memory of a received message, valid as long as the message. Must stay where it is. */
struct rpc_pieces {
    struct iovec *at; /* `count` pieces */
    size_t count;
    struct iovec few[RPC_PIECES_FEW]; /* private: where they are when they are few */
};

/*
 * APP_BAD_REQUEST for a compressed message: both ends announce that they take none, see
 * rpc_arg_no_compression. APP_NO_MEMORY. Only after APP_OK rpc_pieces_release is needed.
 */
enum app_err rpc_pieces_init(struct rpc_pieces *pieces, const grpc_byte_buffer *message)
    __attribute__((warn_unused_result));
void rpc_pieces_release(struct rpc_pieces *pieces);

/* A setting of a channel or a server; `key` is one of gRPC's GRPC_ARG_ macros. */
grpc_arg rpc_arg_int(const char *key, int value);
grpc_arg rpc_arg_str(const char *key, const char *value);

/*
 * The setting that turns message compression off at either end: pictures do not
 * shrink, and a small message that unpacks to gigabytes does not get in.
 */
grpc_arg rpc_arg_no_compression(void);

#endif
