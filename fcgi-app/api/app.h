/* SPDX-License-Identifier: MIT */
/*
 * What every route is handed: the process's shared parts, the thread's own, and
 * the request with its answer. Code that uses one of the pointers includes the header that
 * is named beside it.
 */
#ifndef API_APP_H
#define API_APP_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "api/breakers.h"
#include "api/clients/face_client.h"
#include "api/config.h"
#include "api/health.h"
#include "api/log_level.h"
#include "api/telemetry.h"
#include "lib/base/cancel.h"
#include "lib/base/err.h"
#include "lib/base/log.h"

struct request; /* lib/fcgi/ */
struct response;

/* The process. Filled by main, then read-only but for what says otherwise. */
struct app {
    struct api_config config;
    struct log log;
    struct artwork *artwork;     /* image/artwork.h */
    struct address_guard *guard; /* lib/net/address_guard.h */
    struct breakers breakers;    /* each has a lock of its own */
    struct cache_client *cache;  /* clients/cache_client.h */
    struct local_cache *tier;    /* localcache/local_cache.h, any thread; NULL: there is none */
    struct read_through *reads;  /* localcache/read_through.h, any thread */
    struct face_client faces;
    struct routes *routes;              /* routes/routes.h */
    struct authn *authn;                /* auth/authn.h; NULL: requests need no token */
    struct admin_guard *admin_guard;    /* auth/admin_guard.h, any thread */
    struct pprof *profiling;            /* profiling/pprof.h, any thread; NULL: PROFILE is off */
    struct profiler *profiler;          /* profiler.h: what that one uses of this program */
    struct telemetry telemetry;         /* any thread */
    struct pool_history *history;       /* pool_history.h: of what is counted */
    struct table *table;                /* jobs/table.h, any thread */
    struct background *background;      /* jobs/background.h, any thread; NULL: WORKERS is 1 */
    struct health health;               /* has a lock of its own */
    struct log_level_control log_level; /* so has this */
    struct chores *chores;              /* chores.h */
    atomic_bool stopping;               /* SIGTERM was taken: /health/ready says so */
};

/* One worker thread's own handles. */
struct worker {
    struct cache_caller *cache; /* clients/cache_client.h */
    struct http_client *http;   /* lib/net/http_client.h */
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
