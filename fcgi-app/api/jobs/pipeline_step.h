/* SPDX-License-Identifier: MIT */
/* The steps of a pipeline, as a job's state names them. */
#ifndef API_JOBS_PIPELINE_STEP_H
#define API_JOBS_PIPELINE_STEP_H

enum pipeline_step {
    PIPELINE_NONE,
    PIPELINE_FETCH,
    PIPELINE_DETECT, /* from opening the picture on */
    PIPELINE_DRAW,
    PIPELINE_STORE,
    PIPELINE_STEP__MAX
};

/* "fetch" and its like; NULL for PIPELINE_NONE. */
const char *pipeline_step_name(enum pipeline_step step);

#endif
