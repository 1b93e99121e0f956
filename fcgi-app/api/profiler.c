/* SPDX-License-Identifier: MIT */
#include "api/profiler.h"

#include <stdlib.h>

#include "api/app.h"
#include "api/routes/routes.h"
#include "lib/telemetry/wait.h"
#include "profiling/pprof.h"

/* What the profiler points to while it runs. */
struct profiler {
    struct wait_hooks wait_hooks;
    size_t route_count;
    struct pprof_route routes[];
};

enum app_err profiler_prepare(char **argv, struct err_buf *why)
{
    struct api_config early = {.profile = false};
    if (config_load(&api_config_table, &early, getenv, why))
        return APP_OK; /* program_start tells of it */
    enum app_err err = pprof_prepare(early.profile, early.profile_heap_bytes, argv, why);
    config_release(&api_config_table, &early);
    return err;
}

/* The names of the routes belong to their handlers' functions. */
static struct profiler *make_profiler(const struct routes *routes)
{
    size_t count;
    const struct route *all = routes_all(routes, &count);
    struct profiler *made = calloc(1, sizeof(*made) + count * sizeof(made->routes[0]));
    if (!made)
        return NULL;
    for (size_t i = 0; i < count; i++)
        made->routes[i] = (struct pprof_route){all[i].name, (uintptr_t)all[i].handler};
    made->route_count = count;
    return made;
}

static void waited(void *profiling, enum wait_kind kind, int64_t waited_ns,
                   const void *return_address)
{
    pprof_waited(profiling, kind == WAIT_LOCK ? PPROF_WAIT_MUTEX : PPROF_WAIT_BLOCK, waited_ns,
                 return_address);
}

enum app_err profiler_start(struct app *app, struct err_buf *why)
{
    const struct api_config *config = &app->config;
    if (!config->profile)
        return APP_OK;
    app->profiler = make_profiler(app->routes);
    if (!app->profiler)
        return APP_NO_MEMORY;
    const struct pprof_options options = {
        .run_dir = config->run_dir,
        .words = {.program = "emojify-api",
                  .version = APP_VERSION,
                  .waits = "cache, FaceBox and pictures",
                  .heap_setting = "PROFILE_HEAP"},
        .hz = (int)config->profile_hz,
        .ring_hz = (int)config->profile_ring_hz,
        .max_seconds = config->profile_max_seconds,
        .routes = app->profiler->routes,
        .route_count = app->profiler->route_count,
        .log = &app->log,
    };
    enum app_err err = pprof_start(&options, &app->profiling, why);
    if (err)
        return err;
    app->profiler->wait_hooks = (struct wait_hooks){waited, app->profiling};
    wait_set_hooks(&app->profiler->wait_hooks);
    return APP_OK;
}

void profiler_stop(struct app *app)
{
    wait_set_hooks(NULL);
    pprof_stop(&app->profiling);
    free(app->profiler);
    app->profiler = NULL;
}
