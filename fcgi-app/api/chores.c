/* SPDX-License-Identifier: MIT */
#include "api/chores.h"

#include <limits.h>
#include <stdio.h>

#include "lib/base/clock.h"

/* A quiet pool's metrics would else lack the CPU time of siblings that have ended since. */
static void keep_metrics(void *context)
{
    struct app *app = context;
    metrics_tick(app->telemetry.metrics, clock_now_ns());
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
        {.run = follow_log_level, .context = app, .every_ms = 500},
    };
    app->leader = LEADER_NONE;
    return ticker_new(table, sizeof(table) / sizeof(table[0]), &app->chores);
}

void chores_stop(struct app *app)
{
    ticker_free(&app->chores);
    leader_release(&app->leader);
}

bool chores_for_pool(struct app *app)
{
    char path[PATH_MAX];
    int len = snprintf(path, sizeof(path), "%s/leader", app->config.run_dir);
    return len > 0 && (size_t)len < sizeof(path) && leader_is_us(&app->leader, path);
}
