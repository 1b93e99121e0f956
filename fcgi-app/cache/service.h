/* SPDX-License-Identifier: MIT */
/*
 * The gRPC side of emojify-cache: proto/cache.proto and grpc.health.v1 over a
 * store. With cache/lane.h and cache/methods.h the only one that knows gRPC here.
 *
 * A thread for each core, each with its own queue of calls. Statuses:
 * NOT_FOUND; FAILED_PRECONDITION for a Put over what was taken down, which a Put
 * of no data does; INVALID_ARGUMENT for an id that is empty, longer than
 * LIMIT_CACHE_FOREIGN_ID or not UTF-8, for a message that is none, and for data
 * beyond LIMIT_RESULT_BYTES; RESOURCE_EXHAUSTED when the disk or the memory is
 * full; UNAVAILABLE when the store is away; INTERNAL when it is broken; UNIMPLEMENTED for other
 * methods. The store's words go to the log, with the call's x-request-id.
 *
 * Order: service_start after signals are blocked, service_stop once, from one
 * thread, with the store still there. service_start changes the process's umask
 * for a moment, so no other thread should be making files.
 */
#ifndef CACHE_SERVICE_H
#define CACHE_SERVICE_H

#include <stdint.h>

#include "cache/store.h"
#include "cache/telemetry.h"
#include "lib/base/err.h"
#include "lib/base/log.h"
#include "lib/rpc/tls.h"

struct service;

struct service_options {
    const char *address; /* a host, or unix:/path, which gets mode 0660 whatever the umask */
    uint16_t port;       /* 0: any free one */
    struct store *store;
    const struct log *log;       /* must outlive the service */
    struct telemetry *telemetry; /* so must it; NULL: calls are not counted */
    struct rpc_tls tls;          /* zeroed: plain connections */
};

/*
 * Listen and serve. APP_CONFIG when the address cannot be had, or TLS files are
 * not right, which are named as the settings TLS_*. APP_INTERNAL, APP_NO_MEMORY.
 */
enum app_err service_start(const struct service_options *options, struct service **service,
                           struct err_buf *why) __attribute__((warn_unused_result));

/* What a client connects to, host:port or unix:/path. */
const char *service_address(const struct service *service);

/*
 * Take no more calls, let those in hand end for `grace_ms` at most, cancel the
 * rest, free everything; NULLs the pointer. NULL allowed.
 */
void service_stop(struct service **service, int64_t grace_ms);

#endif
