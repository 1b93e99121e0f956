/* SPDX-License-Identifier: MIT */
/* What the two ways to have a picture emojified, now and in the background, begin with. */
#ifndef API_ROUTES_EMOJIFY_H
#define API_ROUTES_EMOJIFY_H

#include <stdbool.h>

#include "api/app.h"
#include "api/jobs/pipeline.h"
#include "api/picture_key.h"

/*
 * Fill `source` and its `key` from the request's body, a URL or a picture. Both live
 * as long as the request. Errors of url_normalise and request_read_body.
 */
enum app_err emojify_read_source(struct exchange *exchange, struct pipeline_source *source,
                                 char key[PICTURE_KEY_LEN + 1]) __attribute__((warn_unused_result));

/*
 * Whether the cache has it already, or had it when it was asked within LOCAL_CACHE_TTL.
 * Errors of cache_exists.
 */
enum app_err emojify_is_cached(struct exchange *exchange, const char *key, bool *cached)
    __attribute__((warn_unused_result));

#endif
