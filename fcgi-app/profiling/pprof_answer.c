/* SPDX-License-Identifier: MIT */
/* What the answers have in common: the query's numbers, gathering, and sending. */
#include <stdio.h>

#include "lib/base/query.h"
#include "profiling/pprof_private.h"

double pprof_number(const struct pprof_call *call, const char *name, double otherwise)
{
    return query_number(call->request->query, name, otherwise);
}

enum app_err pprof_seconds(struct pprof_call *call, double otherwise, double *seconds)
{
    double asked = pprof_number(call, "seconds", otherwise);
    if (asked <= 0)
        asked = otherwise;
    if (asked > (double)call->pprof->options.max_seconds)
        return err_set(call->why, APP_BAD_REQUEST,
                       "profile duration exceeds server's WriteTimeout");
    *seconds = asked;
    return APP_OK;
}

enum app_err pprof_gather(struct pprof_call *call, const struct profiling_query *query,
                          struct profiling_result *result)
{
    const struct pprof_request *request = call->request;
    struct profiling *profiling = call->pprof->profiling;
    char coverage[48];
    struct place place;
    log_info(request->log, "Profile asked for",
             LOG_FIELDS(LOG_STR("path", request->path), LOG_STR("query", request->query),
                        LOG_STR("remote", request->remote), LOG_STR("agent", request->agent)));
    enum app_err err = profiling_place(profiling, query->seconds, &place, call->why);
    if (!err)
        err = profiling_gather(profiling, query, result, call->why);
    place_leave(&place);
    if (err)
        return err;
    (void)snprintf(coverage, sizeof(coverage), "%zu/%zu", result->answered, result->asked);
    err = pprof_header(call, "X-Profile-Processes", coverage);
    if (err)
        profile_free(&result->profile);
    return err;
}

/* --- Sending --------------------------------------------------------------------------- */

enum app_err pprof_header(struct pprof_call *call, const char *name, const char *value)
{
    return call->request->header(call->request->context, name, value);
}

enum app_err pprof_send(struct pprof_call *call, int status, const char *content_type,
                        const void *body, size_t len)
{
    const struct pprof_request *request = call->request;
    enum app_err err = request->send(request->context, status, content_type, body, len);
    call->sent = call->sent || !err || err == APP_CLIENT_GONE;
    return err;
}

enum app_err pprof_send_text(struct pprof_call *call, const struct buf *text)
{
    return pprof_send(call, 200, "text/plain; charset=utf-8", text->data, text->len);
}

enum app_err pprof_send_html(struct pprof_call *call, const struct buf *page)
{
    return pprof_send(call, 200, "text/html; charset=utf-8", page->data, page->len);
}

enum app_err pprof_send_json(struct pprof_call *call, int status, const struct buf *text)
{
    return pprof_send(call, status, "application/json", text->data, text->len);
}

enum app_err pprof_send_file(struct pprof_call *call, const char *filename, const struct buf *bytes)
{
    char disposition[160];
    (void)snprintf(disposition, sizeof(disposition), "attachment; filename=\"%.96s\"", filename);
    enum app_err err = pprof_header(call, "Content-Disposition", disposition);
    return err ? err : pprof_send(call, 200, "application/octet-stream", bytes->data, bytes->len);
}

enum app_err pprof_send_table(struct pprof_call *call, const struct provider *provider,
                              const struct profile *profile)
{
    struct buf text;
    buf_init(&text, PPROF_MAX_ANSWER);
    enum app_err err = provider->text(profile, profile_value_default(profile_kind_of(profile)),
                                      provider->text_rows, &text);
    if (!err)
        err = pprof_send_text(call, &text);
    buf_release(&text);
    return err;
}
