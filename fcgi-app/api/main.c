/* SPDX-License-Identifier: MIT */
/*
 * emojify-api: configuration, libraries up in order, workers, wait for a
 * signal, everything down in reverse. The order matters: gRPC's threads inherit
 * the signal mask, and nothing may fork once they run.
 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "api/app.h"
#include "api/auth/admin_guard.h"
#include "api/auth/authn.h"
#include "api/auth/guess_limit.h"
#include "api/chores.h"
#include "api/clients/cache_client.h"
#include "api/clients/card.h"
#include "api/faults.h"
#include "api/handler.h"
#include "api/image/artwork.h"
#include "api/jobs/background.h"
#include "api/jobs/table.h"
#include "api/jobs/work.h"
#include "api/localcache/local_cache.h"
#include "api/localcache/read_through.h"
#include "api/pool_history.h"
#include "api/profiler.h"
#include "api/routes/routes.h"
#include "lib/base/clock.h"
#include "lib/base/limits.h"
#include "lib/base/program.h"
#include "lib/fcgi/worker.h"
#include "lib/net/address_guard.h"
#include "lib/net/http_client.h"
#include "lib/picture/picture.h"
#include "lib/picture/picture_memory.h"

/* Requests wait so long at the socket for a cache that does not answer; most connect in 10 ms. */
enum { CACHE_CONNECT_MS = 300 };

/* The threads that may wait for one service at length, of which one is hung most likely. */
static unsigned wait_share(const struct app *app)
{
    unsigned share = api_config_workers(&app->config) / 4;
    return share > 0 ? share : 1;
}

static enum app_err start_cache_client(struct app *app, struct err_buf *why)
{
    const struct api_config *config = &app->config;
    const struct cache_client_options options = {
        .address = config->cache_address,
        .tls = {config->cache_tls_ca, config->cache_tls_cert, config->cache_tls_key},
        .tls_identity = config->cache_tls_identity,
        .breaker = &app->breakers.cache,
        .patient = wait_share(app),
        .log = &app->log,
    };
    return cache_client_new(&options, &app->cache, why);
}

/*
 * While faults are injected into /cache/ nothing may hide them: the tier is there only
 * to take away what the web server could find without asking.
 */
static enum app_err start_tier(struct app *app)
{
    const struct api_config *config = &app->config;
    if (!*config->local_cache_dir)
        return APP_OK;
    const struct local_cache_options options = {
        .directory = config->local_cache_dir,
        .run_dir = config->run_dir,
        .ttl_ms = config->local_cache_ttl_ms,
        .max_bytes = config->local_cache_bytes,
        .direct = config->cache_fault.rate <= 0,
        .grace_ms = LOCAL_CACHE_GRACE_MS,
        .log = &app->log,
    };
    return local_cache_new(&options, &app->tier);
}

static enum app_err start_telemetry(struct app *app, struct err_buf *why)
{
    enum app_err err = telemetry_start(&app->telemetry, &app->config, &app->log, why);
    if (err)
        return err;
    const struct pool_history_options options = {
        .metrics = telemetry_metrics(&app->telemetry),
        .run_dir = app->config.run_dir,
        .log = &app->log,
    };
    err = pool_history_new(&options, &app->history);
    if (err)
        err_detail(why, "the history of the metrics has no memory");
    return err;
}

static enum app_err start_reads(struct app *app)
{
    const struct read_through_options options = {
        .cache = app->cache,
        .tier = app->tier,
        .stays_fresh = app->config.local_cache_ttl_ms > 0,
        .table = app->table,
        .telemetry = &app->telemetry,
        .timeout_ms = app->config.cache_timeout_ms,
    };
    return read_through_new(&options, &app->reads);
}

/* It opened POST to everybody: an operator who still sets it must learn that it does not. */
static void warn_of_authn_disable(const struct app *app)
{
    const char *value = getenv("AUTHN_DISABLE");
    if (value && *value)
        log_warn(&app->log, "AUTHN_DISABLE is ignored: it is no setting any more",
                 LOG_FIELDS(LOG_STR("instead", "leave AUTHN_SERVER empty")));
}

