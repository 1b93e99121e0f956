/* SPDX-License-Identifier: MIT */
#include "api/jobs/work.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "api/jobs/flight.h"
#include "api/jobs/job.h"
#include "api/jobs/table.h"
#include "lib/base/clock.h"

/* A result as another process gets it. */
static_assert(sizeof(struct pipeline_result) <= FLIGHT_PAYLOAD_MAX, "a result is a payload");

struct turn_call work_turn_call(const struct app *app, enum turn_kind kind)
{
    return (struct turn_call){
        .kind = kind,
        .running = (unsigned)app->config.emojify_concurrency,
        .waiting = (unsigned)app->config.emojify_queue,
        .deadline_ns = INT64_MAX,
    };
}

/* curl counts whole milliseconds, so a transfer may time out a little before its deadline. */
enum { EARLY_MS = 5 };

/* Reasons of the one who ran it, which are no reasons for the others. */
static bool gives_up(const struct pipeline *pipeline, enum app_err err)
{
    return err == APP_CLIENT_GONE ||
           (err && clock_now_ns() >= pipeline->deadline_ns - EARLY_MS * NS_PER_MS);
}

static enum app_err run_in_turn(struct pipeline *pipeline, const struct pipeline_source *source,
                                struct flight *flight, struct pipeline_result *result)
{
    struct flight_outcome outcome = {.err = APP_OK};
    telemetry_running(&pipeline->app->telemetry, 1);
    enum app_err err = pipeline_run(pipeline, source, result);
    telemetry_running(&pipeline->app->telemetry, -1);
    if (gives_up(pipeline, err)) {
        flight_end(flight, NULL);
        return err;
    }
    outcome.err = err;
    if (err)
        (void)snprintf(outcome.text, sizeof(outcome.text), "%s", pipeline->why->text);
    else
        memcpy(outcome.payload, result, sizeof(*result));
    flight_end(flight, &outcome);
    return err;
}

static enum app_err take_over(struct pipeline *pipeline, const struct flight_outcome *outcome,
                              struct pipeline_result *result)
{
    telemetry_shared(&pipeline->app->telemetry);
    if (outcome->err)
        return err_set(pipeline->why, outcome->err, "%s", outcome->text);
    memcpy(result, outcome->payload, sizeof(*result));
    return APP_OK;
}

/* Until it is known who does it; for who follows another that counts as waiting. */
static enum app_err find_role(struct pipeline *pipeline, struct flight_call *flying,
                              const struct turn_call *taking, struct turn *turn,
                              struct flight *flight, struct flight_outcome *outcome,
                              enum flight_role *role)
{
    struct table *table = pipeline->app->table;
    flying->no_wait = true;
    *role = flight_begin(table, flying, flight, outcome);
    if (*role != FLIGHT_TIMEOUT)
        return APP_OK;
    enum app_err err = turn_follow(table, taking, turn, pipeline->why);
    if (err)
        return err;
    flying->no_wait = false;
    *role = flight_begin(table, flying, flight, outcome);
    if (*role == FLIGHT_TIMEOUT)
        return err_set(pipeline->why, APP_UNAVAILABLE,
                       "another request for this picture did not end in time");
    return APP_OK;
}

enum app_err work_run(struct pipeline *pipeline, const struct work_call *call,
                      const struct pipeline_source *source, struct pipeline_result *result,
                      bool *shared)
{
    struct app *app = pipeline->app;
    struct flight_outcome outcome;
    struct flight flight;
    enum flight_role role = FLIGHT_TIMEOUT;
    struct turn turn = {.memory = NULL};
    struct turn_call taking = work_turn_call(app, call->kind);
    struct flight_call flying = {
        .kind = FLIGHT_PIPELINE,
        .key = source->key,
        .since_ns = call->since_ns,
        .deadline_ns = pipeline->deadline_ns,
        .cancelled = call->cancelled,
    };
    taking.deadline_ns = pipeline->deadline_ns;
    taking.cancelled = call->cancelled;

    telemetry_queue(&app->telemetry, 1);
    enum app_err err = find_role(pipeline, &flying, &taking, &turn, &flight, &outcome, &role);
    if (role == FLIGHT_OWNER) {
        err = turn_take(app->table, &taking, &turn, pipeline->why);
        if (err)
            flight_end(&flight, NULL);
    }
    telemetry_queue(&app->telemetry, -1);

    *shared = role == FLIGHT_DONE;
    if (!err && role == FLIGHT_OWNER)
        err = run_in_turn(pipeline, source, &flight, result);
    else if (*shared)
        err = take_over(pipeline, &outcome, result);
    turn_end(&turn);
    return err;
}
