/* SPDX-License-Identifier: MIT */
/*
 * /debug/pprof/flamegraph: any profile as a page. profile= names it (the CPU's
 * when absent), seconds= and ago= as for the profile itself, and base= compares
 * with the window that began so many seconds ago. saved= shows one that was saved.
 */
#include <stdio.h>

#include "lib/base/query.h"
#include "profiling/flamegraph.h"
#include "profiling/pprof_private.h"
#include "profiling/saved.h"

enum { DEFAULT_PAGE_SECONDS = 5 };

static enum app_err read_query(struct pprof_call *call, struct profiling_query *query)
{
    char name[32];
    if (!query_value(call->request->query, "profile", name, sizeof(name)) || name[0] == '\0')
        (void)snprintf(name, sizeof(name), "profile");
    *query = (struct profiling_query){.provider = provider_find(name),
                                      .ago = pprof_number(call, "ago", 0)};
    if (!query->provider)
        return err_set(call->why, APP_NOT_FOUND, "Unknown profile");
    if (query->provider->past && query->ago > 0)
        query->provider = provider_find(query->provider->past);
    return pprof_seconds(call, DEFAULT_PAGE_SECONDS, &query->seconds);
}

static enum app_err send_page(struct pprof_call *call, const struct flamegraph_options *options)
{
    struct buf page, policy;
    buf_init(&page, PPROF_MAX_ANSWER);
    buf_init(&policy, 4096);
    enum app_err err = flamegraph_write(options, &page);
    if (!err)
        err = flamegraph_csp(&policy);
    if (!err)
        err = pprof_header(call, "Content-Security-Policy", policy.data);
    if (!err)
        err = pprof_header(call, "Referrer-Policy", "no-referrer");
    if (!err)
        err = pprof_send_html(call, &page);
    buf_release(&policy);
    buf_release(&page);
    return err;
}

static enum app_err send_saved(struct pprof_call *call, const char *name)
{
    struct profile *profile;
    char title[PPROF_TITLE_MAX];
    enum app_err err = pprof_load_saved(call, name, &profile);
    if (err)
        return err;
    (void)snprintf(title, sizeof(title), "CPU profile of %s, %s",
                   call->pprof->options.words.program, name);
    struct flamegraph_options options = {
        .profile = profile,
        .value_index = profile_value_default(&profile_kind_cpu),
        .title = title,
        .processes = "saved",
    };
    err = send_page(call, &options);
    profile_free(&profile);
    return err;
}

/* Only CPU samples are kept of the past. */
static enum app_err gather_base(struct pprof_call *call, const struct profiling_query *query,
                                double ago, struct profiling_result *base)
{
    const struct profiling_query past = {provider_find("past"), query->seconds, ago};
    if (query->provider->kind != past.provider->kind)
        return err_set(call->why, APP_BAD_REQUEST, "base is for profiles of CPU time only");
    return profiling_gather(call->pprof->profiling, &past, base, call->why);
}

enum app_err pprof_flamegraph(struct pprof_call *call)
{
    char saved[SAVED_NAME_MAX];
    if (query_value(call->request->query, "saved", saved, sizeof(saved)))
        return send_saved(call, saved);
    struct profiling_query query;
    struct profiling_result result = {.profile = NULL}, base = {.profile = NULL};
    char processes[64], base_title[64], title[PPROF_TITLE_MAX];
    enum app_err err = read_query(call, &query);
    double base_ago = pprof_number(call, "base", 0);
    if (!err && base_ago > 0)
        err = gather_base(call, &query, base_ago, &base);
    if (!err)
        err = pprof_gather(call, &query, &result);
    if (err)
        goto out;

    const struct profile_kind *kind = profile_kind_of(result.profile);
    (void)snprintf(processes, sizeof(processes), "%zu of %zu processes", result.answered,
                   result.asked);
    (void)snprintf(base_title, sizeof(base_title), "%.0f s ago", base_ago);
    (void)snprintf(title, sizeof(title), "%s of %s",
                   query.provider->title ? query.provider->title : kind->name,
                   call->pprof->options.words.program);
    struct flamegraph_options options = {
        .profile = result.profile,
        .base = base.profile,
        .value_index = profile_value_default(kind),
        .title = title,
        .processes = processes,
        .base_title = base_title,
    };
    err = send_page(call, &options);
out:
    profile_free(&base.profile);
    profile_free(&result.profile);
    return err;
}
