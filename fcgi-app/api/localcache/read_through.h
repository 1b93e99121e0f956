/* SPDX-License-Identifier: MIT */
/*
 * A file of the cache, from the local tier while it is fresh there, else from the cache,
 * which is asked once for all who want the same file at the same time:
 *
 * - The threads of this process that ask for one file share a call (lib/base/coalesce.h).
 * - With a tier, and unless its files are stale at once, one process of the pool asks; the
 *   others find the file in the tier (jobs/flight.h). Where it cannot be kept, each asks.
 * - Nobody gets an answer that is older than his question.
 * - A thread that waits for another's call has a place among those who wait for the cache,
 *   as if it had made the call (cache_wait_begin).
 * - A file that the cache does not have goes from the tier, too.
 *
 * read_through_new once cache, tier and table are there; read_through_get from any thread,
 * which calls fcgi_worker_yield before it waits; read_through_free before those go.
 */
#ifndef API_LOCALCACHE_READ_THROUGH_H
#define API_LOCALCACHE_READ_THROUGH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "api/clients/cache_client.h"
#include "api/localcache/local_cache.h"
#include "lib/base/coalesce.h"
#include "lib/base/err.h"

struct read_through;
struct table;
struct telemetry;
struct trace;

/* All of them must outlive the object. */
struct read_through_options {
    struct cache_client *cache;
    struct local_cache *tier; /* NULL: there is none */
    bool stays_fresh;         /* what the tier has just stored is fresh: LOCAL_CACHE_TTL > 0 */
    struct table *table;
    struct telemetry *telemetry;
    int64_t timeout_ms; /* CACHE_TIMEOUT */
};

/* APP_NO_MEMORY. */
enum app_err read_through_new(const struct read_through_options *options,
                              struct read_through **reads) __attribute__((warn_unused_result));
/* NULLs the caller's pointer. NULL allowed. */
void read_through_free(struct read_through **reads);

struct read_through_call {
    const char *name;            /* at most LIMIT_CACHE_ID bytes */
    bool use_tier;               /* false: the cache must be asked */
    struct cache_caller *caller; /* the thread's own */
    int64_t since_ns;            /* when it was asked for: what was read after that is an answer */
    int64_t deadline_ns;         /* of the request; CACHE_TIMEOUT is kept as well */
    const char *request_id;
    struct trace *trace;
};

/* What was found: read_through_release when it has been sent. Must stay where it is. */
struct read_through_file {
    const char *type; /* sniffed; static */
    uint64_t hash;    /* XXH3 of the bytes */
    const char *path; /* of the file in the tier; NULL: it is not there */
    size_t len;
    const struct cache_item *item; /* NULL, or empty: the bytes are in the file only */
    /* Private: */
    struct local_cache_file fresh;
    struct coalesce_member member;
    bool is_member;
};

/*
 * Find it. Errors of cache_get, with texts for the client; APP_UNAVAILABLE, too, when many
 * wait for the cache already. Only after APP_OK must read_through_release be called.
 */
enum app_err read_through_get(struct read_through *reads, const struct read_through_call *call,
                              struct read_through_file *file, struct err_buf *why)
    __attribute__((warn_unused_result));
void read_through_release(struct read_through_file *file);

#endif
