/* SPDX-License-Identifier: MIT */
/*
 * The directory of a store_file: names, what is in it, and the sweep that keeps
 * it within its limits. Private to store_file*.c. Any thread.
 */
#ifndef CACHE_STORE_SWEEP_H
#define CACHE_STORE_SWEEP_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include "cache/store.h"
#include "lib/base/err.h"

struct store_directory {
    int fd;
    int64_t max_life_ms;                          /* 0: for ever */
    int64_t max_bytes;                            /* 0: no limit */
    _Atomic bool stopping;                        /* ends a sweep early */
    bool has_flock;                               /* decided at the start */
    pthread_mutex_t lock;                         /* guards `bytes`; see store_directory_lock */
    int64_t bytes;                                /* of all entries, as far as this process knows */
    _Atomic int64_t entries;                      /* that the last sweep left */
    _Atomic uint64_t removed[STORE_REMOVAL__MAX]; /* since the start */
};

struct store_sweep_result {
    size_t entries; /* that are left */
    size_t removed;
};

/* The prefix of names under which an entry is written aside. */
#define STORE_ASIDE_PREFIX ".put-"

/*
 * Held, by one thread of all processes, while a name is given to another file or
 * taken away, so that nothing new is removed in the place of something old, and
 * nothing is put over what was just taken down.
 */
void store_directory_lock(struct store_directory *directory);
void store_directory_unlock(struct store_directory *directory);

/* Whether a file of this status marks an entry as taken down. */
bool store_is_mark(const struct stat *status);

/* The time that files are stamped with, in nanoseconds since the epoch. */
int64_t store_now_ns(void);

/* An entry's age is counted from this, in nanoseconds since the epoch. */
int64_t store_stamp_written(const struct stat *status);
/* And its last use is this. */
int64_t store_stamp_used(const struct stat *status);

/* Whether an entry of this status is past its life; a mark never is. */
bool store_is_expired(const struct store_directory *directory, const struct stat *status);

/*
 * Remove `name` if its stamp is not after `latest_ns`, that is, unless somebody
 * has replaced or used it since it was looked at; a mark is never removed.
 * Returns its bytes, -1 when it stays; what goes is counted under `reason`.
 */
int64_t store_remove(struct store_directory *directory, const char *name, enum store_removal reason,
                     int64_t latest_ns);

/*
 * Go through the directory once, see store_file.h. APP_INTERNAL with
 * why->detail when it cannot be read; APP_NO_MEMORY.
 */
enum app_err store_sweep(struct store_directory *directory, struct store_sweep_result *result,
                         struct err_buf *why) __attribute__((warn_unused_result));

#endif
