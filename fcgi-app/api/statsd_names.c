/* SPDX-License-Identifier: MIT */
#include "api/statsd_names.h"

#include <stddef.h>

static const char *const route_names[ROUTE_NAME__MAX] = {
    [ROUTE_EMOJIFY] = "emojify.called",
    [ROUTE_EMOJIFY_CREATE] = "emojify_create.called",
    [ROUTE_EMOJIFY_QUERY] = "emojify_query.called",
    [ROUTE_CACHE] = "cache.called",
    [ROUTE_HEALTH] = "health.called",
    [ROUTE_HEALTH_LIVE] = "health_live.called",
    [ROUTE_HEALTH_READY] = "health_ready.called",
    [ROUTE_PAYMENTS] = "payments.called",
};

static const char *const call_names[UPSTREAM_CALL__MAX] = {
    [UPSTREAM_CACHE_GET] = "cache.get",
    [UPSTREAM_CACHE_PUT] = "emojify.cache_put",
    [UPSTREAM_CACHE_EXISTS] = "emojify.cache_check",
    [UPSTREAM_FACEBOX_CHECK] = "emojify.find_faces",
    [UPSTREAM_FETCH] = "emojify.fetch_file",
};

const char *statsd_name_of_route(enum route_name route)
{
    return route_names[route];
}

const char *statsd_name_of_call(enum upstream_call call)
{
    return call_names[call];
}
