/* SPDX-License-Identifier: MIT */
/*
 * /debug/pprof/flamegraph: any profile as a page. profile= names it (the CPU's
 * when absent), seconds= and ago= as for the profile itself, and base= compares
 * with the window that began so many seconds ago. saved= shows one that was saved.
 */
#include <stdio.h>
#include <string.h>

#include "api/routes/pprof.h"
#include "lib/base/query.h"
#include "profiling/flamegraph.h"
#include "profiling/saved.h"

enum { DEFAULT_PAGE_SECONDS = 5 };

static enum app_err read_query(struct exchange *exchange, struct profiling_query *query)
{
    char name[32];
    *query = (struct profiling_query){.source = PROFILING_CPU};
    query->ago = query_number(exchange->request->query, "ago", 0);
    if (query_value(exchange->request->query, "profile", name, sizeof(name)) && name[0] != '\0')
        query->source = profiling_source_of(name);
    if (query->source == PROFILING__MAX)
        return err_set(&exchange->why, APP_NOT_FOUND, "Unknown profile");
    if (query->source == PROFILING_CPU && query->ago > 0)
        query->source = PROFILING_PAST;
    return pprof_seconds(exchange, DEFAULT_PAGE_SECONDS, &query->seconds);
}

static enum app_err send_page(struct exchange *exchange, const struct flamegraph_options *options)
{
    struct buf page, policy;
    buf_init(&page, PPROF_MAX_ANSWER);
    buf_init(&policy, 4096);
    enum app_err err = flamegraph_write(options, &page);
    if (!err)
        err = flamegraph_csp(&policy);
    if (!err)
        err = response_header(exchange->response, "Content-Security-Policy", policy.data);
    if (!err)
        err = response_header(exchange->response, "Referrer-Policy", "no-referrer");
    if (!err)
        err =
            response_send(exchange->response, 200, "text/html; charset=utf-8", page.data, page.len);
    buf_release(&policy);
    buf_release(&page);
    return err;
}

static enum app_err send_saved(struct exchange *exchange, const char *name)
{
    struct profile *profile;
    char title[SAVED_NAME_MAX + 32];
    enum app_err err = pprof_load_saved(exchange, name, &profile);
    if (err)
        return err;
    (void)snprintf(title, sizeof(title), "CPU profile of emojify-api, %s", name);
    struct flamegraph_options options = {
        .profile = profile,
        .value_index = profile_value_default(&profile_kind_cpu),
        .title = title,
        .processes = "saved",
    };
    err = send_page(exchange, &options);
    profile_free(&profile);
    return err;
}

enum app_err pprof_flamegraph(struct exchange *exchange)
{
    char saved[SAVED_NAME_MAX];
    if (query_value(exchange->request->query, "saved", saved, sizeof(saved)))
        return send_saved(exchange, saved);
    struct profiling_query query;
    struct profiling_result result = {.profile = NULL}, base = {.profile = NULL};
    char processes[64], base_title[64], title[96];
    enum app_err err = read_query(exchange, &query);
    double base_ago = query_number(exchange->request->query, "base", 0);
    if (!err && base_ago > 0) {
        struct profiling_query past = {PROFILING_PAST, query.seconds, base_ago};
        err = profiling_gather(exchange->app->profiling, &past, &base, &exchange->why);
    }
    if (!err)
        err = pprof_gather(exchange, &query, &result);
    if (err)
        goto out;

    const struct profile_kind *kind = profile_kind_of(result.profile);
    (void)snprintf(processes, sizeof(processes), "%zu of %zu processes", result.answered,
                   result.asked);
    (void)snprintf(base_title, sizeof(base_title), "%.0f s ago", base_ago);
    (void)snprintf(title, sizeof(title), "%s of emojify-api",
                   query.source == PROFILING_CPU || query.source == PROFILING_PAST ? "CPU profile"
                                                                                   : kind->name);
    struct flamegraph_options options = {
        .profile = result.profile,
        .base = base.profile,
        .value_index = profile_value_default(kind),
        .title = title,
        .processes = processes,
        .base_title = base_title,
    };
    err = send_page(exchange, &options);
out:
    profile_free(&base.profile);
    profile_free(&result.profile);
    return err;
}
