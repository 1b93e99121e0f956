/* SPDX-License-Identifier: MIT */
/* Adding a route is a line here and a file beside this one. */
#include "api/routes/routes.h"

const struct route api_routes[] = {
    {HTTP_POST, "/", "emojify", route_emojify},
    {HTTP_GET, "/cache/{file}", "cache", route_cache},
    {HTTP_GET, "/health", "health", route_health},
    {HTTP_GET, "/health/live", "health_live", route_health_live},
    {HTTP_GET, "/health/ready", "health_ready", route_health_ready},
};
const size_t api_route_count = sizeof(api_routes) / sizeof(api_routes[0]);

const struct route root_routes[] = {
    {HTTP_GET, "/metrics", "metrics", route_metrics},
};
const size_t root_route_count = sizeof(root_routes) / sizeof(root_routes[0]);
