/* SPDX-License-Identifier: MIT */
/*
 * The cache service over gRPC (proto/cache.proto): the api's only user of the
 * gRPC core.
 *
 * struct cache_client is the process's: the channels, and one watcher thread
 * that polls them while no call runs (without it a closed connection or a
 * server's return would go unnoticed). struct cache_caller is a thread's: its
 * own completion queue. Calls block the thread until their deadline at most.
 *
 * Order: cache_client_new after signals are blocked and before any other
 * thread, cache_caller_new in each worker; cache_caller_free in each,
 * cache_client_free last.
 *
 * Errors of the calls: APP_UPSTREAM_FAILED (refused, broken, an answer that is
 * not in the protocol or larger than LIMIT_CACHE_MESSAGE), APP_UPSTREAM_TIMEOUT,
 * APP_BAD_REQUEST (an id that is empty, longer than LIMIT_CACHE_ID or not
 * UTF-8), APP_NO_MEMORY; why->detail has gRPC's status and words. Get, Exists
 * and Check are tried once more on UNAVAILABLE, and on a CANCELLED that we did
 * not cause. All but Check: APP_UNAVAILABLE at once while the breaker is open, and
 * APP_CLIENT_GONE when call->cancel says so. Get and Exists: APP_UNAVAILABLE when `patient`
 * threads wait already, after as long as wait_budget.h says.
 */
#ifndef API_CLIENTS_CACHE_CLIENT_H
#define API_CLIENTS_CACHE_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "api/clients/breaker.h"
#include "api/clients/wait_budget.h"
#include "lib/base/cancel.h"
#include "lib/base/err.h"
#include "lib/base/log.h"
#include "lib/http/header.h"
#include "lib/rpc/tls.h"

enum { CACHE_CALL_HEADERS_MAX = 8, CACHE_PUT_TIMEOUT_MS = 5000 };

struct cache_client;
struct cache_caller;

struct cache_client_options {
    const char *address;      /* host:port, unix:/path, or any other name that gRPC resolves */
    struct rpc_tls tls;       /* zeroed: a plain connection */
    const char *tls_identity; /* of the cache, see rpc_tls_client */
    struct breaker *breaker;  /* must outlive the client; NULL: none */
    unsigned patient;         /* threads that may wait for Get and Exists at length; 0: all */
    const struct log *log;    /* must outlive the client */
};

/*
 * Connects with the first call, or by cache_client_connect. APP_CONFIG: not an address, or TLS
 * files that are not right, which are named as the settings CACHE_TLS_*. APP_INTERNAL,
 * APP_NO_MEMORY.
 */
enum app_err cache_client_new(const struct cache_client_options *options,
                              struct cache_client **client, struct err_buf *why)
    __attribute__((warn_unused_result));
/*
 * Connect now and not with the first calls, which would have to wait for it. Returns
 * when each connection stands or has failed once, after `ms` at the latest.
 */
void cache_client_connect(struct cache_client *client, int64_t ms);
/* All callers must be freed. NULLs the caller's pointer. NULL allowed. */
void cache_client_free(struct cache_client **client);

/*
 * For who waits for another's call, of this process or another, instead of making one:
 * wait_budget_enter and wait_budget_leave. Any thread.
 */
bool cache_wait_begin(struct cache_client *client, int64_t *deadline_ns);
void cache_wait_end(struct cache_client *client, bool at_length, bool heard);

enum app_err cache_caller_new(struct cache_client *client, struct cache_caller **caller)
    __attribute__((warn_unused_result));
void cache_caller_free(struct cache_caller **caller);

/* What goes with every call. */
struct cache_call {
    int64_t deadline_ns; /* CLOCK_MONOTONIC */
    /*
     * What the cache is due. When deadline_ns leaves less, because the request is
     * old, running out of it says nothing about the cache. 0: deadline_ns is all.
     */
    int64_t timeout_ms;
    struct cancel cancel;
    const char *request_id; /* sent as x-request-id if gRPC may send it; NULL: none */
    /* Further metadata, sent if gRPC may; at most CACHE_CALL_HEADERS_MAX. Names in lower case. */
    const struct http_header *headers;
    size_t header_count;
};

enum { CACHE_ITEM_FEW = 32 };

/*
 * A received item: its bytes lie in gRPC's own slices until cache_item_release,
 * which any thread may call, before cache_client_free. Must stay where it is.
 */
struct cache_item {
    struct iovec *pieces; /* `count` pieces of the data, in order */
    size_t count;
    size_t len; /* bytes in all pieces */
    /* Private: */
    void *message;
    struct iovec few[CACHE_ITEM_FEW]; /* where the pieces are when they are few */
};

/* The stored bytes. APP_NOT_FOUND when there are none or they are empty. */
enum app_err cache_get(struct cache_caller *caller, const struct cache_call *call, const char *id,
                       struct cache_item *item, struct err_buf *why)
    __attribute__((warn_unused_result));
/* Safe on a zeroed item and to call twice. */
void cache_item_release(struct cache_item *item);

/*
 * Store `len` bytes, which are copied. APP_TOO_LARGE: more than LIMIT_RESULT_BYTES;
 * APP_BAD_REQUEST: none, since a cache would take that for cache_take_down.
 * APP_GONE: the picture was taken down, and the cache refuses it.
 */
enum app_err cache_put(struct cache_caller *caller, const struct cache_call *call, const char *id,
                       const void *data, size_t len, struct err_buf *why)
    __attribute__((warn_unused_result));

/*
 * Have the picture not found any more, by putting one without bytes, whether it
 * is there or not. Our cache also refuses to store it again, others may not.
 */
enum app_err cache_take_down(struct cache_caller *caller, const struct cache_call *call,
                             const char *id, struct err_buf *why)
    __attribute__((warn_unused_result));

/*
 * Whether cache_get would find it. APP_GONE: it was taken down, so that making the
 * picture would be for nothing; our cache says so, others may say that it is not there.
 */
enum app_err cache_exists(struct cache_caller *caller, const struct cache_call *call,
                          const char *id, bool *exists, struct err_buf *why)
    __attribute__((warn_unused_result));

/* *status: HealthCheckResponse.ServingStatus, 1 is SERVING. */
enum app_err cache_check(struct cache_caller *caller, const struct cache_call *call, int *status,
                         struct err_buf *why) __attribute__((warn_unused_result));

#endif
