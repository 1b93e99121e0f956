/* SPDX-License-Identifier: MIT */
/* What local_cache.c and local_cache_tend.c share. */
#ifndef API_LOCALCACHE_LOCAL_CACHE_PRIVATE_H
#define API_LOCALCACHE_LOCAL_CACHE_PRIVATE_H

#include <stdatomic.h>

#include "api/localcache/local_cache.h"
#include "api/localcache/tier_dir.h"
#include "api/localcache/tier_index.h"

enum {
    /*
     * How long a web server that sends files itself may take one for there that is not any
     * more. lighttpd keeps what it saw of a file until its clock shows another second, and
     * reads the clock before it waits for events, which is up to a second.
     */
    WEB_REMEMBERS_MS = 2000,
    /*
     * A direct link goes that much before its time, so that nothing is sent later than a
     * second after it: the rest of what a web server remembers, and a run of the chore.
     */
    DIRECT_EARLY_MS = WEB_REMEMBERS_MS - 1000 + 2 * LOCAL_CACHE_CHORE_MS,
    /* With a shorter TTL a link would hardly be there before it had to go. */
    DIRECT_TTL_LEAST_MS = 2 * DIRECT_EARLY_MS
};

struct local_cache {
    struct tier_dir dir;
    struct tier_index index;  /* opened once, by local_cache_new or tend */
    pthread_rwlock_t opening; /* guards index.memory's becoming there */
    char *path;
    char *run_dir;
    int64_t ttl_ns;
    int64_t direct_ns; /* as old as that, a direct link goes; 0: there are none */
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
