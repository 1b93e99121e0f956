/* SPDX-License-Identifier: MIT */
/*
 * A directory of a test's own, and files in it. Each function fails the test
 * when the system does not do what it is asked.
 */
#ifndef SUPPORT_TEMP_DIR_H
#define SUPPORT_TEMP_DIR_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>

struct temp_dir {
    char path[64];
};

void temp_dir_init(struct temp_dir *dir);
/* Remove it and all files in it and in its directories. */
void temp_dir_release(struct temp_dir *dir);

/* dir/name in `out`. */
void temp_dir_path(const struct temp_dir *dir, const char *name, char out[PATH_MAX]);

/* Write a file, then set its atime and mtime to so many seconds ago. */
void temp_dir_write(const struct temp_dir *dir, const char *name, const void *data, size_t len);
void temp_dir_set_times(const struct temp_dir *dir, const char *name, long read_ago,
                        long written_ago);

bool temp_dir_has(const struct temp_dir *dir, const char *name);
/* How many names there are, but for . and .. */
size_t temp_dir_count(const struct temp_dir *dir);

#endif
