/* SPDX-License-Identifier: MIT */
/*
 * GET /debug/pprof/: what there is, how to fetch it, and what each process
 * samples right now. Go's names and links, so that a habit finds its way.
 */
#include <inttypes.h>
#include <stdlib.h>

#include "profiling/pprof_private.h"
#include "profiling/saved.h"

enum { INDEX_MAX = 64 * 1024 };

static const char head[] =
    "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
    "<meta name=\"viewport\" content=\"width=device-width\">"
    "<title>/debug/pprof/</title></head><body>\n<h1>/debug/pprof/</h1>\n"
    "<p>One request covers every process of the pool.</p>\n<table>\n"
    "<tr><th align=\"left\">profile</th><th align=\"left\">what it shows</th></tr>\n";

static const char usage[] =
    "<h2>How to fetch</h2>\n<pre>"
    "go tool pprof \"http://any:TOKEN@HOST/debug/pprof/profile?seconds=5\"\n"
    "google-pprof --text --seconds=5 http://any:TOKEN@HOST/pprof/profile\n"
    "curl -H \"Authorization: Bearer TOKEN\" "
    "\"http://HOST/debug/pprof/profile?seconds=5&amp;debug=1\"\n"
    "curl -H \"Authorization: Bearer TOKEN\" -d cpu=on -d for=60 http://HOST/debug/pprof/sampling"
    "</pre>\n</body></html>\n";

static enum app_err append_state(const struct state *state, struct buf *page)
{
    return buf_printf(page,
                      "<tr><td>%ld</td><td>%d Hz</td><td>%u</td><td>%s</td><td>%s</td>"
                      "<td>%" PRIu64 "</td></tr>\n",
                      state->pid, state->sampler.hz, state->sampler.windows,
                      state->sampler.toggle ? "on" : "off", state->sampler.ring ? "on" : "off",
                      state->sampler.samples);
}

/* A page without them is better than none. */
static enum app_err append_states(struct pprof_call *call, struct buf *page)
{
    struct state *states = NULL;
    size_t count = 0;
    if (profiling_states(call->pprof->profiling, &states, &count))
        count = 0;
    enum app_err err = buf_printf(page,
                                  "</table>\n<h2>%zu processes</h2>\n<table>\n<tr><th>pid</th>"
                                  "<th>rate</th><th>profiles now</th><th>switch</th>"
                                  "<th>ring</th><th>samples</th></tr>\n",
                                  count);
    for (size_t i = 0; i < count && !err; i++)
        err = append_state(&states[i], page);
    free(states);
    return err ? err : buf_append_str(page, "</table>\n");
}

/* Names are valid, so they need no escaping. */
static enum app_err append_saved(struct pprof_call *call, struct buf *page)
{
    struct saved_profile saved[SAVED_KEPT];
    size_t count = saved_list(call->pprof->options.run_dir, saved);
    enum app_err err = count > 0 ? buf_append_str(page, "<h2>Saved</h2>\n<ul>\n") : APP_OK;
    for (size_t i = 0; i < count && !err; i++)
        err = buf_printf(page,
                         "<li><a href=\"saved/%s\">%s</a> (<a href=\"flamegraph?saved=%s\">flame "
                         "graph</a>, <a href=\"saved/%s?debug=1\">table</a>)</li>\n",
                         saved[i].name, saved[i].name, saved[i].name, saved[i].name);
    return err || count == 0 ? err : buf_append_str(page, "</ul>\n");
}

static enum app_err append_view(const struct provider_view *view, const struct pprof_words *words,
                                struct buf *page)
{
    enum app_err err = buf_printf(page, "<tr><td><a href=\"%s\">%s</a></td><td>%s%s", view->link,
                                  view->name, view->text, view->more ? view->more(words) : "");
    if (!err && view->needs)
        err = buf_printf(page, " (needs %s)", view->needs(words));
    return err ? err : buf_append_str(page, "</td></tr>\n");
}

static enum app_err append_profiles(struct pprof_call *call, struct buf *page)
{
    const struct provider *provider;
    enum app_err err = APP_OK;
    for (size_t i = 0; (provider = provider_at(i)); i++)
        for (size_t j = 0; j < PROVIDER_VIEWS_MAX && !err; j++)
            if (provider->views[j].link)
                err = append_view(&provider->views[j], &call->pprof->options.words, page);
    return err;
}

static enum app_err append_pages(struct buf *page)
{
    const struct pprof_page *other;
    enum app_err err = APP_OK;
    for (size_t i = 0; (other = pprof_page_at(i)) && !err; i++)
        if (other->text)
            err = buf_printf(page, "<tr><td><a href=\"%s\">%s</a></td><td>%s</td></tr>\n",
                             other->name, other->name, other->text);
    return err;
}

enum app_err pprof_index(struct pprof_call *call)
{
    struct buf page;
    buf_init(&page, INDEX_MAX);
    enum app_err err = buf_append_str(&page, head);
    if (!err)
        err = append_profiles(call, &page);
    if (!err)
        err = append_pages(&page);
    if (!err)
        err = append_states(call, &page);
    if (!err)
        err = append_saved(call, &page);
    if (!err)
        err = buf_append_str(&page, usage);
    if (!err)
        err = pprof_header(call, "Content-Security-Policy",
                           "default-src 'none'; frame-ancestors 'none'");
    if (!err)
        err = pprof_send_html(call, &page);
    buf_release(&page);
    return err;
}
