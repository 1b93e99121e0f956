/* SPDX-License-Identifier: MIT */
/*
 * Where a request stands in a trace that spans several services: read from the
 * headers it came with, continued with a span of our own, handed on to those we
 * ask. We record no spans ourselves, so a trace that begins here is not sampled.
 *
 * Read are W3C Trace Context (traceparent and tracestate; the first one counts
 * when both kinds are there) and B3, as one header or several. What is malformed
 * is as if it had not come. W3C goes on always, B3 in the form it came in.
 *
 * Sources: W3C Trace Context level 1, https://www.w3.org/TR/trace-context-1/;
 * https://github.com/openzipkin/b3-propagation. Any thread; nothing has state.
 */
#ifndef LIB_TELEMETRY_TRACE_H
#define LIB_TELEMETRY_TRACE_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/http/header.h"

enum {
    TRACE_ID_LEN = 32, /* hex digits */
    TRACE_SPAN_LEN = 16,
    TRACE_PARENT_LEN = 55, /* a traceparent of version 00 */
    TRACE_B3_LEN = TRACE_ID_LEN + TRACE_SPAN_LEN * 2 + 4,
    TRACE_HEADERS_MAX = 6 /* that trace_headers makes */
};

/* What the sender of a request decided about recording it. */
enum trace_sampling { TRACE_UNDECIDED, TRACE_NOT_SAMPLED, TRACE_SAMPLED, TRACE_DEBUG };

struct trace {
    char trace_id[TRACE_ID_LEN + 1];    /* lower-case hex; a B3 id of 64 bits has zeros in front */
    char span_id[TRACE_SPAN_LEN + 1];   /* ours, a child of parent_id */
    char parent_id[TRACE_SPAN_LEN + 1]; /* "" when the trace begins here */
    enum trace_sampling sampling;
    bool b3_single;    /* it came as b3 */
    bool b3_multi;     /* it came as X-B3-... */
    const char *state; /* tracestate, the sender's text; NULL: none */
    char traceparent[TRACE_PARENT_LEN + 1];
    char b3[TRACE_B3_LEN + 1];
};

/* How trace_read finds a header by its lower-case name; NULL when it was not sent. */
typedef const char *trace_lookup(const void *source, const char *name);

/*
 * Read the headers into `trace`; span_id is empty then. trace->state points to
 * what `lookup` returned. False: they name no trace (but a bare B3 sampling
 * decision is taken all the same), and trace_id is "".
 */
bool trace_read(struct trace *trace, trace_lookup *lookup, const void *source);

/*
 * trace_read, then a span of our own in that trace or in a new one. Without random
 * numbers, which Linux does not run out of, the ids are empty.
 */
void trace_begin(struct trace *trace, trace_lookup *lookup, const void *source);

/*
 * What to send on: writes at most TRACE_HEADERS_MAX headers and returns how many.
 * Names are lower-case, as gRPC wants them; the values are valid as long as
 * `trace` and what its `state` points to.
 */
size_t trace_headers(struct trace *trace, struct http_header headers[TRACE_HEADERS_MAX]);

#endif
