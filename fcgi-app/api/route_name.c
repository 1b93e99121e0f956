/* SPDX-License-Identifier: MIT */
#include "api/route_name.h"

static const struct {
    const char *text;
    bool operators;
} names[ROUTE_NAME__MAX] = {
    [ROUTE_EMOJIFY] = {"emojify", false},
    [ROUTE_EMOJIFY_CREATE] = {"emojify_create", false},
    [ROUTE_EMOJIFY_QUERY] = {"emojify_query", false},
    [ROUTE_CACHE] = {"cache", false},
    [ROUTE_HEALTH] = {"health", false},
    [ROUTE_HEALTH_LIVE] = {"health_live", false},
    [ROUTE_HEALTH_READY] = {"health_ready", false},
    [ROUTE_PAYMENTS] = {"payments", false},
    [ROUTE_METRICS] = {"metrics", true},
    [ROUTE_LOG] = {"log", true},
    [ROUTE_ADMIN] = {"admin", true},
    [ROUTE_ADMIN_STATUS] = {"admin_status", true},
    [ROUTE_PPROF] = {"pprof", true},
    [ROUTE_NONE] = {"none", false},
};

const char *route_name_text(size_t name)
{
    return name < ROUTE_NAME__MAX ? names[name].text : NULL;
}

bool route_name_is_operators(enum route_name name)
{
    return names[name].operators;
}
