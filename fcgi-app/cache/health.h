/* SPDX-License-Identifier: MIT */
/*
 * The pages of emojify-cache over HTTP: GET /health, for supervisors that do not
 * speak gRPC, is 200 and "OK" when the store works, else 503 and why; GET /metrics
 * is for Prometheus.
 */
#ifndef CACHE_HEALTH_H
#define CACHE_HEALTH_H

#include <stdint.h>

#include "cache/store.h"
#include "cache/telemetry.h"
#include "lib/base/err.h"
#include "lib/base/log.h"
#include "lib/httpd/httpd.h"

/* What the pages are about. */
struct health {
    struct store *store;
    struct telemetry *telemetry;
};

/*
 * Serve them at `address` and `port` until httpd_stop; `health`, what is in it and
 * `log` must live until then. Errors as httpd_start.
 */
enum app_err health_start(const char *address, uint16_t port, struct health *health,
                          const struct log *log, struct httpd **httpd, struct err_buf *why)
    __attribute__((warn_unused_result));

/* The pages themselves; `context` is the struct health. */
void health_handle(void *context, const struct httpd_request *request,
                   struct httpd_response *response);

#endif
