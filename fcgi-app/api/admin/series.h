/* SPDX-License-Identifier: MIT */
/*
 * What the admin page draws, as JSON: the pool's history of the last ten minutes
 * (lib/telemetry/history.h) in the units that an operator thinks in. The metrics are
 * looked up by their names, so one that this build does not have is left out.
 *
 *     "at":[ms, ...], "series":{"cpu":[...], ...},
 *     "routes":{"cache":{"requests":[...], "cpu_ms":[...], "minute":{...}}, ...},
 *     "breakers":{"cache":0, ...}
 *
 * docs/admin.md says what each is. Requests to routes of operators do not count, for
 * they are made by who looks.
 */
#ifndef API_ADMIN_SERIES_H
#define API_ADMIN_SERIES_H

#include "api/telemetry.h"
#include "lib/base/buf.h"

/*
 * Append these members for all times after `since_ns` (CLOCK_MONOTONIC; 0: all).
 * `now_ns` ends the last minute. APP_TOO_LARGE, APP_NO_MEMORY. Any thread.
 */
enum app_err series_write(const struct telemetry *telemetry, int64_t since_ns, int64_t now_ns,
                          struct buf *out) __attribute__((warn_unused_result));

/*
 * The value below which the share `share` of what a histogram has counted lies, with
 * the values of a bucket spread evenly over it, as Prometheus's histogram_quantile
 * does. `counts` has bound_count + 1 buckets; NAN: they are all empty.
 */
double series_quantile(const uint64_t *counts, const int64_t *bounds, size_t bound_count,
                       double share);

#endif