/* NULL in app->authn means that requests need no token, which an operator should have meant. */
static enum app_err start_authn(struct app *app)
{
    const struct api_config *config = &app->config;
    warn_of_authn_disable(app);
    if (!*config->authn_server) {
        log_warn(&app->log, "POST is open to everybody",
                 LOG_FIELDS(LOG_STR("reason", "AUTHN_SERVER is empty")));
        return APP_OK;
    }
    const struct authn_options options = {config->authn_server, config->authn_audience,
                                          wait_share(app)};
    return authn_new(&options, &app->authn);
}

/*
 * A process with one worker is one of mod_fcgid's, which may end it whenever no
 * request runs in it: nothing may be left to be done behind.
 */
static enum app_err start_jobs(struct app *app)
{
    const struct table_options options = {
        .directory = app->config.run_dir,
        .workers = api_config_workers(&app->config),
        .log = &app->log,
    };
    enum app_err err = table_new(&options, &app->table);
    if (err || options.workers == 1)
        return err;
    const struct turn_call call = work_turn_call(app, TURN_JOB);
    const struct background_options background = {
        .app = app,
        .threads = turn_state_read(app->table, &call).running_max,
        .worker_init = handler_worker_init,
        .worker_release = handler_worker_release,
    };
    return background_new(&background, &app->background);
}

/* What the routes share. On an error app_release still takes down what is up. */
static enum app_err app_init(struct app *app, struct err_buf *why)
{
    const struct api_config *config = &app->config;
    *app->admin_guard = (struct admin_guard){
        .token = config->profile_token,
        .hosts = config->admin_hosts,
    };
    app->faces = (struct face_client){config->facebox, config->facebox_user, config->facebox_pass,
                                      &app->breakers.facebox};
    breakers_init(&app->breakers, &app->telemetry, &app->log);

    health_init(&app->health);
    enum app_err err = guess_limit_new(config->run_dir, &app->admin_guard->guesses);
    if (!err)
        err = routes_new(config, &app->routes);
    if (!err)
        err = start_authn(app);
    if (!err)
        err = http_client_global_init();
    if (!err)
        err = picture_library_init("emojify-api", why);
    picture_memory_limit((size_t)config->picture_memory_bytes);
    if (!err)
        err = artwork_open(NULL, &app->artwork, why);
    if (!err)
        err = address_guard_new(config->fetch_allow_cidr, config->fetch_allow_ports, &app->guard,
                                why);
    if (!err)
        err = start_cache_client(app, why);
    if (!err)
        err = start_telemetry(app, why);
    if (!err)
        err = profiler_start(app, why);
    if (!err)
        err = log_level_init(&app->log_level, config->run_dir, &app->log);
    if (!err)
        err = start_jobs(app);
    if (!err)
        err = start_tier(app);
    if (!err)
        err = start_reads(app);
    if (!err)
        err = chores_start(app);
    return err;
}

static void app_release(struct app *app)
{
    chores_stop(app);
    read_through_free(&app->reads);
    local_cache_free(&app->tier);
    background_free(&app->background);
    table_free(&app->table);
    profiler_stop(app);
    pool_history_free(&app->history);
    telemetry_stop(&app->telemetry);
    cache_client_free(&app->cache);
    address_guard_free(&app->guard);
    artwork_close(&app->artwork);
    picture_library_release();
    http_client_global_release();
    authn_free(&app->authn);
    routes_free(&app->routes);
    guess_limit_free(&app->admin_guard->guesses);
    log_level_release(&app->log_level);
    health_release(&app->health);
    breakers_release(&app->breakers);
}

static struct fcgi_limits connection_limits(const struct api_config *config)
{
    return (struct fcgi_limits){
        .keepalive_ms = config->keepalive_timeout_ms,
        .upload_ms = config->upload_timeout_ms,
        .upload_rate = config->upload_min_rate,
        .send_stall_ms = config->send_timeout_ms,
        .body_max = LIMIT_PICTURE_BYTES,
        .memory = (size_t)config->upload_memory_bytes,
    };
}

