/* SPDX-License-Identifier: MIT */
/*
 * A pipeline as the pool has it done: once for all who want the same picture at
 * the same time, and only when it is its turn. Any thread.
 */
#ifndef API_JOBS_WORK_H
#define API_JOBS_WORK_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "api/jobs/pipeline.h"
#include "api/jobs/turn.h"

struct work_call {
    enum turn_kind kind;          /* TURN_REQUEST or TURN_JOB */
    int64_t since_ns;             /* when the cache was asked, which did not have it */
    const atomic_bool *cancelled; /* set by another thread: wait no longer; or NULL */
};

/*
 * Wait for the result of the one who works on this source already, or fetch it and wait for
 * a turn, and run the pipeline. `*shared`: another did it. Errors of pipeline_fetch and
 * pipeline_run, of our own or of the other's; APP_BUSY: the queue is full; APP_UNAVAILABLE:
 * pipeline->deadline_ns passed while it waited. When who does it gives up, because his client has
 * left or his time is over, one of the others goes on.
 */
enum app_err work_run(struct pipeline *pipeline, const struct work_call *call,
                      const struct pipeline_source *source, struct pipeline_result *result,
                      bool *shared) __attribute__((warn_unused_result));

/* The settings' part of a call of turn.h. */
struct turn_call work_turn_call(const struct app *app, enum turn_kind kind);

#endif
