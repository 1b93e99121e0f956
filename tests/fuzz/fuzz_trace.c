/* SPDX-License-Identifier: MIT */
/* Lines "name:value": the headers of a request, of which traceparent, b3 and so on are read. */
#include "fuzz/input.h"

#include "lib/base/limits.h"
#include "lib/telemetry/trace.h"

enum { HEADERS_MAX = 16 };

struct headers {
    char *lines[HEADERS_MAX];
    size_t count;
};

static const char *find(const void *source, const char *name)
{
    const struct headers *headers = source;
    size_t len = strlen(name);
    for (size_t i = 0; i < headers->count; i++)
        if (strncmp(headers->lines[i], name, len) == 0 && headers->lines[i][len] == ':')
            return headers->lines[i] + len + 1;
    return NULL;
}

static const char *find_sent(const void *source, const char *name)
{
    const struct http_header *sent = source;
    for (; sent->name; sent++)
        if (strcmp(sent->name, name) == 0)
            return sent->value;
    return NULL;
}

static void must_be_hex(const char *text, size_t len)
{
    must(strlen(text) == len && strspn(text, "0123456789abcdef") == len);
}

/* What is sent on names the same trace, and is fit for a header. */
static void check(struct trace *trace)
{
    struct http_header sent[TRACE_HEADERS_MAX + 1] = {{NULL, NULL}};
    struct trace next;
    must_be_hex(trace->trace_id, TRACE_ID_LEN);
    must_be_hex(trace->span_id, TRACE_SPAN_LEN);
    size_t count = trace_headers(trace, sent);
    must(count <= TRACE_HEADERS_MAX);
    for (size_t i = 0; i < count; i++)
        for (const char *at = sent[i].value; *at; at++)
            must((*at >= ' ' && *at < 0x7f) || *at == '\t'); /* between members of a state */
    must(!trace->state || strlen(trace->state) <= LIMIT_TRACESTATE);
    must(trace_read(&next, find_sent, sent));
    must(strcmp(next.trace_id, trace->trace_id) == 0);
    must(strcmp(next.parent_id, trace->span_id) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input input = {data, size};
    struct headers headers = {.count = 0};
    struct trace trace;
    while (input.left > 0 && headers.count < HEADERS_MAX)
        headers.lines[headers.count++] = fuzz_line(&input);
    trace_begin(&trace, find, &headers);
    check(&trace);
    for (size_t i = 0; i < headers.count; i++)
        free(headers.lines[i]);
    return 0;
}
