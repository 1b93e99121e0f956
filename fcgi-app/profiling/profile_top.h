/* SPDX-License-Identifier: MIT */
/*
 * A profile as a table of functions in plain text, laid out as by `go tool pprof
 * -top`: for debug=1, logs and terminals. Pure.
 */
#ifndef PROFILING_PROFILE_TOP_H
#define PROFILING_PROFILE_TOP_H

#include "profiling/profile.h"

/*
 * Append the comments, a summary, and the `rows` functions that have the most of
 * one value type: flat is what was spent in the function itself (or inlined into
 * it, under the inlined one's name), cum what was spent below it as well, once
 * a stack however often it recurs. Control characters become '?'. APP_NO_MEMORY,
 * APP_TOO_LARGE from `out`.
 */
enum app_err profile_top_text(const struct profile *profile, size_t value_index, size_t rows,
                              struct buf *out) __attribute__((warn_unused_result));

#endif
