/* SPDX-License-Identifier: MIT */
/*
 * What the local tier has: a table in memory that the processes of the pool share.
 *
 * A name's entry lies in one set of TIER_INDEX_WAYS; sets lie in stripes, each with
 * a lock. A lock is held over the few system calls that change the files of an
 * entry, so that entry and files agree. A process that dies with it leaves at worst
 * a file without an entry: an entry counts when `used` is set, which is written last.
 *
 * Where the memory cannot be shared there is no index, for a picture that one
 * process has taken down must be gone for all.
 */
#ifndef API_LOCALCACHE_TIER_INDEX_H
#define API_LOCALCACHE_TIER_INDEX_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/err.h"
#include "lib/base/limits.h"
#include "lib/base/shared_file.h"

enum { TIER_INDEX_WAYS = 16, TIER_INDEX_STRIPES = 256 };

struct tier_entry {
    _Atomic uint32_t used; /* 0: free */
    uint32_t type;         /* index into local_cache.c.s table of types */
    uint64_t name_hash;
    uint64_t hash;
    uint64_t len;
    int64_t confirmed_ns; /* CLOCK_MONOTONIC: the cache was asked then, and had it */
    int64_t handed_out_ns;
    bool direct; /* may have a link where the web server looks itself */
    char name[LIMIT_CACHE_ID + 1];
};

struct tier_stripe {
    pthread_mutex_t lock;
    uint64_t removals; /* of names in this stripe */
};

struct tier_memory {
    struct shared_file_header header;
    _Atomic int64_t bytes; /* of all entries, in pages; put right by each tier_index_visit */
    _Atomic int64_t files;
    _Atomic int64_t wanted; /* bytes for which there was no room since the last eviction */
    _Atomic uint32_t full;  /* the file system had none */
    struct tier_stripe stripes[TIER_INDEX_STRIPES];
    struct tier_entry entries[]; /* sets one after the other, as many in each stripe */
};

struct tier_index {
    struct shared_file shared;
    struct tier_memory *memory; /* NULL: not open */
    size_t sets;                /* in each stripe */
};

/*
 * For about `entries` of them. `owner` tells apart the indexes that lie in one
 * `run_dir`. Errors as shared_file_open.
 */
struct tier_index_options {
    const char *run_dir;
    const char *owner;
    size_t entries;
};
enum app_err tier_index_open(struct tier_index *index, const struct tier_index_options *options,
                             struct err_buf *why) __attribute__((warn_unused_result));
/* Safe to call twice. */
void tier_index_close(struct tier_index *index);

/* A name's place, locked. */
struct tier_view {
    struct tier_stripe *stripe;
    struct tier_entry *set;   /* TIER_INDEX_WAYS of them */
    struct tier_entry *entry; /* the name's; NULL: it has none */
    uint64_t name_hash;
};

/* False: the lock is not to be had, whoever holds it hangs; do without. */
bool tier_index_lock(struct tier_index *index, const char *name, struct tier_view *view)
    __attribute__((warn_unused_result));
void tier_index_unlock(struct tier_view *view);

/* With the lock held: let an entry that is free be the name's, `fields` but its hash and use. */
void tier_index_insert(struct tier_index *index, struct tier_view *view, struct tier_entry *entry,
                       const struct tier_entry *fields);
/* With the lock held. */
void tier_index_drop(struct tier_index *index, struct tier_entry *entry);

/* What a file of that length takes. */
int64_t tier_index_room(uint64_t len);

/* Call `visit` for each entry in turn, its lock held, and put the sums right. */
void tier_index_visit(struct tier_index *index,
                      void (*visit)(void *context, struct tier_entry *entry), void *context);

#endif
