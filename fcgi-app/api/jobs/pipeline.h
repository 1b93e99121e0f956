/* SPDX-License-Identifier: MIT */
/*
 * The work behind POST /: fetch the picture (pipeline_fetch), then find its faces, draw and
 * store (pipeline_run). Each step has the smaller of its own time limit and of what is left
 * until the deadline. It knows no request, so that a job in the background is the same to it.
 * Any thread, with that thread's own handles.
 */
#ifndef API_JOBS_PIPELINE_H
#define API_JOBS_PIPELINE_H

#include <stddef.h>
#include <stdint.h>

#include "api/app.h"
#include "api/clients/takedown.h"
#include "api/jobs/pipeline_step.h"

struct buf;

/* For whom, with what, and until when. */
struct pipeline {
    struct app *app;
    struct worker *worker;  /* of the thread that runs it */
    struct arena *arena;    /* for what lives as long as the request or job */
    const char *request_id; /* as sent to upstreams */
    struct trace *trace;
    const struct log *log;
    int64_t deadline_ns;
    struct cancel cancel; /* zeroed: it is wanted whatever becomes of the client */
    struct err_buf *why;  /* of the error that is returned */
    /* Told at the start of each step; NULL: nobody is. */
    void (*progress)(void *context, enum pipeline_step step);
    void *progress_context;
};

/* What to work on: a URL, or the bytes of a picture. */
struct pipeline_source {
    const char *key;   /* that the result is stored under, see picture_key.h */
    const char *url;   /* normalised, without a fragment; NULL when the bytes are given */
    const void *bytes; /* of a URL: once it is fetched, as is the rest */
    size_t len;
    struct takedown_marks marks;
};

enum { PIPELINE_TYPE_MAX = 24 }; /* "image/jpeg" and its like */

struct pipeline_result {
    size_t faces; /* emoji drawn */
    int width;
    int height;
    char content_type[PIPELINE_TYPE_MAX];
};

/*
 * Fetch the picture of source->url, to source->bytes and source->len, which lie in `fetched`,
 * an empty buffer of the caller's. Errors of http_client_fetch and takedown_check: APP_GONE when
 * the URL or these bytes were taken down; APP_CLIENT_GONE when pipeline->cancel said so;
 * pipeline->why has the texts.
 */
enum app_err pipeline_fetch(struct pipeline *pipeline, struct pipeline_source *source,
                            struct buf *fetched) __attribute__((warn_unused_result));

/*
 * Run the other steps on source->bytes. Errors of picture_open, face_client_check,
 * emojify_draw and cache_put; APP_CLIENT_GONE as above, until the picture is being drawn
 * (then it is stored as well, for the next who asks). Everything that it allocates is
 * released.
 */
enum app_err pipeline_run(struct pipeline *pipeline, const struct pipeline_source *source,
                          struct pipeline_result *result) __attribute__((warn_unused_result));

#endif
