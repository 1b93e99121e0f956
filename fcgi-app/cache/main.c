/* SPDX-License-Identifier: MIT */
/* emojify-cache: configuration, store, service, health page, wait, all down in reverse. */
#include <stdlib.h>

#include "cache/config.h"
#include "cache/health.h"
#include "cache/self_check.h"
#include "cache/service.h"
#include "cache/store_file.h"
#include "cache/store_redis.h"
#include "cache/telemetry.h"
#include "lib/base/program.h"

enum { STOP_GRACE_MS = 5000, SELF_CHECK_INTERVAL_MS = 5000 };

/* Everything that runs; what is NULL was not started. */
struct parts {
    struct telemetry telemetry;
    struct store *store;
    struct service *service;
    struct self_check *self_check;
    struct health pages;
    struct httpd *health;
};

static enum app_err start_store(const struct cache_config *config, const struct log *log,
                                struct store **store, struct err_buf *why)
{
    if (config->cache_type == CACHE_TYPE_REDIS) {
        const struct store_redis_options options = {
            .url = config->redis_url,
            .max_life_ms = config->max_life,
            .log = log,
        };
        return store_redis_new(&options, store, why);
    }
    const struct store_file_options options = {
        .directory = config->file_location,
        .max_life_ms = config->max_life,
        .max_bytes = config->max_bytes,
        .memory_bytes = config->memory,
        .log = log,
    };
    return store_file_new(&options, store, why);
}

static enum app_err start(const struct cache_config *config, const struct log *log,
                          struct parts *parts, struct err_buf *why)
{
    const struct telemetry_options telemetry_options = {config->statsd_address, config->statsd_tags,
                                                        log};
    enum app_err err = telemetry_start(&parts->telemetry, &telemetry_options, why);
    if (!err)
        err = start_store(config, log, &parts->store, why);
    if (err)
        return err;
    const struct service_options service_options = {
        .address = config->bind_address,
        .port = (uint16_t)config->bind_port,
        .store = parts->store,
        .log = log,
        .telemetry = &parts->telemetry,
        .tls = {config->tls_ca, config->tls_cert, config->tls_key},
    };
    err = service_start(&service_options, &parts->service, why);
    if (err)
        return err;
    const struct self_check_options self_check_options = {
        .address = service_address(parts->service),
        .interval_ms = SELF_CHECK_INTERVAL_MS,
        .tls = rpc_tls_is_on(&service_options.tls),
        .log = log,
    };
    err = self_check_start(&self_check_options, &parts->self_check, why);
    if (err || config->health_bind_port == 0)
        return err;
    parts->pages = (struct health){parts->store, &parts->telemetry};
    return health_start(config->health_bind_address, (uint16_t)config->health_bind_port,
                        &parts->pages, log, &parts->health, why);
}

/* False when the program has to say that it failed. */
static bool stop(struct parts *parts)
{
    bool failed = self_check_stop(&parts->self_check);
    httpd_stop(&parts->health);
    service_stop(&parts->service, STOP_GRACE_MS);
    store_free(&parts->store);
    telemetry_stop(&parts->telemetry);
    return !failed;
}

int main(int argc, char **argv)
{
    struct cache_config config = {0};
    struct program program = {
        .name = "emojify-cache",
        .module = "cache",
        .summary = "keeps pictures and serves them over gRPC",
        .config_table = cache_config_table(),
        .config = &config,
        .log_format = &config.log_format,
        .log_level = &config.log_level,
    };
    int exit_status = EXIT_FAILURE;
    if (!program_start(&program, argc, argv, &exit_status))
        return exit_status;

    const struct log log = {.sink = &program.log_sink, .module = program.module};
    struct parts parts = {0};
    struct err_buf why = {.text = ""};
    enum app_err err = start(&config, &log, &parts, &why);
    if (err) {
        log_error(&log, "Cannot start",
                  LOG_FIELDS(LOG_STR("error", why.text[0] ? why.text : app_strerror(err))));
        (void)stop(&parts);
    } else {
        log_info(&log, "Service started",
                 LOG_FIELDS(LOG_STR("address", service_address(parts.service)),
                            LOG_STR("version", APP_VERSION)));
        telemetry_count(&parts.telemetry, "started");
        int number = program_wait_for_stop(&log);
        log_info(&log, "Service stopping", LOG_FIELDS(LOG_INT("signal", number)));
        exit_status = stop(&parts) ? EXIT_SUCCESS : EXIT_FAILURE;
    }
    program_finish(&program);
    return exit_status;
}
