/* SPDX-License-Identifier: MIT */
/*
 * A sweep reads the directory once. What it must remember for each entry is its
 * last use, its size and its name in binary: 32 bytes, so 3 MB for 100,000.
 */
#include "cache/store_sweep.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/digest.h"
#include "lib/base/hex.h"

enum {
    NAME_BYTES = MD5_HEX_LEN / 2,
    CANDIDATES_MAX = 1 << 20, /* more entries than this are left to the next sweep */
    CANDIDATES_FIRST = 1024,
    KEEP_PERCENT = 90,
    ASIDE_MAX_AGE_S = 3600, /* no put takes that long */
};

struct candidate {
    int64_t used_ns;
    int64_t size;
    unsigned char name[NAME_BYTES];
};

struct candidates {
    struct candidate *items;
    size_t count;
    size_t capacity;
};

/* What one pass over the directory finds. */
struct scan {
    struct store_directory *directory;
    struct candidates candidates; /* only when there is a limit to keep */
    int64_t bytes;                /* of the entries that stay */
    int64_t expired_bytes;
    struct store_sweep_result result;
};

void store_directory_lock(struct store_directory *directory)
{
    pthread_mutex_lock(&directory->lock);
    while (directory->has_flock && flock(directory->fd, LOCK_EX) != 0 && errno == EINTR)
        ;
}

void store_directory_unlock(struct store_directory *directory)
{
    if (directory->has_flock)
        (void)flock(directory->fd, LOCK_UN);
    pthread_mutex_unlock(&directory->lock);
}

/*
 * Empty alone is not enough: an entry whose bytes a power cut has swallowed is
 * empty as well, and must not be refused for ever.
 */
bool store_is_mark(const struct stat *status)
{
    const mode_t writable = S_IWUSR | S_IWGRP | S_IWOTH;
    return S_ISREG(status->st_mode) && status->st_size == 0 && !(status->st_mode & writable);
}

int64_t store_now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME_COARSE, &now);
    return now.tv_sec * NS_PER_S + now.tv_nsec;
}

int64_t store_stamp_written(const struct stat *status)
{
    return status->st_mtim.tv_sec * NS_PER_S + status->st_mtim.tv_nsec;
}

int64_t store_stamp_used(const struct stat *status)
{
    int64_t read_ns = status->st_atim.tv_sec * NS_PER_S + status->st_atim.tv_nsec;
    int64_t written_ns = store_stamp_written(status);
    return read_ns > written_ns ? read_ns : written_ns;
}

/* What was written at this time or before is past its life. */
static int64_t oldest_ns(const struct store_directory *directory)
{
    return store_now_ns() - directory->max_life_ms * NS_PER_MS;
}

bool store_is_expired(const struct store_directory *directory, const struct stat *status)
{
    return directory->max_life_ms > 0 && store_stamp_written(status) <= oldest_ns(directory) &&
           !store_is_mark(status);
}

/* What is too old goes by when it was written, what is too much by when it was used. */
int64_t store_remove(struct store_directory *directory, const char *name, enum store_removal reason,
                     int64_t latest_ns)
{
    int64_t (*stamp)(const struct stat *) =
        reason == STORE_REMOVAL_EXPIRED ? store_stamp_written : store_stamp_used;
    struct stat status;
    int64_t removed = -1;
    store_directory_lock(directory);
    if (fstatat(directory->fd, name, &status, AT_SYMLINK_NOFOLLOW) == 0 &&
        stamp(&status) <= latest_ns && !store_is_mark(&status) &&
        unlinkat(directory->fd, name, 0) == 0) {
        removed = status.st_size;
        directory->bytes -= removed;
    }
    store_directory_unlock(directory);
    if (removed >= 0)
        atomic_fetch_add(&directory->removed[reason], 1);
    return removed;
}

/* The binary form of an entry's name; false when it is not one. */
static bool decode_name(const char *text, unsigned char name[NAME_BYTES])
{
    if (strlen(text) != MD5_HEX_LEN || strspn(text, "0123456789abcdef") != MD5_HEX_LEN)
        return false;
    for (size_t i = 0; i < NAME_BYTES; i++)
        name[i] = (unsigned char)hex_byte(text + 2 * i);
    return true;
}

static enum app_err add_candidate(struct candidates *candidates, const struct stat *status,
                                  const unsigned char name[NAME_BYTES])
{
    if (candidates->count == CANDIDATES_MAX)
        return APP_OK;
    if (candidates->count == candidates->capacity) {
        size_t capacity = candidates->capacity ? 2 * candidates->capacity : CANDIDATES_FIRST;
        struct candidate *items = reallocarray(candidates->items, capacity, sizeof(*items));
        if (!items)
            return APP_NO_MEMORY;
        candidates->items = items;
        candidates->capacity = capacity;
    }
    struct candidate *candidate = &candidates->items[candidates->count++];
    candidate->used_ns = store_stamp_used(status);
    candidate->size = status->st_size;
    memcpy(candidate->name, name, NAME_BYTES);
    return APP_OK;
}

