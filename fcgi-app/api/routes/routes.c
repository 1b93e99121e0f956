/* SPDX-License-Identifier: MIT */
/* Adding a route is a line here and a file beside this one. */
#include "api/routes/routes.h"

const struct route api_routes[] = {
    {HTTP_POST, "/", "emojify", route_emojify, ROUTE_AUTHN},
    {HTTP_POST, "/emojify/", "emojify_create", route_emojify_create, ROUTE_AUTHN},
    {HTTP_GET, "/emojify/{id}", "emojify_query", route_emojify_query, 0},
    {HTTP_GET, "/cache/{file}", "cache", route_cache, ROUTE_QUICK},
    {HTTP_DELETE, "/cache/{file}", "cache", route_cache_delete, ROUTE_TOKEN},
    {HTTP_GET, "/health", "health", route_health, 0},
    {HTTP_GET, "/health/live", "health_live", route_health_live, ROUTE_QUICK},
    {HTTP_GET, "/health/ready", "health_ready", route_health_ready, 0},
    {HTTP_POST, "/payments", "payments", route_payments, ROUTE_AUTHN},
};
const size_t api_route_count = sizeof(api_routes) / sizeof(api_routes[0]);

const struct route root_routes[] = {
    {HTTP_GET, "/metrics", "metrics", route_metrics, ROUTE_METRICS},
    {HTTP_GET, "/debug/log", "log", route_log_level, ROUTE_TOKEN},
    {HTTP_POST, "/debug/log", "log", route_log_level_set, ROUTE_TOKEN},
    {HTTP_GET, "/debug/", "admin", route_admin, ROUTE_ADMIN},
    {HTTP_GET, "/debug/status", "admin_status", route_admin_status, ROUTE_ADMIN},
    {HTTP_GET, "/debug/pprof", "pprof", route_pprof, ROUTE_ADMIN},
    {HTTP_GET, "/debug/pprof/", "pprof", route_pprof, ROUTE_ADMIN},
    {HTTP_GET, "/debug/pprof/{name}", "pprof", route_pprof, ROUTE_ADMIN},
    {HTTP_POST, "/debug/pprof/{name}", "pprof", route_pprof, ROUTE_ADMIN},
    {HTTP_GET, "/debug/pprof/saved/{name}", "pprof", route_pprof, ROUTE_ADMIN},
    {HTTP_GET, "/pprof/{name}", "pprof", route_pprof, ROUTE_ADMIN},
    {HTTP_POST, "/pprof/{name}", "pprof", route_pprof, ROUTE_ADMIN},
};
const size_t root_route_count = sizeof(root_routes) / sizeof(root_routes[0]);
