/* SPDX-License-Identifier: MIT */
/*
 * How many profiles clients may have taken at a time in the whole pool: PLACE_MAX. A place
 * is a lock on a few bytes of a file in RUN_DIR, which the kernel takes back when its
 * process ends, whichever way. A process that is stopped keeps the lock, but its place
 * counts no longer once its deadline has passed by PLACE_OVERDUE_MS.
 *
 * Nobody waits. Without RUN_DIR there is always a place. Any thread.
 */
#ifndef PROFILING_PLACE_H
#define PROFILING_PLACE_H

#include "profiling/pool.h"

enum { PLACE_MAX = 4, PLACE_OVERDUE_MS = 5000 };

/* {.fd = -1}: none, or one that needs no lock. */
struct place {
    int fd;
    int64_t offset;
};

/*
 * Take a place until `deadline_ns` (CLOCK_MONOTONIC) at most. APP_BUSY with the client's
 * text: there is none. To be given back by place_leave.
 */
enum app_err place_take(struct pool *pool, int64_t deadline_ns, struct place *place,
                        struct err_buf *why) __attribute__((warn_unused_result));

/* Safe to call twice, and on none. */
void place_leave(struct place *place);

#endif
