/* SPDX-License-Identifier: MIT */
/*
 * Wrong admin tokens by client address, counted over all processes of the pool. An address with
 * GUESSES_MAX of them within a minute is blocked for the next minute: its tokens are not even
 * compared. Other addresses are not concerned, so nobody can lock an admin out from elsewhere.
 *
 * An IPv6 address counts by its first 64 bits, which is what a host is given as a rule; an
 * address that is missing or cannot be read counts as one more address. There is room for some
 * thousands, in shared memory of fixed size. One that is blocked keeps its room until its
 * minute is over; when all room for an address is taken by such, its guesses are not counted.
 * When RUN_DIR cannot be used each process counts for itself.
 *
 * Any thread, after guess_limit_new. Times are CLOCK_MONOTONIC.
 */
#ifndef API_AUTH_GUESS_LIMIT_H
#define API_AUTH_GUESS_LIMIT_H

#include <stdint.h>

#include "lib/base/err.h"

enum { GUESSES_MAX = 20, GUESS_WINDOW_MS = 60 * 1000 };

struct guess_limit;

/* `directory` is RUN_DIR. APP_NO_MEMORY, APP_INTERNAL. */
enum app_err guess_limit_new(const char *directory, struct guess_limit **limit)
    __attribute__((warn_unused_result));
/* NULLs the caller's pointer. NULL allowed. */
void guess_limit_free(struct guess_limit **limit);

/* For how many milliseconds the address (as text, or NULL) is still blocked; 0: it is not. */
int64_t guess_limit_blocked_ms(struct guess_limit *limit, const char *address, int64_t now_ns);

/* Count a wrong token. */
void guess_limit_wrong(struct guess_limit *limit, const char *address, int64_t now_ns);

#endif
