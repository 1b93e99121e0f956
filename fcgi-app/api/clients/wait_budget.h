/* SPDX-License-Identifier: MIT */
/*
 * How many threads may wait for one upstream at length. One more is not refused: it
 * waits until nothing was heard of the upstream for WAIT_BUDGET_SILENCE_MS, but for
 * WAIT_BUDGET_SHORT_MS at least. So an upstream that is well, or stands still for a
 * moment, has nobody turned away, and one that hangs takes every thread for a moment
 * once, when it begins to, and only some of them after that.
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
    atomic_uint taken;
    _Atomic int64_t silent_ns; /* since when somebody waits and nothing is heard; 0: nobody does */
};

static inline int64_t wait_budget_silent_since(struct wait_budget *budget, int64_t now_ns)
{
    int64_t since_ns = 0;
    bool begins = atomic_compare_exchange_strong(&budget->silent_ns, &since_ns, now_ns);
    return begins ? now_ns : since_ns;
}

/*
 * True: wait as long as is due, then wait_budget_give. False: wait until *deadline_ns,
 * which is brought forward if it was later.
 */
static inline bool wait_budget_take(struct wait_budget *budget, int64_t *deadline_ns)
{
    int64_t now_ns = clock_now_ns();
    int64_t silent_ns = wait_budget_silent_since(budget, now_ns);
    unsigned taken = atomic_load(&budget->taken);
    do {
        if (budget->most > 0 && taken >= budget->most) {
            int64_t shortly_ns = now_ns + WAIT_BUDGET_SHORT_MS * NS_PER_MS;
            int64_t silence_ns = silent_ns + WAIT_BUDGET_SILENCE_MS * NS_PER_MS;
            *deadline_ns =
                deadline_min(*deadline_ns, shortly_ns > silence_ns ? shortly_ns : silence_ns);
            return false;
        }
    } while (!atomic_compare_exchange_weak(&budget->taken, &taken, taken + 1));
    return true;
}

static inline void wait_budget_give(struct wait_budget *budget)
{
    atomic_fetch_sub(&budget->taken, 1);
}

/* The upstream has answered somebody. */
static inline void wait_budget_heard(struct wait_budget *budget)
{
    atomic_store(&budget->silent_ns, 0);
}

#endif
