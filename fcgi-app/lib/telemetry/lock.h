/* SPDX-License-Identifier: MIT */
/*
 * A mutex whose waits a profiler learns of (lib/telemetry/wait.h), for locks that
 * requests may have to wait for. One that is free costs what pthread_mutex_lock
 * does; only a wait is timed.
 *
 * Not for the locks that a profiler itself takes while it is told.
 */
#ifndef LIB_TELEMETRY_LOCK_H
#define LIB_TELEMETRY_LOCK_H

#include <pthread.h>

#include "lib/telemetry/wait.h"

static inline void lock_mutex(pthread_mutex_t *mutex)
{
    if (pthread_mutex_trylock(mutex) == 0)
        return;
    struct wait wait = wait_begin(WAIT_LOCK);
    pthread_mutex_lock(mutex);
    wait_end(&wait);
}

#endif
