/* SPDX-License-Identifier: MIT */
/*
 * A profile as its stacks in plain text, one after the other, the heaviest
 * first: what debug=1 and debug=2 of the goroutine profile show. Pure.
 */
#ifndef PROFILING_PROFILE_STACKS_H
#define PROFILING_PROFILE_STACKS_H

#include "profiling/profile.h"

/* Append at most `count` stacks. APP_NO_MEMORY, APP_TOO_LARGE from `out`. */
enum app_err profile_stacks_text(const struct profile *profile, size_t value_index, size_t count,
                                 struct buf *out) __attribute__((warn_unused_result));

#endif
