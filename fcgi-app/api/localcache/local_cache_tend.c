/* SPDX-License-Identifier: MIT */
/* The tier's life, and what must be done now and then. */
#include "api/localcache/local_cache_private.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lib/base/clock.h"

enum {
    BYTES_AN_ENTRY = 8192, /* fewer bytes a file than that, and entries run out first */
    ENTRIES_LEAST = 4096,
    ENTRIES_MOST = 1 << 18,
    SWEEP_EVERY_MS = 1000, /* from the end of one to the beginning of the next */
    SWEEP_NAMES = 500      /* looked at in one run, so that expiry does not have to wait */
};

/* --- Life ------------------------------------------------------------------------ */

static enum app_err open_index(struct local_cache *tier, struct err_buf *why)
{
    char owner[PATH_MAX + 64];
    int64_t entries = tier->max_bytes / BYTES_AN_ENTRY;
    if (entries < ENTRIES_LEAST)
        entries = ENTRIES_LEAST;
    if (entries > ENTRIES_MOST)
        entries = ENTRIES_MOST;
    (void)snprintf(owner, sizeof(owner), "%" PRId64 " %s", tier->dir.direct_seconds, tier->path);
    const struct tier_index_options options = {
        .run_dir = tier->run_dir, .owner = owner, .entries = (size_t)entries};
    struct tier_index opened;
    enum app_err err = tier_index_open(&opened, &options, why);
    if (err)
        return err;
    (void)pthread_rwlock_wrlock(&tier->opening);
    tier->index = opened;
    (void)pthread_rwlock_unlock(&tier->opening);
    return APP_OK;
}

/* What is not usable yet. */
static bool open_missing(struct local_cache *tier)
{
    struct err_buf why = {.text = ""};
    enum app_err err = APP_OK;
    if (!tier->index.memory)
        err = open_index(tier, &why);
    if (!err && !tier_dir_is_intact(&tier->dir))
        err = tier_dir_reopen(&tier->dir, &why);
    if (err)
        tier_complain(tier, why.detail);
    return !err;
}

enum app_err local_cache_new(const struct local_cache_options *options, struct local_cache **out)
{
    struct local_cache *tier = calloc(1, sizeof(*tier));
    if (!tier)
        return APP_NO_MEMORY;
    size_t len = strlen(options->directory);
    while (len > 1 && options->directory[len - 1] == '/')
        len--;
    tier->path = strndup(options->directory, len);
    tier->run_dir = strdup(options->run_dir);
    bool direct = options->direct && options->ttl_ms >= DIRECT_TTL_LEAST_MS;
    tier->ttl_ns = options->ttl_ms * NS_PER_MS;
    tier->direct_ns = direct ? (options->ttl_ms - DIRECT_EARLY_MS) * NS_PER_MS : 0;
    tier->max_bytes = options->max_bytes;
    tier->grace_ns = options->grace_ms * NS_PER_MS;
    tier->log = *options->log;
    if (!tier->path || !tier->run_dir ||
        tier_dir_init(&tier->dir, tier->path, direct ? options->ttl_ms / 1000 : 0) ||
        pthread_rwlock_init(&tier->opening, NULL) != 0) {
        free(tier->path);
        free(tier->run_dir);
        free(tier);
        return APP_NO_MEMORY;
    }
    tier->index.shared = SHARED_FILE_NONE;
    (void)open_missing(tier);
    *out = tier;
    return APP_OK;
}

static void drop_direct(void *context, struct tier_entry *entry)
{
    struct local_cache *tier = context;
    const struct tier_file file = tier_file_of(entry);
    if (entry->direct)
        tier_dir_unlink_direct(&tier->dir, &file);
    entry->direct = false;
}

/* When nobody is left to take them away, nothing may stay where the web server looks itself. */
void local_cache_free(struct local_cache **out)
{
    struct local_cache *tier = *out;
    *out = NULL;
    if (!tier)
        return;
    if (tier->leads)
        tier_index_visit(&tier->index, drop_direct, tier);
    tier_walk_end(&tier->sweep);
    tier_dir_close(&tier->dir);
    tier_index_close(&tier->index);
    (void)pthread_rwlock_destroy(&tier->opening);
    free(tier->path);
    free(tier->run_dir);
    free(tier);
}

/* --- Expiry and eviction --------------------------------------------------------- */

struct candidate {
    int64_t used_ns;
    int64_t room;
    char name[LIMIT_CACHE_ID + 1];
};

struct tending {
    struct local_cache *tier;
    int64_t now_ns;
    struct candidate *candidates; /* NULL: none are looked for */
    size_t count, capacity;
};

