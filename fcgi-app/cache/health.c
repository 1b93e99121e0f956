/* SPDX-License-Identifier: MIT */
/* One page. */
#include "cache/health.h"

#include <string.h>

enum { CONNECTIONS_MAX = 16, IDLE_TIMEOUT_S = 10, BODY_MAX = 1024 };

static void answer(struct httpd_response *response, int status, const char *text)
{
    response->status = status;
    response->content_type = "text/plain; charset=utf-8";
    /* Without memory for a line the status still says it. */
    (void)!buf_printf(&response->body, "%s\n", text);
}

enum app_err health_start(const char *address, uint16_t port, struct store *store,
                          const struct log *log, struct httpd **httpd, struct err_buf *why)
{
    const struct httpd_options options = {
        .address = address,
        .port = port,
        .max_connections = CONNECTIONS_MAX,
        .max_body = BODY_MAX,
        .idle_timeout_s = IDLE_TIMEOUT_S,
        .handler = health_handle,
        .context = store,
        .log = log,
    };
    return httpd_start(&options, httpd, why);
}

void health_handle(void *context, const struct httpd_request *request,
                   struct httpd_response *response)
{
    struct store *store = context;
    struct err_buf why = {.text = ""};
    if (strcmp(request->path, "/health") != 0) {
        answer(response, app_err_status(APP_NOT_FOUND), app_strerror(APP_NOT_FOUND));
    } else if (strcmp(request->method, "GET") != 0 && strcmp(request->method, "HEAD") != 0) {
        answer(response, app_err_status(APP_METHOD_NOT_ALLOWED),
               app_strerror(APP_METHOD_NOT_ALLOWED));
        response->extra_name = "Allow";
        memcpy(response->extra_value, "GET, HEAD", sizeof("GET, HEAD"));
    } else if (store_check(store, &why)) {
        answer(response, app_err_status(APP_UNAVAILABLE), why.text);
    } else {
        answer(response, app_err_status(APP_OK), "OK");
    }
}
