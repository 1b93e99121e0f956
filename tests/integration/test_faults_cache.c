/* SPDX-License-Identifier: MIT */
/*
 * A cache that is slow, answers nonsense, too much, or is no cache at all. What it says of a
 * picture never reaches a client unless it is a whole message, and when it is well again so is
 * the service. (Killed and stopped: test_faults.c; restarted all the time: test_faults_restarts.c)
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <netinet/in.h>
#include <pthread.h>

#include "lib/base/clock.h"
#include "lib/wire/cache_item.h"
#include "support/cmocka.h"
#include "support/fake_cache.h"
#include "support/process.h"
#include "support/upheaval.h"

#define NAME    "a-picture"
#define PATH    "/api/cache/" NAME
#define PICTURE "GIF89a, and what else is in a picture"

enum {
    CACHE_TIMEOUT_MS = 1000,
    MARGIN_MS = SCENE_SANITIZED ? 5000 : 1500,
    BACK_MS = SCENE_SANITIZED ? 30000 : 5000,
    LARGE = 20 * 1024 * 1024,
    LARGE_CALLS = 6,
    LARGE_RSS_KB = 16 * 1024
};

static struct {
    struct scene *scene;
    struct fake_cache *cache;
    struct origin *facebox;
    char good[sizeof(PICTURE) + sizeof(NAME) + WIRE_CACHE_ITEM_HEAD_MAX];
    size_t good_len;
} at;

static int start(void **state)
{
    char cache[128];
    char facebox[64];
    void *scene = NULL;
    at.cache = fake_cache_start("127.0.0.1:0");
    at.facebox = origin_start();
    origin_answer(at.facebox, "/info", "200 OK", "", "{\"success\":true,\"version\":14}");
    origin_answer(at.facebox, "/facebox/check", "200 OK", "",
                  "{\"success\":true,\"facesCount\":0,\"faces\":[]}");
    (void)snprintf(cache, sizeof(cache), "CACHE_ADDRESS=%s", fake_cache_address(at.cache));
    (void)snprintf(facebox, sizeof(facebox), "FACEBOX=http://127.0.0.1:%d",
                   origin_port(at.facebox));
    if (scene_start(&scene, (const char *const[]){cache, facebox, "CACHE_TIMEOUT=1s",
                                                  "LOCAL_CACHE_TTL=0", NULL}) != 0)
        return -1;
    at.scene = scene;
    *state = scene;
    at.good_len = wire_cache_item_head(NAME, strlen(NAME), strlen(PICTURE), at.good);
    memcpy(at.good + at.good_len, PICTURE, strlen(PICTURE));
    at.good_len += strlen(PICTURE);
    return 0;
}

static int stop(void **state)
{
    void *scene = at.scene;
    int result = scene_stop(&scene);
    (void)state;
    origin_stop(&at.facebox);
    fake_cache_stop(&at.cache);
    return result;
}

static void answer(const char *method, const struct fake_cache_answer *one)
{
    fake_cache_script(at.cache, method, one, 1);
}

static void answer_well(unsigned delay_ms)
{
    answer("Get", &(struct fake_cache_answer){
                      .message = at.good, .len = at.good_len, .delay_ms = delay_ms});
}

static void assert_served(struct http_reply *reply)
{
    assert_int_equal(reply->status, 200);
    assert_string_equal(http_reply_text(reply), PICTURE);
}

/* The cache is well again: how long until the service is. */
static void assert_recovers(const char *fault)
{
    struct upheaval_times times = {.name = fault};
    struct http_reply reply;
    int64_t begun_ns = clock_now_ns();
    scene_wait_status(at.scene, PATH, 200, BACK_MS);
    upheaval_add(&times, (clock_now_ns() - begun_ns) / NS_PER_MS);
    scene_get(at.scene, PATH, NULL, &reply);
    assert_served(&reply);
    http_reply_release(&reply);
    upheaval_print(&times);
}

/* 502, or 503 once the breaker is open, within the time that a call has. */
static void assert_failed(const char *what)
{
    struct http_reply reply;
    scene_get(at.scene, PATH, NULL, &reply);
    if (reply.status != 502 && reply.status != 503)
        fail_msg("%s: %d: %s", what, reply.status, http_reply_text(&reply));
    assert_error(&reply, reply.status, NULL);
    assert_true(reply.seconds * 1000 < CACHE_TIMEOUT_MS + MARGIN_MS);
    http_reply_release(&reply);
}

static void a_slow_cache_costs_its_time_and_no_more_than_its_limit(void **state)
{
    struct http_reply reply;
    (void)state;
    answer_well(400);
    scene_get(at.scene, PATH, NULL, &reply);
    assert_served(&reply);
    assert_true(reply.seconds >= 0.4);
    http_reply_release(&reply);

    answer_well(3 * CACHE_TIMEOUT_MS);
    scene_get(at.scene, PATH, NULL, &reply);
    assert_error(&reply, 504, NULL);
    assert_true(reply.seconds * 1000 < CACHE_TIMEOUT_MS + MARGIN_MS);
    http_reply_release(&reply);
    answer_well(0);
    assert_recovers("the cache was too slow");
}

