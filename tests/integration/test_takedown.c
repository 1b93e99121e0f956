/* SPDX-License-Identifier: MIT */
/* run: seconds=25 */
/*
 * A picture that was taken down stays down: under every spelling of its URL, as bytes, from
 * another address, through another pool, after restarts; with a directory and with Redis.
 */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "support/cmocka.h"
#include "support/process.h"
#include "support/redis_server.h"
#include "support/scene.h"
#include "support/temp_dir.h"

#define TOKEN      "an-admin-token-of-the-test"
#define AUTHORIZED "Authorization: Bearer " TOKEN

enum { PATIENCE_MS = 20000 };

static struct temp_dir redis_dir;
static struct redis_server redis;

static int start(void **state)
{
    return scene_start(state, (const char *const[]){"PROFILE_TOKEN=" TOKEN, NULL});
}

static int start_with_redis(void **state)
{
    char url[PATH_MAX + 32];
    temp_dir_init(&redis_dir);
    redis_server_init(&redis, &redis_dir);
    redis_server_start(&redis, NULL);
    (void)snprintf(url, sizeof(url), "REDIS_URL=unix://%s", redis.socket);
    return scene_start(
        state, (const char *const[]){"PROFILE_TOKEN=" TOKEN, "CACHE_TYPE=redis", url, NULL});
}

static int stop_with_redis(void **state)
{
    int failed = scene_stop(state);
    redis_server_kill(&redis);
    temp_dir_release(&redis_dir);
    return failed;
}

/* Bytes of a photograph that no other test has: what follows its end does not matter. */
static void new_picture(const struct scene *scene, const char *path, struct buf *picture)
{
    scene_picture("coffee.png", picture);
    assert_int_equal(buf_append_str(picture, path), APP_OK);
    scene_serve(scene, path, "image/png", picture->data, picture->len);
}

static void take_down(const struct scene *scene, const char *key)
{
    static const char *const authorized[] = {AUTHORIZED, NULL};
    char path[100];
    struct http_reply reply;
    (void)snprintf(path, sizeof(path), "/api/cache/%s", key);
    scene_ask(scene, &(struct http_call){.method = "DELETE", .url = path, .headers = authorized},
              &reply);
    assert_int_equal(reply.status, 204);
    http_reply_release(&reply);
    scene_get(scene, path, NULL, &reply);
    assert_error(&reply, 404, NULL);
    http_reply_release(&reply);
}

static void assert_gone(const char *base, const char *url)
{
    char address[100];
    struct http_reply reply;
    (void)snprintf(address, sizeof(address), "%s/api/", base);
    const struct http_call call = {
        .url = address, .body = url, .body_len = strlen(url), .timeout_ms = PATIENCE_MS};
    assert_true(http_perform(&call, &reply));
    if (reply.status != 410)
        fail_msg("%s: %d %s", url, reply.status, http_reply_text(&reply));
    assert_error(&reply, 410, "this picture was taken down\n");
    http_reply_release(&reply);
}

/* In which other ways the URL http://localhost:PORT/taken/down.png can be written. */
static const char *const spellings[] = {
    "http://localhost:%u/taken/down.png",         "HTTP://localhost:%u/taken/down.png",
    "http://LOCALHOST:%u/taken/down.png",         "http://localhost.:%u/taken/down.png",
    "http://localhost:0%u/taken/down.png",        "http://localhost:%u/t%%61ken/dow%%6e.png",
    "http://localhost:%u/./taken/./down.png",     "http://localhost:%u/x/../taken/down.png",
    "http://localhost:%u/%%2e/taken/down%%2Epng", "http://localhost:%u/taken/down.png?",
    "http://localhost:%u/taken/down.png#part",    "  http://localhost:%u/taken/down.png\n",
};

static void a_url_is_gone_in_all_its_spellings(void **state)
{
    const struct scene *scene = *state;
    struct buf picture;
    char url[200], key[33];
    unsigned port = origin_port(scene->origin);
    new_picture(scene, "/taken/down.png", &picture);
    buf_release(&picture);
    (void)snprintf(url, sizeof(url), "http://localhost:%u/taken/down.png", port);
    scene_emojify(scene, url, key);
    take_down(scene, key);
    scene_wait_logged(scene, "api", key, "source=marked");
    unsigned asked = origin_requests(scene->origin, NULL);
    for (size_t i = 0; i < sizeof(spellings) / sizeof(spellings[0]); i++) {
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
        (void)snprintf(url, sizeof(url), spellings[i], port);
#pragma GCC diagnostic pop
        assert_gone(scene->stack.base, url);
    }
    assert_int_equal(origin_requests(scene->origin, NULL), asked); /* it was not even fetched */
}

