/* SPDX-License-Identifier: MIT */
/*
 * Profiles of the whole pool: what the paths of pprof.h ask. Every process answers for
 * itself (provider.h). The process that was asked merges what came, gives it names, and
 * says how many of how many answered.
 *
 * profiling_new once everything else of the process is up, profiling_free when
 * no request runs any more. The functions in between: any thread; gathering
 * blocks for as long as the profile takes.
 */
#ifndef PROFILING_PROFILING_H
#define PROFILING_PROFILING_H

#include <stdbool.h>
#include <stddef.h>

#include "profiling/place.h"
#include "profiling/pprof.h"
#include "profiling/profile.h"
#include "profiling/provider.h"
#include "profiling/state.h"

struct profiling;

/* APP_UNAVAILABLE: no profiling timer or signal; APP_NO_MEMORY, APP_INTERNAL. */
enum app_err profiling_new(const struct pprof_options *options, struct profiling **profiling,
                           struct err_buf *why) __attribute__((warn_unused_result));
/* NULLs the caller's pointer. NULL allowed. */
void profiling_free(struct profiling **profiling);

/* See contention_waited. */
void profiling_waited(struct profiling *profiling, enum contention_kind kind, int64_t waited_ns,
                      const void *return_address);

/* Have gathering end now, with what has come; nothing is gathered afterwards. */
void profiling_stop(struct profiling *profiling);

struct profiling_query {
    const struct provider *provider;
    double seconds;
    double ago;
};

struct profiling_result {
    struct profile *profile; /* merged and symbolized; the caller frees it */
    size_t answered;
    size_t asked;
};

/*
 * Ask all siblings and merge. A sibling that does not answer in time, or died,
 * is missing and named in a comment of the profile. APP_BUSY: too many profiles
 * at once; APP_NOT_FOUND, APP_UNAVAILABLE: what the siblings said when none had
 * anything; APP_NO_MEMORY.
 */
enum app_err profiling_gather(struct profiling *profiling, const struct profiling_query *query,
                              struct profiling_result *result, struct err_buf *why)
    __attribute__((warn_unused_result));

/*
 * A place among the profiles that clients have taken in the pool, for one of `seconds`; to
 * be given back by place_leave when it was gathered. APP_BUSY, see place_take.
 */
enum app_err profiling_place(struct profiling *profiling, double seconds, struct place *place,
                             struct err_buf *why) __attribute__((warn_unused_result));

/* How many siblings did as they were asked. */
struct profiling_coverage {
    size_t answered;
    size_t asked;
};

/*
 * Switch sampling on (for `for_s` seconds) or off in all siblings. An error only
 * when none obeyed: its own. Those that did not are in the log.
 */
enum app_err profiling_toggle(struct profiling *profiling, bool on, int for_s,
                              struct profiling_coverage *coverage, struct err_buf *why)
    __attribute__((warn_unused_result));

/*
 * What each sibling samples now; the caller frees *states. APP_NO_MEMORY, APP_INTERNAL.
 */
enum app_err profiling_states(struct profiling *profiling, struct state **states, size_t *count)
    __attribute__((warn_unused_result));

/* Answer gperftools' and Go's symbol question; see legacy_symbol_answer. */
enum app_err profiling_symbols(struct profiling *profiling, const char *question, size_t len,
                               bool inlined, struct buf *out) __attribute__((warn_unused_result));

#endif
