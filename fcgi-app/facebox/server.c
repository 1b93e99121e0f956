/* SPDX-License-Identifier: MIT */
/* One table says which route answers; the handlers fill in the response. */
#include "facebox/server.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "facebox/basic_auth.h"
#include "facebox/check.h"
#include "facebox/faces.h"
#include "facebox/reply.h"
#include "lib/base/clock.h"
#include "lib/base/limits.h"
#include "lib/http/content_type.h"
#include "lib/http/method.h"
#include "lib/http/router.h"
#include "lib/telemetry/trace.h"

enum { FETCH_TIME_MS = 10 * 1000 };

struct exchange {
    const struct server *server;
    const struct httpd_request *request;
    struct httpd_response *response;
    const char *request_id; /* NULL: none */
    struct log log;
    size_t route; /* see server_route_name */
    size_t faces; /* that were found */
};

/* --- Answers ---------------------------------------------------------------------- */

static enum app_err answer_failure(struct exchange *exchange, int status, const char *text)
{
    exchange->response->status = status;
    return reply_failure(text, &exchange->response->body);
}

static enum app_err answer_text(struct exchange *exchange, int status, const char *text)
{
    exchange->response->status = status;
    exchange->response->content_type = "text/plain; charset=utf-8";
    return buf_append_str(&exchange->response->body, text);
}

__attribute__((format(printf, 3, 4))) static void
set_header(struct exchange *exchange, const char *name, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    exchange->response->extra_name = name;
    (void)vsnprintf(exchange->response->extra_value, sizeof(exchange->response->extra_value),
                    format, args);
    va_end(args);
}

/* --- Looking for faces ------------------------------------------------------------- */

static void note_faces(struct exchange *exchange, const char *source, const struct faces *faces,
                       int64_t start_ns)
{
    exchange->faces = faces->count;
    log_info(&exchange->log, "Check",
             LOG_FIELDS(LOG_STR("source", source), LOG_INT("faces", faces->count),
                        LOG_MS("ms", clock_now_ns() - start_ns), LOG_INT("width", faces->width),
                        LOG_INT("height", faces->height)));
}

/* Whether it is our fault, so that an operator should know. */
static bool is_ours(enum app_err err)
{
    return err == APP_BUSY || err == APP_NO_MEMORY || err == APP_INTERNAL;
}

static void log_failure(const struct exchange *exchange, const char *source, enum app_err err,
                        const struct err_buf *why, int64_t start_ns)
{
    enum log_level level = is_ours(err) ? LOG_WARN : LOG_INFO;
    LOG_AT(&exchange->log, level, "Check failed",
           LOG_FIELDS(LOG_STR("source", source), LOG_STR("code", app_err_slug(err)),
                      LOG_STR("error", why->text), LOG_STR("detail", why->detail),
                      LOG_MS("ms", clock_now_ns() - start_ns)));
}

static const char *failure_text(enum app_err err, const struct err_buf *why)
{
    return why->text[0] ? why->text : app_strerror(err);
}

/* The status of the box for what went wrong with a picture. */
static int failure_status(struct exchange *exchange, enum app_err err)
{
    if (err == APP_BUSY) {
        set_header(exchange, "Retry-After", "1");
        return 503;
    }
    return is_ours(err) ? app_err_status(err) : 200;
}

/* What the request handed over, fetched if need be, and searched. */
static enum app_err find_handed_over(struct exchange *exchange, struct check_input *input,
                                     int64_t start_ns, struct faces *faces, struct err_buf *why)
{
    const struct server *server = exchange->server;
    int64_t deadline_ns = start_ns + server->picture_time_ms * NS_PER_MS;
    int64_t fetch_deadline_ns = deadline_min(deadline_ns, start_ns + FETCH_TIME_MS * NS_PER_MS);
    struct buf fetched;
    buf_init(&fetched, LIMIT_PICTURE_BYTES);
    enum app_err err = check_read(exchange->request, input, why);
    if (!err && !input->picture) {
        err = faces_fetch(server->guard, input->owned.data, input->owned.len, exchange->request_id,
                          fetch_deadline_ns, &fetched, why);
        input->picture = fetched.data;
        input->len = fetched.len;
    }
    if (!err)
        err = faces_find(server->pool, input->picture, input->len, deadline_ns, faces, why);
    buf_release(&fetched);
    return err;
}

