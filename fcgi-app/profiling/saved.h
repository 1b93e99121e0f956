/* SPDX-License-Identifier: MIT */
/*
 * Profiles that were saved to be looked at later: gzipped profile.proto in
 * RUN_DIR/profiles (0700, the files 0600), the newest SAVED_KEPT of them. A file
 * appears under its name when it is complete. The name says when and why:
 * 20261122T102334.152Z-cpu-cache.pb.gz
 *
 * Any process of the pool, any thread.
 */
#ifndef PROFILING_SAVED_H
#define PROFILING_SAVED_H

#include <stdint.h>

#include "profiling/profile.h"

enum { SAVED_KEPT = 10, SAVED_NAME_MAX = 96 };

/* Whether a name that a client sent is of the form above, and so can be nothing but a file there.
 */
bool saved_name_is_valid(const char *name);

/*
 * Save a profile, and remove the oldest beyond SAVED_KEPT. `reason` becomes part of
 * the name; characters other than letters, digits and _ are replaced. The name goes
 * to `name`. APP_UNAVAILABLE with why->detail: the directory is not ours alone or
 * cannot be made, the disk is full; APP_NO_MEMORY, APP_TOO_LARGE.
 */
enum app_err saved_write(const char *run_dir, const char *reason, const struct profile *profile,
                         char name[SAVED_NAME_MAX], struct err_buf *why)
    __attribute__((warn_unused_result));

struct saved_profile {
    char name[SAVED_NAME_MAX];
    int64_t bytes;
};

/* The newest first; returns how many. None: the directory cannot be read. */
size_t saved_list(const char *run_dir, struct saved_profile list[SAVED_KEPT]);

/* When one whose reason begins so was saved last, in seconds of UNIX time; 0: never. */
int64_t saved_newest(const char *run_dir, const char *reason);

/* Append a file. APP_NOT_FOUND: also when the name is not valid; APP_NO_MEMORY, APP_TOO_LARGE. */
enum app_err saved_read(const char *run_dir, const char *name, struct buf *out)
    __attribute__((warn_unused_result));

/* The profile in it, of kind cpu. Errors as saved_read; APP_BAD_REQUEST: it is not one. */
enum app_err saved_profile(const char *run_dir, const char *name, struct profile **profile)
    __attribute__((warn_unused_result));

#endif
