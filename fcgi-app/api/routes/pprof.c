/* SPDX-License-Identifier: MIT */
/* /debug/pprof/ and /pprof/: a request of this server as one of the profiler's. */
#include "profiling/pprof.h"

#include "api/app.h"
#include "api/routes/routes.h"
#include "lib/fcgi/request.h"
#include "lib/fcgi/response.h"

static enum app_err read_body(void *context, size_t max, const char **body, size_t *len)
{
    struct exchange *exchange = context;
    return request_body(exchange->request, max, body, len);
}

static enum app_err add_header(void *context, const char *name, const char *value)
{
    struct exchange *exchange = context;
    return response_header(exchange->response, name, value);
}

static enum app_err send_answer(void *context, int status, const char *content_type,
                                const void *body, size_t len)
{
    struct exchange *exchange = context;
    return response_send(exchange->response, status, content_type, body, len);
}

enum app_err route_pprof(struct exchange *exchange)
{
    const struct request *request = exchange->request;
    const struct pprof_request asked = {
        .method = request->method_name,
        .path = request->path,
        .query = request->query,
        .remote = request_param(request, "REMOTE_ADDR"),
        .agent = request_header(request, "User-Agent"),
        .log = &request->log,
        .context = exchange,
        .read_body = read_body,
        .header = add_header,
        .send = send_answer,
    };
    return pprof_handle(exchange->app->profiling, &asked, &exchange->why);
}
