/* SPDX-License-Identifier: MIT */
#include "profiling/state.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { TEXT_MAX = 512 };

void state_set_version(struct state *state, const char *version)
{
    size_t len = 0;
    if (!version || *version == '\0')
        version = "unknown";
    for (; version[len] && len < STATE_VERSION_MAX - 1; len++) {
        char c = version[len];
        bool is_plain = c > ' ' && c < 0x7f && !strchr("\"\\<>&'", c);
        state->version[len] = '_';
        if (is_plain)
            state->version[len] = c;
    }
    state->version[len] = '\0';
}

static const char *word(bool value)
{
    return value ? "true" : "false";
}

enum app_err state_write(const struct state *state, struct buf *out)
{
    const struct sampler_state *sampler = &state->sampler;
    if (state->err)
        return buf_printf(out, "{\"pid\":%ld,\"error\":\"%s\"}", state->pid,
                          app_err_slug(state->err));
    return buf_printf(
        out,
        "{\"pid\":%ld,\"version\":\"%s\",\"hz\":%d,\"windows\":%u,\"toggle\":%s,"
        "\"toggle_left_s\":%d,\"ring\":%s,\"samples\":%" PRIu64 ",\"dropped\":%" PRIu64 "}",
        state->pid, state->version, sampler->hz, sampler->windows, word(sampler->toggle),
        sampler->toggle_left_s, word(sampler->ring), sampler->samples, sampler->dropped);
}

enum app_err state_write_all(const struct state *states, size_t count, struct buf *out)
{
    enum app_err err = buf_append_str(out, "[");
    for (size_t i = 0; i < count && !err; i++) {
        err = buf_append_str(out, i ? "," : "");
        if (!err)
            err = state_write(&states[i], out);
    }
    return err ? err : buf_append_str(out, "]");
}

/* Whatever a later version adds stands behind these members. */
bool state_read(const char *text, size_t len, struct state *state)
{
    char copy[TEXT_MAX];
    char toggle[6], ring[6];
    struct sampler_state *sampler = &state->sampler;
    *state = (struct state){.err = APP_OK};
    if (len >= sizeof(copy))
        return false;
    memcpy(copy, text, len);
    copy[len] = '\0';
    int found = sscanf(copy,
                       "{\"pid\":%ld,\"version\":\"%63[^\"]\",\"hz\":%d,\"windows\":%u,"
                       "\"toggle\":%5[a-z],\"toggle_left_s\":%d,\"ring\":%5[a-z],"
                       "\"samples\":%" SCNu64 ",\"dropped\":%" SCNu64,
                       &state->pid, state->version, &sampler->hz, &sampler->windows, toggle,
                       &sampler->toggle_left_s, ring, &sampler->samples, &sampler->dropped);
    if (found != 9)
        return false;
    state_set_version(state, state->version); /* it may come from anybody */
    sampler->toggle = strcmp(toggle, "true") == 0;
    sampler->ring = strcmp(ring, "true") == 0;
    return true;
}
