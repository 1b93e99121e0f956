/* SPDX-License-Identifier: MIT */
#include "api/cpu_watch.h"

#include <stdio.h>

#include "lib/base/clock.h"

enum { CLASSES = 5, COLUMNS = CLASSES + 1 };

const struct cpu_watch_options cpu_watch_defaults = {
    .recent_ns = 30 * NS_PER_S,
    .base_ns = 3600 * NS_PER_S,
    .base_least_ns = 300 * NS_PER_S,
    .factor = 3,
    .recent_requests = 100,
    .base_requests = 500,
    .recent_cpu_ns = 300 * NS_PER_MS,
};

struct cost {
    uint64_t requests;
    uint64_t cpu_ns;
    struct history_window window;
};

static bool measure(const struct pool_history *history, enum pool_history_ring ring,
                    struct history_window asked, const struct pool_history_route *route,
                    struct cost *cost)
{
    size_t columns[COLUMNS] = {route->cpu};
    uint64_t growth[COLUMNS];
    for (size_t i = 0; i < CLASSES; i++)
        columns[1 + i] = route->requests + i;
    if (!pool_history_growth(history, ring, asked, columns, COLUMNS, growth, &cost->window))
        return false;
    cost->cpu_ns = growth[0];
    cost->requests = 0;
    for (size_t i = 0; i < CLASSES; i++)
        cost->requests += growth[1 + i];
    return true;
}

static double cpu_per_request(const struct cost *cost)
{
    return (double)cost->cpu_ns / (double)cost->requests;
}

static bool judge(const struct cpu_watch_options *options, const struct cost *recent,
                  const struct cost *base, double *factor)
{
    if (recent->requests < options->recent_requests || base->requests < options->base_requests ||
        recent->cpu_ns < (uint64_t)options->recent_cpu_ns || base->cpu_ns == 0 ||
        base->window.to_ns - base->window.from_ns < options->base_least_ns)
        return false;
    *factor = cpu_per_request(recent) / cpu_per_request(base);
    return *factor >= options->factor;
}

bool cpu_watch_look(const struct cpu_watch_options *options, const struct pool_history *history,
                    int64_t now_ns, struct cpu_watch_alarm *alarm)
{
    const struct history_window lately = {now_ns - options->recent_ns, now_ns};
    const struct history_window before = {lately.from_ns - options->base_ns, lately.from_ns};
    alarm->factor = 0;
    for (size_t i = 0; i < ROUTE_NAME__MAX; i++) {
        const struct pool_history_route *route = &pool_history_routes(history)[i];
        struct cost recent, base;
        double factor;
        if (route->operators || !measure(history, POOL_HISTORY_MINUTES, lately, route, &recent) ||
            !measure(history, POOL_HISTORY_HOUR, before, route, &base) ||
            !judge(options, &recent, &base, &factor) || factor <= alarm->factor)
            continue;
        *alarm = (struct cpu_watch_alarm){.factor = factor,
                                          .before_ns = (int64_t)cpu_per_request(&base),
                                          .now_ns = (int64_t)cpu_per_request(&recent)};
        (void)snprintf(alarm->route, sizeof(alarm->route), "%s", route->name);
    }
    return alarm->factor > 0;
}
