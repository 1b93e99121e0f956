/* SPDX-License-Identifier: MIT */
/* Two pages. */
#include "cache/health.h"

#include <string.h>

#include "lib/base/limits.h"

enum { CONNECTIONS_MAX = 16, IDLE_TIMEOUT_S = 10, BODY_MAX = 1024 };

static void answer(struct httpd_response *response, int status, const char *text)
{
    response->status = status;
    response->content_type = "text/plain; charset=utf-8";
    /* Without memory for a line the status still says it. */
    (void)!buf_printf(&response->body, "%s\n", text);
}

enum app_err health_start(const char *address, uint16_t port, struct health *health,
                          const struct log *log, struct httpd **httpd, struct err_buf *why)
{
    const struct httpd_options options = {
        .address = address,
        .port = port,
        .max_connections = CONNECTIONS_MAX,
        .max_body = BODY_MAX,
        .idle_timeout_s = IDLE_TIMEOUT_S,
        .handler = health_handle,
        .context = health,
        .log = log,
    };
    return httpd_start(&options, httpd, why);
}

static void answer_health(struct health *health, struct httpd_response *response)
{
    struct err_buf why = {.text = ""};
    if (store_check(health->store, &why))
        answer(response, app_err_status(APP_UNAVAILABLE), why.text);
    else
        answer(response, app_err_status(APP_OK), "OK");
}

static void answer_metrics(struct health *health, struct httpd_response *response)
{
    if (telemetry_write(health->telemetry, health->store, &response->body)) {
        buf_reset(&response->body);
        answer(response, app_err_status(APP_NO_MEMORY), app_strerror(APP_NO_MEMORY));
        return;
    }
    response->content_type = METRICS_CONTENT_TYPE;
    response->extra_name = "Cache-Control";
    memcpy(response->extra_value, "no-store", sizeof("no-store"));
}

void health_handle(void *context, const struct httpd_request *request,
                   struct httpd_response *response)
{
    bool is_metrics = strcmp(request->path, "/metrics") == 0;
    if (!is_metrics && strcmp(request->path, "/health") != 0) {
        answer(response, app_err_status(APP_NOT_FOUND), app_strerror(APP_NOT_FOUND));
    } else if (strcmp(request->method, "GET") != 0 && strcmp(request->method, "HEAD") != 0) {
        answer(response, app_err_status(APP_METHOD_NOT_ALLOWED),
               app_strerror(APP_METHOD_NOT_ALLOWED));
        response->extra_name = "Allow";
        memcpy(response->extra_value, "GET, HEAD", sizeof("GET, HEAD"));
    } else if (is_metrics) {
        answer_metrics(context, response);
    } else {
        answer_health(context, response);
    }
}
