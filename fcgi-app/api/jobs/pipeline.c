/* SPDX-License-Identifier: MIT */
/* One function a step. */
#include "api/jobs/pipeline.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/clients/cache_client.h"
#include "api/clients/upstream_error.h"
#include "api/image/detection.h"
#include "api/image/emojify.h"
#include "api/picture_key.h"
#include "lib/base/buf.h"
#include "lib/base/clock.h"
#include "lib/base/limits.h"
#include "lib/http/header.h"
#include "lib/net/http_client.h"
#include "lib/telemetry/trace.h"
#include "lib/telemetry/wait.h"

enum { URL_SHOWN = 512 };

/* The end of a step that may take `ms`, within the request's own. */
static int64_t step_deadline(const struct pipeline *pipeline, int64_t ms)
{
    return deadline_min(pipeline->deadline_ns, deadline_in_ms(ms));
}

static const char *const step_names[PIPELINE_STEP__MAX] = {
    [PIPELINE_FETCH] = "fetch",
    [PIPELINE_DETECT] = "detect",
    [PIPELINE_DRAW] = "draw",
    [PIPELINE_STORE] = "store",
};

const char *pipeline_step_name(enum pipeline_step step)
{
    return step < PIPELINE_STEP__MAX ? step_names[step] : NULL;
}

static void tell_step(const struct pipeline *pipeline, enum pipeline_step step)
{
    if (pipeline->progress)
        pipeline->progress(pipeline->progress_context, step);
}

/* The audit line: where somebody tried to send us, and why not. A query may be a secret. */
static void log_refusal(const struct pipeline *pipeline, const char *url)
{
    char shown[URL_SHOWN];
    (void)snprintf(shown, sizeof(shown), "%.*s", (int)strcspn(url, "?#"), url);
    log_warn(pipeline->log, "Fetch refused",
             LOG_FIELDS(LOG_STR("url", shown), LOG_STR("reason", pipeline->why->detail)));
}

static enum app_err fetch(struct pipeline *pipeline, const char *url, struct buf *bytes)
{
    struct http_fetch fetch = {
        .url = url,
        .guard = pipeline->app->guard,
        .allow_hosts = pipeline->app->config.fetch_allow_hosts,
        .deny_hosts = pipeline->app->config.fetch_deny_hosts,
        .request_id = pipeline->request_id,
        .deadline_ns = step_deadline(pipeline, pipeline->app->config.fetch_timeout_ms),
        .cancel = pipeline->cancel,
        .max_bytes = LIMIT_PICTURE_BYTES,
    };
    int64_t started_ns = clock_now_ns();
    struct wait wait = wait_begin(WAIT_FETCH);
    enum app_err err = http_client_fetch(pipeline->worker->http, &fetch, bytes, pipeline->why);
    wait_end(&wait);
    telemetry_upstream(&pipeline->app->telemetry, UPSTREAM_FETCH, started_ns, err);
    if (err == APP_FORBIDDEN_ADDRESS)
        log_refusal(pipeline, url);
    return err;
}

static enum app_err open_picture(struct pipeline *pipeline, const void *bytes, size_t len,
                                 struct picture **picture)
{
    enum app_err err =
        picture_open(bytes, len, step_deadline(pipeline, pipeline->app->config.emojify_timeout_ms),
                     picture, pipeline->why);
    if (err)
        telemetry_count(&pipeline->app->telemetry, "emojify.invalid_image");
    return err;
}

static enum app_err detect(struct pipeline *pipeline, const struct picture *picture,
                           const void *bytes, size_t len, struct face **faces, size_t *count)
{
    struct detection_copy copy = {.data = NULL};
    enum app_err err = detection_copy_make(
        picture, bytes, len, step_deadline(pipeline, pipeline->app->config.emojify_timeout_ms),
        &copy, pipeline->why);
    if (err)
        return err;

    struct http_header headers[TRACE_HEADERS_MAX];
    int64_t started_ns = clock_now_ns();
    struct face_call call = {
        .http = pipeline->worker->http,
        .deadline_ns = step_deadline(pipeline, pipeline->app->config.facebox_timeout_ms),
        .timeout_ms = pipeline->app->config.facebox_timeout_ms,
        .cancel = pipeline->cancel,
        .request_id = pipeline->request_id,
        .headers = headers,
        .header_count = trace_headers(pipeline->trace, headers),
    };
    err = face_client_check(&pipeline->app->faces, &call, copy.data, copy.len, pipeline->arena,
                            faces, count, pipeline->why);
    telemetry_upstream(&pipeline->app->telemetry, UPSTREAM_FACEBOX_CHECK, started_ns, err);
    if (!err)
        detection_copy_scale(&copy, *faces, *count);
    detection_copy_release(&copy);
    return upstream_error(pipeline->why, err, "the face detection");
}

static enum app_err draw(struct pipeline *pipeline, const struct picture *picture, const char *key,
                         const struct face *faces, size_t count, struct emojify_result *drawn)
{
    struct emojify_options options = {
        .artwork = pipeline->app->artwork,
        .format = (enum emojify_format)pipeline->app->config.emojify_format,
        .key = key,
        .deadline_ns = step_deadline(pipeline, pipeline->app->config.emojify_timeout_ms),
    };
    int64_t started_ns = clock_now_ns();
    enum app_err err = emojify_draw(picture, faces, count, &options, drawn, pipeline->why);
    telemetry_drawn(&pipeline->app->telemetry, started_ns, err);
    return err;
}

