/* SPDX-License-Identifier: MIT */
/*
 * Which path is what. Below /debug/pprof/ it is as in Go's net/http/pprof, so that its
 * clients work unchanged: same names, same query, same headers, same errors (text/plain
 * with X-Go-Pprof). What is ours beyond it: one request covers all processes, ago=, the
 * sampling toggle and the flame graph. Below /pprof/ it is as gperftools has it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "profiling/pprof_private.h"
#include "profiling/saved.h"

/* --- Pages that are no profiles ------------------------------------------------------ */

static enum app_err answer_trace(struct pprof_call *call)
{
    return err_set(call->why, APP_NOT_IMPLEMENTED,
                   "there are no execution traces of a C program; take a profile");
}

static const struct pprof_page pages[] = {
    {"saved", pprof_saved, true, "profiles that were kept; POST keeps one of now"},
    {"cmdline", pprof_cmdline, false, "the command line, without secrets"},
    {"sampling", pprof_sampling, true, "what each process samples now; POST cpu=on switches it on"},
    {"symbol", pprof_symbol, true, NULL},
    {"trace", answer_trace, false, NULL},
    {"flamegraph", pprof_flamegraph, false, NULL},
};

const struct pprof_page *pprof_page_at(size_t index)
{
    return index < sizeof(pages) / sizeof(pages[0]) ? &pages[index] : NULL;
}

static const struct pprof_page *find_page(const char *name)
{
    for (size_t i = 0; i < sizeof(pages) / sizeof(pages[0]); i++)
        if (strcmp(pages[i].name, name) == 0)
            return &pages[i];
    return NULL;
}

/* --- Paths ---------------------------------------------------------------------------- */

/* pprof shows an error's text only with this header. */
static enum app_err begin(struct pprof_call *call)
{
    enum app_err err = pprof_header(call, "Cache-Control", "no-store");
    return err ? err : pprof_header(call, "X-Go-Pprof", "1");
}

static enum app_err redirect(struct pprof_call *call)
{
    static const char text[] = "see /debug/pprof/\n";
    enum app_err err = pprof_header(call, "Location", "/debug/pprof/");
    return err ? err : pprof_send(call, 301, "text/plain; charset=utf-8", text, sizeof(text) - 1);
}

static enum app_err refuse_post(struct pprof_call *call)
{
    (void)pprof_header(call, "Allow", "GET, HEAD");
    return APP_METHOD_NOT_ALLOWED;
}

static enum app_err answer_name(struct pprof_call *call)
{
    const struct provider *provider = provider_find(call->name);
    const struct pprof_page *page = find_page(call->name);
    if (!page && (!provider || provider->is_variant))
        return err_set(call->why, APP_NOT_FOUND, "Unknown profile");
    if (call->is_post && !(page && page->takes_post))
        return refuse_post(call);
    return page ? page->answer(call) : pprof_profile(call, provider);
}

static enum app_err answer_debug(struct pprof_call *call, const char *below)
{
    static const char saved[] = "saved/";
    bool is_saved = strncmp(below, saved, sizeof(saved) - 1) == 0;
    call->name = is_saved ? below + sizeof(saved) - 1 : below;
    if (strchr(call->name, '/') || (is_saved && *call->name == '\0'))
        return APP_NOT_FOUND;
    enum app_err err = begin(call);
    if (err)
        return err;
    if (*below != '\0' && !is_saved)
        return answer_name(call);
    if (call->is_post)
        return refuse_post(call);
    return is_saved ? pprof_saved_file(call) : pprof_index(call);
}

/* google-pprof takes any body for a profile, but reads "%warn" as words for its user. */
static void send_legacy_error(struct pprof_call *call, enum app_err err)
{
    char text[ERR_TEXT_MAX + 16];
    const char *reason = call->why->text[0] ? call->why->text : app_strerror(err);
    int len = snprintf(text, sizeof(text), "%%warn %s\n", reason);
    (void)pprof_send(call, app_err_status(err), "text/plain; charset=utf-8", text, (size_t)len);
}