static enum app_err handle_check(struct exchange *exchange)
{
    struct check_input input;
    struct faces faces = {0};
    struct err_buf why = {0};
    int64_t start_ns = clock_now_ns();
    enum app_err err = find_handed_over(exchange, &input, start_ns, &faces, &why);
    if (err)
        log_failure(exchange, input.source, err, &why, start_ns);
    else
        note_faces(exchange, input.source, &faces, start_ns);
    check_input_release(&input);
    return err ? answer_failure(exchange, failure_status(exchange, err), failure_text(err, &why))
               : reply_check(&faces, &exchange->response->body);
}

/* POST / takes fewer kinds of pictures, and says by the status what is wrong. */
static enum app_err handle_detect(struct exchange *exchange)
{
    const struct httpd_request *request = exchange->request;
    const char *type = content_type_sniff(request->body, request->body_len);
    if (strcmp(type, "image/jpeg") != 0 && strcmp(type, "image/png") != 0) {
        char text[LIMIT_ECHO];
        (void)snprintf(text, sizeof(text),
                       "Only jpeg or png images can be searched, you uploaded: %s\n", type);
        return answer_text(exchange, 400, text);
    }
    struct faces faces = {0};
    struct err_buf why = {0};
    int64_t start_ns = clock_now_ns();
    enum app_err err = APP_TOO_LARGE;
    if (request->body_len <= LIMIT_PICTURE_BYTES)
        err = faces_find(exchange->server->pool, request->body, request->body_len,
                         start_ns + exchange->server->picture_time_ms * NS_PER_MS, &faces, &why);
    if (err) {
        log_failure(exchange, "body", err, &why, start_ns);
        if (err == APP_TOO_LARGE)
            return answer_text(exchange, 413, "too large\n");
        if (err == APP_BUSY)
            return answer_text(exchange, failure_status(exchange, err), "busy\n");
        return answer_text(exchange, 500, "Unable to read image\n");
    }
    note_faces(exchange, "body", &faces, start_ns);
    return reply_rectangles(&faces, &exchange->response->body);
}

/* --- The other routes ------------------------------------------------------------------ */

static enum app_err handle_info(struct exchange *exchange)
{
    return reply_info(exchange->server->network, &exchange->response->body);
}

static enum app_err handle_healthz(struct exchange *exchange)
{
    return reply_healthz(exchange->server->hostname, &exchange->response->body);
}

/* There are no requests before the detectors are ready, and none when it stops. */
static enum app_err handle_ready(struct exchange *exchange)
{
    return reply_success(&exchange->response->body);
}

static enum app_err handle_health(struct exchange *exchange)
{
    return answer_text(exchange, 200, "ok");
}

static enum app_err handle_metrics(struct exchange *exchange)
{
    struct telemetry *telemetry = exchange->server->telemetry;
    if (!telemetry)
        return answer_failure(exchange, 404, app_strerror(APP_NOT_FOUND));
    exchange->response->content_type = METRICS_CONTENT_TYPE;
    set_header(exchange, "Cache-Control", "no-store");
    return telemetry_write(telemetry, &exchange->response->body);
}

static const struct route routes[] = {
    {HTTP_POST, "/facebox/check", "check", handle_check, 0},
    {HTTP_POST, "/", "detect", handle_detect, 0},
    {HTTP_GET, "/info", "info", handle_info, 0},
    {HTTP_GET, "/healthz", "healthz", handle_healthz, 0},
    {HTTP_GET, "/readyz", "readyz", handle_ready, 0},
    {HTTP_GET, "/liveness", "liveness", handle_ready, 0},
    {HTTP_GET, "/health", "health", handle_health, 0},
    {HTTP_GET, "/metrics", "metrics", handle_metrics, 0},
};
enum { ROUTES = sizeof(routes) / sizeof(routes[0]), ROUTE_RECOGNITION = ROUTES, ROUTE_NONE };

