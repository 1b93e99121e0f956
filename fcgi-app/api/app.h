/* SPDX-License-Identifier: MIT */
/*
 * What every route is handed: the process's shared parts, the thread's own, and
 * the request with its answer.
 */
#ifndef API_APP_H
#define API_APP_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "api/admin/cache_watch.h"
#include "api/auth/admin_guard.h"
#include "api/auth/authn.h"
#include "api/auto_profile.h"
#include "api/breakers.h"
#include "api/clients/cache_client.h"
#include "api/clients/face_client.h"
#include "api/config.h"
#include "api/health.h"
#include "api/image/artwork.h"
#include "api/jobs/table.h"
#include "api/localcache/local_cache.h"
#include "api/log_level.h"
#include "api/profiling/profiling.h"
#include "api/telemetry.h"
#include "lib/base/cancel.h"
#include "lib/base/coalesce.h"
#include "lib/base/err.h"
#include "lib/base/leader.h"
#include "lib/base/log.h"
#include "lib/base/ticker.h"
#include "lib/fcgi/request.h"
#include "lib/fcgi/response.h"
#include "lib/http/router.h"
#include "lib/net/address_guard.h"
#include "lib/net/http_client.h"

struct background;   /* see api/jobs/background.h */
struct pool_history; /* see api/pool_history.h */
struct read_through; /* see api/localcache/read_through.h */
struct routes;       /* see api/routes/routes.h */

/* The process. Filled by main, then read-only but for what says otherwise. */
struct app {
    struct api_config config;
    struct log log;
    struct artwork *artwork;
    struct address_guard *guard;
    struct breakers breakers; /* each has a lock of its own */
    struct cache_client *cache;
    struct local_cache *tier; /* NULL: there is none; its functions take any thread */
    struct face_client faces;
    struct authn *authn;                   /* NULL: requests need no token */
    struct profiling *profiling;           /* NULL: PROFILE is off, and its routes do not exist */
    struct sampler_route *route_functions; /* for the profiles' route label */
    struct routes *routes;
    struct admin_guard admin_guard;     /* counts with an atomic of its own */
    struct telemetry telemetry;         /* its functions take any thread */
    struct pool_history *history;       /* of what it counts */
    struct table *table;                /* takes any thread */
    struct background *background;      /* takes any thread; NULL: no jobs, for WORKERS is 1 */
    struct health health;               /* has a lock of its own */
    struct log_level_control log_level; /* so has this */
    struct read_through *reads;         /* of the cache; takes any thread */
    struct ticker *chores;              /* see api/chores.h */
    struct cache_watch cache_watch;     /* the chores' own */
    struct auto_profile auto_profile;   /* the chores' own */
    struct leader leader;               /* the chores' own */
    atomic_bool stopping;               /* SIGTERM was taken: /health/ready says so */
};

/* One worker thread's own handles. */
struct worker {
    struct cache_caller *cache;
    struct http_client *http;
};

/* One request under way; on the worker's stack. */
struct exchange {
    struct app *app;
    struct worker *worker;
    struct request *request;
    struct response *response;
    const char *parameter; /* of the route's pattern, "" when it has none */
    int64_t deadline_ns;   /* REQUEST_TIMEOUT from the request's start */
    struct cancel cancel;  /* the client has gone; zero it where others want the result too */
    struct err_buf why;    /* of the error that the handler returns */
};

#endif
