/* SPDX-License-Identifier: MIT */
/*
 * The connections to one Redis: one for each thread that needs one, kept for
 * the next that does, and a thread of the pool's that connects when Redis is
 * away. While it is, calls fail at once with the reason why.
 *
 * redis_pool_call: any thread, between redis_pool_new and redis_pool_free.
 */
#ifndef CACHE_REDIS_POOL_H
#define CACHE_REDIS_POOL_H

#include <stdbool.h>
#include <stdint.h>

#include "cache/redis_connection.h"
#include "cache/redis_url.h"
#include "lib/base/err.h"
#include "lib/base/log.h"

struct redis_pool;

/*
 * Copies `url`; `log` must outlive the pool. Waits for Redis, but not longer than
 * a connection may take; that it is not there is no error. APP_INTERNAL,
 * APP_NO_MEMORY.
 */
enum app_err redis_pool_new(const struct redis_url *url, const struct log *log,
                            struct redis_pool **pool, struct err_buf *why)
    __attribute__((warn_unused_result));

/* Closes all connections; no call may be under way. NULLs the pointer. NULL allowed. */
void redis_pool_free(struct redis_pool **pool);

/*
 * As redis_connection_call, over any connection; the command is sent again when
 * it turns out that the connection had been closed while it lay idle. Errors as
 * there, and APP_UNAVAILABLE while Redis is known to be away.
 */
enum app_err redis_pool_call(struct redis_pool *pool, const struct redis_word *words, size_t count,
                             int64_t deadline_ns, struct redis_reply *reply, struct err_buf *why)
    __attribute__((warn_unused_result));

/* Whether Redis is away now, and how often it was found to be there. */
void redis_pool_look(struct redis_pool *pool, bool *away, uint64_t *connects);

#endif