static void the_same_bytes_are_gone_from_elsewhere_and_as_an_upload(void **state)
{
    const struct scene *scene = *state;
    static const char *const png[] = {"Content-Type: image/png", NULL};
    struct buf picture;
    struct http_reply reply;
    char key[33], upload[33], path[64];
    new_picture(scene, "/bytes.png", &picture);
    scene_serve(scene, "/copy.png", "image/png", picture.data, picture.len);
    const struct http_call call = {
        .url = "/api/", .headers = png, .body = picture.data, .body_len = picture.len};
    scene_ask(scene, &call, &reply);
    assert_int_equal(reply.status, 200);
    (void)snprintf(upload, sizeof(upload), "%s", http_reply_text(&reply));
    http_reply_release(&reply);
    scene_emojify(scene, scene_url(scene, "/bytes.png").text, key);
    take_down(scene, key);

    (void)snprintf(path, sizeof(path), "/api/cache/%s", upload);
    scene_get(scene, path, NULL, &reply);
    assert_error(&reply, 404, NULL);
    http_reply_release(&reply);
    scene_ask(scene, &call, &reply);
    assert_error(&reply, 410, "this picture was taken down\n");
    http_reply_release(&reply);
    assert_gone(scene->stack.base, scene_url(scene, "/copy.png").text);
    buf_release(&picture);
}

static void an_upload_that_is_gone_is_gone_as_a_url(void **state)
{
    const struct scene *scene = *state;
    static const char *const png[] = {"Content-Type: image/png", NULL};
    struct buf picture;
    struct http_reply reply;
    char key[33];
    new_picture(scene, "/upload.png", &picture);
    scene_ask(scene,
              &(struct http_call){
                  .url = "/api/", .headers = png, .body = picture.data, .body_len = picture.len},
              &reply);
    assert_int_equal(reply.status, 200);
    (void)snprintf(key, sizeof(key), "%s", http_reply_text(&reply));
    http_reply_release(&reply);
    take_down(scene, key);
    assert_gone(scene->stack.base, scene_url(scene, "/upload.png").text);
    buf_release(&picture);
}

/* The pools have nothing in common but the cache, which is started again in between. */
static void it_is_gone_for_another_pool_and_after_restarts(void **state)
{
    const struct scene *scene = *state;
    struct stack other;
    struct buf picture;
    char address[PATH_MAX], setting[PATH_MAX + 32], allow[64], url[200], key[33];
    new_picture(scene, "/pool.png", &picture);
    buf_release(&picture);
    scene_emojify(scene, scene_url(scene, "/pool.png").text, key);
    take_down(scene, key);
    struct stack_program *cache = stack_program_of(&scene->stack, "cache");
    assert_non_null(cache);
    assert_true(process_wait_gone(scene_signal(scene, "cache", SIGKILL), PATIENCE_MS));
    assert_true(stack_program_start(cache));
    stack_program_free(&cache);
    scene_wait_status(scene, "/api/health", 200, PATIENCE_MS);

    assert_true(stack_setting(&scene->stack, "api", "CACHE_ADDRESS", address, sizeof(address)));
    (void)snprintf(setting, sizeof(setting), "CACHE_ADDRESS=%.4000s", address);
    (void)snprintf(allow, sizeof(allow), "FETCH_ALLOW_PORTS=%u", origin_port(scene->origin));
    assert_true(stack_start(
        &other, (const char *const[]){setting, "FETCH_ALLOW_CIDR=127.0.0.1/32", allow, NULL}));
    (void)snprintf(url, sizeof(url), "http://127.0.0.1:%u/./pool.png", origin_port(scene->origin));
    assert_gone(other.base, url);
    assert_true(stack_stop(&other));
}

static void what_has_no_known_source_is_taken_down_alone(void **state)
{
    const struct scene *scene = *state;
    take_down(scene, "0123456789abcdef0123456789abcdef");
    scene_wait_logged(scene, "api", "0123456789abcdef0123456789abcdef", "source=\"not known\"");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_url_is_gone_in_all_its_spellings),
        cmocka_unit_test(the_same_bytes_are_gone_from_elsewhere_and_as_an_upload),
        cmocka_unit_test(an_upload_that_is_gone_is_gone_as_a_url),
        cmocka_unit_test(it_is_gone_for_another_pool_and_after_restarts),
        cmocka_unit_test(what_has_no_known_source_is_taken_down_alone),
    };
    int failed = cmocka_run_group_tests_name("directory", tests, start, scene_stop);
    if (redis_server_is_installed())
        failed += cmocka_run_group_tests_name("redis", tests, start_with_redis, stop_with_redis);
    return failed;
}
