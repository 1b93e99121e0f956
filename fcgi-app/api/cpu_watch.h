/* SPDX-License-Identifier: MIT */
/*
 * Whether a route costs far more CPU a request than it did: a look at the history,
 * which decides nothing else. The last half minute is compared with the hour
 * before it, or with what there is of that hour.
 */
#ifndef API_CPU_WATCH_H
#define API_CPU_WATCH_H

#include <stdbool.h>
#include <stdint.h>

#include "api/pool_history.h"

struct cpu_watch_options {
    int64_t recent_ns;     /* what is judged */
    int64_t base_ns;       /* what it is judged by: so long before that, at most */
    int64_t base_least_ns; /* less of it says nothing */
    double factor;         /* so many times as costly is too much */
    /* A few odd requests are no change, nor is what nobody would notice. */
    uint64_t recent_requests;
    uint64_t base_requests;
    int64_t recent_cpu_ns; /* that the route has taken in the recent window */
};

/* 30 s, 1 h, 5 min, 3 times; 100 and 500 requests, 1 % of a core. */
extern const struct cpu_watch_options cpu_watch_defaults;

struct cpu_watch_alarm {
    char route[32];
    double factor;
    int64_t before_ns; /* CPU time of a request */
    int64_t now_ns;
};

/*
 * The route that has become most costly, if one has by the factor. Those of
 * operators do not count. `now_ns`: CLOCK_MONOTONIC.
 */
bool cpu_watch_look(const struct cpu_watch_options *options, const struct pool_history *history,
                    int64_t now_ns, struct cpu_watch_alarm *alarm);

#endif
