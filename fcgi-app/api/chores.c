/* SPDX-License-Identifier: MIT */
#include "api/chores.h"

#include <limits.h>
#include <stdio.h>

#include "api/pool_history.h"
#include "lib/base/clock.h"

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
    bool for_pool = chores_for_pool(app);
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
    if (!chores_for_pool(app) || !pool_history_is_due(app->history, now_ns))
        return;
    /* At the same time as our own numbers, so that the two fit each other. */
    struct cache_watch_sight sight = cache_watch_look(&app->cache_watch);
    telemetry_watched_cache(&app->telemetry, sight.up, sight.cpu_ns);
    pool_history_record(app->history, now_ns);
}

/* What is judged comes every two seconds. */
static void watch_cpu(void *context)
{
    struct app *app = context;
    if (chores_for_pool(app))
        auto_profile_look(&app->auto_profile, clock_now_ns());
}

/* An operator may have asked for more of a log, or for less. */
static void follow_log_level(void *context)
{
    struct app *app = context;
    log_level_follow(&app->log_level, chores_for_pool(app));
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
    app->leader = LEADER_NONE;
    app->cache_watch = (struct cache_watch){
        .address = app->profiling ? app->config.cache_metrics_address : NULL,
        .log = &app->log,
    };
    app->auto_profile = (struct auto_profile){
        .profiling = app->config.profile_auto ? app->profiling : NULL,
        .history = app->history,
        .run_dir = app->config.run_dir,
        .log = &app->log,
        .watch = cpu_watch_defaults,
    };
    return ticker_new(table, sizeof(table) / sizeof(table[0]), &app->chores);
}

void chores_stop(struct app *app)
{
    ticker_free(&app->chores);
    cache_watch_release(&app->cache_watch);
    auto_profile_stop(&app->auto_profile);
    leader_release(&app->leader);
}

bool chores_for_pool(struct app *app)
{
    char path[PATH_MAX];
    int len = snprintf(path, sizeof(path), "%s/leader", app->config.run_dir);
    return len > 0 && (size_t)len < sizeof(path) && leader_is_us(&app->leader, path);
}
