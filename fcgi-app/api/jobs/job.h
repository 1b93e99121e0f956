/* SPDX-License-Identifier: MIT */
/*
 * What has become of jobs in the background, as every process of the pool can tell
 * it. A job is named by the key of its picture, so that a picture that is asked for
 * again while it is worked on is not another job.
 *
 * The table has room for some hundred jobs. What has ended is told for JOB_KEPT_MS,
 * or until its room is needed; then it is unknown. A job whose process has died has
 * failed.
 *
 * Any thread; a job's handle: one thread at a time.
 */
#ifndef API_JOBS_JOB_H
#define API_JOBS_JOB_H

#include <stddef.h>
#include <stdint.h>

#include "api/jobs/pipeline_step.h"
#include "api/jobs/table.h"
#include "lib/base/digest.h"
#include "lib/base/err.h"

enum { JOB_KEPT_MS = 10 * 60 * 1000 };

enum job_status {
    JOB_UNKNOWN,
    JOB_QUEUED,
    JOB_PROCESSING,
    JOB_FINISHED,
    JOB_FAILED,
    JOB_STATUS__MAX
};

/* "QUEUED" and its like. */
const char *job_status_name(enum job_status status);

/* The handle of who has the job done. Zeroed: none. */
struct job {
    struct table *table;
    struct table_memory *memory;
    size_t index;
    uint64_t sequence;
};

/* What is known of a job. */
struct job_view {
    enum job_status status;
    enum pipeline_step step;  /* the latest one; PIPELINE_NONE before the first */
    size_t length;            /* jobs that are queued in the pool */
    size_t position;          /* of this one among them, from 1; 0: it is not queued */
    int faces;                /* how many were covered; -1: not known, or not yet */
    enum app_err err;         /* of one that failed */
    char error[ERR_TEXT_MAX]; /* why it failed, for the client */
};

/*
 * A new job in the queue, unless that one is queued or being processed: then job->table
 * is NULL. `view` tells what there is now. APP_BUSY: LIMIT_JOBS_QUEUED are queued.
 */
enum app_err job_add(struct table *table, const char *key, struct job *job, struct job_view *view,
                     struct err_buf *why) __attribute__((warn_unused_result));

/* A picture is there without a job: tell that it is finished. */
void job_note_finished(struct table *table, const char *key, struct job_view *view);

/* It is being processed, and that far. */
void job_step(struct job *job, enum pipeline_step step);

/* How many faces there are: before job_end, of a job that went well. */
void job_note_faces(struct job *job, size_t faces);

/* It has ended; `text` is for the client when err is not APP_OK. */
void job_end(struct job *job, enum app_err err, const char *text);

void job_read(struct table *table, const char *key, struct job_view *view);

#endif
