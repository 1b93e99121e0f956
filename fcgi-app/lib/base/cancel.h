/* SPDX-License-Identifier: MIT */
/*
 * A question that long work asks now and then: is its result still wanted?
 * Zeroed: always. The answer, once yes, must stay yes, and be cheap to get: it
 * is asked between steps and while waiting, by the thread that does the work.
 */
#ifndef LIB_BASE_CANCEL_H
#define LIB_BASE_CANCEL_H

#include <stdbool.h>

enum { CANCEL_POLL_MS = 250 }; /* how often a wait asks */

struct cancel {
    bool (*asked)(void *context);
    void *context;
};

static inline bool cancel_asked(const struct cancel *cancel)
{
    return cancel->asked && cancel->asked(cancel->context);
}

#endif
