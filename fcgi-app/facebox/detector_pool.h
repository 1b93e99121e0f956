/* SPDX-License-Identifier: MIT */
/*
 * As many detectors as the program may use at once, handed out one to a thread.
 * The pool bounds CPU and memory: a thread takes a detector before it decodes a picture.
 *
 * detector_pool_new at start; take, return and trim from any thread;
 * detector_pool_free when all are back.
 */
#ifndef FACEBOX_DETECTOR_POOL_H
#define FACEBOX_DETECTOR_POOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "facebox/detector.h"
#include "lib/base/err.h"

struct detector_pool;

/* `count` detectors, at least 1. Errors as detector_new. */
enum app_err detector_pool_new(size_t count, const struct network *network,
                               const struct detector_options *options, struct detector_pool **pool,
                               struct err_buf *why) __attribute__((warn_unused_result));

/* NULLs the caller's pointer. NULL allowed. */
void detector_pool_free(struct detector_pool **pool);

/* Wait for a detector until deadline_ns (CLOCK_MONOTONIC). APP_BUSY when none came free. */
enum app_err detector_pool_take(struct detector_pool *pool, int64_t deadline_ns,
                                struct detector **detector) __attribute__((warn_unused_result));

/* Give it back; NULLs the caller's pointer. NULL allowed. */
void detector_pool_return(struct detector_pool *pool, struct detector **detector);

/* Trim the detectors that were returned `idle_ms` ago or earlier; true: at least one was. */
bool detector_pool_trim(struct detector_pool *pool, int64_t idle_ms);

#endif
