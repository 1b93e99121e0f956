/* SPDX-License-Identifier: MIT */
/*
 * CPU samples of this process: the only module that includes gperftools.
 *
 * There is one timer and one session underneath, and any number of windows on
 * top of it: each caller opens a window, waits, and closes it, and gets exactly
 * the samples between the two (the session's file, a memfd, is flushed at both
 * ends and read by offsets). The session runs while anybody wants it: windows,
 * the toggle, or the ring. There is one rate at a time: `hz` while any window or
 * the toggle is open, else the ring's. A change of rate starts a new session,
 * and a window always lies within one rate: opening the first window restarts
 * the session at `hz` when the ring ran slower; a window of the past (ago) that
 * straddles two rates weighs each sample with its own rate's period.
 *
 * A sample's route label is found from its stack: the innermost frame that lies
 * in a route's handler function names it (sampler_options.routes), so nothing is
 * done for it at the moment of the signal.
 *
 * sampler_prepare is the very first thing in main: the unwinder that gperftools
 * uses is fixed when the library loads, Debian's default deadlocks, and the only
 * place to say so is the environment before that; so it sets
 * TCMALLOC_STACKTRACE_METHOD=libgcc (and TCMALLOC_SAMPLE_PARAMETER) and executes
 * the program again when they are not set yet.
 */
#ifndef API_PROFILING_SAMPLER_H
#define API_PROFILING_SAMPLER_H

#include <stdbool.h>
#include <stdint.h>

#include "api/profiling/profile.h"
#include "lib/base/log.h"

struct sampler;

/*
 * With `enabled`: make sure that the environment has what the library needs, by
 * executing /proc/self/exe again with the same arguments if it has not. Returns
 * when nothing is to be done; when the execution failed: APP_INTERNAL.
 */
enum app_err sampler_prepare(bool enabled, int64_t heap_sample_bytes, char **argv,
                             struct err_buf *why);

/* A function that serves a route: samples below it carry `name` as label. */
struct sampler_route {
    const char *name;
    uintptr_t function;
};

struct sampler_options {
    int hz;      /* 1 to 250 */
    int ring_hz; /* 0: no ring */
    const struct sampler_route *routes;
    size_t route_count;
    const struct log *log;
};

enum app_err sampler_new(const struct sampler_options *options, struct sampler **sampler,
                         struct err_buf *why) __attribute__((warn_unused_result));
/* Stops the timer first. NULLs the caller's pointer. NULL allowed. */
void sampler_free(struct sampler **sampler);

/*
 * Collect for `seconds` from now, blocking the calling thread, and write the
 * samples to *profile (kind cpu, not symbolized, pid label set). Waits by an
 * absolute deadline. Several threads may do so at once. `cancelled` is polled
 * (about every 100 ms) and ends the window early; NULL: never. APP_UNAVAILABLE when the
 * timer could not be started, APP_NO_MEMORY.
 */
enum app_err sampler_collect(struct sampler *sampler, double seconds,
                             bool (*cancelled)(void *context), void *context,
                             struct profile **profile, struct err_buf *why)
    __attribute__((warn_unused_result));

/* The samples from `ago` to `ago - seconds` seconds ago, from the ring. APP_NOT_FOUND: no ring. */
enum app_err sampler_past(struct sampler *sampler, double seconds, double ago,
                          struct profile **profile, struct err_buf *why)
    __attribute__((warn_unused_result));

/* The toggle. Switching on again extends it. It ends by itself after `for_s` seconds. */
enum app_err sampler_toggle(struct sampler *sampler, bool on, int for_s, struct err_buf *why)
    __attribute__((warn_unused_result));

/* What the toggle collected, while it runs or since it ended. APP_NOT_FOUND: never switched on. */
enum app_err sampler_toggled(struct sampler *sampler, struct profile **profile, struct err_buf *why)
    __attribute__((warn_unused_result));

struct sampler_state {
    int hz;           /* rate now; 0: not sampling */
    unsigned windows; /* open ones */
    bool toggle;
    int toggle_left_s;
    bool ring;
    uint64_t samples; /* since the session began */
};
void sampler_state(struct sampler *sampler, struct sampler_state *state);

/*
 * Housekeeping, about once a second from the control thread: ends an expired
 * toggle and windows whose caller is gone, moves samples to the ring, gives
 * memory of the memfd back.
 */
void sampler_tick(struct sampler *sampler);

#endif