static struct cache_call call_cache(struct pipeline *pipeline, int64_t ms,
                                    struct http_header headers[TRACE_HEADERS_MAX])
{
    return (struct cache_call){
        .deadline_ns = step_deadline(pipeline, ms),
        .timeout_ms = ms,
        .request_id = pipeline->request_id,
        .headers = headers,
        .header_count = trace_headers(pipeline->trace, headers),
    };
}

/* Was the source with this mark taken down? */
static enum app_err check_mark(struct pipeline *pipeline, const char *mark)
{
    struct http_header headers[TRACE_HEADERS_MAX];
    int64_t started_ns = clock_now_ns();
    struct cache_call call = call_cache(pipeline, pipeline->app->config.cache_timeout_ms, headers);
    call.cancel = pipeline->cancel;
    enum app_err err = takedown_check(pipeline->worker->cache, &call, mark, pipeline->why);
    telemetry_upstream(&pipeline->app->telemetry, UPSTREAM_CACHE_EXISTS, started_ns, err);
    return upstream_error(pipeline->why, err, "the cache");
}

/* The record comes first, so that no result of a URL is without one. */
static enum app_err store(struct pipeline *pipeline, const struct pipeline_source *source,
                          const struct emojify_result *drawn)
{
    struct http_header headers[TRACE_HEADERS_MAX];
    struct cache_caller *cache = pipeline->worker->cache;
    int64_t started_ns = clock_now_ns();
    const struct cache_call call = call_cache(pipeline, CACHE_PUT_TIMEOUT_MS, headers);
    enum app_err err = APP_OK;
    if (source->url)
        err = takedown_note(cache, &call, source->key, &source->marks, pipeline->why);
    if (!err)
        err = cache_put(cache, &call, source->key, drawn->data, drawn->len, pipeline->why);
    telemetry_upstream(&pipeline->app->telemetry, UPSTREAM_CACHE_PUT, started_ns, err);
    if (!err)
        telemetry_stored(&pipeline->app->telemetry, drawn->drawn);
    return upstream_error(pipeline->why, err, "the cache");
}

/* Is the picture still wanted? */
static enum app_err check_wanted(const struct pipeline *pipeline)
{
    if (!cancel_asked(&pipeline->cancel))
        return APP_OK;
    return err_set(pipeline->why, APP_CLIENT_GONE, "%s", app_strerror(APP_CLIENT_GONE));
}

static enum app_err begin_step(const struct pipeline *pipeline, enum pipeline_step step)
{
    enum app_err err = check_wanted(pipeline);
    if (!err)
        tell_step(pipeline, step);
    return err;
}

enum app_err pipeline_fetch(struct pipeline *pipeline, struct pipeline_source *source,
                            struct buf *fetched)
{
    enum app_err err = begin_step(pipeline, PIPELINE_FETCH);
    if (!err)
        err = takedown_mark_of_url(source->url, source->marks.url);
    if (!err)
        err = check_mark(pipeline, source->marks.url);
    if (!err)
        err = fetch(pipeline, source->url, fetched);
    if (!err)
        err = picture_key_of_bytes(fetched->data, fetched->len, source->marks.bytes);
    if (!err)
        err = check_mark(pipeline, source->marks.bytes);
    source->bytes = fetched->data;
    source->len = fetched->len;
    return err;
}

static enum app_err work_on(struct pipeline *pipeline, const struct pipeline_source *source,
                            const struct picture *picture, struct emojify_result *drawn)
{
    struct face *faces = NULL;
    size_t face_count = 0;
    enum app_err err = check_wanted(pipeline);
    if (!err)
        err = detect(pipeline, picture, source->bytes, source->len, &faces, &face_count);
    if (!err)
        err = begin_step(pipeline, PIPELINE_DRAW);
    if (!err)
        err = draw(pipeline, picture, source->key, faces, face_count, drawn);
    if (err)
        return err;
    tell_step(pipeline, PIPELINE_STORE); /* for the next who asks, wanted now or not */
    return store(pipeline, source, drawn);
}

enum app_err pipeline_run(struct pipeline *pipeline, const struct pipeline_source *source,
                          struct pipeline_result *result)
{
    struct picture *picture = NULL;
    struct emojify_result drawn = {.data = NULL};
    enum app_err err = begin_step(pipeline, PIPELINE_DETECT);
    if (!err)
        err = open_picture(pipeline, source->bytes, source->len, &picture);
    if (!err)
        err = work_on(pipeline, source, picture, &drawn);
    if (!err) {
        *result = (struct pipeline_result){
            .faces = drawn.drawn,
            .width = picture_width(picture),
            .height = picture_height(picture),
        };
        (void)snprintf(result->content_type, sizeof(result->content_type), "%s",
                       drawn.content_type);
    }
    free(drawn.data);
    picture_free(&picture);
    telemetry_pictures_freed(&pipeline->app->telemetry);
    return err;
}
