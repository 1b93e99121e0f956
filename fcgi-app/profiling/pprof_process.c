/* SPDX-License-Identifier: MIT */
/* The pages about processes: their command line, their symbols, what they sample. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/query.h"
#include "profiling/legacy.h"
#include "profiling/pprof_private.h"

enum {
    DEFAULT_TOGGLE_S = 600,
    MAX_TOGGLE_S = 24 * 3600,
    FORM_MAX = 1024,
    QUESTION_MAX = 1024 * 1024,
    CMDLINE_MAX = 64 * 1024,
};

/* --- The command line and symbols ---------------------------------------------------- */

static enum app_err write_cmdline(char *raw, struct buf *text)
{
    int fd = open("/proc/self/cmdline", O_RDONLY | O_CLOEXEC);
    ssize_t len = fd >= 0 ? read(fd, raw, CMDLINE_MAX) : -1;
    if (fd >= 0)
        close(fd);
    return len < 0 ? APP_INTERNAL : legacy_cmdline_write(raw, (size_t)len, text);
}

enum app_err pprof_cmdline(struct pprof_call *call)
{
    struct buf text;
    char *raw = malloc(CMDLINE_MAX);
    buf_init(&text, 2 * CMDLINE_MAX);
    enum app_err err = raw ? write_cmdline(raw, &text) : APP_NO_MEMORY;
    if (!err)
        err = pprof_send_text(call, &text);
    buf_release(&text);
    free(raw);
    return err;
}

/* GET: the addresses are the query; POST: the body. Only google-pprof reads inlined names. */
static enum app_err answer_symbol(struct pprof_call *call, bool inlined)
{
    const struct pprof_request *request = call->request;
    const char *question = request->query;
    size_t len = strlen(question);
    struct buf text;
    enum app_err err = APP_OK;
    if (call->is_post)
        err = request->read_body(request->context, QUESTION_MAX, &question, &len);
    if (err)
        return err;
    buf_init(&text, PPROF_MAX_ANSWER);
    err = profiling_symbols(call->pprof->profiling, question, len, inlined, &text);
    if (!err)
        err = pprof_send_text(call, &text);
    buf_release(&text);
    return err;
}

enum app_err pprof_symbol(struct pprof_call *call)
{
    return answer_symbol(call, false);
}

enum app_err pprof_legacy_symbol(struct pprof_call *call)
{
    return answer_symbol(call, true);
}

/* --- Sampling -------------------------------------------------------------------------- */

/* cpu=on|off and for=seconds, from the query or a form body. */
static enum app_err switch_sampling(struct pprof_call *call, struct profiling_coverage *coverage)
{
    const struct pprof_request *request = call->request;
    const char *form;
    size_t len;
    char value[16];
    enum app_err err = request->read_body(request->context, FORM_MAX, &form, &len);
    if (err)
        return err;
    if (len == 0)
        form = request->query;
    if (!query_value(form, "cpu", value, sizeof(value)) ||
        (strcmp(value, "on") != 0 && strcmp(value, "off") != 0))
        return err_set(call->why, APP_BAD_REQUEST, "cpu must be on or off");
    bool on = strcmp(value, "on") == 0;
    long for_s = DEFAULT_TOGGLE_S;
    if (query_value(form, "for", value, sizeof(value))) {
        char *end;
        for_s = strtol(value, &end, 10);
        if (*end != '\0' || for_s < 1 || for_s > MAX_TOGGLE_S)
            return err_set(call->why, APP_BAD_REQUEST, "for must be from 1 to %d seconds",
                           MAX_TOGGLE_S);
    }
    log_info(request->log, "Sampling switched",
             LOG_FIELDS(LOG_STR("cpu", on ? "on" : "off"), LOG_INT("for_s", for_s),
                        LOG_STR("remote", request->remote)));
    return profiling_toggle(call->pprof->profiling, on, (int)for_s, coverage, call->why);
}

/* `members` follow the processes in the object. */
static enum app_err answer_states(struct pprof_call *call, const char *members)
{
    struct state *states = NULL;
    size_t count = 0;
    struct buf text;
    buf_init(&text, PPROF_MAX_ANSWER);
    enum app_err err = profiling_states(call->pprof->profiling, &states, &count);
    if (!err)
        err = buf_append_str(&text, "{\"processes\":");
    if (!err)
        err = state_write_all(states, count, &text);
    if (!err)
        err = buf_printf(&text, "%s}", members);
    if (!err)
        err = pprof_send_json(call, 200, &text);
    free(states);
    buf_release(&text);
    return err;
}

enum app_err pprof_sampling(struct pprof_call *call)
{
    struct profiling_coverage coverage = {0};
    char switched[64];
    if (!call->is_post)
        return answer_states(call, "");
    enum app_err err = switch_sampling(call, &coverage);
    if (err)
        return err;
    (void)snprintf(switched, sizeof(switched), ",\"switched\":\"%zu/%zu\"", coverage.answered,
                   coverage.asked);
    return answer_states(call, switched);
}
