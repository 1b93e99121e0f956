/* SPDX-License-Identifier: MIT */
/*
 * What part of a profile a function has, by its name in the test's own debug
 * information; and work for a profiler to find.
 */
#ifndef TESTS_SUPPORT_PROFILE_SHARE_H
#define TESTS_SUPPORT_PROFILE_SHARE_H

#include "profiling/profile.h"

/* Give the profile names. Fails the test on an error. */
void profile_name_all(struct profile *profile);

/*
 * Sum of the value with that index over all samples that have a frame in
 * `function`; with `route` only samples of that route ("" is none, NULL any).
 * The profile has names.
 */
int64_t profile_sum_in(const struct profile *profile, const char *function, const char *route,
                       size_t value_index);

#endif
