/* SPDX-License-Identifier: MIT */
/* What series_routes.c has for series.c. Private to api/admin/series*.c. */
#ifndef API_ADMIN_SERIES_PRIVATE_H
#define API_ADMIN_SERIES_PRIVATE_H

#include "api/pool_history.h"
#include "lib/base/buf.h"

enum {
    SERIES_POINTS = 300,      /* the history's ring of ten minutes has so many rows */
    SERIES_STATUS_GROUPS = 5, /* columns of a route's requests: 1xx to 5xx */
    SERIES_CLIENT_ERROR = 3,
    SERIES_SERVER_ERROR = 4,
    SERIES_MINUTE_S = 60
};

/* The routes but the operators'. */
struct series_routes {
    const struct pool_history_route *at[ROUTE_NAME__MAX];
    size_t count;
};

void series_routes_find(struct series_routes *routes, const struct pool_history *history);

/* Whether a row of the history has a request to it. */
bool series_route_was_asked(const struct pool_history_route *route, const uint64_t *row);

/* Appends to a buffer; the first error stays. */
struct series_text {
    struct buf *out;
    enum app_err err;
};

void series_put(struct series_text *text, const char *part);
/* To three digits behind the point, for thousands of them are written; NAN: null. */
void series_put_number(struct series_text *text, double number);

/* What a route did in the last minute: ,"minute":{"requests","errors","cpu_ms","p50_ms","p99_ms"}
 */
void series_put_minute(struct series_text *text, const struct pool_history *history,
                       const struct pool_history_route *route, int64_t now_ns);

#endif
