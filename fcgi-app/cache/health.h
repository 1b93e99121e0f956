/* SPDX-License-Identifier: MIT */
/*
 * GET /health of emojify-cache, for supervisors that do not speak gRPC: 200 and
 * "OK" when the store works, else 503 and why.
 */
#ifndef CACHE_HEALTH_H
#define CACHE_HEALTH_H

#include <stdint.h>

#include "cache/store.h"
#include "lib/base/err.h"
#include "lib/base/log.h"
#include "lib/httpd/httpd.h"

/*
 * Serve it at `address` and `port` until httpd_stop; `store` and `log` must
 * live until then. Errors as httpd_start.
 */
enum app_err health_start(const char *address, uint16_t port, struct store *store,
                          const struct log *log, struct httpd **httpd, struct err_buf *why)
    __attribute__((warn_unused_result));

/* The page itself; `context` is the store. */
void health_handle(void *context, const struct httpd_request *request,
                   struct httpd_response *response);

#endif
