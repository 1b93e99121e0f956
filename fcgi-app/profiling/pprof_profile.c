/* SPDX-License-Identifier: MIT */
/* /debug/pprof/{name} and /pprof/{name} of the types in provider.h. */
#include <stdio.h>

#include "lib/base/clock.h"
#include "lib/base/query.h"
#include "profiling/pprof_private.h"
#include "profiling/profile_proto.h"

enum { DEFAULT_SECONDS = 30, FILENAME_MAX_LEN = 48 };

static enum app_err send_proto(struct pprof_call *call, const struct profile *profile,
                               const char *filename)
{
    struct buf bytes;
    buf_init(&bytes, PPROF_MAX_ANSWER);
    enum app_err err = profile_proto_write(profile, true, &bytes);
    if (!err)
        err = pprof_send_file(call, filename, &bytes);
    buf_release(&bytes);
    return err;
}

/* The variant that the query asks for, or the type itself. */
static const struct provider *chosen(const struct pprof_call *call, const struct provider *provider)
{
    if (provider->past && pprof_number(call, "ago", 0) > 0)
        return provider_find(provider->past);
    if (provider->each && pprof_number(call, "debug", 0) == 2)
        return provider_find(provider->each);
    return provider;
}

/* Whether the difference between two moments is asked for. */
static bool asks_for_growth(const struct pprof_call *call, const struct provider *provider)
{
    char text[32];
    return provider->seconds == PROVIDER_GROWS &&
           query_value(call->request->query, "seconds", text, sizeof(text));
}

static enum app_err read_growth(struct pprof_call *call, double *seconds)
{
    if (pprof_number(call, "seconds", 0) <= 0)
        return err_set(call->why, APP_BAD_REQUEST,
                       "invalid value for \"seconds\" - must be a positive integer");
    if (pprof_number(call, "debug", 0) != 0)
        return err_set(call->why, APP_BAD_REQUEST, "seconds and debug params are incompatible");
    return pprof_seconds(call, 1, seconds);
}

/* The profile of the end less that of the beginning. */
static enum app_err gather_growth(struct pprof_call *call, const struct profiling_query *query,
                                  double seconds, struct profiling_result *result)
{
    struct profiling_result before;
    enum app_err err = profiling_gather(call->pprof->profiling, query, &before, call->why);
    if (err)
        return err;
    deadline_sleep(clock_now_ns() + (int64_t)(seconds * 1e9));
    err = pprof_gather(call, query, result);
    if (!err) {
        err = profile_subtract(result->profile, before.profile);
        profile_set_time(result->profile, profile_time_ns(before.profile), (int64_t)(seconds * 1e9),
                         profile_period(result->profile));
        if (err)
            profile_free(&result->profile);
    }
    profile_free(&before.profile);
    return err;
}

/* `growth` is what the query says of it. */
static enum app_err gather(struct pprof_call *call, const struct provider *provider, bool growth,
                           struct profiling_result *result)
{
    struct profiling_query query = {.provider = chosen(call, provider),
                                    .ago = pprof_number(call, "ago", 0)};
    double seconds = 0;
    enum app_err err = APP_OK;
    if (growth)
        err = read_growth(call, &seconds);
    else if (provider->seconds == PROVIDER_COLLECTS)
        err = pprof_seconds(call, DEFAULT_SECONDS, &query.seconds);
    if (err)
        return err;
    return growth ? gather_growth(call, &query, seconds, result)
                  : pprof_gather(call, &query, result);
}

enum app_err pprof_profile(struct pprof_call *call, const struct provider *provider)
{
    struct profiling_result result;
    char filename[FILENAME_MAX_LEN];
    bool growth = asks_for_growth(call, provider);
    enum app_err err = gather(call, provider, growth, &result);
    if (err)
        return err;
    (void)snprintf(filename, sizeof(filename), "%s%s", provider->name, growth ? "-delta" : "");
    err = pprof_number(call, "debug", 0) != 0 ? pprof_send_table(call, provider, result.profile)
                                              : send_proto(call, result.profile, filename);
    profile_free(&result.profile);
    return err;
}

enum app_err pprof_legacy_profile(struct pprof_call *call, const struct provider *provider)
{
    struct profiling_query query = {.provider = provider};
    struct profiling_result result;
    struct buf bytes;
    enum app_err err = APP_OK;
    if (provider->seconds == PROVIDER_COLLECTS)
        err = pprof_seconds(call, DEFAULT_SECONDS, &query.seconds);
    if (!err)
        err = pprof_gather(call, &query, &result);
    if (err)
        return err;
    buf_init(&bytes, PPROF_MAX_ANSWER);
    err = provider->legacy(result.profile, &bytes);
    profile_free(&result.profile);
    if (!err)
        err = pprof_send(call, 200, "application/octet-stream", bytes.data, bytes.len);
    buf_release(&bytes);
    return err;
}
