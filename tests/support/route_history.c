/* SPDX-License-Identifier: MIT */
#include "support/route_history.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/clock.h"
#include "support/cmocka.h"

enum { CLASS_2XX = 1 };

void route_history_init(struct route_history *history)
{
    static struct log_sink sink = {.fd = 2, .level = LOG_OFF};
    static const struct log quiet = {.sink = &sink, .module = "test"};
    static const struct api_config config = {.run_dir = "", .statsd_server = ""};
    struct err_buf why = {.text = ""};
    *history = (struct route_history){.now_ns = 20000 * NS_PER_S};
    assert_int_equal(telemetry_start(&history->telemetry, &config, &quiet, &why), APP_OK);
    const struct pool_history_options options = {
        .metrics = telemetry_metrics(&history->telemetry), .run_dir = "", .log = &quiet};
    assert_int_equal(pool_history_new(&options, &history->past), APP_OK);
    history->values = calloc(pool_history_width(history->past), sizeof(uint64_t));
    assert_non_null(history->values);
}

void route_history_release(struct route_history *history)
{
    pool_history_free(&history->past);
    telemetry_stop(&history->telemetry);
    free(history->values);
}

const struct pool_history_route *route_history_find(const struct route_history *history,
                                                    const char *name)
{
    const struct pool_history_route *routes = pool_history_routes(history->past);
    for (size_t i = 0; i < ROUTE_NAME__MAX; i++) {
        if (strcmp(routes[i].name, name) == 0)
            return &routes[i];
    }
    fail_msg("there is no route %s", name);
    return NULL;
}

void route_history_pass(struct route_history *history, const char *name, int64_t seconds,
                        uint64_t per_second, uint64_t cpu_us)
{
    const struct pool_history_route *route = route_history_find(history, name);
    for (int64_t second = 0; second < seconds; second++) {
        history->values[route->requests + CLASS_2XX] += per_second;
        history->values[route->cpu] += per_second * cpu_us * 1000;
        history->now_ns += NS_PER_S;
        history_record(history->past->history, history->now_ns, history->values);
    }
}
