/* SPDX-License-Identifier: MIT */
/*
 * What tests of faults share: the siblings behind a lighttpd, what is done to them, and how long
 * it takes until all is well again. Any thread; a test fails in it where it says "must".
 */
#ifndef TESTS_SUPPORT_UPHEAVAL_H
#define TESTS_SUPPORT_UPHEAVAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "support/checked_load.h"
#include "support/scene.h"

enum {
    UPHEAVAL_TIMES_MAX = 512,
    UPHEAVAL_SKIP = 77 /* the exit status that tests/run.sh takes for "cannot be run here" */
};

/* Only behind lighttpd, whose children the siblings are; says so when it is another one. */
bool upheaval_can_run(void);

/* The children of the web server, oldest first. Returns how many. */
size_t upheaval_siblings(pid_t web, pid_t *pids, size_t max);

/*
 * Wait until so many processes count themselves to the pool (emojify_pool_processes) and none of
 * them is `gone` (0: any may be). Answers other than 200 meanwhile are no failure. Returns the
 * milliseconds; the test fails after `limit_ms`.
 */
int64_t upheaval_await_pool(const struct scene *scene, size_t count, pid_t gone, int limit_ms);

/* Recovery times of one kind of fault, in milliseconds. */
struct upheaval_times {
    const char *name;
    int64_t ms[UPHEAVAL_TIMES_MAX];
    size_t count;
};

void upheaval_add(struct upheaval_times *times, int64_t ms);
/* "recovery: NAME: n=3 min=120 median=130 max=200 ms" on standard output. */
void upheaval_print(struct upheaval_times *times);

/* A stretch of time in which requests may fail. */
struct upheaval_window {
    int64_t begin_ns, end_ns;
};

/* The first failure that was not under way within any of them; NULL: all were. */
const struct checked_failure *upheaval_outside(const struct checked_load_result *result,
                                               const struct upheaval_window *windows, size_t count);

/* Must have no wrong answer, and a right one at all; prints how many there were of each. */
void upheaval_assert_right(const struct checked_load_result *result);

/* The number of seconds that a test goes on for: SOAK_FAULT_SECONDS if it is set, as make soak
 * does. */
int upheaval_seconds(int usual);

#endif
