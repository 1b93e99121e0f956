/* SPDX-License-Identifier: MIT */
/*
 * What a browser must be told before it lets another site's page use this
 * service (Fetch standard, "CORS protocol"), decided as the Go service's rs/cors
 * 1.6 did, with one correction: credentials are never allowed together with "*",
 * which browsers refuse anyway.
 *
 * A policy's origins are a list such as "https://a.example, http://localhost:*":
 * separated by commas, compared without regard to case, "*" in one stands for
 * any characters; "*" alone allows every origin. Pure, any thread.
 */
#ifndef LIB_HTTP_CORS_H
#define LIB_HTTP_CORS_H

#include <stdbool.h>

#include "lib/base/err.h"
#include "lib/http/method.h"

enum { CORS_HEADERS_TEXT_MAX = 256 };

struct cors_policy {
    const char *origins;
    unsigned methods;           /* HTTP_METHOD_BITs */
    const char *const *headers; /* request headers, as they are usually written; NULL-terminated */
};

/* What to say. Points into the request's and the policy's texts. */
struct cors_grant {
    const char *origin; /* Access-Control-Allow-Origin; NULL: none of these headers */
    bool credentials;   /* Access-Control-Allow-Credentials: true */
    const char *method; /* Access-Control-Allow-Methods; of a preflight */
    char headers[CORS_HEADERS_TEXT_MAX]; /* Access-Control-Allow-Headers; "": none were asked for */
};

/* What a browser asks before it sends the request itself. */
struct cors_preflight {
    const char *origin;  /* NULL as a header that is absent */
    const char *method;  /* Access-Control-Request-Method */
    const char *headers; /* Access-Control-Request-Headers */
};

/* Whether a list of origins can be meant so. APP_CONFIG, with what is wrong in why->text. */
enum app_err cors_check_origins(const char *origins, struct err_buf *why);

/* For the answer of any request but a preflight. `origin` NULL: no such header. */
void cors_decide(const struct cors_policy *policy, const char *origin, enum http_method method,
                 struct cors_grant *grant);

/*
 * For the answer of a preflight. One method or header that is not allowed:
 * nothing is granted. The headers are granted by the policy's own names.
 */
void cors_decide_preflight(const struct cors_policy *policy, const struct cors_preflight *preflight,
                           struct cors_grant *grant);

#endif
