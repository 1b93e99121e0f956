/* SPDX-License-Identifier: MIT */
/* GET /metrics, for Prometheus: the whole pool's numbers, whichever process is asked. */
#include "api/app.h"
#include "api/routes/routes.h"

#include "lib/base/buf.h"
#include "lib/base/limits.h"
#include "lib/fcgi/response.h"
#include "lib/telemetry/metrics.h"

enum app_err route_metrics(struct exchange *exchange)
{
    struct buf text;
    buf_init(&text, LIMIT_METRICS_TEXT);
    enum app_err err = telemetry_write(&exchange->app->telemetry, &text);
    if (!err)
        err = response_send(exchange->response, 200, METRICS_CONTENT_TYPE, text.data, text.len);
    buf_release(&text);
    return err == APP_TOO_LARGE ? APP_INTERNAL : err;
}
