/* SPDX-License-Identifier: MIT */
/*
 * The process's share of cache_client.h: its channels and the watcher thread.
 * Private to api/clients/cache_*.c. Thread rules as in cache_client.h.
 */
#ifndef API_CLIENTS_CACHE_CHANNEL_H
#define API_CLIENTS_CACHE_CHANNEL_H

#include <grpc/grpc.h>
#include <stdatomic.h>

#include "api/clients/breaker.h"
#include "api/clients/cache_client.h"
#include "api/clients/wait_budget.h"

enum cache_method { CACHE_GET, CACHE_PUT, CACHE_EXISTS, CACHE_CHECK, CACHE_METHOD__MAX };

struct cache_channel {
    grpc_channel *channel;
    void *methods[CACHE_METHOD__MAX]; /* gRPC's handles of the registered calls */
    _Atomic unsigned calls;           /* so many were begun; the callers count */
};

/* What stands before the calls of all callers. */
struct cache_gate {
    struct breaker *breaker; /* NULL: none */
    struct wait_budget budget;
};

/* Valid until cache_client_free. Any thread. */
struct cache_gate *cache_client_gate(struct cache_client *client);

/* The channel for one more caller, in turn; valid until cache_client_free. Any thread. */
struct cache_channel *cache_client_channel(struct cache_client *client);

#endif
