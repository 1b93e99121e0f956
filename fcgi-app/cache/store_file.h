/* SPDX-License-Identifier: MIT */
/*
 * The store in a directory: one file an entry, flat, its name the MD5 of the id
 * in 32 lower-case hex digits, its content the entry's bytes and nothing else,
 * its age the file's mtime, its last use the later of atime and mtime. Files
 * that others put there under such a name are served, and several processes may
 * share a directory.
 *
 * A file appears under its name only when it is whole (written aside, then
 * renamed), so a crash of the process leaves none in half. It is not synced to
 * the disk: after a power cut the entries of the last seconds may be gone,
 * empty (which is not found) or, on a file system that does not order data
 * before names, short. For a cache that is the better side of the bargain.
 *
 * What was taken down is an empty file that nobody may write (mode 0440), so
 * that it is no accident of a power cut or of another program; it is synced.
 * Processes that share the directory do not overtake each other's take-downs as
 * long as the file system has flock(2) for directories, which a store without it
 * says at its start. chmod or rm lifts a take-down.
 *
 * A thread of its own sweeps the directory every few minutes, and as soon as it
 * holds more than max_bytes: entries that are too old go, then the least
 * recently used until 90 % of max_bytes are left, then what crashed processes
 * left aside more than an hour ago. While a sweep runs (well under a second for
 * 100,000 files) puts go on, so max_bytes may be exceeded by what comes in
 * meanwhile. There is no index in memory to go wrong, and use survives a
 * restart; it is stamped every ten seconds at most.
 *
 * Files that are asked for often are kept in memory (hot_files.h). Each Get looks
 * at the directory all the same, so whatever happens there is seen at once.
 */
#ifndef CACHE_STORE_FILE_H
#define CACHE_STORE_FILE_H

#include <stdint.h>

#include "cache/store.h"
#include "lib/base/log.h"

struct store_file_options {
    const char *directory; /* made if it is missing */
    int64_t max_life_ms;   /* 0: for ever */
    int64_t max_bytes;     /* of all files together; 0: no limit */
    int64_t memory_bytes;  /* for files that are kept in memory besides; 0: none is */
    const struct log *log; /* must outlive the store */
};

/*
 * Open the directory, sweep it once, start the thread. APP_CONFIG with the
 * reason in why->text when the directory cannot be made, read or written;
 * APP_INTERNAL, APP_NO_MEMORY.
 */
enum app_err store_file_new(const struct store_file_options *options, struct store **store,
                            struct err_buf *why) __attribute__((warn_unused_result));

#endif
