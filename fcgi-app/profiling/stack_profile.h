/* SPDX-License-Identifier: MIT */
/*
 * From stacks of run-time addresses to the samples of a profile: canonical
 * locations, the pid label, and the route label, which is found from the stack
 * itself: the innermost frame inside a route's handler function names it, so
 * nothing has to be noted while a request runs.
 *
 * A handler that ends in a call must not give its frame away: the build has
 * -fno-optimize-sibling-calls. It must not be split either:
 * -fno-reorder-blocks-and-partition, since a ".cold" part has an entry of its own
 * in the unwind data and nothing there that leads back to the function.
 *
 * Life cycle: stack_profile_new reads the process's mappings; add any number of
 * sets; stack_profile_take hands the profile over; stack_profile_free. One
 * thread at a time. Not while a handler is in need of a quick answer: it reads
 * files.
 */
#ifndef PROFILING_STACK_PROFILE_H
#define PROFILING_STACK_PROFILE_H

#include <stddef.h>
#include <stdint.h>

#include "profiling/pprof.h"
#include "profiling/profile.h"
#include "profiling/stacks.h"

/* The routes; array and names must outlive their user. */
struct route_table {
    const struct pprof_route *routes;
    size_t count;
};

struct stack_profile;

/* APP_NO_MEMORY, and what symbols_map_new gives. */
enum app_err stack_profile_new(const struct profile_kind *kind, const struct route_table *routes,
                               struct stack_profile **builder) __attribute__((warn_unused_result));
/* NULLs the caller's pointer. NULL allowed. */
void stack_profile_free(struct stack_profile **builder);

/* Where a stack's two sums go in the sample's values, and their factors. */
struct stack_values {
    size_t count_index;
    size_t value_index;
    double count_scale;
    double value_scale;
};

/* One sample for each stack; the other values are 0. What was dropped becomes a comment. */
enum app_err stack_profile_add(struct stack_profile *builder, const struct stacks *stacks,
                               const struct stack_values *values)
    __attribute__((warn_unused_result));

/* One sample: `value` as the kind's only one. `thread` is its label of that name; NULL: none. */
enum app_err stack_profile_add_one(struct stack_profile *builder, const uintptr_t *pcs,
                                   size_t depth, int64_t value, const char *thread)
    __attribute__((warn_unused_result));

/* Comments and times are set on the profile itself. The builder keeps it. */
struct profile *stack_profile_get(struct stack_profile *builder);
/* The caller owns the profile. */
struct profile *stack_profile_take(struct stack_profile *builder);

#endif
