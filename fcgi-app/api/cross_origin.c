/* SPDX-License-Identifier: MIT */
/* The methods and headers are those that the API's routes take from pages. */
#include "api/cross_origin.h"

#include "lib/fcgi/request.h"
#include "lib/fcgi/response.h"
#include "lib/http/cors.h"

#define EXPOSED_HEADERS "X-Request-Id, Retry-After, ETag, Location, Link"
/* Saves most preflights, and an operator's change of mind is known after ten minutes. */
#define MAX_AGE_S "600"

static struct cors_policy policy_of(const struct app *app)
{
    static const char *const headers[] = {"Authorization",
                                          "Content-Type",
                                          "X-Request-Id",
                                          "X-Requested-With",
                                          "traceparent",
                                          "tracestate",
                                          "baggage",
                                          "If-None-Match",
                                          "If-Match",
                                          "Range",
                                          NULL};
    return (struct cors_policy){
        .origins = app->config.allow_origin,
        .methods =
            HTTP_METHOD_BIT(HTTP_GET) | HTTP_METHOD_BIT(HTTP_HEAD) | HTTP_METHOD_BIT(HTTP_POST),
        .headers = headers,
    };
}

/* Does nothing after an error, so that a row of them reads as one. */
static void add(struct response *response, const char *name, const char *value, enum app_err *err)
{
    if (!*err)
        *err = response_header(response, name, value);
}

static enum app_err add_grant(struct response *response, const struct cors_grant *grant)
{
    enum app_err err = APP_OK;
    if (!grant->origin)
        return APP_OK;
    add(response, "Access-Control-Allow-Origin", grant->origin, &err);
    if (grant->credentials)
        add(response, "Access-Control-Allow-Credentials", "true", &err);
    return err;
}

static enum app_err answer_preflight(struct exchange *exchange, const char *method)
{
    const struct request *request = exchange->request;
    struct response *response = exchange->response;
    const struct cors_preflight preflight = {
        .origin = request_header(request, "Origin"),
        .method = method,
        .headers = request_header_list(request, "Access-Control-Request-Headers"),
    };
    struct cors_policy policy = policy_of(exchange->app);
    struct cors_grant grant;
    cors_decide_preflight(&policy, &preflight, &grant);

    enum app_err err = APP_OK;
    add(response, "Vary", "Origin", &err);
    add(response, "Vary", "Access-Control-Request-Method", &err);
    add(response, "Vary", "Access-Control-Request-Headers", &err);
    if (!err)
        err = add_grant(response, &grant);
    if (grant.origin) {
        add(response, "Access-Control-Allow-Methods", grant.method, &err);
        if (*grant.headers)
            add(response, "Access-Control-Allow-Headers", grant.headers, &err);
        add(response, "Access-Control-Max-Age", MAX_AGE_S, &err);
    }
    return err ? err : response_send(response, 200, NULL, NULL, 0);
}

enum app_err cross_origin_begin(struct exchange *exchange, bool *answered)
{
    const struct request *request = exchange->request;
    const char *asked = request_header(request, "Access-Control-Request-Method");
    *answered = request->method == HTTP_OPTIONS && asked && *asked;
    if (*answered)
        return answer_preflight(exchange, asked);

    struct cors_policy policy = policy_of(exchange->app);
    struct cors_grant grant;
    cors_decide(&policy, request_header(request, "Origin"), request->method, &grant);
    enum app_err err = APP_OK;
    add(exchange->response, "Vary", "Origin", &err);
    if (!err)
        err = add_grant(exchange->response, &grant);
    if (grant.origin)
        add(exchange->response, "Access-Control-Expose-Headers", EXPOSED_HEADERS, &err);
    return err;
}
