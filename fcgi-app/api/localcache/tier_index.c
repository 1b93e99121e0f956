/* SPDX-License-Identifier: MIT */
#include "api/localcache/tier_index.h"

#include <errno.h>
#include <gnu/libc-version.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "lib/base/clock.h"
#include "lib/base/fnv1a.h"

enum { LOCK_WAIT_MS = 100, BOOT_ID_LEN = 36, LAYOUT_TEXT_MAX = 512, PAGE = 4096 };

/* --- Life ------------------------------------------------------------------------ */

static bool prepare(void *map)
{
    struct tier_memory *memory = map;
    pthread_mutexattr_t attributes;
    errno = pthread_mutexattr_init(&attributes);
    if (errno != 0)
        return false;
    (void)pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
    (void)pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
    for (size_t i = 0; i < TIER_INDEX_STRIPES && errno == 0; i++)
        errno = pthread_mutex_init(&memory->stripes[i].lock, &attributes);
    (void)pthread_mutexattr_destroy(&attributes);
    return errno == 0;
}

/* Times of before the last boot mean nothing, and a mutex is the C library's own. */
static enum app_err digest_layout(const struct tier_index_options *options, size_t sets,
                                  char layout[MD5_HEX_LEN + 1])
{
    char text[LAYOUT_TEXT_MAX];
    char owner[MD5_HEX_LEN + 1];
    char boot[BOOT_ID_LEN + 1] = "";
    FILE *file = fopen("/proc/sys/kernel/random/boot_id", "re");
    if (file) {
        if (!fgets(boot, sizeof(boot), file))
            boot[0] = '\0';
        (void)fclose(file);
    }
    enum app_err err = md5_hex(options->owner, strlen(options->owner), owner);
    if (err)
        return err;
    int len = snprintf(text, sizeof(text), "tier 1 %zu %zu %zu %s %s %s", sets,
                       sizeof(struct tier_memory), sizeof(struct tier_entry), owner,
                       gnu_get_libc_version(), boot);
    return md5_hex(text, (size_t)len, layout);
}

enum app_err tier_index_open(struct tier_index *index, const struct tier_index_options *options,
                             struct err_buf *why)
{
    *index = (struct tier_index){.shared = SHARED_FILE_NONE, .sets = 1};
    while (index->sets * TIER_INDEX_STRIPES * TIER_INDEX_WAYS < options->entries)
        index->sets *= 2;
    size_t count = index->sets * TIER_INDEX_STRIPES * TIER_INDEX_WAYS;
    struct shared_file_options file = {
        .directory = options->run_dir,
        .name = "tier",
        .size = sizeof(struct tier_memory) + count * sizeof(struct tier_entry),
        .prepare = prepare,
    };
    enum app_err err = digest_layout(options, index->sets, file.layout);
    if (!err)
        err = shared_file_open(&index->shared, &file, why);
    if (!err)
        index->memory = index->shared.map;
    return err;
}

void tier_index_close(struct tier_index *index)
{
    shared_file_release(&index->shared);
    index->memory = NULL;
}

/* --- Locks ----------------------------------------------------------------------- */

static struct tier_entry *stripe_entries(const struct tier_index *index, size_t stripe)
{
    return index->memory->entries + stripe * index->sets * TIER_INDEX_WAYS;
}

/* Nobody holds it for longer than some system calls, unless a debugger does. */
static bool lock_stripe(struct tier_stripe *stripe)
{
    int status = pthread_mutex_trylock(&stripe->lock);
    if (status == EBUSY) {
        int64_t until_ns = deadline_in_ms(LOCK_WAIT_MS);
        const struct timespec until = {until_ns / NS_PER_S, until_ns % NS_PER_S};
        status = pthread_mutex_clocklock(&stripe->lock, CLOCK_MONOTONIC, &until);
    }
    if (status == EOWNERDEAD)
        status = pthread_mutex_consistent(&stripe->lock);
    return status == 0;
}

bool tier_index_lock(struct tier_index *index, const char *name, struct tier_view *view)
{
    if (!index->memory)
        return false;
    uint64_t hash = fnv1a(FNV1A_START, name, strlen(name));
    size_t stripe = hash % TIER_INDEX_STRIPES;
    size_t set = hash / TIER_INDEX_STRIPES % index->sets;
    *view = (struct tier_view){
        .stripe = &index->memory->stripes[stripe],
        .set = stripe_entries(index, stripe) + set * TIER_INDEX_WAYS,
        .name_hash = hash,
    };
    if (!lock_stripe(view->stripe))
        return false;
    for (size_t i = 0; i < TIER_INDEX_WAYS && !view->entry; i++) {
        struct tier_entry *entry = &view->set[i];
        if (entry->used && entry->name_hash == hash && strcmp(entry->name, name) == 0)
            view->entry = entry;
    }
    return true;
}

void tier_index_unlock(struct tier_view *view)
{
    (void)pthread_mutex_unlock(&view->stripe->lock);
}

/* --- Entries --------------------------------------------------------------------- */

int64_t tier_index_room(uint64_t len)
{
    return (int64_t)((len + PAGE - 1) / PAGE * PAGE);
}

void tier_index_insert(struct tier_index *index, struct tier_view *view, struct tier_entry *entry,
                       const struct tier_entry *fields)
{
    *entry = *fields;
    entry->name_hash = view->name_hash;
    atomic_store(&entry->used, 1);
    view->entry = entry;
    atomic_fetch_add(&index->memory->bytes, tier_index_room(entry->len));
    atomic_fetch_add(&index->memory->files, 1);
}

void tier_index_drop(struct tier_index *index, struct tier_entry *entry)
{
    atomic_store(&entry->used, 0);
    atomic_fetch_sub(&index->memory->bytes, tier_index_room(entry->len));
    atomic_fetch_sub(&index->memory->files, 1);
}

/* What is stored meanwhile in a stripe that was visited is missed until the next time. */
void tier_index_visit(struct tier_index *index,
                      void (*visit)(void *context, struct tier_entry *entry), void *context)
{
    int64_t bytes = 0, files = 0;
    for (size_t i = 0; i < TIER_INDEX_STRIPES; i++) {
        struct tier_stripe *stripe = &index->memory->stripes[i];
        struct tier_entry *entries = stripe_entries(index, i);
        if (!lock_stripe(stripe))
            return;
        for (size_t at = 0; at < index->sets * TIER_INDEX_WAYS; at++) {
            if (entries[at].used)
                visit(context, &entries[at]);
            if (entries[at].used) {
                bytes += tier_index_room(entries[at].len);
                files++;
            }
        }
        (void)pthread_mutex_unlock(&stripe->lock);
    }
    atomic_store(&index->memory->bytes, bytes);
    atomic_store(&index->memory->files, files);
}
