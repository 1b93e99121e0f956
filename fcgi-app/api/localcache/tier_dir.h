/* SPDX-License-Identifier: MIT */
/*
 * The local tier's files:
 *
 *     files/{jpeg,png,gif,webp,other}/NAME.HASH   one content each, never changed
 *     direct-SECONDS/{jpeg,png,gif,webp}/NAME     a second link to the fresh ones
 *
 * Directories are 0750 and files 0640, with the group of the directory where its
 * setgid bit says so: the web server's. A file appears complete or not at all, by
 * O_TMPFILE and linkat. Nothing here follows a symbolic link below the directory.
 *
 * Any thread. tier_dir_reopen and tier_dir_close wait for the others.
 */
#ifndef API_LOCALCACHE_TIER_DIR_H
#define API_LOCALCACHE_TIER_DIR_H

#include <dirent.h>
#include <limits.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "lib/base/err.h"
#include "lib/base/limits.h"

/* Where a type's files lie. What has no place of its own is never sent without us. */
enum tier_place { TIER_JPEG, TIER_PNG, TIER_GIF, TIER_WEBP, TIER_OTHER, TIER_PLACE__MAX };

enum { TIER_FILE_NAME_MAX = LIMIT_CACHE_ID + 1 + 16 };

struct tier_dir {
    const char *path;
    int64_t direct_seconds; /* 0: there is no direct directory */
    pthread_rwlock_t lock;  /* guards the descriptors, -1 when they are not open */
    int root;
    int files[TIER_PLACE__MAX];
    int direct[TIER_OTHER];
};

/* A file of the tier: of a name, with a content. */
struct tier_file {
    enum tier_place place;
    const char *name;
    uint64_t hash;
    uint64_t len;
};

/* Set up; nothing is open before tier_dir_reopen. `path` must outlive it. APP_NO_MEMORY. */
enum app_err tier_dir_init(struct tier_dir *dir, const char *path, int64_t direct_seconds)
    __attribute__((warn_unused_result));
void tier_dir_close(struct tier_dir *dir);

/* Whether the directories are open, and still the ones that are found by their names. */
bool tier_dir_is_intact(struct tier_dir *dir);

/*
 * Open them, made if they are missing, and remove the direct directories of another
 * max-age. APP_CONFIG, and why->detail.
 */
enum app_err tier_dir_reopen(struct tier_dir *dir, struct err_buf *why)
    __attribute__((warn_unused_result));

/* The file's absolute path. */
void tier_dir_path(const struct tier_dir *dir, const struct tier_file *file, char path[PATH_MAX]);

/* Whether the file is where the web server will look for it. */
bool tier_dir_has(struct tier_dir *dir, const struct tier_file *file);

/*
 * Write a content; it has no name yet. Returns a descriptor to be closed, or -1 and
 * errno.
 */
int tier_dir_write(struct tier_dir *dir, enum tier_place place, const struct iovec *pieces,
                   size_t count);

/* Give it its name. True also when there is that file already; else false and errno. */
bool tier_dir_link(struct tier_dir *dir, int fd, const struct tier_file *file);

/* Put the direct link, in the place of another; false: there is none now. */
bool tier_dir_link_direct(struct tier_dir *dir, const struct tier_file *file);

void tier_dir_unlink(struct tier_dir *dir, const struct tier_file *file);
void tier_dir_unlink_direct(struct tier_dir *dir, const struct tier_file *file);

/*
 * Look through all directories, for what others have left behind: `file` of each
 * name that can be one of ours, with the time of its last change; `direct` of each in
 * a direct directory, with hash and len 0. Whatever is no such regular file is removed.
 */
struct tier_dir_visitor {
    void (*file)(void *context, const struct tier_file *file, int64_t changed_ns);
    void (*direct)(void *context, const struct tier_file *file);
    void *context;
};

/* How far one has come. Zeroed: at the beginning. */
struct tier_walk {
    DIR *directory;
    size_t number;
};

/* Visit the next `count` names. False: those were the last, and the walk has ended. */
bool tier_dir_walk(struct tier_dir *dir, struct tier_walk *walk,
                   const struct tier_dir_visitor *visitor, size_t count);
/* Stop in the middle. */
void tier_walk_end(struct tier_walk *walk);

#endif
