/* SPDX-License-Identifier: MIT */
/*
 * One HTTP exchange, as a client of the service sees it: by libcurl, without a
 * proxy, without redirects, the path sent exactly as it is written. Any thread.
 */
#ifndef TESTS_SUPPORT_HTTP_H
#define TESTS_SUPPORT_HTTP_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/base/buf.h"

struct http_call {
    const char *method; /* NULL: GET, or POST when there is a body */
    const char *url;
    const char *const *headers; /* "Name: value", ended by NULL; NULL: none */
    const void *body;           /* NULL: none */
    size_t body_len;
    const char *from; /* the address to call from; NULL: any */
    long timeout_ms;  /* 0: 30 s */
};

struct http_reply {
    int status;
    struct buf headers; /* private: lines, each with a NUL */
    struct buf body;
    double seconds;  /* for all of it */
    char error[160]; /* why there was no answer */
};

/* False when no answer came whole. The caller releases the reply in both cases. */
bool http_perform(const struct http_call *call, struct http_reply *reply);
void http_reply_release(struct http_reply *reply);

/* An exchange in a thread of its own; what the call points to must outlive it. */
struct http_job;
struct http_job *http_job_start(const struct http_call *call);
/* Wait for it and free it; as http_perform. NULLs the caller's pointer. */
bool http_job_wait(struct http_job **job, struct http_reply *reply);

/* A header's value, valid while the reply is; NULL when it is absent. */
const char *http_reply_header(const struct http_reply *reply, const char *name);

/* The body as text; "" when there is none. */
const char *http_reply_text(const struct http_reply *reply);

#endif
