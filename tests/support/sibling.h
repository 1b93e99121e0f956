/* SPDX-License-Identifier: MIT */
/*
 * Another process of a pool, for tests of the table that they share: a child with
 * a table of its own, which does something with it and then waits to be killed.
 */
#ifndef TESTS_SUPPORT_SIBLING_H
#define TESTS_SUPPORT_SIBLING_H

#include <sys/types.h>

#include "api/jobs/table.h"
#include "lib/base/log.h"
#include "support/temp_dir.h"

/* What tests of the table play in, for cmocka's fixtures of a test; *state points to it. */
struct sibling_fixture {
    struct temp_dir dir;
    struct table *table; /* as sibling_table opens it */
};
int sibling_set_up(void **state);
int sibling_tear_down(void **state);

/* A table as tests want one: 16 workers, and nothing logged. Must go well. */
struct table *sibling_table(const char *directory);

/*
 * Start one that opens the table and runs `work`; returns when that has returned. `ours`
 * is closed in it, or our slot would be held by it as well; NULL: none.
 */
pid_t sibling_start(const char *directory, struct table *ours, void (*work)(struct table *table));

/* kill -9, and wait until it is gone. */
void sibling_kill(pid_t sibling);

/* Wait until a thread of this process sleeps until the table changes. */
void sibling_await_waiting(const struct table *table, pid_t thread);

#endif
