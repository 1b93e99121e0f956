/* SPDX-License-Identifier: MIT */
/*
 * One table of method, pattern and handler decides what a request means.
 *
 * A pattern is a path such as "/health", or ends in one parameter, as
 * "/cache/{file}" does. A parameter matches one or more characters up to the
 * end and no '/'. HEAD is served by the GET route. Pure, any thread.
 */
#ifndef LIB_HTTP_ROUTER_H
#define LIB_HTTP_ROUTER_H

#include <stddef.h>

#include "lib/base/err.h"
#include "lib/http/method.h"

/* One request under way: each program that has routes defines its own. */
struct exchange;
/* What it must be known of a route beside that; the router does not look at it. */
struct route_policy;

/*
 * Answers the request. An error that is returned becomes the answer, if none
 * was begun yet.
 */
typedef enum app_err route_handler(struct exchange *exchange);

struct route {
    enum http_method method; /* never HTTP_HEAD */
    const char *pattern;
    const char *name; /* for logs and metrics: "cache" */
    route_handler *handler;
    const struct route_policy *policy;
};

struct route_match {
    const struct route *route;
    const char *parameter; /* points into the path; "" when the pattern has none */
    unsigned allowed;      /* HTTP_METHOD_BITs that the path takes, on APP_METHOD_NOT_ALLOWED */
};

/*
 * Find the route for a decoded path. APP_NOT_FOUND; APP_METHOD_NOT_ALLOWED when
 * only other methods match, with match->allowed set (HEAD wherever GET is).
 */
enum app_err router_match(const struct route *routes, size_t count, enum http_method method,
                          const char *path, struct route_match *match)
    __attribute__((warn_unused_result));

/* Write the names of a method set as an Allow header: "GET, HEAD". */
void router_allow_header(unsigned allowed, char *out, size_t size);

#endif
