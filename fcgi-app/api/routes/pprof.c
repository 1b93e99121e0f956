/* SPDX-License-Identifier: MIT */
/*
 * /debug/pprof/{name}, as Go's net/http/pprof has it, so that its clients work
 * unchanged: same names, same query, same headers, same errors (text/plain with
 * X-Go-Pprof). What is ours beyond it: one request covers all processes, ago=,
 * the sampling toggle and the flame graph.
 */
#include "api/routes/pprof.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "api/routes/answer.h"
#include "api/routes/routes.h"
#include "lib/base/clock.h"
#include "lib/base/limits.h"
#include "lib/base/query.h"
#include "profiling/legacy.h"
#include "profiling/profile_proto.h"
#include "profiling/profile_stacks.h"
#include "profiling/profile_top.h"

enum {
    DEFAULT_SECONDS = 30,
    DEFAULT_TOGGLE_S = 600,
    MAX_TOGGLE_S = 24 * 3600,
    TOP_ROWS = 80,
    STACKS = 2000,
    FORM_MAX = 1024,
    CMDLINE_MAX = 64 * 1024,
};

enum app_err pprof_seconds(struct exchange *exchange, double otherwise, double *seconds)
{
    double asked = query_number(exchange->request->query, "seconds", otherwise);
    if (asked <= 0)
        asked = otherwise;
    if (asked > (double)exchange->app->config.profile_max_seconds)
        return err_set(&exchange->why, APP_BAD_REQUEST,
                       "profile duration exceeds server's WriteTimeout");
    *seconds = asked;
    return APP_OK;
}

enum app_err pprof_gather(struct exchange *exchange, const struct profiling_query *query,
                          struct profiling_result *result)
{
    const struct request *request = exchange->request;
    char coverage[48];
    log_info(&request->log, "Profile asked for",
             LOG_FIELDS(LOG_STR("path", request->path), LOG_STR("query", request->query),
                        LOG_STR("remote", request_param(request, "REMOTE_ADDR")),
                        LOG_STR("agent", request_header(request, "User-Agent"))));
    struct place place;
    struct profiling *profiling = exchange->app->profiling;
    enum app_err err = profiling_place(profiling, query->seconds, &place, &exchange->why);
    if (!err)
        err = profiling_gather(profiling, query, result, &exchange->why);
    place_leave(&place);
    if (err)
        return err;
    (void)snprintf(coverage, sizeof(coverage), "%zu/%zu", result->answered, result->asked);
    err = response_header(exchange->response, "X-Profile-Processes", coverage);
    if (err)
        profile_free(&result->profile);
    return err;
}

/* --- Answers -------------------------------------------------------------------------- */

static enum app_err send_proto(struct exchange *exchange, const struct profile *profile,
                               const char *filename)
{
    struct buf bytes;
    char disposition[96];
    buf_init(&bytes, PPROF_MAX_ANSWER);
    (void)snprintf(disposition, sizeof(disposition), "attachment; filename=\"%s\"", filename);
    enum app_err err = profile_proto_write(profile, true, &bytes);
    if (!err)
        err = response_header(exchange->response, "Content-Disposition", disposition);
    if (!err)
        err = response_send(exchange->response, 200, "application/octet-stream", bytes.data,
                            bytes.len);
    buf_release(&bytes);
    return err;
}

/* debug=1: a table; of threads: their stacks. */
static enum app_err send_text(struct exchange *exchange, const struct profile *profile)
{
    struct buf text;
    const struct profile_kind *kind = profile_kind_of(profile);
    size_t value = profile_value_default(kind);
    bool stacks = kind == &profile_kind_goroutine || kind == &profile_kind_threads;
    buf_init(&text, PPROF_MAX_ANSWER);
    enum app_err err = stacks ? profile_stacks_text(profile, value, STACKS, &text)
                              : profile_top_text(profile, value, TOP_ROWS, &text);
    if (!err)
        err = response_send(exchange->response, 200, "text/plain; charset=utf-8", text.data,
                            text.len);
    buf_release(&text);
    return err;
}

