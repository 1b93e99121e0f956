/* SPDX-License-Identifier: MIT */
/*
 * Entries are in a hash table and, by their last use, in a list. The table's hash
 * has a seed of the process's own, since ids come from outside. What leaves is
 * freed after the lock was given up: a large content's memory goes back to the
 * kernel, which takes its time.
 */
#include "cache/hot_files.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/random.h>

enum { BYTES_PER_BUCKET = 4096, BUCKETS_MIN = 64, BUCKETS_MAX = 1 << 20 };

struct hot_entry {
    LIST_ENTRY(hot_entry) in_bucket; /* or, once it has left, among those to be freed */
    TAILQ_ENTRY(hot_entry) in_order;
    uint64_t hash;
    struct hot_file file;
    struct content *content;
    size_t cost;
    size_t id_len;
    char id[];
};

LIST_HEAD(hot_list, hot_entry);
TAILQ_HEAD(hot_order, hot_entry);

struct hot_files {
    size_t max_bytes;
    uint64_t seed;
    pthread_mutex_t lock; /* guards what follows */
    size_t bytes;
    struct hot_order order; /* the most recently used first */
    size_t bucket_count;    /* a power of two */
    struct hot_list buckets[];
};

static size_t buckets_for(size_t max_bytes)
{
    size_t count = BUCKETS_MIN;
    while (count < BUCKETS_MAX && count * BYTES_PER_BUCKET < max_bytes)
        count *= 2;
    return count;
}

enum app_err hot_files_new(size_t max_bytes, struct hot_files **files)
{
    size_t count = buckets_for(max_bytes);
    struct hot_files *made = calloc(1, sizeof(*made) + count * sizeof(made->buckets[0]));
    if (!made)
        return APP_NO_MEMORY;
    made->max_bytes = max_bytes;
    made->bucket_count = count;
    if (getrandom(&made->seed, sizeof(made->seed), GRND_NONBLOCK) < 0) /* early in a boot */
        made->seed = (uint64_t)clock_now_ns();
    pthread_mutex_init(&made->lock, NULL);
    TAILQ_INIT(&made->order);
    for (size_t i = 0; i < count; i++)
        LIST_INIT(&made->buckets[i]);
    *files = made;
    return APP_OK;
}

static struct hot_list *bucket_of(struct hot_files *files, uint64_t hash)
{
    return &files->buckets[hash & (files->bucket_count - 1)];
}

/* Caller holds the lock. */
static struct hot_entry *find(struct hot_files *files, uint64_t hash, const char *id, size_t id_len)
{
    struct hot_entry *entry;
    LIST_FOREACH(entry, bucket_of(files, hash), in_bucket)
    {
        if (entry->hash == hash && entry->id_len == id_len && memcmp(entry->id, id, id_len) == 0)
            return entry;
    }
    return NULL;
}

/* Move an entry to those to be freed. Caller holds the lock. */
static void take_out(struct hot_files *files, struct hot_entry *entry, struct hot_list *gone)
{
    LIST_REMOVE(entry, in_bucket);
    TAILQ_REMOVE(&files->order, entry, in_order);
    files->bytes -= entry->cost;
    LIST_INSERT_HEAD(gone, entry, in_bucket);
}

static void free_all(struct hot_list *gone)
{
    while (!LIST_EMPTY(gone)) {
        struct hot_entry *entry = LIST_FIRST(gone);
        LIST_REMOVE(entry, in_bucket);
        content_put(entry->content);
        free(entry);
    }
}

void hot_files_free(struct hot_files **files)
{
    struct hot_files *self = *files;
    *files = NULL;
    if (!self)
        return;
    struct hot_list gone = LIST_HEAD_INITIALIZER(gone);
    while (!TAILQ_EMPTY(&self->order))
        take_out(self, TAILQ_FIRST(&self->order), &gone);
    free_all(&gone);
    pthread_mutex_destroy(&self->lock);
    free(self);
}