static void nonsense_of_the_cache_is_never_served(void **state)
{
    static const struct {
        const char *name;
        struct fake_cache_answer answer;
    } cases[] = {
        {"noise", {.message = "\xff\xfe\xfd\xfc\xfb\xfa\xf9\xf8\xf7\xf6\xf5", .len = 11}},
        {"a picture without a message around it", {.message = PICTURE, .len = sizeof(PICTURE) - 1}},
        {"a message that ends within its data", {.message = "\x12\x64GIF89a", .len = 8}},
        {"a group", {.message = "\x13\x0a\x01x\x14", .len = 5}},
        {"a number without an end",
         {.message = "\x12\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", .len = 12}},
        {"no message", {.ending = FAKE_CACHE_SILENCE}},
        {"a stream that is reset", {.ending = FAKE_CACHE_RESET}},
        {"an error", {.status = 13, .words = "GIF89a in an error's words"}},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        answer("Get", &cases[i].answer);
        assert_failed(cases[i].name);
        answer_well(0);
        scene_wait_status(at.scene, PATH, 200, BACK_MS);
    }
    answer("Get", &cases[0].answer);
    for (int calls = 0; calls < 10; calls++)
        assert_failed("noise, again and again");
    answer_well(0);
    assert_recovers("the cache answered nonsense");
}

/* The resident memory after some calls that failed. */
static long refused_memory_kb(pid_t api)
{
    for (int calls = 0; calls < LARGE_CALLS; calls++)
        assert_failed("20 MB");
    return process_memory_kb(api, "Rss");
}

static void twenty_megabytes_of_the_cache_are_refused_and_not_kept(void **state)
{
    char *large = calloc(1, LARGE);
    (void)state;
    assert_non_null(large);
    size_t head = wire_cache_item_head(NAME, strlen(NAME), LARGE - 64, large);
    answer_well(0);
    scene_wait_status(at.scene, PATH, 200, BACK_MS);
    pid_t api = stack_pid(&at.scene->stack, "api");
    answer("Get", &(struct fake_cache_answer){.message = large, .len = head + LARGE - 64});
    long before = refused_memory_kb(api); /* gRPC keeps the room that it once took */
    long after = refused_memory_kb(api);
    answer_well(0);
    assert_recovers("the cache answered 20 MB");
    free(large);
    print_message("%ld kB before, %ld kB after\n", before, after);
    if (!SCENE_SANITIZED)
        assert_true(after - before < LARGE_RSS_KB);
}

/* --- No cache at all -------------------------------------------------------------------- */

struct noise {
    int fd;
    pthread_t thread;
};

static void *make_noise(void *object)
{
    static const char words[] = "HTTP/1.1 400 Bad Request\r\nContent-Length: 6\r\n\r\nGIF89a";
    struct noise *noise = object;
    int fd;
    while ((fd = accept(noise->fd, NULL, NULL)) >= 0) {
        (void)send(fd, words, sizeof(words) - 1, MSG_NOSIGNAL);
        sleep_ms(50);
        close(fd);
    }
    return NULL;
}

static void start_noise(struct noise *noise, const char *address)
{
    int one = 1;
    struct sockaddr_in name = {.sin_family = AF_INET,
                               .sin_port =
                                   htons((uint16_t)strtoul(strrchr(address, ':') + 1, NULL, 10)),
                               .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    noise->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    (void)setsockopt(noise->fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    assert_int_equal(bind(noise->fd, (struct sockaddr *)&name, sizeof(name)), 0);
    assert_int_equal(listen(noise->fd, 16), 0);
    assert_int_equal(pthread_create(&noise->thread, NULL, make_noise, noise), 0);
}

static void stop_noise(struct noise *noise)
{
    (void)shutdown(noise->fd, SHUT_RDWR);
    pthread_join(noise->thread, NULL);
    close(noise->fd);
}

static void another_server_at_the_caches_address_is_an_upstream_that_fails(void **state)
{
    struct noise noise;
    char address[128];
    (void)state;
    (void)snprintf(address, sizeof(address), "%s", fake_cache_address(at.cache));
    fake_cache_stop(&at.cache);
    start_noise(&noise, address);
    for (int calls = 0; calls < 10; calls++)
        assert_failed("another server");
    stop_noise(&noise);
    at.cache = fake_cache_start(address);
    answer_well(0);
    assert_recovers("another server was at the cache's address");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_slow_cache_costs_its_time_and_no_more_than_its_limit),
        cmocka_unit_test(nonsense_of_the_cache_is_never_served),
        cmocka_unit_test(twenty_megabytes_of_the_cache_are_refused_and_not_kept),
        cmocka_unit_test(another_server_at_the_caches_address_is_an_upstream_that_fails),
    };
    if (!upheaval_can_run())
        return UPHEAVAL_SKIP;
    return cmocka_run_group_tests(tests, start, stop);
}
