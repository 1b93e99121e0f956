/* SPDX-License-Identifier: MIT */
/*
 * /debug/pprof/saved: the profiles in RUN_DIR/profiles. GET lists them, POST takes
 * one now and keeps it, and saved/{name} gives one back as it was saved.
 */
#include <inttypes.h>
#include <stdio.h>

#include "profiling/pprof_private.h"
#include "profiling/saved.h"

enum { DEFAULT_SECONDS = 5 };

/* Names are valid, so they need no escaping. */
static enum app_err list_saved(struct pprof_call *call)
{
    struct saved_profile saved[SAVED_KEPT];
    struct buf text;
    size_t count = saved_list(call->pprof->options.run_dir, saved);
    buf_init(&text, PPROF_MAX_ANSWER);
    enum app_err err = buf_append_str(&text, "{\"saved\":[");
    for (size_t i = 0; i < count && !err; i++)
        err = buf_printf(
            &text, "%s{\"name\":\"%s\",\"path\":\"/debug/pprof/saved/%s\",\"bytes\":%" PRId64 "}",
            i ? "," : "", saved[i].name, saved[i].name, saved[i].bytes);
    if (!err)
        err = buf_append_str(&text, "]}");
    if (!err)
        err = pprof_send_json(call, 200, &text);
    buf_release(&text);
    return err;
}

static enum app_err send_name(struct pprof_call *call, const char *name)
{
    char location[sizeof("/debug/pprof/saved/") + SAVED_NAME_MAX];
    char text[SAVED_NAME_MAX + 16];
    (void)snprintf(location, sizeof(location), "/debug/pprof/saved/%s", name);
    int len = snprintf(text, sizeof(text), "{\"name\":\"%s\"}", name);
    enum app_err err = pprof_header(call, "Location", location);
    return err ? err : pprof_send(call, 201, "application/json", text, (size_t)len);
}

static enum app_err save_one(struct pprof_call *call)
{
    struct profiling_query query = {.provider = provider_find("profile")};
    struct profiling_result result;
    char name[SAVED_NAME_MAX];
    enum app_err err = pprof_seconds(call, DEFAULT_SECONDS, &query.seconds);
    if (!err)
        err = pprof_gather(call, &query, &result);
    if (err)
        return err;
    err = saved_write(call->pprof->options.run_dir, "asked", result.profile, name, call->why);
    profile_free(&result.profile);
    if (err == APP_UNAVAILABLE)
        return err_set(call->why, err, "the profile could not be saved");
    return err ? err : send_name(call, name);
}

enum app_err pprof_saved(struct pprof_call *call)
{
    return call->is_post ? save_one(call) : list_saved(call);
}

static enum app_err not_saved(struct pprof_call *call, enum app_err err)
{
    return err == APP_NOT_FOUND ? err_set(call->why, err, "no profile is saved by that name") : err;
}

enum app_err pprof_load_saved(struct pprof_call *call, const char *name, struct profile **profile)
{
    return not_saved(call, saved_profile(call->pprof->options.run_dir, name, profile));
}

static enum app_err send_table(struct pprof_call *call)
{
    struct profile *profile;
    enum app_err err = pprof_load_saved(call, call->name, &profile);
    if (err)
        return err;
    err = pprof_send_table(call, provider_find("profile"), profile);
    profile_free(&profile);
    return err;
}

static enum app_err send_file(struct pprof_call *call)
{
    struct buf bytes;
    buf_init(&bytes, PPROF_MAX_ANSWER);
    enum app_err err =
        not_saved(call, saved_read(call->pprof->options.run_dir, call->name, &bytes));
    if (!err)
        err = pprof_send_file(call, call->name, &bytes);
    buf_release(&bytes);
    return err;
}

enum app_err pprof_saved_file(struct pprof_call *call)
{
    return pprof_number(call, "debug", 0) != 0 ? send_table(call) : send_file(call);
}