struct content *hot_files_get(struct hot_files *files, const char *id, size_t id_len,
                              struct hot_file *file)
{
    if (!files)
        return NULL;
    struct content *content = NULL;
    uint64_t hash = xxh3_seeded(id, id_len, files->seed);
    pthread_mutex_lock(&files->lock);
    struct hot_entry *entry = find(files, hash, id, id_len);
    if (entry) {
        TAILQ_REMOVE(&files->order, entry, in_order);
        TAILQ_INSERT_HEAD(&files->order, entry, in_order);
        *file = entry->file;
        content = content_get(entry->content);
    }
    pthread_mutex_unlock(&files->lock);
    return content;
}

static bool is_same_time(const struct timespec *a, const struct timespec *b)
{
    return a->tv_sec == b->tv_sec && a->tv_nsec == b->tv_nsec;
}

bool hot_file_is(const struct hot_file *file, const struct stat *status)
{
    return file->inode == status->st_ino && file->device == status->st_dev &&
           file->size == status->st_size && is_same_time(&file->written, &status->st_mtim) &&
           is_same_time(&file->changed, &status->st_ctim);
}

static struct hot_entry *make_entry(const char *id, size_t id_len, const char *name,
                                    const struct stat *status, struct content *content)
{
    struct hot_entry *entry = calloc(1, sizeof(*entry) + id_len);
    if (!entry)
        return NULL;
    entry->file = (struct hot_file){
        .device = status->st_dev,
        .inode = status->st_ino,
        .size = status->st_size,
        .written = status->st_mtim,
        .changed = status->st_ctim,
    };
    memcpy(entry->file.name, name, MD5_HEX_LEN);
    memcpy(entry->id, id, id_len);
    entry->id_len = id_len;
    entry->content = content_get(content);
    entry->cost = sizeof(*entry) + id_len + sizeof(*content) + content->len;
    return entry;
}

static bool is_settled(const struct stat *status, int64_t now_ns)
{
    const struct timespec *changed = &status->st_ctim;
    int64_t age_ns = now_ns - (changed->tv_sec * NS_PER_S + changed->tv_nsec);
    return age_ns >= (changed->tv_nsec ? HOT_SETTLED_NS : HOT_SETTLED_COARSE_NS);
}

void hot_files_put(struct hot_files *files, const char *id, size_t id_len, const char *name,
                   const struct stat *status, int64_t now_ns, struct content *content)
{
    if (!files || !is_settled(status, now_ns) ||
        content->len > files->max_bytes / HOT_SHARE_OF_FILE)
        return;
    struct hot_entry *entry = make_entry(id, id_len, name, status, content);
    if (!entry)
        return;
    entry->hash = xxh3_seeded(id, id_len, files->seed);
    struct hot_list gone = LIST_HEAD_INITIALIZER(gone);
    pthread_mutex_lock(&files->lock);
    struct hot_entry *before = find(files, entry->hash, id, id_len);
    if (before)
        take_out(files, before, &gone);
    LIST_INSERT_HEAD(bucket_of(files, entry->hash), entry, in_bucket);
    TAILQ_INSERT_HEAD(&files->order, entry, in_order);
    files->bytes += entry->cost;
    while (files->bytes > files->max_bytes)
        take_out(files, TAILQ_LAST(&files->order, hot_order), &gone);
    pthread_mutex_unlock(&files->lock);
    free_all(&gone);
}

void hot_files_drop(struct hot_files *files, const char *id, size_t id_len)
{
    if (!files)
        return;
    struct hot_list gone = LIST_HEAD_INITIALIZER(gone);
    uint64_t hash = xxh3_seeded(id, id_len, files->seed);
    pthread_mutex_lock(&files->lock);
    struct hot_entry *entry = find(files, hash, id, id_len);
    if (entry)
        take_out(files, entry, &gone);
    pthread_mutex_unlock(&files->lock);
    free_all(&gone);
}

size_t hot_files_bytes(struct hot_files *files)
{
    if (!files)
        return 0;
    pthread_mutex_lock(&files->lock);
    size_t bytes = files->bytes;
    pthread_mutex_unlock(&files->lock);
    return bytes;
}