static void tend_entry(void *context, struct tier_entry *entry)
{
    struct tending *tending = context;
    if (entry->direct && tending->now_ns - entry->confirmed_ns >= tending->tier->direct_ns) {
        const struct tier_file file = tier_file_of(entry);
        tier_dir_unlink_direct(&tending->tier->dir, &file);
        entry->direct = false;
    }
    if (tending->count >= tending->capacity ||
        tending->now_ns - entry->handed_out_ns < tending->tier->grace_ns)
        return;
    struct candidate *candidate = &tending->candidates[tending->count++];
    candidate->used_ns = entry->handed_out_ns;
    candidate->room = tier_index_room(entry->len);
    memcpy(candidate->name, entry->name, sizeof(candidate->name));
}

static int by_use(const void *a, const void *b)
{
    const struct candidate *x = a, *y = b;
    return (x->used_ns > y->used_ns) - (x->used_ns < y->used_ns);
}

/* Unless it was used since. */
static bool evict(struct local_cache *tier, const struct candidate *candidate)
{
    struct tier_view view;
    bool evicted = false;
    if (!tier_index_lock(&tier->index, candidate->name, &view))
        return false;
    if (view.entry && view.entry->handed_out_ns == candidate->used_ns) {
        tier_forget(tier, view.entry);
        evicted = true;
    }
    tier_index_unlock(&view);
    return evicted;
}

/* How many bytes there may be; -1: all that there are. */
static int64_t bytes_to_reach(struct local_cache *tier)
{
    struct tier_memory *memory = tier->index.memory;
    int64_t bytes = atomic_load(&memory->bytes);
    int64_t wanted = atomic_exchange(&memory->wanted, 0);
    int64_t most = tier->max_bytes / 8 * 7;
    if (wanted > 0 && tier->max_bytes - wanted < most)
        most = tier->max_bytes - wanted;
    if (atomic_exchange(&memory->full, 0) && bytes / 8 * 7 < most)
        most = bytes / 8 * 7;
    else if (wanted == 0 && bytes <= tier->max_bytes / 16 * 15)
        return -1;
    return bytes > most ? most : -1;
}

static void tend_index(struct local_cache *tier)
{
    struct tier_memory *memory = tier->index.memory;
    int64_t reach = bytes_to_reach(tier);
    struct tending tending = {
        .tier = tier,
        .now_ns = clock_now_ns(),
    };
    if (reach >= 0) {
        tending.capacity = (size_t)atomic_load(&memory->files);
        tending.candidates = calloc(tending.capacity + 1, sizeof(*tending.candidates));
        if (!tending.candidates)
            tending.capacity = 0;
    }
    tier_index_visit(&tier->index, tend_entry, &tending);
    if (tending.count > 0)
        qsort(tending.candidates, tending.count, sizeof(*tending.candidates), by_use);
    for (size_t i = 0; i < tending.count && atomic_load(&memory->bytes) > reach; i++)
        (void)evict(tier, &tending.candidates[i]);
    free(tending.candidates);
}

/* --- Sweeping -------------------------------------------------------------------- */

struct sweep {
    struct local_cache *tier;
    int64_t now_ns; /* CLOCK_REALTIME, as a file's times */
};

/* Of a process that died, or content that was replaced; it may be about to get its entry. */
static void sweep_file(void *context, const struct tier_file *file, int64_t changed_ns)
{
    struct sweep *sweep = context;
    struct tier_view view;
    int64_t age_ns = sweep->now_ns - changed_ns;
    if (age_ns >= 0 && age_ns < sweep->tier->grace_ns)
        return;
    if (!tier_index_lock(&sweep->tier->index, file->name, &view))
        return;
    const struct tier_file known =
        view.entry ? tier_file_of(view.entry) : (struct tier_file){.name = ""};
    if (!view.entry || known.place != file->place || known.hash != file->hash)
        tier_dir_unlink(&sweep->tier->dir, file);
    tier_index_unlock(&view);
}

static void sweep_direct(void *context, const struct tier_file *file)
{
    struct sweep *sweep = context;
    struct tier_view view;
    if (!tier_index_lock(&sweep->tier->index, file->name, &view))
        return;
    if (!view.entry || !view.entry->direct || tier_file_of(view.entry).place != file->place)
        tier_dir_unlink_direct(&sweep->tier->dir, file);
    tier_index_unlock(&view);
}

static void sweep_some(struct local_cache *tier)
{
    struct timespec now;
    int64_t now_ns = clock_now_ns();
    if (now_ns < tier->next_sweep_ns)
        return;
    clock_gettime(CLOCK_REALTIME, &now);
    struct sweep sweep = {tier, now.tv_sec * NS_PER_S + now.tv_nsec};
    const struct tier_dir_visitor visitor = {sweep_file, sweep_direct, &sweep};
    if (!tier_dir_walk(&tier->dir, &tier->sweep, &visitor, SWEEP_NAMES))
        tier->next_sweep_ns = now_ns + SWEEP_EVERY_MS * NS_PER_MS;
}

void local_cache_tend(struct local_cache *tier, bool for_pool)
{
    if (!tier || !open_missing(tier))
        return;
    tier->leads = for_pool;
    if (!for_pool)
        return;
    tend_index(tier);
    sweep_some(tier);
}