static enum app_err send_profile(struct exchange *exchange, const struct profile *profile,
                                 const char *filename)
{
    bool text = query_number(exchange->request->query, "debug", 0) != 0;
    return text ? send_text(exchange, profile) : send_proto(exchange, profile, filename);
}

/* --- Profiles --------------------------------------------------------------------------- */

static enum app_err answer_cpu(struct exchange *exchange)
{
    struct profiling_query query = {.source = PROFILING_CPU};
    struct profiling_result result;
    query.ago = query_number(exchange->request->query, "ago", 0);
    if (query.ago > 0)
        query.source = PROFILING_PAST;
    enum app_err err = pprof_seconds(exchange, DEFAULT_SECONDS, &query.seconds);
    if (!err)
        err = pprof_gather(exchange, &query, &result);
    if (err)
        return err;
    err = send_profile(exchange, result.profile, "profile");
    profile_free(&result.profile);
    return err;
}

/* What was added during `seconds`: the profile of the end less that of the beginning. */
static enum app_err gather_delta(struct exchange *exchange, const struct profiling_query *query,
                                 double seconds, struct profiling_result *result)
{
    struct profiling_result before;
    enum app_err err = profiling_gather(exchange->app->profiling, query, &before, &exchange->why);
    if (err)
        return err;
    deadline_sleep(clock_now_ns() + (int64_t)(seconds * 1e9));
    err = pprof_gather(exchange, query, result);
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

static enum app_err answer_named(struct exchange *exchange)
{
    struct profiling_query query = {.source = profiling_source_of(exchange->parameter)};
    struct profiling_result result;
    char filename[48];
    char seconds_text[32];
    if (query.source == PROFILING_GOROUTINE &&
        query_number(exchange->request->query, "debug", 0) == 2)
        query.source = PROFILING_THREADS;
    double seconds = 0;
    bool delta =
        query_value(exchange->request->query, "seconds", seconds_text, sizeof(seconds_text)) &&
        query.source != PROFILING_TOGGLED;
    if (delta) {
        if (query_number(exchange->request->query, "seconds", 0) <= 0)
            return err_set(&exchange->why, APP_BAD_REQUEST,
                           "invalid value for \"seconds\" - must be a positive integer");
        if (query_number(exchange->request->query, "debug", 0) != 0)
            return err_set(&exchange->why, APP_BAD_REQUEST,
                           "seconds and debug params are incompatible");
        enum app_err err = pprof_seconds(exchange, 1, &seconds);
        if (err)
            return err;
    }
    enum app_err err = delta ? gather_delta(exchange, &query, seconds, &result)
                             : pprof_gather(exchange, &query, &result);
    if (err)
        return err;
    (void)snprintf(filename, sizeof(filename), "%s%s", exchange->parameter, delta ? "-delta" : "");
    err = send_profile(exchange, result.profile, filename);
    profile_free(&result.profile);
    return err;
}

static enum app_err answer_trace(struct exchange *exchange)
{
    return err_set(&exchange->why, APP_NOT_IMPLEMENTED,
                   "there are no execution traces of a C program; take a profile");
}

/* --- The command line, symbols, the toggle ------------------------------------------------ */

static enum app_err answer_cmdline(struct exchange *exchange)
{
    struct buf text;
    char *raw = arena_alloc(exchange->request->arena, CMDLINE_MAX);
    int fd = open("/proc/self/cmdline", O_RDONLY | O_CLOEXEC);
    ssize_t len = raw && fd >= 0 ? read(fd, raw, CMDLINE_MAX) : -1;
    if (fd >= 0)
        close(fd);
    if (len < 0)
        return raw ? APP_INTERNAL : APP_NO_MEMORY;
    buf_init(&text, 2 * CMDLINE_MAX);
    enum app_err err = legacy_cmdline_write(raw, (size_t)len, &text);
    if (!err)
        err = response_send(exchange->response, 200, "text/plain; charset=utf-8", text.data,
                            text.len);
    buf_release(&text);
    return err;
}

/* GET: the addresses are the query; POST: the body. Only google-pprof reads inlined names. */
static enum app_err answer_symbol_question(struct exchange *exchange, bool inlined)
{
    const char *question = exchange->request->query;
    size_t len = strlen(question);
    struct buf text;
    enum app_err err = APP_OK;
    if (exchange->request->method == HTTP_POST)
        err = request_read_body(exchange->request, PPROF_MAX_QUESTION, &question, &len);
    if (err)
        return err;
    buf_init(&text, PPROF_MAX_ANSWER);
    err = profiling_symbols(exchange->app->profiling, question, len, inlined, &text);
    if (!err)
        err = response_send(exchange->response, 200, "text/plain; charset=utf-8", text.data,
                            text.len);
    buf_release(&text);
    return err;
}

static enum app_err answer_symbol(struct exchange *exchange)
{
    return answer_symbol_question(exchange, false);
}

/* cpu=on|off and for=seconds, from the query or a form body. */
static enum app_err switch_sampling(struct exchange *exchange, struct profiling_coverage *coverage)
{
    const char *form;
    size_t len;
    char value[16];
    enum app_err err = request_read_body(exchange->request, FORM_MAX, &form, &len);
    if (err)
        return err;
    if (len == 0)
        form = exchange->request->query;
    if (!query_value(form, "cpu", value, sizeof(value)) ||
        (strcmp(value, "on") != 0 && strcmp(value, "off") != 0))
        return err_set(&exchange->why, APP_BAD_REQUEST, "cpu must be on or off");
    bool on = strcmp(value, "on") == 0;
    long for_s = DEFAULT_TOGGLE_S;
    if (query_value(form, "for", value, sizeof(value))) {
        char *end;
        for_s = strtol(value, &end, 10);
        if (*end != '\0' || for_s < 1 || for_s > MAX_TOGGLE_S)
            return err_set(&exchange->why, APP_BAD_REQUEST, "for must be from 1 to %d seconds",
                           MAX_TOGGLE_S);
    }
    log_info(&exchange->request->log, "Sampling switched",
             LOG_FIELDS(LOG_STR("cpu", on ? "on" : "off"), LOG_INT("for_s", for_s),
                        LOG_STR("remote", request_param(exchange->request, "REMOTE_ADDR"))));
    return profiling_toggle(exchange->app->profiling, on, (int)for_s, coverage, &exchange->why);
}

/* `members` follow the processes in the object. */
static enum app_err answer_states(struct exchange *exchange, const char *members)
{
    struct state *states = NULL;
    size_t count = 0;
    struct buf text;
    buf_init(&text, PPROF_MAX_ANSWER);
    enum app_err err = profiling_states(exchange->app->profiling, &states, &count);
    if (!err)
        err = buf_append_str(&text, "{\"processes\":");
    if (!err)
        err = state_write_all(states, count, &text);
    if (!err)
        err = buf_printf(&text, "%s}", members);
    if (!err)
        err = response_send(exchange->response, 200, "application/json", text.data, text.len);
    free(states);
    buf_release(&text);
    return err;
}

static enum app_err answer_sampling(struct exchange *exchange)
{
    struct profiling_coverage coverage = {0};
    char switched[48] = "";
    bool is_switch = exchange->request->method == HTTP_POST;
    enum app_err err = is_switch ? switch_sampling(exchange, &coverage) : APP_OK;
    if (err)
        return err;
    if (is_switch)
        (void)snprintf(switched, sizeof(switched), ",\"switched\":\"%zu/%zu\"", coverage.answered,
                       coverage.asked);
    return answer_states(exchange, switched);
}

/* --- Routes -------------------------------------------------------------------------------- */

struct pprof_name {
    const char *name;
    enum app_err (*answer)(struct exchange *exchange);
    bool takes_post;
};

static const struct pprof_name names[] = {
    {"profile", answer_cpu, false},          {"heap", answer_named, false},
    {"allocs", answer_named, false},         {"block", answer_named, false},
    {"mutex", answer_named, false},          {"goroutine", answer_named, false},
    {"threadcreate", answer_named, false},   {"cpu", answer_named, false},
    {"cmdline", answer_cmdline, false},      {"symbol", answer_symbol, true},
    {"trace", answer_trace, false},          {"sampling", answer_sampling, true},
    {"flamegraph", pprof_flamegraph, false}, {"saved", pprof_saved, true},
};

static const struct pprof_name *find_name(const char *name)
{
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (strcmp(names[i].name, name) == 0)
            return &names[i];
    return NULL;
}

/* pprof shows an error's text only with this header. */
enum app_err pprof_begin(struct exchange *exchange)
{
    enum app_err err = response_header(exchange->response, "Cache-Control", "no-store");
    if (!err)
        err = response_header(exchange->response, "X-Go-Pprof", "1");
    return err;
}

enum app_err route_pprof_index(struct exchange *exchange)
{
    enum app_err err = pprof_begin(exchange);
    return err ? err : pprof_index(exchange);
}

enum app_err route_pprof(struct exchange *exchange)
{
    enum app_err err = pprof_begin(exchange);
    if (err)
        return err;
    const struct pprof_name *found = find_name(exchange->parameter);
    if (!found)
        return err_set(&exchange->why, APP_NOT_FOUND, "Unknown profile");
    if (exchange->request->method == HTTP_POST && !found->takes_post) {
        (void)response_header(exchange->response, "Allow", "GET, HEAD");
        return APP_METHOD_NOT_ALLOWED;
    }
    return found->answer(exchange);
}

enum app_err route_pprof_redirect(struct exchange *exchange)
{
    enum app_err err = response_header(exchange->response, "Location", "/debug/pprof/");
    return err ? err : answer_text(exchange, 301, "see /debug/pprof/\n");
}

/* google-pprof takes any body for a profile, but reads "%warn" as words for its user. */
static enum app_err send_legacy_error(struct exchange *exchange, enum app_err err)
{
    char text[ERR_TEXT_MAX + 16];
    const char *reason = exchange->why.text[0] ? exchange->why.text : app_strerror(err);
    (void)snprintf(text, sizeof(text), "%%warn %s\n", reason);
    (void)answer_text(exchange, app_err_status(err), text);
    return err;
}

static enum app_err send_legacy(struct exchange *exchange, const struct profiling_query *query,
                                enum app_err (*write)(const struct profile *, struct buf *))
{
    struct profiling_result result;
    struct buf bytes;
    enum app_err err = pprof_gather(exchange, query, &result);
    if (err)
        return err;
    buf_init(&bytes, PPROF_MAX_ANSWER);
    err = write(result.profile, &bytes);
    profile_free(&result.profile);
    if (!err)
        err = response_send(exchange->response, 200, "application/octet-stream", bytes.data,
                            bytes.len);
    buf_release(&bytes);
    return err;
}

enum app_err route_pprof_legacy(struct exchange *exchange)
{
    const char *name = exchange->parameter;
    struct profiling_query query = {.source = PROFILING_CPU};
    enum app_err err = response_header(exchange->response, "Cache-Control", "no-store");
    if (err)
        return err;
    if (strcmp(name, "symbol") == 0)
        return answer_symbol_question(exchange, true);
    if (strcmp(name, "cmdline") == 0)
        return answer_cmdline(exchange);
    if (strcmp(name, "heap") == 0) {
        query.source = PROFILING_HEAP;
        err = send_legacy(exchange, &query, legacy_heap_write);
    } else if (strcmp(name, "profile") == 0) {
        err = pprof_seconds(exchange, DEFAULT_SECONDS, &query.seconds);
        if (!err)
            err = send_legacy(exchange, &query, legacy_cpu_write);
    } else {
        err = err_set(&exchange->why, APP_NOT_FOUND, "there is no profile of that name");
    }
    return err && exchange->response->state == RESPONSE_HEADERS ? send_legacy_error(exchange, err)
                                                                : err;
}
