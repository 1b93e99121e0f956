/* SPDX-License-Identifier: MIT */
#include <math.h>
#include <string.h>

#include "api/admin/series_private.h"
#include "lib/base/buf.h"
#include "lib/base/clock.h"
#include "lib/telemetry/metrics.h"
#include "lib/telemetry/quantile.h"

void series_routes_find(struct series_routes *routes, const struct pool_history *history)
{
    const struct pool_history_route *all = pool_history_routes(history);
    routes->count = 0;
    for (size_t i = 0; i < ROUTE_NAME__MAX; i++) {
        if (!all[i].operators)
            routes->at[routes->count++] = &all[i];
    }
}

bool series_route_was_asked(const struct pool_history_route *route, const uint64_t *row)
{
    for (size_t i = 0; i < SERIES_STATUS_GROUPS; i++) {
        if (row[route->requests + i] > 0)
            return true;
    }
    return false;
}

void series_put(struct series_text *text, const char *part)
{
    if (!text->err)
        text->err = buf_append_str(text->out, part);
}

void series_put_number(struct series_text *text, double number)
{
    enum { SCALE = 1000 };
    char digits[32];
    char *at = digits + sizeof(digits);
    if (text->err)
        return;
    if (!isfinite(number) || fabs(number) > 1e15) {
        series_put(text, "null");
        return;
    }
    uint64_t rest = (uint64_t)(fabs(number) * SCALE + 0.5);
    uint64_t fraction = rest % SCALE;
    bool negative = number < 0 && rest > 0;
    rest /= SCALE;
    for (int digit = 0; digit < 3; digit++, fraction /= 10) {
        if (fraction % 10 > 0 || at < digits + sizeof(digits)) /* no zeros at the end */
            *--at = (char)('0' + fraction % 10);
    }
    if (at < digits + sizeof(digits))
        *--at = '.';
    do {
        *--at = (char)('0' + rest % 10);
        rest /= 10;
    } while (rest > 0);
    if (negative)
        *--at = '-';
    text->err = buf_append(text->out, at, (size_t)(digits + sizeof(digits) - at));
}

static void put_member(struct series_text *text, const char *name, double number)
{
    series_put(text, name);
    series_put_number(text, number);
}

void series_put_minute(struct series_text *text, const struct pool_history *history,
                       const struct pool_history_route *route, int64_t now_ns)
{
    enum { CPU = SERIES_STATUS_GROUPS, DURATION, MAX = DURATION + METRIC_BOUNDS_MAX + 1 };
    size_t columns[MAX];
    uint64_t growth[MAX];
    const struct history_window asked = {now_ns - SERIES_MINUTE_S * NS_PER_S, now_ns};
    const struct pool_history_series *duration = &route->duration;
    struct history_window found;
    double requests = 0;
    for (size_t i = 0; i < SERIES_STATUS_GROUPS; i++)
        columns[i] = route->requests + i;
    columns[CPU] = route->cpu;
    for (size_t i = 0; i <= duration->bound_count; i++)
        columns[DURATION + i] = duration->column + i;
    if (!pool_history_growth(history, POOL_HISTORY_MINUTES, asked, columns,
                             DURATION + duration->bound_count + 1, growth, &found))
        return;
    for (size_t i = 0; i < SERIES_STATUS_GROUPS; i++)
        requests += (double)growth[i];
    const uint64_t *buckets = growth + DURATION;
    put_member(text, ",\"minute\":{\"requests\":", requests);
    put_member(text,
               ",\"errors\":", (double)(growth[SERIES_CLIENT_ERROR] + growth[SERIES_SERVER_ERROR]));
    put_member(text,
               ",\"cpu_ms\":", requests > 0 ? (double)growth[CPU] / requests / NS_PER_MS : NAN);
    put_member(text, ",\"p50_ms\":",
               histogram_quantile(buckets, duration->bounds, duration->bound_count, 0.5) /
                   NS_PER_MS);
    put_member(text, ",\"p99_ms\":",
               histogram_quantile(buckets, duration->bounds, duration->bound_count, 0.99) /
                   NS_PER_MS);
    series_put(text, "}");
}
