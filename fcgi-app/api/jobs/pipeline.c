/* SPDX-License-Identifier: MIT */
/* One function a step; pipeline_run owns what they hand on to each other. */
#include "api/jobs/pipeline.h"

#include <stdlib.h>

#include "api/image/detection.h"
#include "api/image/emojify.h"
#include "lib/base/clock.h"
#include "lib/base/limits.h"
#include "lib/telemetry/wait.h"

enum { PUT_TIMEOUT_MS = 5000 };

/* The end of a step that may take `ms`, within the request's own. */
static int64_t step_deadline(const struct exchange *exchange, int64_t ms)
{
    return deadline_min(exchange->deadline_ns, deadline_in_ms(ms));
}

enum app_err pipeline_upstream_error(struct err_buf *why, enum app_err err, const char *upstream)
{
    if (err == APP_UPSTREAM_TIMEOUT)
        return err_set(why, err, "%s did not answer in time", upstream);
    if (err == APP_UPSTREAM_FAILED)
        return err_set(why, err, "%s failed", upstream);
    return err;
}

static enum app_err fetch(struct exchange *exchange, const char *url, struct buf *bytes)
{
    struct http_fetch fetch = {
        .url = url,
        .guard = exchange->app->guard,
        .allow_hosts = exchange->app->config.fetch_allow_hosts,
        .deny_hosts = exchange->app->config.fetch_deny_hosts,
        .request_id = exchange->request->id,
        .deadline_ns = step_deadline(exchange, exchange->app->config.fetch_timeout_ms),
        .max_bytes = LIMIT_PICTURE_BYTES,
    };
    int64_t started_ns = clock_now_ns();
    struct wait wait = wait_begin(WAIT_FETCH);
    enum app_err err = http_client_fetch(exchange->worker->http, &fetch, bytes, &exchange->why);
    wait_end(&wait);
    telemetry_upstream(&exchange->app->telemetry, UPSTREAM_FETCH, started_ns, err);
    return err;
}

static enum app_err open_picture(struct exchange *exchange, const void *bytes, size_t len,
                                 struct picture **picture)
{
    enum app_err err =
        picture_open(bytes, len, step_deadline(exchange, exchange->app->config.emojify_timeout_ms),
                     picture, &exchange->why);
    if (err)
        telemetry_count(&exchange->app->telemetry, "emojify.invalid_image");
    return err;
}

static enum app_err detect(struct exchange *exchange, const struct picture *picture,
                           const void *bytes, size_t len, struct box **faces, size_t *count)
{
    struct detection_copy copy = {.data = NULL};
    enum app_err err = detection_copy_make(
        picture, bytes, len, step_deadline(exchange, exchange->app->config.emojify_timeout_ms),
        &copy, &exchange->why);
    if (err)
        return err;

    struct http_header headers[TRACE_HEADERS_MAX];
    int64_t started_ns = clock_now_ns();
    struct face_call call = {
        .http = exchange->worker->http,
        .deadline_ns = step_deadline(exchange, exchange->app->config.facebox_timeout_ms),
        .request_id = exchange->request->id,
        .headers = headers,
        .header_count = trace_headers(&exchange->request->trace, headers),
    };
    err = face_client_check(&exchange->app->faces, &call, copy.data, copy.len,
                            exchange->request->arena, faces, count, &exchange->why);
    telemetry_upstream(&exchange->app->telemetry, UPSTREAM_FACEBOX_CHECK, started_ns, err);
    detection_copy_release(&copy);
    return pipeline_upstream_error(&exchange->why, err, "the face detection");
}

static enum app_err draw(struct exchange *exchange, const struct picture *picture, const char *key,
                         const struct box *faces, size_t count, struct emojify_result *drawn)
{
    struct emojify_options options = {
        .artwork = exchange->app->artwork,
        .format = (enum emojify_format)exchange->app->config.emojify_format,
        .key = key,
        .deadline_ns = step_deadline(exchange, exchange->app->config.emojify_timeout_ms),
    };
    int64_t started_ns = clock_now_ns();
    enum app_err err = emojify_draw(picture, faces, count, &options, drawn, &exchange->why);
    telemetry_drawn(&exchange->app->telemetry, started_ns, err);
    return err;
}

static enum app_err store(struct exchange *exchange, const char *key,
                          const struct emojify_result *drawn)
{
    struct http_header headers[TRACE_HEADERS_MAX];
    int64_t started_ns = clock_now_ns();
    struct cache_call call = {
        .deadline_ns = step_deadline(exchange, PUT_TIMEOUT_MS),
        .request_id = exchange->request->id,
        .headers = headers,
        .header_count = trace_headers(&exchange->request->trace, headers),
    };
    enum app_err err =
        cache_put(exchange->worker->cache, &call, key, drawn->data, drawn->len, &exchange->why);
    telemetry_upstream(&exchange->app->telemetry, UPSTREAM_CACHE_PUT, started_ns, err);
    if (!err)
        telemetry_stored(&exchange->app->telemetry, drawn->drawn);
    return pipeline_upstream_error(&exchange->why, err, "the cache");
}

enum app_err pipeline_run(struct exchange *exchange, const struct pipeline_source *source,
                          struct pipeline_result *result)
{
    struct buf fetched;
    struct picture *picture = NULL;
    struct box *faces = NULL;
    size_t face_count = 0;
    struct emojify_result drawn = {.data = NULL};
    const void *bytes = source->bytes;
    size_t len = source->len;
    enum app_err err = APP_OK;

    buf_init(&fetched, LIMIT_PICTURE_BYTES);
    if (source->url) {
        err = fetch(exchange, source->url, &fetched);
        bytes = fetched.data;
        len = fetched.len;
    }
    if (!err)
        err = open_picture(exchange, bytes, len, &picture);
    if (!err)
        err = detect(exchange, picture, bytes, len, &faces, &face_count);
    if (!err)
        err = draw(exchange, picture, source->key, faces, face_count, &drawn);
    if (!err)
        err = store(exchange, source->key, &drawn);
    if (!err)
        *result = (struct pipeline_result){
            .faces = drawn.drawn,
            .width = picture_width(picture),
            .height = picture_height(picture),
            .content_type = drawn.content_type,
        };

    free(drawn.data);
    picture_free(&picture);
    buf_release(&fetched);
    telemetry_pictures_freed(&exchange->app->telemetry);
    return err;
}
