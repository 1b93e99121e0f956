/* SPDX-License-Identifier: MIT */
#include "support/rig.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/image/artwork_file.h"
#include "lib/base/clock.h"
#include "lib/base/limits.h"
#include "lib/picture/picture.h"
#include "support/build_path.h"
#include "support/cmocka.h"

static const char no_faces[] = "{\"success\":true,\"facesCount\":0,\"faces\":[]}";

static void configure(struct rig *rig)
{
    struct api_config *config = &rig->app.config;
    config->api_path = "/";
    config->run_dir = rig->dir.path;
    config->statsd_server = "";
    config->fetch_allow_hosts = config->fetch_deny_hosts = "";
    config->cache_timeout_ms = config->fetch_timeout_ms = RIG_PATIENCE_MS;
    config->facebox_timeout_ms = config->emojify_timeout_ms = RIG_PATIENCE_MS;
    config->request_timeout_ms = RIG_PATIENCE_MS;
    config->emojify_concurrency = 2;
    config->emojify_queue = 4;
    rig->app.faces = (struct face_client){.base_url = rig->facebox, .user = "", .password = ""};
}

static void start_parts(struct rig *rig)
{
    char path[256];
    struct app *app = &rig->app;
    struct err_buf why = {.text = ""};
    const struct cache_client_options cache = {.address = fake_cache_address(rig->cache),
                                               .log = &app->log};
    const struct table_options table = {
        .directory = rig->dir.path, .workers = 16, .log = &app->log};
    assert_int_equal(cache_client_new(&cache, &app->cache, &why), APP_OK);
    assert_int_equal(address_guard_new("127.0.0.0/8", "1-65535", &app->guard, &why), APP_OK);
    assert_int_equal(
        artwork_open(build_path(ARTWORK_FILE_NAME, path, sizeof(path)), &app->artwork, &why),
        APP_OK);
    assert_int_equal(telemetry_start(&app->telemetry, &app->config, &app->log, &why), APP_OK);
    assert_int_equal(table_new(&table, &app->table), APP_OK);
}

struct rig *rig_new(void)
{
    struct rig *rig = calloc(1, sizeof(*rig));
    assert_non_null(rig);
    temp_dir_init(&rig->dir);
    rig->sink = (struct log_sink){.fd = -1, .level = LOG_OFF};
    rig->app.log = (struct log){.sink = &rig->sink, .module = "test"};
    rig->cache = fake_cache_start("127.0.0.1:0");
    rig->origin = origin_start();
    (void)snprintf(rig->facebox, sizeof(rig->facebox), "http://127.0.0.1:%d",
                   origin_port(rig->origin));
    configure(rig);
    start_parts(rig);
    rig->picture = sample_encode(sample_photo(RIG_WIDTH, RIG_HEIGHT), ".jpg");
    rig_serve_picture(rig, "/a.jpg", 0);
    rig_delay_faces(rig, 0);
    return rig;
}

void rig_free(struct rig **rig)
{
    struct rig *freed = *rig;
    *rig = NULL;
    table_free(&freed->app.table);
    telemetry_stop(&freed->app.telemetry);
    cache_client_free(&freed->app.cache);
    address_guard_free(&freed->app.guard);
    artwork_close(&freed->app.artwork);
    fake_cache_stop(&freed->cache);
    origin_stop(&freed->origin);
    sample_release(&freed->picture);
    temp_dir_release(&freed->dir);
    free(freed);
}

static void serve(struct rig *rig, const char *path, const char *type, const void *data, size_t len,
                  unsigned delay_ms)
{
    struct buf answer;
    const struct origin_options options = {.delay_ms = delay_ms};
    buf_init(&answer, LIMIT_PICTURE_BYTES);
    assert_int_equal(
        buf_printf(&answer, "HTTP/1.1 200 OK\r\nContent-Type: %s\r\nContent-Length: %zu\r\n\r\n",
                   type, len),
        APP_OK);
    assert_int_equal(buf_append(&answer, data, len), APP_OK);
    origin_on(rig->origin, path, answer.data, answer.len, &options);
    buf_release(&answer);
}

void rig_serve_picture(struct rig *rig, const char *path, unsigned delay_ms)
{
    serve(rig, path, "image/jpeg", rig->picture.data, rig->picture.len, delay_ms);
}

void rig_delay_faces(struct rig *rig, unsigned delay_ms)
{
    serve(rig, "/facebox/check", "application/json", no_faces, strlen(no_faces), delay_ms);
}

struct rig_url rig_url(const struct rig *rig, const char *path)
{
    struct rig_url url;
    (void)snprintf(url.text, sizeof(url.text), "%s%s", rig->facebox, path);
    return url;
}

void rig_thread_init(struct rig *rig, struct rig_thread *thread)
{
    memset(thread, 0, sizeof(*thread));
    assert_int_equal(cache_caller_new(rig->app.cache, &thread->worker.cache), APP_OK);
    assert_int_equal(http_client_new(&thread->worker.http), APP_OK);
    thread->arena = arena_new(LIMIT_REQUEST_ARENA);
    assert_non_null(thread->arena);
    thread->log = rig->app.log;
    thread->pipeline = (struct pipeline){
        .app = &rig->app,
        .worker = &thread->worker,
        .arena = thread->arena,
        .request_id = "test",
        .trace = &thread->trace,
        .log = &thread->log,
        .deadline_ns = deadline_in_ms(RIG_PATIENCE_MS),
        .why = &thread->why,
    };
}

void rig_thread_release(struct rig_thread *thread)
{
    http_client_free(&thread->worker.http);
    cache_caller_free(&thread->worker.cache);
    arena_free(&thread->arena);
}

int rig_start_library(void **state)
{
    (void)state;
    return picture_library_init("test", NULL) ? -1 : 0;
}

int rig_stop_library(void **state)
{
    (void)state;
    picture_library_release();
    return 0;
}