static enum app_err answer_legacy(struct pprof_call *call, const char *name)
{
    const struct provider *provider = provider_find(name);
    call->name = name;
    if (*name == '\0' || strchr(name, '/'))
        return APP_NOT_FOUND;
    enum app_err err = pprof_header(call, "Cache-Control", "no-store");
    if (err)
        return err;
    if (strcmp(name, "symbol") == 0)
        return pprof_legacy_symbol(call);
    if (strcmp(name, "cmdline") == 0)
        return pprof_cmdline(call);
    err = provider && provider->legacy
              ? pprof_legacy_profile(call, provider)
              : err_set(call->why, APP_NOT_FOUND, "there is no profile of that name");
    if (err && !call->sent)
        send_legacy_error(call, err);
    return err;
}

static bool is_read(const char *method)
{
    return strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0;
}

enum app_err pprof_handle(struct pprof *pprof, const struct pprof_request *request,
                          struct err_buf *why)
{
    static const char debug[] = "/debug/pprof", legacy[] = "/pprof/";
    struct pprof_call call = {
        .pprof = pprof,
        .request = request,
        .is_post = strcmp(request->method, "POST") == 0,
        .why = why,
    };
    const char *below = request->path + sizeof(debug) - 1;
    if (!call.is_post && !is_read(request->method)) {
        (void)pprof_header(&call, "Allow", "GET, HEAD, POST");
        return APP_METHOD_NOT_ALLOWED;
    }
    if (strncmp(request->path, legacy, sizeof(legacy) - 1) == 0)
        return answer_legacy(&call, request->path + sizeof(legacy) - 1);
    if (strncmp(request->path, debug, sizeof(debug) - 1) != 0)
        return APP_NOT_FOUND;
    if (*below == '\0')
        return call.is_post ? refuse_post(&call) : redirect(&call);
    return *below == '/' ? answer_debug(&call, below + 1) : APP_NOT_FOUND;
}

/* --- For other parts of the program --------------------------------------------------- */

enum app_err pprof_prepare(bool enabled, int64_t heap_sample_bytes, char **argv,
                           struct err_buf *why)
{
    return sampler_prepare(enabled, heap_sample_bytes, argv, why);
}

void pprof_waited(struct pprof *pprof, enum pprof_wait kind, int64_t waited_ns,
                  const void *return_address)
{
    if (!return_address)
        return_address = __builtin_return_address(0);
    profiling_waited(pprof->profiling,
                     kind == PPROF_WAIT_MUTEX ? CONTENTION_MUTEX : CONTENTION_BLOCK, waited_ns,
                     return_address);
}

enum app_err pprof_keep(struct pprof *pprof, const struct pprof_keeping *keeping, char *path,
                        size_t size, struct err_buf *why)
{
    const struct profiling_query query = {.provider = provider_find("profile"),
                                          .seconds = keeping->seconds};
    struct profiling_result result;
    char name[SAVED_NAME_MAX];
    enum app_err err = profiling_gather(pprof->profiling, &query, &result, why);
    if (err)
        return err;
    if (keeping->comment)
        (void)profile_add_comment(result.profile, keeping->comment);
    err = saved_write(pprof->options.run_dir, keeping->reason, result.profile, name, why);
    if (!err)
        (void)snprintf(path, size, "%s/profiles/%s", pprof->options.run_dir, name);
    profile_free(&result.profile);
    return err;
}

int64_t pprof_kept_newest(struct pprof *pprof, const char *reason)
{
    return saved_newest(pprof->options.run_dir, reason);
}

bool pprof_link_at(size_t index, struct pprof_link *link)
{
    const struct provider *provider;
    for (size_t i = 0; (provider = provider_at(i)); i++) {
        for (size_t j = 0; j < PROVIDER_VIEWS_MAX; j++) {
            const struct provider_view *view = &provider->views[j];
            if (!view->label || index-- > 0)
                continue;
            *link = (struct pprof_link){view->link, view->label};
            return true;
        }
    }
    return false;
}

/* --- Life ------------------------------------------------------------------------------ */

enum app_err pprof_start(const struct pprof_options *options, struct pprof **pprof,
                         struct err_buf *why)
{
    struct pprof *made = calloc(1, sizeof(*made));
    if (!made)
        return APP_NO_MEMORY;
    made->options = *options;
    enum app_err err = profiling_new(options, &made->profiling, why);
    if (err) {
        free(made);
        return err;
    }
    *pprof = made;
    return APP_OK;
}

void pprof_close(struct pprof *pprof)
{
    profiling_stop(pprof->profiling);
}

void pprof_stop(struct pprof **pprof)
{
    if (!*pprof)
        return;
    profiling_free(&(*pprof)->profiling);
    free(*pprof);
    *pprof = NULL;
}
