/* SPDX-License-Identifier: MIT */
/*
 * What the admin page draws, as JSON: the pool's history of the last ten minutes
 * (api/pool_history.h) in the units that an operator thinks in. The metrics are
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

#include <stddef.h>
#include <stdint.h>

#include "api/pool_history.h"
#include "lib/base/buf.h"

/*
 * Append these members for all times after `since_ns` (CLOCK_MONOTONIC; 0: all).
 * `now_ns` ends the last minute. APP_TOO_LARGE, APP_NO_MEMORY. Any thread.
 */
enum app_err series_write(const struct pool_history *history, int64_t since_ns, int64_t now_ns,
                          struct buf *out) __attribute__((warn_unused_result));

#endif
