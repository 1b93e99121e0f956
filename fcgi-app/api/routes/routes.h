/* SPDX-License-Identifier: MIT */
/*
 * The tables of routes; one file a route implements them. The API's patterns are
 * below API_PATH, without it: "/" is API_PATH itself. What is for operators lies at
 * the root, whatever API_PATH is, and is looked for first.
 */
#ifndef API_ROUTES_ROUTES_H
#define API_ROUTES_ROUTES_H

#include <stddef.h>

#include "lib/http/router.h"

/* What a row may say of its route. */
enum route_flag {
    ROUTE_AUTHN = 1U << 0,   /* needs a token while AUTHN_SERVER is set */
    ROUTE_ADMIN = 1U << 1,   /* exists with PROFILE=on only, and needs the admin token */
    ROUTE_TOKEN = 1U << 2,   /* needs the admin token; not taken when there is none */
    ROUTE_METRICS = 1U << 3, /* needs the admin token with METRICS_AUTH=token */
    ROUTE_QUICK = 1U << 4,   /* yields itself (fcgi_worker_yield), when it is about to wait */
};

extern const struct route api_routes[];
extern const size_t api_route_count;
extern const struct route root_routes[];
extern const size_t root_route_count;

/* What GETs of /cache/{file} share, in app->gets. APP_NO_MEMORY. */
struct app;
enum app_err route_cache_init(struct app *app) __attribute__((warn_unused_result));

route_handler route_emojify;        /* POST /             emojify.c */
route_handler route_emojify_create; /* POST /emojify/     emojify_job.c */
route_handler route_emojify_query;  /* GET /emojify/{id} */
route_handler route_cache;          /* GET /cache/{file}  cache.c */
route_handler route_cache_delete;   /* DELETE /cache/{file} */
route_handler route_health;         /* GET /health        health.c */
route_handler route_health_live;    /* GET /health/live */
route_handler route_health_ready;   /* GET /health/ready */
route_handler route_payments;       /* POST /payments     payments.c */

route_handler route_admin;         /* GET /debug/        admin.c, at the root */
route_handler route_admin_status;  /* GET /debug/status */
route_handler route_pprof;         /* /debug/pprof..., /pprof/ pprof.c, at the root */
route_handler route_log_level;     /* GET /debug/log     log_level.c, at the root */
route_handler route_log_level_set; /* POST /debug/log */
route_handler route_metrics;       /* GET /metrics       metrics.c, at the root */

#endif
