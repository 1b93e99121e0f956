/* SPDX-License-Identifier: MIT */
/*
 * How many threads may wait for one upstream at length. One more is not refused:
 * it waits for WAIT_BUDGET_SHORT_MS only, which is plenty for an upstream that is
 * well, so that a burst passes and a hung upstream still cannot take every thread.
 *
 * Filled by hand with `most` (0: no limit); any thread.
 */
#ifndef API_CLIENTS_WAIT_BUDGET_H
#define API_CLIENTS_WAIT_BUDGET_H

#include <stdatomic.h>
#include <stdbool.h>

enum { WAIT_BUDGET_SHORT_MS = 100 };

struct wait_budget {
    unsigned most;
    atomic_uint taken;
};

/* True: wait as long as is due, then wait_budget_give. False: wait shortly. */
static inline bool wait_budget_take(struct wait_budget *budget)
{
    unsigned taken = atomic_load(&budget->taken);
    do {
        if (budget->most > 0 && taken >= budget->most)
            return false;
    } while (!atomic_compare_exchange_weak(&budget->taken, &taken, taken + 1));
    return true;
}

static inline void wait_budget_give(struct wait_budget *budget)
{
    atomic_fetch_sub(&budget->taken, 1);
}

#endif
