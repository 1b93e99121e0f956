/* SPDX-License-Identifier: MIT */
/*
 * A face detection service that answers wrongly, too much, too slowly or not at all. A picture
 * whose faces are not known is not stored, and when the service is well again it is made.
 * (Killed and stopped: test_faults.c; restarted all the time: test_faults_restarts.c)
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/clock.h"
#include "lib/base/digest.h"
#include "support/cmocka.h"
#include "support/process.h"
#include "support/upheaval.h"

#define FACEBOX_TIMEOUT "1500ms"

enum {
    FACEBOX_TIMEOUT_MS = 1500,
    MARGIN_MS = SCENE_SANITIZED ? 10000 : 2500, /* to decode the picture, on a busy machine */
    BACK_MS = SCENE_SANITIZED ? 30000 : 5000,
    LARGE = 20 * 1024 * 1024,
    ROUNDS = 6 /* more than a breaker takes to open */
};

static struct {
    struct scene *scene;
    struct origin *facebox;
    struct buf original;
} at;

static void answer_well(void)
{
    origin_answer(at.facebox, "/facebox/check", "200 OK", "",
                  "{\"success\":true,\"facesCount\":0,\"faces\":[]}");
}

static int start(void **state)
{
    char facebox[64];
    void *scene = NULL;
    at.facebox = origin_start();
    origin_answer(at.facebox, "/info", "200 OK", "", "{\"success\":true,\"version\":14}");
    answer_well();
    (void)snprintf(facebox, sizeof(facebox), "FACEBOX=http://127.0.0.1:%d",
                   origin_port(at.facebox));
    if (scene_start(&scene, (const char *const[]){facebox, "FACEBOX_TIMEOUT=" FACEBOX_TIMEOUT,
                                                  "LOCAL_CACHE_TTL=0", NULL}) != 0)
        return -1;
    at.scene = scene;
    *state = scene;
    scene_picture("coffee.png", &at.original);
    return 0;
}

static int stop(void **state)
{
    void *scene = at.scene;
    (void)state;
    buf_release(&at.original);
    int result = scene_stop(&scene);
    origin_stop(&at.facebox);
    return result;
}

/* A picture that nobody has posted yet: what follows the end of one does not matter. */
static void post(const char *name, char key[MD5_HEX_LEN + 1], struct http_reply *reply)
{
    static const char *const headers[] = {"Content-Type: image/png", NULL};
    struct buf body;
    buf_init(&body, 4 * 1024 * 1024);
    assert_int_equal(buf_append(&body, at.original.data, at.original.len), APP_OK);
    assert_int_equal(buf_append_str(&body, name), APP_OK);
    assert_int_equal(sha256_hex("picture\n", body.data, body.len, key), APP_OK);
    scene_ask(at.scene,
              &(struct http_call){
                  .url = "/api/", .headers = headers, .body = body.data, .body_len = body.len},
              reply);
    buf_release(&body);
}

static void assert_not_stored(const char *key)
{
    char path[64];
    struct http_reply reply;
    (void)snprintf(path, sizeof(path), "/api/cache/%s", key);
    scene_get(at.scene, path, NULL, &reply);
    assert_error(&reply, 404, NULL);
    http_reply_release(&reply);
}

/* How long after the service is well again the picture that failed is made. */
static int64_t recover(const char *name)
{
    int64_t begun_ns = clock_now_ns();
    for (int status = 0; status != 200;) {
        char key[MD5_HEX_LEN + 1];
        struct http_reply reply;
        post(name, key, &reply);
        status = reply.status;
        if (status == 200)
            assert_string_equal(http_reply_text(&reply), key);
        else if (clock_now_ns() - begun_ns > BACK_MS * NS_PER_MS)
            fail_msg("still %d: %s", status, http_reply_text(&reply));
        http_reply_release(&reply);
    }
    return (clock_now_ns() - begun_ns) / NS_PER_MS;
}

struct fault {
    const char *name;
    const char *response;
    size_t len; /* 0: it is a text */
    struct origin_options options;
};

#define HEAD "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
#define FACE                                                                                       \
    "{\"success\":true,\"facesCount\":1,\"faces\":[{\"rect\":{\"top\":1,\"left\":1,\"width\":9,"   \
    "\"height\":9}}]}"

