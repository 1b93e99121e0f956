/* SPDX-License-Identifier: MIT */
/*
 * How many threads may wait for one upstream at length. One more is not refused: it
 * waits until half a second after the upstream's silence began, 100 ms at least. The
 * silence begins with the first who waits since nobody did, or since the upstream
 * answered somebody. So an upstream that is well, or stands still for a moment, has
 * nobody turned away, and one that hangs takes every thread for a moment when it begins
 * to, and only some of them after that. What answers some and hangs for others begins
 * its silence anew with each answer.
 *
 * Zeroed, and `most` filled in by hand (0: no limit); any thread.
 */
#ifndef API_CLIENTS_WAIT_BUDGET_H
#define API_CLIENTS_WAIT_BUDGET_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "lib/base/clock.h"

enum { WAIT_BUDGET_SHORT_MS = 100, WAIT_BUDGET_SILENCE_MS = 500 };

struct wait_budget {
    unsigned most;
    pthread_mutex_t lock; /* guards the rest; zeroed is unlocked */
    unsigned waiting;     /* all of them, */
    unsigned at_length;   /* and those that have a place */
    bool heard;           /* since silent_ns */
    int64_t silent_ns;    /* when the silence began */
};

/*
 * Before a wait until *deadline_ns. False: there is no place for waiting at length, and
 * *deadline_ns is no later now than is said above. The answer is for wait_budget_leave.
 */
static inline bool wait_budget_enter(struct wait_budget *budget, int64_t *deadline_ns)
{
    pthread_mutex_lock(&budget->lock);
    int64_t now_ns = clock_now_ns();
    if (budget->waiting++ == 0 || budget->heard) {
        budget->silent_ns = now_ns;
        budget->heard = false;
    }
    bool at_length = budget->most == 0 || budget->at_length < budget->most;
    if (at_length) {
        budget->at_length++;
    } else {
        int64_t shortly_ns = now_ns + WAIT_BUDGET_SHORT_MS * NS_PER_MS;
        int64_t silence_ns = budget->silent_ns + WAIT_BUDGET_SILENCE_MS * NS_PER_MS;
        *deadline_ns =
            deadline_min(*deadline_ns, shortly_ns > silence_ns ? shortly_ns : silence_ns);
    }
    pthread_mutex_unlock(&budget->lock);
    return at_length;
}

/* `heard`: the upstream has answered this one or the one that it waited for. */
static inline void wait_budget_leave(struct wait_budget *budget, bool at_length, bool heard)
{
    pthread_mutex_lock(&budget->lock);
    budget->heard |= heard;
    budget->at_length -= at_length;
    budget->waiting--;
    pthread_mutex_unlock(&budget->lock);
}

#endif
