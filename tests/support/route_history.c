/* SPDX-License-Identifier: MIT */
#include "support/route_history.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/clock.h"
#include "lib/telemetry/metrics_columns.h"
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
    history->values = calloc(metrics_column_count(history->telemetry.metrics), sizeof(uint64_t));
    assert_non_null(history->values);
}

void route_history_release(struct route_history *history)
{
    telemetry_stop(&history->telemetry);
    free(history->values);
}

void route_history_pass(struct route_history *history, const char *name, int64_t seconds,
                        uint64_t per_second, uint64_t cpu_us)
{
    struct telemetry_route route;
    size_t index = 0;
    do
        assert_true(telemetry_route_at(&history->telemetry, index++, &route));
    while (strcmp(route.name, name) != 0);
    for (int64_t second = 0; second < seconds; second++) {
        history->values[route.requests + CLASS_2XX] += per_second;
        history->values[route.cpu] += per_second * cpu_us * 1000;
        history->now_ns += NS_PER_S;
        history_record(history->telemetry.history, history->now_ns, history->values);
    }
}
