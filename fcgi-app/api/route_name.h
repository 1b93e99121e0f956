/* SPDX-License-Identifier: MIT */
/*
 * The routes' names, by which the log, the metrics and statsd tell requests apart.
 * Several rows of the route table may share one: a row a method. Any thread.
 */
#ifndef API_ROUTE_NAME_H
#define API_ROUTE_NAME_H

#include <stdbool.h>
#include <stddef.h>

enum route_name {
    ROUTE_EMOJIFY,
    ROUTE_EMOJIFY_CREATE,
    ROUTE_EMOJIFY_QUERY,
    ROUTE_CACHE,
    ROUTE_HEALTH,
    ROUTE_HEALTH_LIVE,
    ROUTE_HEALTH_READY,
    ROUTE_PAYMENTS,
    ROUTE_METRICS,
    ROUTE_LOG,
    ROUTE_ADMIN,
    ROUTE_ADMIN_STATUS,
    ROUTE_PPROF,
    ROUTE_NONE, /* what is no route */
    ROUTE_NAME__MAX
};

/* "emojify_create"; NULL from ROUTE_NAME__MAX on. Static. */
const char *route_name_text(size_t name);

/* Whether operators ask for it, not clients: what it costs says nothing of the service. */
bool route_name_is_operators(enum route_name name);

#endif
