/* SPDX-License-Identifier: MIT */
/*
 * The store in Redis, which several caches may share: the value of the key
 * emojify:entry:ID, ID being the id as it is, holds the entry's bytes and
 * nothing else. Redis lets an entry expire when its life is over, and what it
 * does when its memory is full is its own affair (maxmemory-policy). An empty
 * value, which has no life, marks what was taken down; DEL lifts that. A put
 * that would replace a mark is refused by a script inside Redis, so no other
 * cache can come between.
 *
 * Each thread that is in the store has a connection of its own; they are kept
 * for the next. A thread of the store's connects when there is none, and again
 * every half second while Redis is away. During that time every call fails at
 * once with APP_UNAVAILABLE. No call takes longer than STORE_REDIS_TIMEOUT_MS,
 * connecting included; the one that meets the time limit is what tells that
 * Redis is away.
 */
#ifndef CACHE_STORE_REDIS_H
#define CACHE_STORE_REDIS_H

#include <stdint.h>

#include "cache/store.h"
#include "lib/base/log.h"

enum { STORE_REDIS_TIMEOUT_MS = 2000 };

#define STORE_REDIS_PREFIX "emojify:entry:" /* of every key */

struct store_redis_options {
    const char *url;       /* see redis_url.h; copied */
    int64_t max_life_ms;   /* 0: for ever */
    const struct log *log; /* must outlive the store */
};

/*
 * Start it, and wait a second for Redis; it is no error when that is not there
 * yet. APP_CONFIG with the reason in why->text: not a URL of a Redis.
 * APP_INTERNAL, APP_NO_MEMORY.
 */
enum app_err store_redis_new(const struct store_redis_options *options, struct store **store,
                             struct err_buf *why) __attribute__((warn_unused_result));

#endif
