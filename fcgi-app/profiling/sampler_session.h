/* SPDX-License-Identifier: MIT */
/*
 * The profiling timer of this process, by gperftools: with sampler_prepare.c
 * the only place that knows the library. It gives the SIGPROF handler, which
 * lets one thread at a time in, and the timer; the stacks go through a filter
 * function, not through the library's file.
 *
 * The library's own way was tried and left. It writes its file under a lock and
 * ends the process when a write fails (a full disk, RLIMIT_FSIZE: a memfd is
 * subject to it too); getting at its samples (ProfilerFlush) stops the timer,
 * falls back to the rate it read when it was loaded, and frees memory under the
 * lock that a handler may be spinning for, which hangs both when that thread
 * was in malloc. The filter (ProfilerOptions.filter_in_thread) is called in the
 * handler before any of this. Ours takes the stack, puts it into a queue with
 * the time, and tells the library to ignore it: the file is /dev/null, and
 * nothing is ever written at a sample.
 *
 * One per process. All functions by one thread at a time.
 */
#ifndef PROFILING_SAMPLER_SESSION_H
#define PROFILING_SAMPLER_SESSION_H

#include <stdint.h>

#include "lib/base/err.h"
#include "profiling/sample_queue.h"

struct sampler_session;

/* APP_NO_MEMORY; APP_UNAVAILABLE when another part of the process has SIGPROF, or no /dev/null. */
enum app_err sampler_session_new(struct sampler_session **session, struct err_buf *why)
    __attribute__((warn_unused_result));
/* Ends sampling; takes a moment when it ran. NULLs the caller's pointer. NULL allowed. */
void sampler_session_free(struct sampler_session **session);

/*
 * Take `hz` samples per second of CPU time from now on; 0: none. The library
 * is started when it is needed. APP_UNAVAILABLE: it could not be.
 */
enum app_err sampler_session_set_rate(struct sampler_session *session, int hz, struct err_buf *why)
    __attribute__((warn_unused_result));
int sampler_session_rate(const struct sampler_session *session);

/* The oldest sample that was not taken yet; false when there is none. */
bool sampler_session_take(struct sampler_session *session, struct sample *sample);
uint64_t sampler_session_dropped(const struct sampler_session *session);

/*
 * Call about once a second: stops the library, which frees its 8 MiB, when
 * the rate has been 0 for SAMPLER_SESSION_IDLE_TICKS calls.
 */
void sampler_session_tick(struct sampler_session *session);

enum { SAMPLER_SESSION_IDLE_TICKS = 10 };

#endif
