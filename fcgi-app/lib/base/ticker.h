/* SPDX-License-Identifier: MIT */
/*
 * A thread that does small chores again and again: look at a file, remove what
 * has expired. One after the other, in the order of the table, so a chore that
 * takes long keeps the others waiting; none may wait for a peer longer than a fraction of a
 * second, and not again and again.
 *
 * ticker_new after the signals are blocked, ticker_free before what the chores
 * use is taken down.
 */
#ifndef LIB_BASE_TICKER_H
#define LIB_BASE_TICKER_H

#include <stddef.h>
#include <stdint.h>

#include "lib/base/err.h"

struct ticker;

struct chore {
    void (*run)(void *context);
    void *context;
    int64_t every_ms; /* from the end of one run to the start of the next, at least */
};

/*
 * Start the thread; each chore has its first run at once. `chores` is copied.
 * APP_NO_MEMORY: also when there can be no thread.
 */
enum app_err ticker_new(const struct chore *chores, size_t count, struct ticker **ticker)
    __attribute__((warn_unused_result));

/* Waits for the chore that runs; none runs afterwards. NULLs the caller's pointer; NULL allowed. */
void ticker_free(struct ticker **ticker);

#endif
