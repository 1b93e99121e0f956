/* SPDX-License-Identifier: MIT */
/*
 * A telemetry of this process alone whose history a test writes itself: minutes of
 * requests to one route, at whatever cost, in no time.
 */
#ifndef TESTS_SUPPORT_ROUTE_HISTORY_H
#define TESTS_SUPPORT_ROUTE_HISTORY_H

#include "api/pool_history.h"
#include "api/telemetry.h"

struct route_history {
    struct telemetry telemetry;
    struct pool_history *past;
    uint64_t *values; /* as they stand now */
    int64_t now_ns;
};

void route_history_init(struct route_history *history);
void route_history_release(struct route_history *history);

/* Must be there. */
const struct pool_history_route *route_history_find(const struct route_history *history,
                                                    const char *name);

/* Let so many seconds pass with `per_second` requests to the route, each of `cpu_us`. */
void route_history_pass(struct route_history *history, const char *route, int64_t seconds,
                        uint64_t per_second, uint64_t cpu_us);

#endif
