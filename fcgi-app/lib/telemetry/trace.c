/* SPDX-License-Identifier: MIT */
/*
 * Ids are kept as text, since they come as text and go as text; only the bytes
 * of our own span are ever made from something else.
 */
#include "lib/telemetry/trace.h"

#include <stdio.h>
#include <string.h>

#include "lib/base/hex.h"
#include "lib/base/limits.h"
#include "lib/base/random.h"

enum { STATE_MEMBERS_MAX = 32, STATE_KEY_MAX = 256, STATE_VALUE_MAX = 256, B3_SHORT_ID_LEN = 16 };

#define HEX_LOWER "0123456789abcdef"

/* Whether `len` lower-case hex digits stand at `text`. */
static bool is_hex(const char *text, size_t len)
{
    return strspn(text, HEX_LOWER) >= len;
}

/* The same, and not all of them zero. */
static bool is_id(const char *text, size_t len)
{
    return is_hex(text, len) && strspn(text, "0") < len;
}

static void copy_id(char *out, const char *text, size_t len)
{
    memcpy(out, text, len);
    out[len] = '\0';
}

/* --- W3C --- */

/*
 * A version that we do not know is read as if it were 00 when it goes on in the
 * same way: further fields may follow, after a dash.
 */
static bool read_traceparent(struct trace *trace, const char *text)
{
    if (strnlen(text, TRACE_PARENT_LEN) < TRACE_PARENT_LEN)
        return false;
    const char *trace_id = text + 3;
    const char *parent_id = trace_id + TRACE_ID_LEN + 1;
    const char *flags = parent_id + TRACE_SPAN_LEN + 1;
    bool is_00 = strncmp(text, "00", 2) == 0;
    char end = text[TRACE_PARENT_LEN];
    if (!is_hex(text, 2) || strncmp(text, "ff", 2) == 0 || text[2] != '-' ||
        trace_id[TRACE_ID_LEN] != '-' || parent_id[TRACE_SPAN_LEN] != '-' ||
        (end != '\0' && (is_00 || end != '-')))
        return false;
    if (!is_id(trace_id, TRACE_ID_LEN) || !is_id(parent_id, TRACE_SPAN_LEN) || !is_hex(flags, 2))
        return false;
    copy_id(trace->trace_id, trace_id, TRACE_ID_LEN);
    copy_id(trace->parent_id, parent_id, TRACE_SPAN_LEN);
    trace->sampling = hex_value(flags[1]) & 1 ? TRACE_SAMPLED : TRACE_NOT_SAMPLED;
    return true;
}

static bool is_state_value(const char *value, size_t len)
{
    if (len == 0 || len > STATE_VALUE_MAX)
        return false;
    for (size_t i = 0; i < len; i++) {
        if (value[i] < ' ' || value[i] > '~' || value[i] == '=')
            return false;
    }
    return true;
}

/* One member of a tracestate, "key=value"; one that is empty is allowed. */
static bool is_state_member(const char *member, size_t len)
{
    while (len > 0 && (*member == ' ' || *member == '\t')) {
        member++;
        len--;
    }
    while (len > 0 && (member[len - 1] == ' ' || member[len - 1] == '\t'))
        len--;
    if (len == 0)
        return true;
    size_t key = strspn(member, "abcdefghijklmnopqrstuvwxyz0123456789_-*/@");
    return key >= 1 && key <= STATE_KEY_MAX && key < len && member[key] == '=' &&
           member[0] != '_' && member[0] != '-' && member[0] != '*' && member[0] != '/' &&
           member[0] != '@' && is_state_value(member + key + 1, len - key - 1);
}

static bool is_tracestate(const char *text)
{
    if (strnlen(text, LIMIT_TRACESTATE + 1) > LIMIT_TRACESTATE)
        return false;
    for (size_t members = 1;; members++) {
        size_t len = strcspn(text, ",");
        if (members > STATE_MEMBERS_MAX || !is_state_member(text, len))
            return false;
        if (text[len] == '\0')
            return true;
        text += len + 1;
    }
}

/* --- B3 --- */

/* A trace id of 128 or 64 bits. Returns its length, 0 when it is none. */
static size_t read_b3_trace_id(struct trace *trace, const char *text)
{
    size_t len = strspn(text, HEX_LOWER);
    if ((len != TRACE_ID_LEN && len != B3_SHORT_ID_LEN) || !is_id(text, len))
        return 0;
    memset(trace->trace_id, '0', TRACE_ID_LEN);
    copy_id(trace->trace_id + TRACE_ID_LEN - len, text, len);
    return len;
}

static enum trace_sampling b3_sampling(const char *text)
{
    if (strcmp(text, "1") == 0 || strcmp(text, "true") == 0)
        return TRACE_SAMPLED;
    if (strcmp(text, "0") == 0 || strcmp(text, "false") == 0)
        return TRACE_NOT_SAMPLED;
    return strcmp(text, "d") == 0 ? TRACE_DEBUG : TRACE_UNDECIDED;
}

/* Behind the span's id of a single b3: "", "-1", or "-1-" and the parent's id. */
static bool read_b3_rest(struct trace *trace, const char *rest)
{
    if (rest[0] == '\0')
        return true;
    const char decision[2] = {rest[1], '\0'};
    trace->sampling = b3_sampling(decision);
    if (rest[0] != '-' || trace->sampling == TRACE_UNDECIDED)
        return false;
    rest += 2;
    return rest[0] == '\0' ||
           (rest[0] == '-' && is_id(rest + 1, TRACE_SPAN_LEN) && rest[1 + TRACE_SPAN_LEN] == '\0');
}

