/* SPDX-License-Identifier: MIT */
#include "api/chores.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#include "api/admin/cache_watch.h"
#include "api/app.h"
#include "api/auto_profile.h"
#include "api/localcache/local_cache.h"
#include "api/pool_history.h"
#include "lib/base/clock.h"
#include "lib/base/leader.h"
#include "lib/base/ticker.h"

struct chores {
    struct ticker *ticker;
    struct leader leader;
    struct cache_watch cache_watch;
    struct auto_profile auto_profile;
};

/* Whether this process does what is done once for the whole pool. */
static bool is_for_pool(struct app *app)
{
    char path[PATH_MAX];
    int len = snprintf(path, sizeof(path), "%s/leader", app->config.run_dir);
    return len > 0 && (size_t)len < sizeof(path) && leader_is_us(&app->chores->leader, path);
}

/* A quiet pool's metrics would else lack the CPU time of siblings that have ended since. */
static void keep_metrics(void *context)
{
    struct app *app = context;
    telemetry_tick(&app->telemetry, clock_now_ns());
}

/* The sizes are the pool's, so one process of it shows them. */
static void keep_tier(void *context)
{
    struct app *app = context;
    bool for_pool = is_for_pool(app);
    struct local_cache_usage usage = {0, 0};
    local_cache_tend(app->tier, for_pool);
    if (for_pool)
        usage = local_cache_usage(app->tier);
    telemetry_local_cache_size(&app->telemetry, usage.bytes, usage.files);
}

static void keep_history(void *context)
{
    struct app *app = context;
    int64_t now_ns = clock_now_ns();
    if (!is_for_pool(app) || !pool_history_is_due(app->history, now_ns))
        return;
    /* At the same time as our own numbers, so that the two fit each other. */
    struct cache_watch_sight sight = cache_watch_look(&app->chores->cache_watch);
    telemetry_watched_cache(&app->telemetry, sight.up, sight.cpu_ns);
    pool_history_record(app->history, now_ns);
}

/* What is judged comes every two seconds. */
static void watch_cpu(void *context)
{
    struct app *app = context;
    if (is_for_pool(app))
        auto_profile_look(&app->chores->auto_profile, clock_now_ns());
}

/* An operator may have asked for more of a log, or for less. */
static void follow_log_level(void *context)
{
    struct app *app = context;
    log_level_follow(&app->log_level, is_for_pool(app));
}

enum app_err chores_start(struct app *app)
{
    const struct chore table[] = {
        {.run = keep_metrics, .context = app, .every_ms = 1000},
        {.run = keep_tier, .context = app, .every_ms = LOCAL_CACHE_CHORE_MS},
        {.run = keep_history, .context = app, .every_ms = 1000},
        {.run = watch_cpu, .context = app, .every_ms = 2000},
        {.run = follow_log_level, .context = app, .every_ms = 500},
    };
    struct chores *made = calloc(1, sizeof(*made));
    if (!made)
        return APP_NO_MEMORY;
    made->leader = LEADER_NONE;
    made->cache_watch = (struct cache_watch){
        .address = app->profiling ? app->config.cache_metrics_address : NULL,
        .log = &app->log,
    };
    made->auto_profile = (struct auto_profile){
        .profiling = app->config.profile_auto ? app->profiling : NULL,
        .history = app->history,
        .log = &app->log,
        .watch = cpu_watch_defaults,
    };
    app->chores = made;
    return ticker_new(table, sizeof(table) / sizeof(table[0]), &made->ticker);
}

void chores_stop(struct app *app)
{
    struct chores *chores = app->chores;
    if (!chores)
        return;
    ticker_free(&chores->ticker);
    cache_watch_release(&chores->cache_watch);
    auto_profile_stop(&chores->auto_profile);
    leader_release(&chores->leader);
    free(chores);
    app->chores = NULL;
}