static enum app_err serve(struct app *app, const char *listen_address, struct err_buf *why)
{
    struct fcgi_server *server = NULL;
    int listen_fd = -1;
    enum app_err err = fcgi_listen(listen_address, &listen_fd, why);
    if (err)
        return err;

    struct fcgi_server_options options = {
        .listen_fd = listen_fd,
        .let_go = true,
        .is_own = listen_address != NULL,
        .workers = api_config_workers(&app->config),
        .quick = app->tier && app->config.local_cache_ttl_ms > 0,
        .limits = connection_limits(&app->config),
        .log = &app->log,
        .context = app,
        .worker_init = handler_worker_init,
        .worker_release = handler_worker_release,
        .handle = handler_handle,
    };
    cache_client_connect(app->cache, CACHE_CONNECT_MS);
    err = fcgi_server_start(&options, &server, why);
    if (err)
        goto out;

    log_info(&app->log, "Service started",
             LOG_FIELDS(LOG_STR("version", APP_VERSION), LOG_INT("pid", getpid()),
                        LOG_INT("workers", options.workers)));
    telemetry_count(&app->telemetry, "started");
    faults_announce(&app->config, &app->log);
    int signal_number = program_wait_for_stop(&app->log);
    atomic_store(&app->stopping, true);
    log_info(&app->log, "Stopping", LOG_FIELDS(LOG_INT("signal", signal_number)));

    int64_t until_ns = deadline_in_ms(app->config.shutdown_grace_ms);
    background_close(app->background);
    unsigned busy = fcgi_server_stop(server, app->config.shutdown_grace_ms);
    unsigned jobs = background_stop(app->background, deadline_left_ms(until_ns));
    if (busy + jobs > 0) {
        log_warn(&app->log, "Stopped with requests unfinished",
                 LOG_FIELDS(LOG_INT("requests", busy), LOG_INT("jobs", jobs)));
        fcgi_listen_release(listen_address, listen_fd);
        _exit(EXIT_SUCCESS); /* those threads still use what would be freed */
    }
    fcgi_server_free(&server);
    log_info(&app->log, "Stopped", NULL);
out:
    fcgi_listen_release(listen_address, listen_fd);
    return err;
}

int main(int argc, char **argv)
{
    /* Too large for a stack, handed down by pointer from here. */
    static struct admin_guard admin_guard;
    static struct app app = {.admin_guard = &admin_guard};
    const char *listen_address = NULL;
    struct program program = {
        .name = "emojify-api",
        .module = "api",
        .summary = "draws emoji over the faces in pictures, behind a web server, by FastCGI",
        .config_table = api_config_table,
        .config = &app.config,
        .log_format = &app.config.log_format,
        .log_level = &app.config.log_level,
        .listen = &listen_address,
        .listen_help = "FastCGI socket: a path or host:port; without it descriptor 0, as web\n"
                       "      servers, spawn-fcgi and systemd hand it over",
    };
    int exit_status;
    struct err_buf why = {.text = ""};
    card_memory_init();
    if (profiler_prepare(argv, &why)) {
        fprintf(stderr, "%s: %s\n", program.name, why.text);
        return EXIT_FAILURE;
    }
    why.text[0] = '\0';
    if (!program_start(&program, argc, argv, &exit_status))
        return exit_status;
    app.log = (struct log){.sink = &program.log_sink, .module = "api"};

    enum app_err err = app_init(&app, &why);
    if (!err)
        err = serve(&app, listen_address, &why);
    if (err)
        log_error(&app.log, "Cannot start",
                  LOG_FIELDS(LOG_STR("reason", why.text[0] ? why.text : app_strerror(err)),
                             LOG_STR("detail", why.detail)));
    app_release(&app);
    program_finish(&program);
    return err ? EXIT_FAILURE : EXIT_SUCCESS;
}
