/* SPDX-License-Identifier: MIT */
/*
 * The one place where an error of a route becomes an answer and a log line, so
 * that no route can forget either.
 */
#include "api/handler.h"

#include <stdlib.h>

#include "api/auth/admin_guard.h"
#include "api/auth/authn.h"
#include "api/clients/cache_client.h"
#include "api/cross_origin.h"
#include "api/routes/routes.h"
#include "lib/base/clock.h"
#include "lib/fcgi/request.h"
#include "lib/fcgi/response.h"
#include "lib/fcgi/worker.h"
#include "lib/net/http_client.h"
#include "lib/picture/picture.h"

enum { ALLOW_HEADER_MAX = 64 };

enum app_err handler_worker_init(void *context, void **out, struct err_buf *why)
{
    struct app *app = context;
    struct worker *worker = calloc(1, sizeof(*worker));
    if (!worker)
        return APP_NO_MEMORY;
    enum app_err err = cache_caller_new(app->cache, &worker->cache);
    if (!err)
        err = http_client_new(&worker->http);
    if (err) {
        err_detail(why, "a worker thread has no client");
        handler_worker_release(context, worker);
        return err;
    }
    *out = worker;
    return APP_OK;
}

void handler_worker_release(void *context, void *released)
{
    (void)context;
    struct worker *worker = released;
    http_client_free(&worker->http);
    cache_caller_free(&worker->cache);
    picture_thread_release();
    free(worker);
}

/* Who is asked does not matter here: the answer is the same for every guarded route. */
static enum app_err authorize(struct exchange *exchange)
{
    struct app *app = exchange->app;
    const struct request *request = exchange->request;
    const struct jwks_call call = {exchange->worker->http, exchange->deadline_ns, request->id};
    enum app_err err =
        authn_check(app->authn, &call, request_header(request, "Authorization"), &exchange->why);
    if (err == APP_UNAUTHORIZED)
        (void)response_header(exchange->response, "WWW-Authenticate", "Bearer realm=\"emojify\"");
    return err;
}

static enum app_err admit(struct exchange *exchange, enum route_access access)
{
    switch (access) {
    case ROUTE_FOR_EVERYONE:
        return APP_OK;
    case ROUTE_FOR_TOKEN_HOLDERS:
        return authorize(exchange);
    case ROUTE_FOR_KNOWN_HOSTS:
        return admin_guard_check_host(exchange->app->admin_guard, exchange->request,
                                      &exchange->why);
    case ROUTE_FOR_OWN_SITE:
        return admin_guard_check_site(exchange->app->admin_guard, exchange->request,
                                      &exchange->why);
    case ROUTE_FOR_ADMIN:
        return admin_guard_check(exchange->app->admin_guard, exchange->request, exchange->response,
                                 &exchange->why);
    }
    return APP_INTERNAL;
}

static enum app_err find_route(struct exchange *exchange, struct route_match *match)
{
    const struct request *request = exchange->request;
    enum app_err err = routes_match(exchange->app->routes, request->method, request->path, match);
    if (err == APP_METHOD_NOT_ALLOWED) {
        char allow[ALLOW_HEADER_MAX];
        router_allow_header(match->allowed, allow, sizeof(allow));
        (void)response_header(exchange->response, "Allow", allow);
    }
    return err;
}

static enum app_err route(struct exchange *exchange, enum route_name *name)
{
    struct route_match match;
    bool answered = false;
    enum app_err err = APP_OK;
    if (routes_is_for_pages(exchange->app->routes, exchange->request->path))
        err = cross_origin_begin(exchange, &answered);
    if (err || answered)
        return err;

    err = find_route(exchange, &match);
    if (err)
        return err;
    const struct route_policy *policy = match.route->policy;
    *name = policy->name;
    exchange->parameter = match.parameter;
    if (!policy->quick)
        fcgi_worker_yield();
    err = admit(exchange, policy->access);
    return err ? err : match.route->handler(exchange);
}

/* Told before anything can hang, with what may help to tell clients apart. */
static void log_arrival(const struct request *request)
{
    log_debug(&request->log, "Request begun",
              LOG_FIELDS(LOG_STR("method", request->method_name), LOG_STR("path", request->path),
                         LOG_INT("length", request->content_length),
                         LOG_STR("client", request_param(request, "REMOTE_ADDR")),
                         LOG_STR("agent", request_header(request, "User-Agent"))));
}

/* What went wrong is logged in our words and the peers'; level by whose fault it is. */
static void log_request(const struct exchange *exchange, enum route_name name, enum app_err err)
{
    const struct request *request = exchange->request;
    enum log_level level = err && app_err_status(err) >= 500 ? LOG_ERROR : LOG_INFO;
    if (!log_enabled(&request->log, level))
        return;
    struct log_field fields[] = {
        LOG_STR("method", request->method_name),
        LOG_STR("path", request->path),
        LOG_STR("route", route_name_text(name)),
        LOG_INT("status", exchange->response->status),
        LOG_INT("bytes", exchange->response->body_len),
        LOG_MS("ms", clock_now_ns() - request->started_ns),
        {.key = NULL}, /* error */
        {.key = NULL}, /* text */
        {.key = NULL}, /* detail */
        {.key = NULL},
    };
    if (err) {
        size_t last = sizeof(fields) / sizeof(fields[0]) - 4;
        fields[last++] = LOG_STR("error", app_err_slug(err));
        if (exchange->why.text[0])
            fields[last++] = LOG_STR("reason", exchange->why.text);
        if (exchange->why.detail[0])
            fields[last] = LOG_STR("detail", exchange->why.detail);
    }
    log_write(&request->log, level, "Request handled", fields);
}

static bool client_gone(void *request)
{
    return request_client_gone(request);
}

void handler_handle(void *context, void *worker, struct request *request, struct response *response)
{
    struct app *app = context;
    struct exchange exchange = {
        .app = app,
        .worker = worker,
        .request = request,
        .response = response,
        .parameter = "",
        .deadline_ns = request->started_ns + app->config.request_timeout_ms * NS_PER_MS,
        .cancel = {client_gone, request},
    };
    enum route_name name = ROUTE_NONE;
    struct telemetry_request measured;
    telemetry_request_begin(&app->telemetry, &measured);
    log_arrival(request);
    enum app_err err = route(&exchange, &name);
    if (err && response->state == RESPONSE_HEADERS)
        (void)response_error(response, err, exchange.why.text);
    log_request(&exchange, name, err);
    const struct telemetry_outcome outcome = {
        .route = name,
        .method = request->method,
        .status = response->status,
        .started_ns = request->started_ns,
    };
    telemetry_request_end(&app->telemetry, &measured, &outcome);
}
