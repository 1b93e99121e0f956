/* SPDX-License-Identifier: MIT */
/*
 * Which requests are hit is a line drawn in whole steps, as Bresenham's: request n
 * is hit when the line through the rate reaches the next whole number there. In
 * fixed point, so that no rounding adds up, however long it runs.
 */
#include "api/faults.h"

#include <math.h>
#include <string.h>

#include "lib/base/clock.h"
#include "lib/fcgi/request.h"
#include "lib/fcgi/response.h"

#define RATE_ONE (UINT64_C(1) << 32)

bool faults_hits(uint64_t number, double rate)
{
    /* Rounded up, so that a rate such as 0.1, which has no exact form, is never behind. */
    uint64_t step = (uint64_t)ceil(rate * (double)RATE_ONE);
    uint64_t reached = (number * step) % RATE_ONE; /* an overflow takes whole steps only */
    return reached + step >= RATE_ONE;
}

static void announce(const struct log *log, enum fault_route route,
                     const struct fault_config *config)
{
    char rate[32];
    if (config->rate <= 0)
        return;
    (void)snprintf(rate, sizeof(rate), "%g", config->rate);
    log_warn(log, "Faults are injected on purpose",
             LOG_FIELDS(LOG_STR("route", fault_route_name(route)),
                        LOG_STR("type", fault_type_name((enum fault_type)config->type)),
                        LOG_STR("rate", rate)));
}

void faults_announce(const struct api_config *config, const struct log *log)
{
    announce(log, FAULT_ROUTE_CACHE, &config->cache_fault);
    announce(log, FAULT_ROUTE_EMOJIFY, &config->emojify_fault);
}

static enum app_err send_error(struct exchange *exchange, int status)
{
    static const char text[] = "Error serving request\n"; /* the Go service's words */
    return response_send(exchange->response, status, "text/plain; charset=utf-8", text,
                         strlen(text));
}

enum app_err faults_inject(struct exchange *exchange, enum fault_route route, bool *answered,
                           bool *dump)
{
    struct telemetry *telemetry = &exchange->app->telemetry;
    const struct fault_config *config = route == FAULT_ROUTE_CACHE
                                            ? &exchange->app->config.cache_fault
                                            : &exchange->app->config.emojify_fault;
    enum fault_type type = (enum fault_type)config->type;
    *answered = *dump = false;
    if (config->rate <= 0 || !faults_hits(telemetry_fault_decision(telemetry, route), config->rate))
        return APP_OK;

    telemetry_fault(telemetry, route, type);
    log_warn(&exchange->request->log, "Injected fault",
             LOG_FIELDS(LOG_STR("route", fault_route_name(route)),
                        LOG_STR("type", fault_type_name(type))));
    switch (type) {
    case FAULT_HTTP_ERROR:
        *answered = true;
        return send_error(exchange, (int)config->code);
    case FAULT_DELAY:
        deadline_sleep(deadline_min(exchange->deadline_ns, deadline_in_ms(config->delay_ms)));
        break;
    case FAULT_DUMP:
        *dump = true;
        break;
    case FAULT_TYPE__MAX:
        break;
    }
    return APP_OK;
}
