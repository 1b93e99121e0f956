/* SPDX-License-Identifier: MIT */
/*
 * Jobs that go on after their request was answered: some threads of this process with
 * handles of their own, and the queue of what they have to do. What a job works on
 * is in this process only; its state is in the table, for all to see (job.h).
 *
 * The threads begin with the first job. background_new once the table is there;
 * background_close when the stop begins, background_stop, background_free.
 */
#ifndef API_JOBS_BACKGROUND_H
#define API_JOBS_BACKGROUND_H

#include <stdint.h>

#include "api/app.h"
#include "api/jobs/job.h"
#include "api/jobs/pipeline.h"

struct background;

struct background_options {
    struct app *app;
    unsigned threads; /* at most */
    /* As of struct fcgi_server_options; init is not run in the thread itself. */
    enum app_err (*worker_init)(void *context, void **worker, struct err_buf *why);
    void (*worker_release)(void *context, void *worker);
};

/* APP_NO_MEMORY. */
enum app_err background_new(const struct background_options *options,
                            struct background **background) __attribute__((warn_unused_result));

/* All of it is copied. */
struct background_request {
    struct pipeline_source source;
    const char *id;
    const struct trace *trace;
    int64_t since_ns; /* when the cache was asked, which did not have it */
};

/*
 * Have it done, unless a job for this key is under way; `view` tells its state.
 * APP_BUSY: too many jobs wait, or their pictures are too large together.
 * APP_UNAVAILABLE: the process is stopping. APP_NO_MEMORY, and what worker_init says.
 * Any thread.
 */
enum app_err background_add(struct background *background, const struct background_request *request,
                            struct job_view *view, struct err_buf *why)
    __attribute__((warn_unused_result));

/* Take no more; what waits has failed. NULL allowed. */
void background_close(struct background *background);

/*
 * Close, and wait for the jobs that run, at most `grace_ms`. Returns how many threads
 * are still busy then; with some left the process should leave by _exit. NULL allowed.
 */
unsigned background_stop(struct background *background, int64_t grace_ms);

/* Free one that has stopped with 0 busy threads. NULLs the caller's pointer. NULL allowed. */
void background_free(struct background **background);

#endif
