/* SPDX-License-Identifier: MIT */
/*
 * The profile that nobody asked for: when a route's CPU time a request has tripled
 * (api/cpu_watch.h), a CPU profile of the whole pool is saved (pprof_keep)
 * and named in the log, at most one in ten minutes.
 *
 * The profile is taken in a thread of its own, since a chore may not wait for it.
 * Start and stop from one thread, the chore from the chores' thread in between.
 */
#ifndef API_AUTO_PROFILE_H
#define API_AUTO_PROFILE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "api/cpu_watch.h"
#include "lib/base/log.h"
#include "profiling/pprof.h"

struct auto_profile {
    struct pprof *profiling; /* NULL: off */
    const struct pool_history *history;
    const struct log *log;
    struct cpu_watch_options watch;

    /* Its own. */
    struct cpu_watch_alarm alarm; /* the thread's, while it runs */
    pthread_t thread;
    bool started;     /* there is a thread to be joined */
    atomic_bool busy; /* it takes a profile */
    atomic_bool stopping;
    int64_t not_before_ns; /* CLOCK_MONOTONIC */
};

/* Have a look, for the pool's leader. `now_ns`: CLOCK_MONOTONIC. */
void auto_profile_look(struct auto_profile *auto_profile, int64_t now_ns);

/*
 * Wait for the thread, which gives up what it is doing; no other begins
 * (pprof_close). Before anything that the thread uses goes away.
 */
void auto_profile_stop(struct auto_profile *auto_profile);

#endif
