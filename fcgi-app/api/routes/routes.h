/* SPDX-License-Identifier: MIT */
/*
 * The routes. routes.c has a row for each: what it takes, under which prefix it lives,
 * when it exists, and who may pass. From the rows and the settings routes_new makes the
 * table that holds in this process. One file a route has its handlers.
 *
 * routes_new at start, the others from any thread, routes_free.
 */
#ifndef API_ROUTES_ROUTES_H
#define API_ROUTES_ROUTES_H

#include <stdbool.h>
#include <stddef.h>

#include "api/config.h"
#include "api/route_name.h"
#include "lib/http/router.h"

/* Who may pass. */
enum route_access {
    ROUTE_FOR_EVERYONE,
    ROUTE_FOR_TOKEN_HOLDERS, /* a token of AUTHN_SERVER */
    ROUTE_FOR_KNOWN_HOSTS,   /* the web server guards it; the Host must be a name of ours */
    ROUTE_FOR_OWN_SITE,      /* the same, and other sites' pages may not pass */
    ROUTE_FOR_ADMIN          /* the admin token, and no other site's page */
};

/* What a request to the route must know before its handler is called. */
struct route_policy {
    enum route_access access;
    bool quick; /* the handler calls fcgi_worker_yield itself, before it waits */
    enum route_name name;
};

struct routes;

/* The table for these settings, whose texts must outlive it. APP_NO_MEMORY. */
enum app_err routes_new(const struct api_config *config, struct routes **routes)
    __attribute__((warn_unused_result));
/* NULLs the caller's pointer. NULL allowed. */
void routes_free(struct routes **routes);

/* As router_match, for a whole path; a route that does not exist is not found. */
enum app_err routes_match(const struct routes *routes, enum http_method method, const char *path,
                          struct route_match *match) __attribute__((warn_unused_result));

/* Whether other sites' pages may ask for the path: it is the API's, and not the operators'. */
bool routes_is_for_pages(const struct routes *routes, const char *path);

/* All `*count` routes that exist; they live with `routes`. */
const struct route *routes_all(const struct routes *routes, size_t *count);

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
route_handler route_pprof;         /* /debug/pprof..., /pprof/...  pprof.c, at the root */
route_handler route_log_level;     /* GET /debug/log     log_level.c, at the root */
route_handler route_log_level_set; /* POST /debug/log */
route_handler route_metrics;       /* GET /metrics       metrics.c, at the root */

#endif
