/* SPDX-License-Identifier: MIT */
/*
 * The cache service's CPU time, read from its own /metrics (CACHE_METRICS_ADDRESS), to
 * be shown beside ours: whether a change here moved work there is the question.
 *
 * A chore of the pool's leader, never of a request. A service that does not answer in
 * CACHE_WATCH_TIMEOUT_MS is left alone for CACHE_WATCH_PAUSE_MS, so that it costs the
 * other chores next to nothing. All calls from one thread, or before and after it.
 */
#ifndef API_ADMIN_CACHE_WATCH_H
#define API_ADMIN_CACHE_WATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/log.h"
#include "lib/net/http_client.h"

enum { CACHE_WATCH_TIMEOUT_MS = 200, CACHE_WATCH_PAUSE_MS = 10000 };

struct cache_watch {
    const char *address; /* host:port; "" or NULL: nobody is asked */
    const struct log *log;

    /* Its own. */
    struct http_client *http; /* made by the first look */
    bool seen;                /* the last look found something */
    bool complained;          /* the log knows that there is nothing */
    uint64_t cpu_ns;          /* what it found */
    int64_t not_before_ns;    /* CLOCK_MONOTONIC */
};

struct cache_watch_sight {
    bool up;
    uint64_t cpu_ns; /* taken since the last look that found something; 0 at the first */
};

struct cache_watch_sight cache_watch_look(struct cache_watch *watch);

/* Also of one that was zeroed only. */
void cache_watch_release(struct cache_watch *watch);

/*
 * The CPU seconds in a text for Prometheus: process_cpu_seconds_total, whatever stands
 * before it in the name, of all processes. False: it has none.
 */
bool cache_watch_parse(const char *text, uint64_t *cpu_ns);

#endif
