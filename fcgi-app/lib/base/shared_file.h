/* SPDX-License-Identifier: MIT */
/*
 * Memory that the processes of a pool share: a file in their directory, mapped by
 * each of them.
 *
 * A file belongs to one layout, whose digest is in its name and at its start, so
 * that a program with another one uses another file. All of its room is taken when
 * it is made: a write to a page that a full file system lacks would be a SIGBUS.
 * Nobody may shorten a file that another may have mapped.
 *
 * Each process may hold a slot, a number that is its own as long as it holds a
 * lock on that byte of the file: the kernel takes the lock back when the process
 * ends, whichever way, so a slot is never lost and never thought alive because
 * some other process has got the same pid. Such a lock belongs to the open file,
 * and would be shared with a child that is forked.
 *
 * The directory must belong to one machine and one PID namespace. Open and
 * release from one thread, the rest from any.
 */
#ifndef LIB_BASE_SHARED_FILE_H
#define LIB_BASE_SHARED_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/digest.h"
#include "lib/base/err.h"

/* At the start of the file; the user's own follows. */
struct shared_file_header {
    char magic[8];
    char layout[MD5_HEX_LEN];
    uint64_t size;
};

struct shared_file {
    int fd;    /* -1: not shared */
    void *map; /* size bytes; NULL: not open */
    size_t size;
};

#define SHARED_FILE_NONE ((struct shared_file){.fd = -1})

struct shared_file_options {
    const char *directory;        /* made if it is missing */
    const char *name;             /* the file's is this, "-", and the layout */
    char layout[MD5_HEX_LEN + 1]; /* digest of all that decides what lies where */
    size_t size;                  /* of the file, header included */
    bool (*prepare)(void *map);   /* fill a new file, before others see it; NULL: zeros */
};

/*
 * Map the file, making it and its directory if they are missing; one that is not
 * what it should be is replaced. APP_CONFIG with the reason in why->detail: the
 * directory belongs to another user or lets others write, there is no room, or
 * `prepare` said no.
 */
enum app_err shared_file_open(struct shared_file *file, const struct shared_file_options *options,
                              struct err_buf *why) __attribute__((warn_unused_result));

/* So many zeros that nobody else sees, instead of a file. APP_NO_MEMORY. */
enum app_err shared_file_private(struct shared_file *file, size_t size)
    __attribute__((warn_unused_result));

/* Give the slot and the memory back. Safe to call twice. */
void shared_file_release(struct shared_file *file);

/*
 * Take the first free slot of `count`. APP_CONFIG with the reason in why->detail:
 * all are taken, or the file cannot be locked.
 */
enum app_err shared_file_take_slot(const struct shared_file *file, size_t count, size_t *slot,
                                   struct err_buf *why) __attribute__((warn_unused_result));

/* Whether another process than ours holds that slot now. */
bool shared_file_is_held(const struct shared_file *file, size_t slot);

#endif
