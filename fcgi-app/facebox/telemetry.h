/* SPDX-License-Identifier: MIT */
/*
 * What emojify-facebox counts, in one table (telemetry.c), for GET /metrics.
 *
 * telemetry_start before the server, telemetry_stop after it; the others from any
 * thread.
 */
#ifndef FACEBOX_TELEMETRY_H
#define FACEBOX_TELEMETRY_H

#include <stddef.h>
#include <stdint.h>

#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/base/log.h"
#include "lib/telemetry/metrics.h"

struct telemetry {
    struct metrics *metrics;
};

/* APP_NO_MEMORY, APP_INTERNAL. */
enum app_err telemetry_start(struct telemetry *telemetry, const struct log *log)
    __attribute__((warn_unused_result));
void telemetry_stop(struct telemetry *telemetry);

/* The text for a scrape. Errors as metrics_write. */
enum app_err telemetry_write(struct telemetry *telemetry, struct buf *out)
    __attribute__((warn_unused_result));

/*
 * A request that is being answered; both by the thread that does it. `telemetry` may
 * be NULL, as it is in a test, and then nothing is counted.
 */
struct telemetry_request {
    int64_t started_ns;
    int64_t cpu_ns; /* of the thread at its start */
};
void telemetry_request_begin(struct telemetry *telemetry, struct telemetry_request *request);

/* `route` is a number of server_route_name's, `faces` what was found. */
void telemetry_request_end(struct telemetry *telemetry, const struct telemetry_request *request,
                           size_t route, int status, size_t faces);

#endif
