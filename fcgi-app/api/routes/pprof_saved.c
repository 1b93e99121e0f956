/* SPDX-License-Identifier: MIT */
/*
 * /debug/pprof/saved: the profiles in RUN_DIR/profiles. GET lists them, POST takes
 * one now and keeps it, and saved/{name} gives one back as it was saved.
 */
#include <inttypes.h>
#include <stdio.h>

#include "api/routes/pprof.h"
#include "api/routes/routes.h"
#include "lib/base/query.h"
#include "profiling/profile_top.h"
#include "profiling/saved.h"

enum { DEFAULT_SECONDS = 5, TOP_ROWS = 80 };

static enum app_err send_json(struct exchange *exchange, int status, const struct buf *text)
{
    return response_send(exchange->response, status, "application/json", text->data, text->len);
}

/* Names are valid, so they need no escaping. */
static enum app_err list_saved(struct exchange *exchange)
{
    struct saved_profile saved[SAVED_KEPT];
    struct buf text;
    size_t count = saved_list(exchange->app->config.run_dir, saved);
    buf_init(&text, PPROF_MAX_ANSWER);
    enum app_err err = buf_append_str(&text, "{\"saved\":[");
    for (size_t i = 0; i < count && !err; i++)
        err = buf_printf(
            &text, "%s{\"name\":\"%s\",\"path\":\"/debug/pprof/saved/%s\",\"bytes\":%" PRId64 "}",
            i ? "," : "", saved[i].name, saved[i].name, saved[i].bytes);
    if (!err)
        err = buf_append_str(&text, "]}");
    if (!err)
        err = send_json(exchange, 200, &text);
    buf_release(&text);
    return err;
}

static enum app_err send_name(struct exchange *exchange, const char *name)
{
    char location[sizeof("/debug/pprof/saved/") + SAVED_NAME_MAX];
    char text[SAVED_NAME_MAX + 16];
    (void)snprintf(location, sizeof(location), "/debug/pprof/saved/%s", name);
    int len = snprintf(text, sizeof(text), "{\"name\":\"%s\"}", name);
    enum app_err err = response_header(exchange->response, "Location", location);
    return err ? err
               : response_send(exchange->response, 201, "application/json", text, (size_t)len);
}

static enum app_err save_one(struct exchange *exchange)
{
    struct profiling_query query = {.source = PROFILING_CPU};
    struct profiling_result result;
    char name[SAVED_NAME_MAX];
    enum app_err err = pprof_seconds(exchange, DEFAULT_SECONDS, &query.seconds);
    if (!err)
        err = pprof_gather(exchange, &query, &result);
    if (err)
        return err;
    err = saved_write(exchange->app->config.run_dir, "asked", result.profile, name, &exchange->why);
    profile_free(&result.profile);
    if (err == APP_UNAVAILABLE)
        return err_set(&exchange->why, err, "the profile could not be saved");
    return err ? err : send_name(exchange, name);
}

enum app_err pprof_saved(struct exchange *exchange)
{
    return exchange->request->method == HTTP_POST ? save_one(exchange) : list_saved(exchange);
}

enum app_err pprof_load_saved(struct exchange *exchange, const char *name, struct profile **profile)
{
    enum app_err err = saved_profile(exchange->app->config.run_dir, name, profile);
    return err == APP_NOT_FOUND ? err_set(&exchange->why, err, "no profile is saved by that name")
                                : err;
}

static enum app_err send_table(struct exchange *exchange)
{
    struct profile *profile;
    struct buf text;
    enum app_err err = pprof_load_saved(exchange, exchange->parameter, &profile);
    if (err)
        return err;
    buf_init(&text, PPROF_MAX_ANSWER);
    err = profile_top_text(profile, profile_value_default(&profile_kind_cpu), TOP_ROWS, &text);
    if (!err)
        err = response_send(exchange->response, 200, "text/plain; charset=utf-8", text.data,
                            text.len);
    buf_release(&text);
    profile_free(&profile);
    return err;
}

static enum app_err send_file(struct exchange *exchange)
{
    struct buf bytes;
    char disposition[SAVED_NAME_MAX + 32];
    buf_init(&bytes, PPROF_MAX_ANSWER);
    enum app_err err = saved_read(exchange->app->config.run_dir, exchange->parameter, &bytes);
    (void)snprintf(disposition, sizeof(disposition), "attachment; filename=\"%.*s\"",
                   SAVED_NAME_MAX, exchange->parameter);
    if (!err)
        err = response_header(exchange->response, "Content-Disposition", disposition);
    if (!err)
        err = response_send(exchange->response, 200, "application/octet-stream", bytes.data,
                            bytes.len);
    buf_release(&bytes);
    return err == APP_NOT_FOUND ? err_set(&exchange->why, err, "no profile is saved by that name")
                                : err;
}

enum app_err route_pprof_saved(struct exchange *exchange)
{
    enum app_err err = pprof_begin(exchange);
    if (err)
        return err;
    return query_number(exchange->request->query, "debug", 0) != 0 ? send_table(exchange)
                                                                   : send_file(exchange);
}
