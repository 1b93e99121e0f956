/* SPDX-License-Identifier: MIT */
/*
 * The single table of the API's routes; one file a route implements them.
 * Patterns are below API_PATH, without it: "/" is API_PATH itself.
 */
#ifndef API_ROUTES_ROUTES_H
#define API_ROUTES_ROUTES_H

#include <stddef.h>

#include "lib/http/router.h"

/* What a row may say of its route. */
enum route_flag {
    ROUTE_AUTHN = 1U << 0 /* needs a token while AUTHN_SERVER is set */
};

extern const struct route api_routes[];
extern const size_t api_route_count;

route_handler route_emojify;      /* POST /             emojify.c */
route_handler route_cache;        /* GET /cache/{file}  cache.c */
route_handler route_health;       /* GET /health        health.c */
route_handler route_health_live;  /* GET /health/live */
route_handler route_health_ready; /* GET /health/ready */
route_handler route_payments;     /* POST /payments     payments.c */

#endif
