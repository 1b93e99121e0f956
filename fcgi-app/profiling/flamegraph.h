/* SPDX-License-Identifier: MIT */
/*
 * A profile as one HTML page: a flame graph with zoom and search, the table of
 * functions, and the totals; or the difference of two profiles. The page loads
 * nothing: style, script and data are in it, the first two from page/ by way of
 * the linker. It works without a network and may be mailed around.
 *
 * Names in a profile are foreign text. They reach the page as JSON in which no
 * '<', '>' or '&' stands as itself, and the script makes text of them, never
 * markup; the policy of flamegraph_csp is a second fence.
 *
 * A tree of stacks that is too large (flame_tree.h) loses inner frames, but no
 * values. Pure functions; errors: APP_TOO_LARGE from `out`, APP_NO_MEMORY.
 */
#ifndef PROFILING_FLAMEGRAPH_H
#define PROFILING_FLAMEGRAPH_H

#include "profiling/profile.h"

struct flamegraph_options {
    const struct profile *profile; /* symbolized */
    const struct profile *base;    /* the same kind, to compare with; NULL: none */
    size_t value_index;            /* which values; see profile_value_default */
    const char *title;             /* e.g. "CPU profile of my-service" */
    const char *processes;         /* e.g. "4 of 4 processes"; NULL: not said */
    const char *base_title;        /* e.g. "the profile of 10:23"; NULL: "the base" */
};

/* Append the page, text/html in UTF-8. */
enum app_err flamegraph_write(const struct flamegraph_options *options, struct buf *out)
    __attribute__((warn_unused_result));

/*
 * Append the value of the Content-Security-Policy header to send with the page:
 * only its own style and script run, by their hashes, and nothing is loaded.
 * APP_INTERNAL when the hash fails.
 */
enum app_err flamegraph_csp(struct buf *out) __attribute__((warn_unused_result));

#endif
