/* SPDX-License-Identifier: MIT */
/* What local_cache.c and local_cache_tend.c share. */
#ifndef API_LOCALCACHE_LOCAL_CACHE_PRIVATE_H
#define API_LOCALCACHE_LOCAL_CACHE_PRIVATE_H

#include <stdatomic.h>

#include "api/localcache/local_cache.h"
#include "api/localcache/tier_dir.h"
#include "api/localcache/tier_index.h"

struct local_cache {
    struct tier_dir dir;
    struct tier_index index;  /* opened once, by local_cache_new or tend */
    pthread_rwlock_t opening; /* guards index.memory's becoming there */
    char *path;
    char *run_dir;
    int64_t ttl_ns;
    int64_t max_bytes;
    int64_t grace_ns;
    struct log log;

    /* Of the chore's thread only. */
    struct tier_walk sweep;
    int64_t next_sweep_ns; /* when the next one begins */
    bool leads;            /* it had them the last time */

    _Atomic int64_t complain_ns; /* not again before that */
    atomic_bool failing;
};

/* The entry's file, valid while the entry is locked. */
struct tier_file tier_file_of(const struct tier_entry *entry);

/* With its lock held: take an entry and its files away. */
void tier_forget(struct local_cache *tier, struct tier_entry *entry);

/* Say once a minute that it does not work, and once that it works again. */
void tier_complain(struct local_cache *tier, const char *reason);
void tier_works(struct local_cache *tier);

#endif
