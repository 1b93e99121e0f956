/* SPDX-License-Identifier: MIT */
/*
 * POST /: the body is a picture's URL, or the picture itself when its content
 * type says image. The answer is the key of the emojified picture, which is
 * made only when the cache does not have it yet.
 */
#include "api/routes/emojify.h"
#include "api/app.h"
#include "api/clients/cache_client.h"
#include "api/clients/upstream_error.h"
#include "api/faults.h"
#include "api/jobs/work.h"
#include "api/localcache/local_cache.h"
#include "api/picture_key.h"
#include "api/routes/answer.h"
#include "api/routes/routes.h"

#include <string.h>

#include "lib/base/arena.h"
#include "lib/base/buf.h"
#include "lib/base/clock.h"
#include "lib/base/limits.h"
#include "lib/fcgi/request.h"
#include "lib/fcgi/response.h"
#include "lib/http/header.h"
#include "lib/http/url.h"
#include "lib/telemetry/trace.h"

/* Spaces and controls around a URL are no part of it (WHATWG URL, basic URL parser, step 1). */
static void trim(const char **text, size_t *len)
{
    while (*len > 0 && (unsigned char)(*text)[0] <= ' ') {
        (*text)++;
        (*len)--;
    }
    while (*len > 0 && (unsigned char)(*text)[*len - 1] <= ' ')
        (*len)--;
}

/* Fill `source` from a body that is a picture. */
static enum app_err source_from_picture(struct exchange *exchange, struct pipeline_source *source,
                                        char key[PICTURE_KEY_LEN + 1])
{
    const char *body;
    size_t len;
    enum app_err err = request_body(exchange->request, LIMIT_PICTURE_BYTES, &body, &len);
    if (err == APP_TOO_LARGE)
        return err_set(&exchange->why, err, "the picture is larger than %d bytes",
                       LIMIT_PICTURE_BYTES);
    if (!err)
        err = picture_key_of_bytes(body, len, key);
    if (!err)
        *source = (struct pipeline_source){.key = key, .bytes = body, .len = len};
    return err;
}

/* The normal form of a URL, in the request's arena. */
static enum app_err normalise(struct exchange *exchange, const char *text, size_t len,
                              const char **url)
{
    struct buf normal;
    buf_init(&normal, 3 * LIMIT_REQUEST_URL); /* every byte may become three by percent-encoding */
    enum app_err err = url_normalise(text, len, &normal, &exchange->why);
    if (!err) {
        *url = arena_strndup(exchange->request->arena, normal.data, normal.len);
        err = *url ? APP_OK : APP_NO_MEMORY;
    }
    buf_release(&normal);
    return err;
}

/* Fill `source` from a body that is a URL. */
static enum app_err source_from_url(struct exchange *exchange, struct pipeline_source *source,
                                    char key[PICTURE_KEY_LEN + 1])
{
    const char *body, *url;
    size_t len;
    enum app_err err = request_body(exchange->request, LIMIT_REQUEST_URL, &body, &len);
    if (err == APP_TOO_LARGE)
        return err_set(&exchange->why, err, "the URL is longer than %d bytes", LIMIT_REQUEST_URL);
    if (err)
        return err;
    trim(&body, &len);
    err = normalise(exchange, body, len, &url);
    if (!err)
        err = picture_key_of_url(url, strlen(url), key);
    /* A fragment is for the client (RFC 3986, 3.5): part of the key, and not asked for. */
    const char *fragment = memchr(body, '#', len);
    if (!err && fragment)
        err = normalise(exchange, body, (size_t)(fragment - body), &url);
    if (!err)
        *source = (struct pipeline_source){.key = key, .url = url};
    return err;
}

enum app_err emojify_read_source(struct exchange *exchange, struct pipeline_source *source,
                                 char key[PICTURE_KEY_LEN + 1])
{
    bool is_picture = strncmp(request_media_type(exchange->request), "image/", 6) == 0;
    enum app_err err = is_picture ? source_from_picture(exchange, source, key)
                                  : source_from_url(exchange, source, key);
    if (err)
        telemetry_count(&exchange->app->telemetry,
                        err == APP_INVALID_URL ? "emojify.invalid_uri" : "emojify.no_post_body");
    return err;
}

/*
 * Where the web server sends files, a GET for the answer's URL would have this one, without
 * asking the cache. As there, faults that are injected into /cache/ are not hidden.
 */