/* "1" alone is a decision without a trace. */
static bool read_b3_single(struct trace *trace, const char *text)
{
    if (strlen(text) == 1) {
        trace->sampling = b3_sampling(text);
        trace->b3_single = trace->sampling != TRACE_UNDECIDED;
        return false;
    }
    size_t len = read_b3_trace_id(trace, text);
    const char *span = text + len + 1;
    if (len == 0 || text[len] != '-' || !is_id(span, TRACE_SPAN_LEN) ||
        !read_b3_rest(trace, span + TRACE_SPAN_LEN)) {
        *trace = (struct trace){.trace_id = ""};
        return false;
    }
    copy_id(trace->parent_id, span, TRACE_SPAN_LEN);
    trace->b3_single = true;
    return true;
}

static bool read_b3_multi(struct trace *trace, trace_lookup *lookup, const void *source)
{
    const char *sampled = lookup(source, "x-b3-sampled");
    const char *id = lookup(source, "x-b3-traceid");
    if (!sampled && !id)
        return false;
    const char *flags = lookup(source, "x-b3-flags");
    trace->sampling = sampled ? b3_sampling(sampled) : TRACE_UNDECIDED;
    if (flags && strcmp(flags, "1") == 0)
        trace->sampling = TRACE_DEBUG;
    trace->b3_multi = trace->sampling != TRACE_UNDECIDED;

    const char *span = id ? lookup(source, "x-b3-spanid") : NULL;
    size_t len = id ? read_b3_trace_id(trace, id) : 0;
    if (len == 0 || id[len] != '\0' || !span || !is_id(span, TRACE_SPAN_LEN) ||
        span[TRACE_SPAN_LEN] != '\0') {
        trace->trace_id[0] = '\0';
        return false;
    }
    copy_id(trace->parent_id, span, TRACE_SPAN_LEN);
    trace->b3_multi = true;
    return true;
}

/* --- Reading --- */

bool trace_read(struct trace *trace, trace_lookup *lookup, const void *source)
{
    const char *parent = lookup(source, "traceparent");
    const char *b3 = lookup(source, "b3");
    struct trace other = {.trace_id = ""};
    *trace = (struct trace){.trace_id = ""};

    bool found = b3 && read_b3_single(&other, b3);
    if (!found && !other.b3_single)
        found = read_b3_multi(&other, lookup, source);
    if (parent && read_traceparent(trace, parent)) {
        const char *state = lookup(source, "tracestate");
        trace->state = state && is_tracestate(state) ? state : NULL;
        trace->b3_single = other.b3_single;
        trace->b3_multi = other.b3_multi;
        return true;
    }
    *trace = other;
    return found;
}

void trace_begin(struct trace *trace, trace_lookup *lookup, const void *source)
{
    unsigned char random[(TRACE_ID_LEN + TRACE_SPAN_LEN) / 2];
    bool found = trace_read(trace, lookup, source);
    size_t needed = found ? TRACE_SPAN_LEN / 2 : sizeof(random);
    if (!random_fill(random, needed)) {
        trace->trace_id[0] = '\0';
        return;
    }
    /* An id of zeros only would be invalid. */
    random[0] |= 1;
    hex_write(random, TRACE_SPAN_LEN / 2, trace->span_id);
    if (!found) {
        random[TRACE_SPAN_LEN / 2] |= 1;
        hex_write(random + TRACE_SPAN_LEN / 2, TRACE_ID_LEN / 2, trace->trace_id);
    }
}

/* --- Sending on --- */

static const char *b3_decision(enum trace_sampling sampling)
{
    switch (sampling) {
    case TRACE_UNDECIDED:
        break;
    case TRACE_NOT_SAMPLED:
        return "0";
    case TRACE_SAMPLED:
        return "1";
    case TRACE_DEBUG:
        return "d";
    }
    return NULL;
}

static size_t add_b3_multi(struct trace *trace, struct http_header *headers)
{
    size_t count = 0;
    headers[count++] = (struct http_header){"x-b3-traceid", trace->trace_id};
    headers[count++] = (struct http_header){"x-b3-spanid", trace->span_id};
    if (trace->parent_id[0])
        headers[count++] = (struct http_header){"x-b3-parentspanid", trace->parent_id};
    if (trace->sampling == TRACE_DEBUG)
        headers[count++] = (struct http_header){"x-b3-flags", "1"};
    else if (trace->sampling != TRACE_UNDECIDED)
        headers[count++] = (struct http_header){"x-b3-sampled", b3_decision(trace->sampling)};
    return count;
}

static const char *write_b3_single(struct trace *trace)
{
    const char *decision = b3_decision(trace->sampling);
    (void)snprintf(trace->b3, sizeof(trace->b3), "%s-%s%s%s%s%s", trace->trace_id, trace->span_id,
                   decision ? "-" : "", decision ? decision : "",
                   decision && trace->parent_id[0] ? "-" : "", decision ? trace->parent_id : "");
    return trace->b3;
}

size_t trace_headers(struct trace *trace, struct http_header headers[TRACE_HEADERS_MAX])
{
    size_t count = 0;
    if (trace->trace_id[0] == '\0' || trace->span_id[0] == '\0')
        return 0;
    bool sampled = trace->sampling == TRACE_SAMPLED || trace->sampling == TRACE_DEBUG;
    (void)snprintf(trace->traceparent, sizeof(trace->traceparent), "00-%s-%s-%s", trace->trace_id,
                   trace->span_id, sampled ? "01" : "00");
    headers[count++] = (struct http_header){"traceparent", trace->traceparent};
    if (trace->state)
        headers[count++] = (struct http_header){"tracestate", trace->state};
    if (trace->b3_single)
        headers[count++] = (struct http_header){"b3", write_b3_single(trace)};
    else if (trace->b3_multi)
        count += add_b3_multi(trace, headers + count);
    return count;
}