static const struct fault faults[] = {
    {"no-json", HEAD "Content-Length: 13\r\n\r\n<html></html>", 0, {.delay_ms = 0}},
    {"half-json", HEAD "Content-Length: 20\r\n\r\n{\"success\":true,\"fac", 0, {.delay_ms = 0}},
    {"faces-are-a-number",
     HEAD "Content-Length: 26\r\n\r\n{\"success\":true,\"faces\":7}",
     0,
     {.delay_ms = 0}},
    {"no-success", HEAD "Content-Length: 17\r\n\r\n{\"success\":false}", 0, {.delay_ms = 0}},
    {"error-500", "HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n", 0, {.delay_ms = 0}},
    {"noise", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 11, {.close = true}},
    {"closed", "", 0, {.close = true}},
    {"reset", HEAD "Content-Length: 100\r\n\r\n{\"suc", 0, {.reset = true}},
    {"too-slow", HEAD "Content-Length: 89\r\n\r\n" FACE, 0, {.delay_ms = 3 * FACEBOX_TIMEOUT_MS}},
    {"drop-by-drop", HEAD "Content-Length: 89\r\n\r\n" FACE, 0, {.drip_bytes = 1, .drip_ms = 100}},
    {"endless", HEAD "\r\n{\"success\":true,\"x\":\"", 0, {.endless = true}},
};

static void break_facebox(const struct fault *fault)
{
    origin_on(at.facebox, "/facebox/check", fault->response,
              fault->len ? fault->len : strlen(fault->response), &fault->options);
}

/* 502, 504 or, when the breaker is open, 503; soon enough, and nothing is stored. */
static void assert_fails(const char *name)
{
    char key[MD5_HEX_LEN + 1];
    struct http_reply reply;
    post(name, key, &reply);
    if (reply.status < 502 || reply.status > 504)
        fail_msg("%s: %d: %s", name, reply.status, http_reply_text(&reply));
    assert_error(&reply, reply.status, NULL);
    if (reply.seconds * 1000 > FACEBOX_TIMEOUT_MS + MARGIN_MS)
        fail_msg("%s: %.3f s", name, reply.seconds);
    http_reply_release(&reply);
    assert_not_stored(key);
}

static void no_picture_is_stored_whose_faces_are_not_known(void **state)
{
    struct upheaval_times times = {.name = "face detection failed once"};
    (void)state;
    for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
        break_facebox(&faults[i]);
        assert_fails(faults[i].name);
        answer_well();
        upheaval_add(&times, recover(faults[i].name));
    }
    upheaval_print(&times);
}

static void nonsense_again_and_again_is_over_when_it_is_over(void **state)
{
    struct upheaval_times times = {.name = "face detection kept failing"};
    char name[32];
    (void)state;
    for (int round = 0; round < 3; round++) {
        break_facebox(&faults[4]);
        for (int i = 0; i < ROUNDS; i++) {
            (void)snprintf(name, sizeof(name), "again-%d-%d", round, i);
            assert_fails(name);
        }
        answer_well();
        upheaval_add(&times, recover(name));
    }
    upheaval_print(&times);
}

static void twenty_megabytes_of_face_detection_are_refused(void **state)
{
    static const char head[] = HEAD "Content-Length: 20971520\r\n\r\n{\"success\":true,\"x\":\"";
    char *large = malloc(LARGE + sizeof(head));
    (void)state;
    assert_non_null(large);
    memset(large, 'x', LARGE + sizeof(head));
    memcpy(large, head, sizeof(head) - 1);
    pid_t api = stack_pid(&at.scene->stack, "api");
    long before = process_memory_kb(api, "Rss");
    origin_on(at.facebox, "/facebox/check", large, LARGE + sizeof(head),
              &(struct origin_options){.close = true});
    free(large);
    assert_fails("20 MB");
    print_message("%ld kB before, %ld kB after\n", before, process_memory_kb(api, "Rss"));
    answer_well();
    (void)recover("20 MB");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_picture_is_stored_whose_faces_are_not_known),
        cmocka_unit_test(nonsense_again_and_again_is_over_when_it_is_over),
        cmocka_unit_test(twenty_megabytes_of_face_detection_are_refused),
    };
    if (!upheaval_can_run())
        return UPHEAVAL_SKIP;
    return cmocka_run_group_tests(tests, start, stop);
}
