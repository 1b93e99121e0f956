/* SPDX-License-Identifier: MIT */
/*
 * POST /emojify/ takes what POST / takes, answers at once and has the work done
 * behind; GET /emojify/{id} tells how far it is. The id is the picture's key.
 */
#include "api/app.h"
#include "api/faults.h"
#include "api/jobs/background.h"
#include "api/picture_key.h"
#include "api/routes/answer.h"
#include "api/routes/emojify.h"
#include "api/routes/routes.h"

#include <string.h>

#include "lib/base/arena.h"
#include "lib/base/clock.h"
#include "lib/base/limits.h"
#include "lib/fcgi/request.h"
#include "lib/fcgi/response.h"

static enum app_err answer_created(struct exchange *exchange, const char *key,
                                   const struct job_view *view)
{
    const char *url =
        arena_printf(exchange->request->arena, "%semojify/%s", exchange->app->config.api_path, key);
    enum app_err err = url ? response_header(exchange->response, "Location", url) : APP_NO_MEMORY;
    if (err)
        return err;
    return answer_json(exchange, 202,
                       json_pack("{s:s, s:I, s:I, s:s}", "id", key, "length",
                                 (json_int_t)view->length, "position", (json_int_t)view->position,
                                 "status", job_status_name(view->status)));
}

enum app_err route_emojify_create(struct exchange *exchange)
{
    struct app *app = exchange->app;
    struct background_request request = {
        .id = exchange->request->id,
        .trace = &exchange->request->trace,
    };
    struct job_view view;
    char key[PICTURE_KEY_LEN + 1];
    bool cached = false;
    bool answered, dump;

    if (!app->background)
        return err_set(&exchange->why, APP_NOT_IMPLEMENTED,
                       "nothing is done in the background here, for WORKERS is 1: use POST %s",
                       app->config.api_path);
    enum app_err err = faults_inject(exchange, FAULT_ROUTE_EMOJIFY, &answered, &dump);
    if (err || answered)
        return err;
    err = emojify_read_source(exchange, &request.source, key);
    request.since_ns = clock_now_ns();
    if (!err)
        err = emojify_is_cached(exchange, key, &cached);
    if (!err && cached)
        job_note_finished(app->table, key, &view);
    else if (!err)
        err = background_add(app->background, &request, &view, &exchange->why);
    return err ? err : answer_created(exchange, key, &view);
}

/* JSON has null for what there is not. */
static json_t *text_or_null(const char *text)
{
    return text && text[0] ? json_string(text) : json_null();
}

enum app_err route_emojify_query(struct exchange *exchange)
{
    const char *id = exchange->parameter;
    struct job_view view;
    if (!exchange->app->background)
        return err_set(&exchange->why, APP_NOT_IMPLEMENTED,
                       "nothing is done in the background here, for WORKERS is 1");
    if (strlen(id) > LIMIT_ECHO) /* no id of ours, and too long to repeat */
        return APP_NOT_FOUND;
    job_read(exchange->app->table, id, &view);
    bool has_failed = view.status == JOB_FAILED;
    return answer_json(exchange, 200,
                       json_pack("{s:s, s:I, s:I, s:s, s:o, s:o, s:o, s:o, s:o}", "id", id,
                                 "length", (json_int_t)view.length, "position",
                                 (json_int_t)view.position, "status", job_status_name(view.status),
                                 "step", text_or_null(pipeline_step_name(view.step)), "error",
                                 text_or_null(view.error), "code",
                                 text_or_null(has_failed ? app_err_slug(view.err) : NULL), "key",
                                 text_or_null(view.status == JOB_FINISHED ? id : NULL), "faces",
                                 view.faces < 0 ? json_null() : json_integer(view.faces)));
}
