/* SPDX-License-Identifier: MIT */
/*
 * A file that belongs to the program and was made when it was built: found beside
 * the program or where it was installed, and mapped read-only, so that all
 * processes share its pages. Any thread.
 */
#ifndef LIB_BASE_DATA_FILE_H
#define LIB_BASE_DATA_FILE_H

#include <limits.h>
#include <stddef.h>

#include "lib/base/err.h"

struct data_file {
    void *data; /* page-aligned; NULL: not open */
    size_t len;
    char path[PATH_MAX]; /* for messages */
};

/*
 * Map `path`. With `path` NULL, look for `name` beside the program and then in
 * ../share/emojify-api/ next to its directory, so that no setting is needed wherever
 * the program was installed. `what` names the file in messages: "the emoji file".
 * APP_CONFIG with the reason in why->text, also for an empty file.
 */
enum app_err data_file_open(const char *path, const char *name, const char *what,
                            struct data_file *file, struct err_buf *why)
    __attribute__((warn_unused_result));

/* Safe on a zeroed struct, and twice. */
void data_file_close(struct data_file *file);

#endif