const char *server_route_name(size_t index)
{
    if (index < ROUTES)
        return routes[index].name;
    return index == ROUTE_RECOGNITION ? "recognition" : index == ROUTE_NONE ? "none" : NULL;
}

/* Paths of the box that teach it faces or ask for taught ones, whatever the method. */
static bool is_recognition(const char *path)
{
    static const char *const paths[] = {
        "/facebox/teach",           "/facebox/rename", "/facebox/similar",
        "/facebox/similars",        "/facebox/state",  "/facebox/faceprint/compare",
        "/facebox/faceprint/check",
    };
    static const char teach[] = "/facebox/teach/";
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        if (strcmp(path, paths[i]) == 0)
            return true;
    }
    return strncmp(path, teach, sizeof(teach) - 1) == 0 && path[sizeof(teach) - 1] != '\0';
}

static bool is_open(const char *path)
{
    return strcmp(path, "/readyz") == 0 || strcmp(path, "/liveness") == 0;
}

static bool is_authorized(const struct exchange *exchange)
{
    const struct server *server = exchange->server;
    if (server->user[0] == '\0' || is_open(exchange->request->path))
        return true;
    const char *header = httpd_request_header(exchange->request, "Authorization");
    return basic_auth_matches(header, server->user, server->password);
}

static enum app_err route(struct exchange *exchange)
{
    const struct httpd_request *request = exchange->request;
    struct route_match match;
    if (!is_authorized(exchange)) {
        log_warn(&exchange->log, "Authorization refused",
                 LOG_FIELDS(LOG_STR("path", request->path)));
        set_header(exchange, "WWW-Authenticate", "Basic realm=\"facebox\"");
        return answer_failure(exchange, 401, "authorization is needed");
    }
    if (is_recognition(request->path)) {
        exchange->route = ROUTE_RECOGNITION;
        return answer_failure(exchange, 200, "recognition is disabled");
    }
    enum app_err err =
        router_match(routes, ROUTES, http_method_parse(request->method), request->path, &match);
    if (!err) {
        exchange->route = (size_t)(match.route - routes);
        return match.route->handler(exchange);
    }
    if (err == APP_METHOD_NOT_ALLOWED) {
        char allowed[64];
        router_allow_header(match.allowed, allowed, sizeof(allowed));
        set_header(exchange, "Allow", "%s", allowed);
    }
    return answer_failure(exchange, app_err_status(err), app_strerror(err));
}

/* The client's X-Request-Id, if it is one word of a sane size. */
static const char *find_request_id(const struct httpd_request *request)
{
    const char *id = httpd_request_header(request, "X-Request-Id");
    size_t len = id ? strlen(id) : 0;
    if (len == 0 || len > LIMIT_REQUEST_ID)
        return NULL;
    for (size_t i = 0; i < len; i++) {
        if (id[i] <= ' ' || id[i] > '~')
            return NULL;
    }
    return id;
}

/* A trace_lookup in the request's headers. */
static const char *find_trace_header(const void *source, const char *name)
{
    return httpd_request_header(source, name);
}

void server_handle(void *context, const struct httpd_request *request,
                   struct httpd_response *response)
{
    const struct server *server = context;
    struct exchange exchange = {
        .server = server, .request = request, .response = response, .route = ROUTE_NONE};
    struct telemetry_request measured;
    telemetry_request_begin(server->telemetry, &measured);
    exchange.request_id = find_request_id(request);
    struct trace trace;
    bool traced = trace_read(&trace, find_trace_header, request);
    exchange.log = log_child(server->log, exchange.request_id, traced ? trace.trace_id : NULL);
    response->content_type = "application/json; charset=utf-8";
    enum app_err err = route(&exchange);
    if (err) { /* the answer itself did not fit into memory: none, then */
        log_error(&exchange.log, "No answer", LOG_FIELDS(LOG_STR("error", app_strerror(err))));
        buf_release(&response->body);
        response->status = app_err_status(err);
    }
    telemetry_request_end(server->telemetry, &measured, exchange.route, response->status,
                          exchange.faces);
}
