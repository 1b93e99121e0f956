/* SPDX-License-Identifier: MIT */
/*
 * GET /debug/pprof/: what there is, how to fetch it, and what each process
 * samples right now. Go's names and links, so that a habit finds its way.
 */
#include <inttypes.h>
#include <stdlib.h>

#include "api/routes/pprof.h"
#include "profiling/saved.h"

enum { INDEX_MAX = 64 * 1024 };

static const struct {
    const char *link;
    const char *name;
    const char *description;
} entries[] = {
    {"flamegraph?seconds=5", "flame graph", "CPU of the next 5 seconds, as a picture with search"},
    {"profile?seconds=5&debug=1", "profile",
     "CPU of the next seconds: a table here, a profile for go tool pprof without debug=1"},
    {"cpu?debug=1", "cpu", "what the sampling switch collected"},
    {"flamegraph?profile=block", "block", "time spent waiting for cache, FaceBox and pictures"},
    {"flamegraph?profile=mutex", "mutex", "time spent waiting for locks"},
    {"flamegraph?profile=heap", "heap", "live memory (needs PROFILE_HEAP)"},
    {"flamegraph?profile=allocs", "allocs", "all memory ever allocated (needs PROFILE_HEAP)"},
    {"goroutine?debug=1", "goroutine", "stacks of all threads of all processes"},
    {"goroutine?debug=2", "goroutine, each", "the same, each thread apart and by its name"},
    {"threadcreate?debug=1", "threadcreate", "the same, by thread"},
    {"saved", "saved", "profiles that were kept; POST keeps one of now"},
    {"cmdline", "cmdline", "the command line, without secrets"},
    {"sampling", "sampling", "what each process samples now; POST cpu=on switches it on"},
};

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
static enum app_err append_states(struct exchange *exchange, struct buf *page)
{
    struct state *states = NULL;
    size_t count = 0;
    if (profiling_states(exchange->app->profiling, &states, &count))
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
static enum app_err append_saved(struct exchange *exchange, struct buf *page)
{
    struct saved_profile saved[SAVED_KEPT];
    size_t count = saved_list(exchange->app->config.run_dir, saved);
    enum app_err err = count > 0 ? buf_append_str(page, "<h2>Saved</h2>\n<ul>\n") : APP_OK;
    for (size_t i = 0; i < count && !err; i++)
        err = buf_printf(page,
                         "<li><a href=\"saved/%s\">%s</a> (<a href=\"flamegraph?saved=%s\">flame "
                         "graph</a>, <a href=\"saved/%s?debug=1\">table</a>)</li>\n",
                         saved[i].name, saved[i].name, saved[i].name, saved[i].name);
    return err || count == 0 ? err : buf_append_str(page, "</ul>\n");
}

enum app_err pprof_index(struct exchange *exchange)
{
    struct buf page;
    buf_init(&page, INDEX_MAX);
    enum app_err err = buf_append_str(&page, head);
    for (size_t i = 0; i < sizeof(entries) / sizeof(entries[0]) && !err; i++)
        err = buf_printf(&page, "<tr><td><a href=\"%s\">%s</a></td><td>%s</td></tr>\n",
                         entries[i].link, entries[i].name, entries[i].description);
    if (!err)
        err = append_states(exchange, &page);
    if (!err)
        err = append_saved(exchange, &page);
    if (!err)
        err = buf_append_str(&page, usage);
    if (!err)
        err = response_header(exchange->response, "Content-Security-Policy",
                              "default-src 'none'; frame-ancestors 'none'");
    if (!err)
        err =
            response_send(exchange->response, 200, "text/html; charset=utf-8", page.data, page.len);
    buf_release(&page);
    return err;
}
