/* SPDX-License-Identifier: MIT */
/*
 * The work behind POST /: get the picture, find its faces, draw, store. Steps
 * in that order, each under the smaller of its own time limit and the request's
 * deadline. Any thread, with that thread's own handles.
 */
#ifndef API_JOBS_PIPELINE_H
#define API_JOBS_PIPELINE_H

#include <stddef.h>
#include <stdint.h>

#include "api/app.h"

/* What to work on: a URL, or the bytes of a picture. */
struct pipeline_source {
    const char *key; /* MD5 hex that the result is stored under */
    const char *url; /* normalised; NULL when the bytes are given */
    const void *bytes;
    size_t len;
};

struct pipeline_result {
    size_t faces; /* emoji drawn */
    int width;
    int height;
    const char *content_type; /* static */
};

/*
 * Run all steps for `exchange`'s request. Errors of http_client_fetch,
 * picture_open, face_client_check, emojify_draw and cache_put; APP_CLIENT_GONE when
 * exchange->cancel said so, which is asked until the picture is being drawn (then it
 * is stored as well, for the next who asks); exchange->why has the texts. Everything that it
 * allocates is released.
 */
enum app_err pipeline_run(struct exchange *exchange, const struct pipeline_source *source,
                          struct pipeline_result *result) __attribute__((warn_unused_result));

/*
 * Give an upstream's error a text for the client that names the upstream:
 * "the cache did not answer in time". Returns `err`.
 */
enum app_err pipeline_upstream_error(struct err_buf *why, enum app_err err, const char *upstream);

#endif
