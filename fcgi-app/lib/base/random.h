/* SPDX-License-Identifier: MIT */
/*
 * Random bytes for ids of requests and traces: they must differ, and need not be
 * secret. Each thread fetches some in advance, for the system call costs more than the
 * bytes. Any thread.
 */
#ifndef LIB_BASE_RANDOM_H
#define LIB_BASE_RANDOM_H

#include <stdbool.h>
#include <stddef.h>

enum { RANDOM_MAX = 64 };

/* Fill `out` with `size` bytes, at most RANDOM_MAX; false: the kernel gave none. */
bool random_fill(void *out, size_t size) __attribute__((warn_unused_result));

#endif
