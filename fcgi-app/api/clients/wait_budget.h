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
 * Filled by hand with `most` (0: no limit); any thread.
 */
#ifndef API_CLIENTS_WAIT_BUDGET_H
#define API_CLIENTS_WAIT_BUDGET_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "lib/base/clock.h"

enum { WAIT_BUDGET_SHORT_MS = 100, WAIT_BUDGET_SILENCE_MS = 500 };

struct wait_budget {
    unsigned most;
    atomic_uint waiting;       /* all of them, */
    atomic_uint at_length;     /* and those that have a place */
    _Atomic int64_t silent_ns; /* when the silence began; 0: somebody was answered since */
};

static inline int64_t wait_budget_silent_since(struct wait_budget *budget, int64_t now_ns)
{
    if (atomic_fetch_add(&budget->waiting, 1) == 0) {
        atomic_store(&budget->silent_ns, now_ns);
        return now_ns;
    }
    int64_t since_ns = 0;
    bool begins = atomic_compare_exchange_strong(&budget->silent_ns, &since_ns, now_ns);
    return begins ? now_ns : since_ns;
}

/*
 * Before a wait until *deadline_ns. False: there is no place for waiting at length, and
 * *deadline_ns is no later now than is said above. The answer is for wait_budget_leave.
 */
static inline bool wait_budget_enter(struct wait_budget *budget, int64_t *deadline_ns)
{
    int64_t now_ns = clock_now_ns();
    int64_t silent_ns = wait_budget_silent_since(budget, now_ns);
    unsigned taken = atomic_load(&budget->at_length);
    do {
        if (budget->most > 0 && taken >= budget->most) {
            int64_t shortly_ns = now_ns + WAIT_BUDGET_SHORT_MS * NS_PER_MS;
            int64_t silence_ns = silent_ns + WAIT_BUDGET_SILENCE_MS * NS_PER_MS;
            *deadline_ns =
                deadline_min(*deadline_ns, shortly_ns > silence_ns ? shortly_ns : silence_ns);
            return false;
        }
    } while (!atomic_compare_exchange_weak(&budget->at_length, &taken, taken + 1));
    return true;
}

/* `heard`: the upstream has answered this one or the one that it waited for. */
static inline void wait_budget_leave(struct wait_budget *budget, bool at_length, bool heard)
{
    if (heard)
        atomic_store(&budget->silent_ns, 0);
    if (at_length)
        atomic_fetch_sub(&budget->at_length, 1);
    atomic_fetch_sub(&budget->waiting, 1);
}

#endif
