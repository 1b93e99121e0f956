/* SPDX-License-Identifier: MIT */
#include "api/jobs/work.h"

#include <assert.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/jobs/flight.h"
#include "api/jobs/job.h"
#include "api/jobs/table.h"
#include "api/picture_key.h"
#include "lib/base/buf.h"
#include "lib/base/clock.h"
#include "lib/base/digest.h"
#include "lib/base/limits.h"

/* A result as another process gets it. */
static_assert(sizeof(struct pipeline_result) <= FLIGHT_PAYLOAD_MAX, "a result is a payload");

struct turn_call work_turn_call(const struct app *app, enum turn_kind kind)
{
    return (struct turn_call){
        .kind = kind,
        .running = (unsigned)app->config.emojify_concurrency,
        .waiting = (unsigned)app->config.emojify_queue,
        .fetching = (unsigned)app->config.fetch_concurrency,
        .deadline_ns = INT64_MAX,
    };
}

/* curl counts whole milliseconds, so a transfer may time out a little before its deadline. */
enum { EARLY_MS = 5 };

/*
 * Whether an error concerns only the request that did the work, so that another one should go
 * on: its client left, its time was over, or the queue had no place for it (it has no turn then).
 */
static bool gives_up(const struct pipeline *pipeline, const struct turn *turn, enum app_err err)
{
    return err == APP_CLIENT_GONE ||
           (err &&
            (!turn->memory || clock_now_ns() >= pipeline->deadline_ns - EARLY_MS * NS_PER_MS));
}

/* While a picture is fetched its request is not in the queue. */
static enum app_err fetch_in_turn(struct pipeline *pipeline, struct pipeline_source *source,
                                  const struct turn_call *taking, struct turn *turn,
                                  struct buf *fetched)
{
    struct app *app = pipeline->app;
    enum app_err err = turn_fetch(app->table, taking, turn, pipeline->why);
    if (err)
        return err;
    telemetry_queue(&app->telemetry, -1);
    telemetry_fetching(&app->telemetry, 1);
    err = pipeline_fetch(pipeline, source, fetched);
    telemetry_fetching(&app->telemetry, -1);
    telemetry_queue(&app->telemetry, 1);
    return err;
}

/* Fetch what has to be fetched, then work on it when it is its turn. */
static enum app_err run_in_turn(struct pipeline *pipeline, struct pipeline_source source,
                                const struct turn_call *taking, struct turn *turn,
                                struct pipeline_result *result)
{
    struct app *app = pipeline->app;
    struct buf fetched;
    enum app_err err = APP_OK;
    buf_init(&fetched, LIMIT_PICTURE_BYTES);
    if (source.url)
        err = fetch_in_turn(pipeline, &source, taking, turn, &fetched);
    if (!err)
        err = turn_take(app->table, taking, turn, pipeline->why);
    telemetry_queue(&app->telemetry, -1);
    if (!err) {
        telemetry_running(&app->telemetry, 1);
        err = pipeline_run(pipeline, &source, result);
        telemetry_running(&app->telemetry, -1);
    }
    buf_release(&fetched);
    return err;
}

/* Tell those who share the work what has come of it. */
static void end_flight(const struct pipeline *pipeline, struct flight *flight, enum app_err err,
                       const struct pipeline_result *result)
{
    struct flight_outcome outcome = {.err = err};
    if (err)
        (void)snprintf(outcome.text, sizeof(outcome.text), "%s", pipeline->why->text);
    else
        memcpy(outcome.payload, result, sizeof(*result));
    flight_end(flight, &outcome);
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

enum { NAME_MAX_LEN = PICTURE_KEY_LEN + 1 + SHA256_HEX_LEN };

/*
 * What names the work: the key, and of a URL all of it, since two URLs can be made that have
 * one MD5. A picture's key is a digest that nobody has two pictures of.
 */
static enum app_err name_work(const struct pipeline_source *source, char name[NAME_MAX_LEN + 1])
{
    char digest[SHA256_HEX_LEN + 1] = "";
    enum app_err err =
        source->url ? sha256_hex("url\n", source->url, strlen(source->url), digest) : APP_OK;
    (void)snprintf(name, NAME_MAX_LEN + 1, "%s%s%s", source->key, source->url ? ":" : "", digest);
    return err;
}

/* A number that stands for the URL's host and port; 0 for a picture that is here already. */
static enum app_err number_origin(const char *url, uint64_t *origin)
{
    enum { NUMBER_LEN = 16 };
    char host[LIMIT_REQUEST_URL + 1], digest[SHA256_HEX_LEN + 1];
    *origin = 0;
    const char *from = url ? strstr(url, "://") : NULL;
    if (!from)
        return APP_OK;
    size_t len = strcspn(from + 3, "/?");
    for (size_t i = 0; i < len && i < sizeof(host); i++)
        host[i] = (char)tolower((unsigned char)from[3 + i]);
    enum app_err err =
        sha256_hex("origin\n", host, len < sizeof(host) ? len : sizeof(host), digest);
    if (err)
        return err;
    digest[NUMBER_LEN] = '\0';
    *origin = strtoull(digest, NULL, 16) | 1;
    return APP_OK;
}

enum app_err work_run(struct pipeline *pipeline, const struct work_call *call,
                      const struct pipeline_source *source, struct pipeline_result *result,
                      bool *shared)
{
    struct app *app = pipeline->app;
    char name[NAME_MAX_LEN + 1];
    struct flight_outcome outcome;
    struct flight flight;
    enum flight_role role = FLIGHT_TIMEOUT;
    struct turn turn = {.memory = NULL};
    struct turn_call taking = work_turn_call(app, call->kind);
    struct flight_call flying = {
        .kind = FLIGHT_PIPELINE,
        .key = name,
        .since_ns = call->since_ns,
        .deadline_ns = pipeline->deadline_ns,
        .cancelled = call->cancelled,
    };
    taking.deadline_ns = pipeline->deadline_ns;
    taking.cancelled = call->cancelled;
    enum app_err err = name_work(source, name);
    if (!err)
        err = number_origin(source->url, &taking.origin);
    if (err)
        return err;

    telemetry_queue(&app->telemetry, 1);
    err = find_role(pipeline, &flying, &taking, &turn, &flight, &outcome, &role);
    *shared = role == FLIGHT_DONE;
    if (role == FLIGHT_OWNER) {
        err = run_in_turn(pipeline, *source, &taking, &turn, result);
        if (gives_up(pipeline, &turn, err))
            flight_end(&flight, NULL);
        else
            end_flight(pipeline, &flight, err, result);
    } else {
        telemetry_queue(&app->telemetry, -1);
    }
    if (*shared)
        err = take_over(pipeline, &outcome, result);
    turn_end(&turn);
    return err;
}
