/* SPDX-License-Identifier: MIT */
/*
 * Where emojify-cache keeps its entries: the face of a store, which a kind of
 * store fills in (store_file.h, store_redis.h). The service knows no more of it than this.
 *
 * An id is 1 to LIMIT_CACHE_FOREIGN_ID bytes of UTF-8, checked by the caller.
 * Putting no bytes takes an entry down: it is not found any more, and whatever
 * is put under its id afterwards is refused, whoever puts it and however close
 * to the take-down. The mark stays until somebody removes it by hand; neither
 * the entries' life nor a limit on their size applies to it.
 *
 * Any thread may call any function at any time between the store's own _new and
 * store_free. Errors, with the reason in why->text (for a gRPC status) and
 * why->detail (for the log):
 *   APP_NOT_FOUND    there is no such entry, or it is taken down or too old
 *   APP_GONE         put, exists: the entry was taken down
 *   APP_TOO_LARGE    no room: the disk is full, or the entry is over a limit
 *   APP_NO_MEMORY
 *   APP_UNAVAILABLE  what keeps the entries is away, or does not serve for now
 *   APP_INTERNAL     the store is broken
 */
#ifndef CACHE_STORE_H
#define CACHE_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cache/content.h"
#include "lib/base/err.h"

struct store;

enum store_removal { STORE_REMOVAL_EXPIRED, STORE_REMOVAL_EVICTED, STORE_REMOVAL__MAX };

/* How a store is and what it has done so far; zero is what a kind of store does not know. */
struct store_state {
    int64_t entries;
    int64_t bytes;
    int64_t memory_bytes;                 /* of entries that are kept in memory besides */
    uint64_t memory_gets;                 /* that these have answered */
    uint64_t removed[STORE_REMOVAL__MAX]; /* entries, each for a reason */
    bool redis_away;
    uint64_t redis_connects;
};

struct store_operations {
    /* The entry's bytes, at least one, as a reference that is the caller's. */
    enum app_err (*get)(struct store *store, const char *id, size_t id_len,
                        struct content **content, struct err_buf *why);
    /*
     * Store or replace, at most LIMIT_RESULT_BYTES; a reader sees the old entry
     * or the new. No bytes: take down, which may be repeated.
     */
    enum app_err (*put)(struct store *store, const char *id, size_t id_len, const void *data,
                        size_t len, struct err_buf *why);
    /*
     * Whether get would find it; not finding it is no error here, but APP_GONE tells who
     * is about to make the entry that it would be refused.
     */
    enum app_err (*exists)(struct store *store, const char *id, size_t id_len, bool *exists,
                           struct err_buf *why);
    /* Whether the store can be read and written now. */
    enum app_err (*check)(struct store *store, struct err_buf *why);
    /* Fill in what it knows; the rest is zero already. NULL: it knows nothing. */
    void (*look)(struct store *store, struct store_state *state);
    /* Stop and free it; what it holds stays where that outlives a process. */
    void (*free)(struct store *store);
};

/* The first member of every kind of store. */
struct store {
    const struct store_operations *operations;
    /*
     * Called by an operation, in its thread, before it waits for a disk or a
     * server for the first time. NULL: nobody wants to know. Set before the
     * store is used by several threads.
     */
    void (*before_wait)(void);
};

/* For kinds of stores. */
static inline void store_before_wait(const struct store *store)
{
    if (store->before_wait)
        store->before_wait();
}

static inline enum app_err store_get(struct store *store, const char *id, size_t id_len,
                                     struct content **content, struct err_buf *why)
{
    return store->operations->get(store, id, id_len, content, why);
}

static inline enum app_err store_put(struct store *store, const char *id, size_t id_len,
                                     const void *data, size_t len, struct err_buf *why)
{
    return store->operations->put(store, id, id_len, data, len, why);
}

static inline enum app_err store_exists(struct store *store, const char *id, size_t id_len,
                                        bool *exists, struct err_buf *why)
{
    return store->operations->exists(store, id, id_len, exists, why);
}

static inline enum app_err store_check(struct store *store, struct err_buf *why)
{
    return store->operations->check(store, why);
}

static inline void store_look(struct store *store, struct store_state *state)
{
    if (store->operations->look)
        store->operations->look(store, state);
}

/* NULLs the caller's pointer. NULL allowed. */
static inline void store_free(struct store **store)
{
    if (*store)
        (*store)->operations->free(*store);
    *store = NULL;
}

#endif
