/* SPDX-License-Identifier: MIT */
/*
 * CPU samples of this process, taken by gperftools' timer and signal handler
 * (sampler_session.h).
 *
 * There is one timer, and any number of windows on top of it: each caller opens
 * a window, waits, and closes it, and gets exactly the samples whose time lies
 * between the two. The timer runs while anybody wants it: windows, the toggle,
 * or the ring. There is one rate at a time: `hz` while any window or the toggle
 * is open, else the ring's. A change of rate disturbs nobody, since each sample
 * carries the CPU time it stands for, which is what the process used since the
 * sample before: the sum of a profile's cpu values is the CPU time of the
 * process, at any rate and for a window of the past that straddles two rates.
 * A profile's period is the nominal one.
 *
 * A sample's route label is found from its stack: the innermost frame that lies
 * in a route's handler function names it (sampler_options.routes), so nothing is
 * done for it at the moment of the signal.
 *
 * sampler_prepare is the very first thing in main: what gperftools and tcmalloc
 * take from the environment they take when they are loaded, before main. Some of
 * it must be there (TCMALLOC_SAMPLE_PARAMETER for the heap profile, and
 * TCMALLOC_STACKTRACE_METHOD=libgcc for the stacks in it, since Debian's default
 * unwinder takes the loader's lock and ten times as long), and some must not
 * (CPUPROFILE would write profiles to a file from the start). When that is not
 * so, it executes the program again.
 */
#ifndef PROFILING_SAMPLER_H
#define PROFILING_SAMPLER_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/log.h"
#include "profiling/profile.h"
#include "profiling/stack_profile.h"

struct sampler;

enum { SAMPLER_WINDOWS = 16 }; /* open at once */

/*
 * Make sure that the environment has what the libraries need, by executing
 * /proc/self/exe again with the same arguments, process id and descriptors if it
 * has not. Not `enabled`: only that no CPUPROFILE... variable is there. Also
 * unblocks SIGPROF, which a parent may have left blocked, in the calling thread
 * and so in all later ones. Main thread, before any other runs.
 *
 * Returns when nothing is (any longer) to be done; it never executes twice.
 * APP_INTERNAL: the execution failed, or did not help.
 */
enum app_err sampler_prepare(bool enabled, int64_t heap_sample_bytes, char **argv,
                             struct err_buf *why);

struct sampler_options {
    int hz;      /* 1 to 250 */
    int ring_hz; /* 0: no ring */
    const struct pprof_route *routes;
    size_t route_count;
    const struct log *log;
};

/* Starts the ring. One per process. APP_UNAVAILABLE: the timer cannot be had; APP_NO_MEMORY. */
enum app_err sampler_new(const struct sampler_options *options, struct sampler **sampler,
                         struct err_buf *why) __attribute__((warn_unused_result));
/* Stops the timer first; nobody may still be in sampler_collect. NULLs the caller's pointer. NULL
 * allowed. */
void sampler_free(struct sampler **sampler);

/*
 * Collect for `seconds` from now, blocking the calling thread, and write the
 * samples to *profile (kind cpu, not symbolized, pid label set). Waits by an
 * absolute deadline. Several threads may do so at once. `cancelled` is polled
 * (about every 100 ms) and ends the window early, as an ordinary but shorter
 * profile; NULL: never. APP_UNAVAILABLE when the timer could not be started or
 * SAMPLER_WINDOWS are open, APP_NO_MEMORY.
 */
enum app_err sampler_collect(struct sampler *sampler, double seconds,
                             bool (*cancelled)(void *context), void *context,
                             struct profile **profile, struct err_buf *why)
    __attribute__((warn_unused_result));

/*
 * The samples from `ago` to `ago - seconds` seconds ago, from the ring, in steps
 * of a second. The profile says the time that the ring still covers of it.
 * APP_NOT_FOUND: no ring, or it does not reach back that far. APP_NO_MEMORY.
 */
enum app_err sampler_past(struct sampler *sampler, double seconds, double ago,
                          struct profile **profile, struct err_buf *why)
    __attribute__((warn_unused_result));

/*
 * The toggle. Switching on again extends it (and never shortens it). It ends by
 * itself `for_s` seconds after the last time, its samples stay until it is
 * switched on anew. APP_UNAVAILABLE, APP_NO_MEMORY.
 */
enum app_err sampler_toggle(struct sampler *sampler, bool on, int for_s, struct err_buf *why)
    __attribute__((warn_unused_result));

/*
 * What the toggle collected, while it runs or since it ended. APP_NOT_FOUND: never
 * switched on. APP_NO_MEMORY.
 */
enum app_err sampler_toggled(struct sampler *sampler, struct profile **profile, struct err_buf *why)
    __attribute__((warn_unused_result));

struct sampler_state {
    int hz;           /* rate now; 0: not sampling */
    unsigned windows; /* open ones */
    bool toggle;
    int toggle_left_s;
    bool ring;
    uint64_t samples; /* since the process began */
    uint64_t dropped; /* of these, for want of room */
};
void sampler_state(struct sampler *sampler, struct sampler_state *state);

/*
 * Housekeeping, about once a second from the control thread: ends an expired
 * toggle, stops counting windows whose time is over even if their caller does
 * not come back, moves samples to where they belong, gives memory back.
 */
void sampler_tick(struct sampler *sampler);

#endif
