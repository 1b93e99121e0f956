/* SPDX-License-Identifier: MIT */
/*
 * Which of a server's threads looks out for connections: one at a time. It accepts,
 * answers, and looks for the next, and while answers need no waiting it goes on doing so
 * without waking another thread or being woken. Before it waits for anything else, or
 * computes for long, it yields the lookout to the next thread (leader and followers,
 * Schmidt 2000). With all threads waiting at the socket, a third of the wake-ups of a
 * busy server found that another thread had been faster.
 *
 * A guard takes the lookout away from who neither yields nor comes back within some
 * milliseconds, so forgetting to yield delays others by that much and no more. It sleeps
 * while nothing comes.
 *
 * Life cycle: lookout_new, a struct lookout_member for each thread, in the threads lookout_join,
 * then lookout_take, lookout_begin, lookout_yield, lookout_end ..., then lookout_stop and
 * lookout_free. Any thread.
 */
#ifndef LIB_FCGI_LOOKOUT_H
#define LIB_FCGI_LOOKOUT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "lib/base/err.h"

struct lookout;

/* A thread's own part, zero at first; must outlive the lookout. */
struct lookout_member {
    _Atomic uint64_t steps; /* odd while a connection is in hand */
};

/* For one thread at a time, with a guard; else all are on the lookout always. APP_NO_MEMORY. */
enum app_err lookout_new(bool one_at_a_time, struct lookout **lookout)
    __attribute__((warn_unused_result));

/* Wait until this thread is on the lookout, not at all if it still is; false: stopped. */
bool lookout_take(struct lookout *lookout, struct lookout_member *self);

/* A connection is in hand from now on, or no more. */
void lookout_begin(struct lookout *lookout, struct lookout_member *self);
void lookout_end(struct lookout_member *self);

/* Let the next thread look out, if this one is on the lookout. */
void lookout_yield(struct lookout *lookout, const struct lookout_member *self);

/* The same for code that does not know the lookout: of the thread's own, since lookout_join. */
void lookout_join(struct lookout *lookout, const struct lookout_member *self);
void lookout_yield_mine(void);

/* Nobody waits in lookout_take any more, now or later. May be called again, by any thread. */
void lookout_stop(struct lookout *lookout);

/* With no thread left. Ends the guard. NULLs the caller's pointer; NULL allowed. */
void lookout_free(struct lookout **lookout);

#endif