static bool is_in_tier(const struct exchange *exchange, const char *key)
{
    struct local_cache_file file;
    const struct app *app = exchange->app;
    return app->config.cache_fault.rate == 0 &&
           local_cache_find(app->tier, key, &file) == LOCAL_CACHE_FRESH;
}

enum app_err emojify_is_cached(struct exchange *exchange, const char *key, bool *cached)
{
    *cached = is_in_tier(exchange, key);
    if (*cached)
        return APP_OK;
    struct http_header headers[TRACE_HEADERS_MAX];
    int64_t started_ns = clock_now_ns();
    struct cache_call call = {
        .deadline_ns = deadline_min(exchange->deadline_ns,
                                    deadline_in_ms(exchange->app->config.cache_timeout_ms)),
        .timeout_ms = exchange->app->config.cache_timeout_ms,
        .cancel = exchange->cancel,
        .request_id = exchange->request->id,
        .headers = headers,
        .header_count = trace_headers(&exchange->request->trace, headers),
    };
    enum app_err err = cache_exists(exchange->worker->cache, &call, key, cached, &exchange->why);
    telemetry_upstream(&exchange->app->telemetry, UPSTREAM_CACHE_EXISTS, started_ns, err);
    return upstream_error(&exchange->why, err, "the cache");
}

/*
 * The picture's address is a Link (RFC 8288): Location has no meaning in a 200 (RFC 9110,
 * 10.2.2), and some web servers make a redirect of it. `result` is NULL when the picture was
 * in the cache: what is not known is null.
 */
static enum app_err answer_key(struct exchange *exchange, const char *key,
                               const struct pipeline_result *result)
{
    struct arena *arena = exchange->request->arena;
    const char *url = arena_printf(arena, "%scache/%s", exchange->app->config.api_path, key);
    const char *link = url ? arena_printf(arena, "<%s>; rel=\"item\"", url) : NULL;
    if (!link)
        return APP_NO_MEMORY;
    enum app_err err = response_header(exchange->response, "Link", link);
    if (err)
        return err;
    if (!request_accepts_json(exchange->request))
        return answer_text(exchange, 200, key);
    if (!result)
        return answer_json(exchange, 200,
                           json_pack("{s:s, s:n, s:n, s:n, s:n, s:b, s:s}", "id", key, "faces",
                                     "width", "height", "type", "cached", 1, "url", url));
    return answer_json(exchange, 200,
                       json_pack("{s:s, s:I, s:i, s:i, s:s, s:b, s:s}", "id", key, "faces",
                                 (json_int_t)result->faces, "width", result->width, "height",
                                 result->height, "type", result->content_type, "cached", 0, "url",
                                 url));
}

static enum app_err run(struct exchange *exchange, const struct pipeline_source *source,
                        int64_t since_ns, struct pipeline_result *result)
{
    struct request *request = exchange->request;
    bool shared;
    struct pipeline pipeline = {
        .app = exchange->app,
        .worker = exchange->worker,
        .arena = request->arena,
        .request_id = request->id,
        .trace = &request->trace,
        .log = &request->log,
        .deadline_ns = exchange->deadline_ns,
        .cancel = exchange->cancel,
        .why = &exchange->why,
    };
    const struct work_call call = {.kind = TURN_REQUEST, .since_ns = since_ns};
    enum app_err err = work_run(&pipeline, &call, source, result, &shared);
    if (!err)
        log_info(&request->log, "Picture emojified",
                 LOG_FIELDS(LOG_STR("key", source->key), LOG_INT("faces", result->faces),
                            LOG_INT("width", result->width), LOG_INT("height", result->height),
                            LOG_STR("by", shared ? "another request" : "this request")));
    return err;
}

enum app_err route_emojify(struct exchange *exchange)
{
    struct pipeline_source source;
    struct pipeline_result result;
    char key[PICTURE_KEY_LEN + 1];
    bool cached = false;
    bool answered, dump;

    enum app_err err = faults_inject(exchange, FAULT_ROUTE_EMOJIFY, &answered, &dump);
    if (err || answered)
        return err;
    err = emojify_read_source(exchange, &source, key);
    int64_t since_ns = clock_now_ns();
    if (!err)
        err = emojify_is_cached(exchange, key, &cached);
    if (!err && !cached)
        err = run(exchange, &source, since_ns, &result);
    return err ? err : answer_key(exchange, key, cached ? NULL : &result);
}
