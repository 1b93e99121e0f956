/* SPDX-License-Identifier: MIT */
/*
 * The files that are asked for most, in memory besides the directory, so that a
 * store_file need not open, read and close them for every Get. Private to it.
 *
 * The directory stays the truth: other processes and people change it. So a
 * caller looks, by one fstatat each time, whether the name still has the file that
 * the content was read from, unchanged (hot_file_is). Inode, size, mtime and ctime
 * tell, of which nobody can set the last; but it is no finer than the clock and the
 * file system, and what was changed a moment ago could be changed again without
 * another ctime. So a file is kept only once its ctime is HOT_SETTLED_NS old, or
 * HOT_SETTLED_COARSE_NS where stamps seem to be whole seconds.
 *
 * No more than max_bytes are kept, with what an entry takes besides its content;
 * the least recently asked for go first. A file of more than a HOT_SHARE_OF_FILE-th
 * of it is not kept, as it would drive out many. A content that is being sent
 * when it goes lives until that has ended, uncounted here.
 *
 * Any thread; a lock is held for a look-up and never for a copy. NULL in place
 * of a struct hot_files keeps nothing.
 */
#ifndef CACHE_HOT_FILES_H
#define CACHE_HOT_FILES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include "cache/content.h"
#include "lib/base/clock.h"
#include "lib/base/digest.h"

#define HOT_SETTLED_NS        (100 * NS_PER_MS)
#define HOT_SETTLED_COARSE_NS (2 * NS_PER_S)
enum { HOT_SHARE_OF_FILE = 16 };

/* Which file a content was read from. */
struct hot_file {
    char name[MD5_HEX_LEN + 1];
    dev_t device;
    ino_t inode;
    off_t size;
    struct timespec written; /* mtime */
    struct timespec changed; /* ctime */
};

struct hot_files;

/* APP_NO_MEMORY. */
enum app_err hot_files_new(size_t max_bytes, struct hot_files **files)
    __attribute__((warn_unused_result));

/* NULLs the pointer. NULL allowed. */
void hot_files_free(struct hot_files **files);

/*
 * The content that is kept for an id, as a reference that is the caller's, and
 * which file it was read from. NULL: none is.
 */
struct content *hot_files_get(struct hot_files *files, const char *id, size_t id_len,
                              struct hot_file *file);

/* Whether a file of this status is `file`, unchanged. */
bool hot_file_is(const struct hot_file *file, const struct stat *status);

/*
 * Keep `content`, unless the rules above forbid it. It was read from the file
 * `name`, which before that had `status`, and that was after `now_ns` by the clock
 * that files are stamped with (CLOCK_REALTIME_COARSE).
 */
void hot_files_put(struct hot_files *files, const char *id, size_t id_len, const char *name,
                   const struct stat *status, int64_t now_ns, struct content *content);

/* Keep nothing for an id. */
void hot_files_drop(struct hot_files *files, const char *id, size_t id_len);

/* How many bytes are kept now. */
size_t hot_files_bytes(struct hot_files *files);

#endif
