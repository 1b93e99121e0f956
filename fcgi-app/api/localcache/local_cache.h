/* SPDX-License-Identifier: MIT */
/*
 * The local tier: files of the cache that the web server may send itself, in a
 * directory that all processes of the pool share (LOCAL_CACHE_DIR, a tmpfs).
 *
 * Each content has a name of its own, files/TYPE/NAME.HASH, and never changes: what
 * the web server was told to send is what it sends, with the type and ETag that it
 * was told with. While an entry is fresh, direct-SECONDS/TYPE/NAME is a second link
 * to it, for a web server that looks for itself; SECONDS is the max-age that such
 * an answer must state, so a web server that was told another one finds nothing.
 * docs/localcache.md has the reasons.
 *
 * What there is, how fresh, and when it was last used stands in an index in memory
 * that the processes share (tier_index.h). A file that the index does not know is
 * never served, and swept away.
 *
 * No error comes out of here. Whatever fails (no room, no directory, a file system
 * that is read-only), the answer is that the tier has nothing, one line is logged,
 * and it is tried again.
 *
 *     struct local_cache_ticket ticket = local_cache_ticket(tier, name);
 *     if (local_cache_find(tier, name, &file) == LOCAL_CACHE_FRESH)
 *         send file;
 *     else if (ask the cache)
 *         if (local_cache_store(tier, name, &ticket, &content, &file))
 *             send file;
 *
 * local_cache_new before the workers and local_cache_free after them, and after the
 * chore; the rest from any thread. NULL for a tier: there is none, find and store
 * say so.
 */
#ifndef API_LOCALCACHE_LOCAL_CACHE_H
#define API_LOCALCACHE_LOCAL_CACHE_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "lib/base/err.h"
#include "lib/base/log.h"

enum {
    /* How long after it was last named to the web server a file stays, to be opened. */
    LOCAL_CACHE_GRACE_MS = 10000,
    LOCAL_CACHE_CHORE_MS = 250 /* how often local_cache_tend wants to be called */
};

struct local_cache;

struct local_cache_options {
    const char *directory; /* absolute; made if it is missing */
    const char *run_dir;   /* for the index */
    int64_t ttl_ms;        /* 0: nothing is ever fresh */
    int64_t max_bytes;
    /*
     * Whether fresh files are put where the web server looks itself. Not done with a TTL
     * below three seconds.
     */
    bool direct;
    int64_t grace_ms; /* LOCAL_CACHE_GRACE_MS but in tests */
    const struct log *log;
};

/* APP_NO_MEMORY. A directory or index that cannot be used is logged, and tried again. */
enum app_err local_cache_new(const struct local_cache_options *options, struct local_cache **tier)
    __attribute__((warn_unused_result));
/*
 * The files stay for the next process. The direct links go if this process had the
 * pool's chores: it may have been the last. NULLs the caller's pointer. NULL allowed.
 */
void local_cache_free(struct local_cache **tier);

/* A file that the web server may be told to send. */
struct local_cache_file {
    char path[PATH_MAX]; /* absolute */
    const char *type;    /* static */
    uint64_t hash;       /* as it was stored with */
    size_t len;
};

enum local_cache_result {
    LOCAL_CACHE_MISSING,
    LOCAL_CACHE_STALE, /* it is there, but the cache must be asked */
    LOCAL_CACHE_FRESH
};

/*
 * `file` is set when it is fresh, and then counts as used. A file whose direct link had
 * to go is not fresh any more, so that whoever asks for it next brings the link back.
 */
enum local_cache_result local_cache_find(struct local_cache *tier, const char *name,
                                         struct local_cache_file *file);

/*
 * Taken before the cache is asked: what was asked for before a removal is not stored
 * after it, and an answer is as old as its question.
 */
struct local_cache_ticket {
    int64_t asked_ns;
    uint64_t removals;
};
struct local_cache_ticket local_cache_ticket(struct local_cache *tier, const char *name);

/* What the cache has answered. */
struct local_cache_content {
    const struct iovec *pieces;
    size_t count;
    size_t len;
    uint64_t hash;    /* of the bytes: two contents of a name with one hash and length are one */
    const char *type; /* one of content_type_sniff's */
};

/*
 * Keep it, from now on fresh. The file of equal bytes stays the one that it was. On
 * false the tier does not have it, and `file` is not set.
 */
bool local_cache_store(struct local_cache *tier, const char *name,
                       const struct local_cache_ticket *ticket,
                       const struct local_cache_content *content, struct local_cache_file *file)
    __attribute__((warn_unused_result));

/*
 * The cache does not have it any more: nor has the tier, in no process, from now on.
 * Returns for how many milliseconds a web server that sends files itself may go on doing
 * so, which is 0 without `direct`.
 */
int64_t local_cache_remove(struct local_cache *tier, const char *name);

/*
 * What must be done all LOCAL_CACHE_CHORE_MS: notice that the directory was wiped;
 * and, `for_pool`, take away what is not fresh any more where the web server looks
 * itself, and what is too much. One thread.
 */
void local_cache_tend(struct local_cache *tier, bool for_pool);

/* The directory, without a slash at its end. */
const char *local_cache_directory(const struct local_cache *tier);

/* What the files take, in whole pages, and how many there are. */
struct local_cache_usage {
    int64_t bytes;
    int64_t files;
};
struct local_cache_usage local_cache_usage(const struct local_cache *tier);

#endif