/* A file that a process left aside when it crashed. A live put's is minutes old at most. */
static void look_at_aside(const struct store_directory *directory, const char *name)
{
    struct stat status;
    if (fstatat(directory->fd, name, &status, AT_SYMLINK_NOFOLLOW) == 0 &&
        S_ISREG(status.st_mode) &&
        store_stamp_written(&status) < store_now_ns() - ASIDE_MAX_AGE_S * NS_PER_S)
        (void)unlinkat(directory->fd, name, 0);
}

/* Remove an entry that is too old, count one that stays. */
static enum app_err look_at_entry(struct scan *scan, const char *text,
                                  const unsigned char name[NAME_BYTES])
{
    struct store_directory *directory = scan->directory;
    struct stat status;
    if (fstatat(directory->fd, text, &status, AT_SYMLINK_NOFOLLOW) != 0 || !S_ISREG(status.st_mode))
        return APP_OK;
    if (store_is_expired(directory, &status)) {
        int64_t removed =
            store_remove(directory, text, STORE_REMOVAL_EXPIRED, oldest_ns(directory));
        if (removed >= 0) {
            scan->expired_bytes += removed;
            scan->result.removed++;
            return APP_OK;
        }
    }
    scan->bytes += status.st_size;
    scan->result.entries++;
    if (directory->max_bytes == 0 || store_is_mark(&status))
        return APP_OK;
    return add_candidate(&scan->candidates, &status, name);
}

static enum app_err scan_directory(struct scan *scan, struct err_buf *why)
{
    int fd = openat(scan->directory->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *stream = fd < 0 ? NULL : fdopendir(fd);
    if (!stream) {
        err_detail(why, "opendir: %s", strerror(errno));
        if (fd >= 0)
            close(fd);
        return APP_INTERNAL;
    }
    enum app_err err = APP_OK;
    while (!err && !atomic_load(&scan->directory->stopping)) {
        errno = 0;
        const struct dirent *entry = readdir(stream);
        unsigned char name[NAME_BYTES];
        if (!entry) {
            if (errno) {
                err_detail(why, "readdir: %s", strerror(errno));
                err = APP_INTERNAL;
            }
            break;
        }
        if (decode_name(entry->d_name, name))
            err = look_at_entry(scan, entry->d_name, name);
        else if (strncmp(entry->d_name, STORE_ASIDE_PREFIX, strlen(STORE_ASIDE_PREFIX)) == 0)
            look_at_aside(scan->directory, entry->d_name);
    }
    closedir(stream);
    return err;
}

static int compare_use(const void *left, const void *right)
{
    const struct candidate *a = left;
    const struct candidate *b = right;
    return (a->used_ns > b->used_ns) - (a->used_ns < b->used_ns);
}

static int64_t bytes_now(struct store_directory *directory)
{
    pthread_mutex_lock(&directory->lock);
    int64_t bytes = directory->bytes;
    pthread_mutex_unlock(&directory->lock);
    return bytes;
}

/* Remove the least recently used; the very last stays, or one large entry would never last. */
static void evict(struct scan *scan)
{
    struct store_directory *directory = scan->directory;
    struct candidates *candidates = &scan->candidates;
    if (candidates->count == 0 || bytes_now(directory) <= directory->max_bytes)
        return;
    const int64_t keep = directory->max_bytes * KEEP_PERCENT / 100;
    qsort(candidates->items, candidates->count, sizeof(*candidates->items), compare_use);
    for (size_t i = 0; i + 1 < candidates->count && bytes_now(directory) > keep; i++) {
        if (atomic_load(&directory->stopping))
            return;
        char text[MD5_HEX_LEN + 1];
        hex_write(candidates->items[i].name, NAME_BYTES, text);
        if (store_remove(directory, text, STORE_REMOVAL_EVICTED, candidates->items[i].used_ns) >=
            0) {
            scan->result.removed++;
            scan->result.entries--;
        }
    }
}

enum app_err store_sweep(struct store_directory *directory, struct store_sweep_result *result,
                         struct err_buf *why)
{
    struct scan scan = {.directory = directory};
    const int64_t before = bytes_now(directory);
    enum app_err err = scan_directory(&scan, why);
    if (err)
        goto out;

    /* What was put meanwhile may be counted twice or not at all until the next sweep. */
    pthread_mutex_lock(&directory->lock);
    directory->bytes = scan.bytes + (directory->bytes - before + scan.expired_bytes);
    pthread_mutex_unlock(&directory->lock);
    evict(&scan);
    atomic_store(&directory->entries, (int64_t)scan.result.entries);
    *result = scan.result;
out:
    free(scan.candidates.items);
    return err;
}
