/* SPDX-License-Identifier: MIT */
/*
 * emojify-facebox: finds the faces in pictures, over FaceBox's HTTP API.
 * Everything comes up in order, the server last, and goes down in reverse.
 */
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "facebox/config.h"
#include "facebox/detector_pool.h"
#include "facebox/inference.h"
#include "facebox/network.h"
#include "facebox/server.h"
#include "facebox/telemetry.h"
#include "lib/base/background.h"
#include "lib/base/limits.h"
#include "lib/base/program.h"
#include "lib/base/ticker.h"
#include "lib/httpd/httpd.h"
#include "lib/net/address_guard.h"
#include "lib/net/http_client.h"
#include "lib/picture/picture.h"

enum {
    IDLE_TIMEOUT_S = 30,
    /* Detectors give their memory back after so long without a picture. */
    TRIM_AFTER_MS = 10 * 1000,
    TRIM_EVERY_MS = 5 * 1000,
    /*
     * glibc gives each thread a heap of its own, up to eight a core, and each comes to keep what
     * the largest picture took: 200 MB instead of 80 after some hundred pictures of half a
     * megapixel. Two are enough, for the time goes into detection and not into malloc.
     */
    HEAPS = 2
};

struct app {
    struct facebox_config config;
    struct log log;
    bool http_client_up;
    bool picture_up;
    bool inference_up;
    struct network network;
    struct ticker *ticker;
    struct address_guard *guard;
    struct telemetry telemetry;
    struct server server;
    struct httpd *httpd;
};

/* A chore: give back the memory of detectors that have nothing to do, and what malloc keeps. */
static void trim(void *context)
{
    struct app *app = context;
    if (detector_pool_trim(app->server.pool, TRIM_AFTER_MS))
        (void)malloc_trim(0);
}

static enum app_err start_detectors(struct app *app, struct err_buf *why)
{
    const struct facebox_config *config = &app->config;
    const struct detector_options options = {.least_confidence = config->confidence};
    const struct chore chore = {.run = trim, .context = app, .every_ms = TRIM_EVERY_MS};
    enum app_err err = network_open(NULL, &app->network, why);
    if (err)
        return err;
    app->server.network = app->network.header->name;
    err = inference_library_init(why);
    if (err)
        return err;
    app->inference_up = true;
    err = detector_pool_new(facebox_config_workers(config), &app->network, &options,
                            &app->server.pool, why);
    return err ? err : ticker_new(&chore, 1, &app->ticker);
}

static enum app_err start_libraries(struct app *app, struct err_buf *why)
{
    const struct facebox_config *config = &app->config;
    enum app_err err = http_client_global_init();
    if (err)
        return err;
    app->http_client_up = true;
    err = picture_library_init("emojify-facebox", why);
    if (err)
        return err;
    app->picture_up = true;
    err = address_guard_new(config->fetch_allow_cidr, config->fetch_allow_ports, &app->guard, why);
    if (!err)
        err = telemetry_start(&app->telemetry, &app->log);
    return err ? err : start_detectors(app, why);
}

static enum app_err start_server(struct app *app, struct err_buf *why)
{
    struct server *server = &app->server;
    server->guard = app->guard;
    server->user = app->config.user;
    server->password = app->config.password;
    server->picture_time_ms = SERVER_PICTURE_TIME_MS;
    server->log = &app->log;
    server->telemetry = &app->telemetry;
    if (gethostname(server->hostname, sizeof(server->hostname) - 1) != 0)
        server->hostname[0] = '\0';
    struct httpd_options options = {
        .address = app->config.bind_address,
        .port = (uint16_t)app->config.bind_port,
        .max_connections = LIMIT_FACEBOX_CONNECTIONS,
        .max_body = LIMIT_FACEBOX_BODY,
        .idle_timeout_s = IDLE_TIMEOUT_S,
        .handler = server_handle,
        .context = server,
        .log = &app->log,
    };
    return httpd_start(&options, &app->httpd, why);
}

static void stop(struct app *app)
{
    httpd_stop(&app->httpd);
    telemetry_stop(&app->telemetry);
    ticker_free(&app->ticker);
    detector_pool_free(&app->server.pool);
    if (app->inference_up)
        inference_library_release();
    network_close(&app->network);
    address_guard_free(&app->guard);
    if (app->picture_up)
        picture_library_release();
    if (app->http_client_up)
        http_client_global_release();
}

/* Serve until a signal comes; the program's exit status. */
static int run(struct app *app)
{
    struct err_buf why = {0};
    enum app_err err = start_libraries(app, &why);
    if (!err)
        err = start_server(app, &why);
    if (err) {
        log_error(&app->log, "Cannot start",
                  LOG_FIELDS(LOG_STR("error", why.text[0] ? why.text : app_strerror(err)),
                             LOG_STR("detail", why.detail)));
    } else {
        log_info(&app->log, "Service started",
                 LOG_FIELDS(LOG_STR("address", app->config.bind_address),
                            LOG_INT("port", httpd_port(app->httpd)),
                            LOG_INT("workers", facebox_config_workers(&app->config)),
                            LOG_STR("network", app->server.network)));
        int signal_number = program_wait_for_stop(&app->log);
        log_info(&app->log, "Stopping", LOG_FIELDS(LOG_INT("signal", signal_number)));
    }
    stop(app);
    return err ? EXIT_FAILURE : EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
    struct app app = {0};
    struct program program = {
        .name = "emojify-facebox",
        .module = "facebox",
        .summary = "finds the faces in pictures, over FaceBox's HTTP API",
        .config_table = facebox_config_table,
        .config = &app.config,
        .log_format = &app.config.log_format,
        .log_level = &app.config.log_level,
    };
    int exit_status = EXIT_SUCCESS;
    (void)mallopt(M_ARENA_MAX, HEAPS); /* before there are threads */
    if (!program_start(&program, argc, argv, &exit_status))
        return exit_status;
    background_enter();
    app.log = (struct log){.sink = &program.log_sink, .module = program.module};
    exit_status = run(&app);
    program_finish(&program);
    return exit_status;
}
