/* SPDX-License-Identifier: MIT */
/* run: web=all */
/* The admin page of a pool of four and what it is drawn from, through the web server. */
#include "support/cmocka.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lib/base/clock.h"
#include "lib/base/page.h"
#include "support/pprof.h"

enum { WAIT_S = 20, STATUS_MAX_BYTES = 200 * 1024 };

static json_t *status(const struct scene *scene, long long since)
{
    char path[64];
    struct http_reply reply;
    (void)snprintf(path, sizeof(path), "/debug/status?since=%lld", since);
    pprof_get(scene, path, &reply);
    assert_int_equal(reply.status, 200);
    assert_header(&reply, "Cache-Control", "no-store");
    assert_true(strlen(http_reply_text(&reply)) < STATUS_MAX_BYTES);
    json_t *answer = assert_json(&reply);
    http_reply_release(&reply);
    return answer;
}

static const json_t *series(const json_t *answer, const char *name)
{
    return json_object_get(json_object_get(answer, "series"), name);
}

static bool has_number_above_zero(const json_t *values)
{
    for (size_t i = 0; i < json_array_size(values); i++) {
        if (json_number_value(json_array_get(values, i)) > 0)
            return true;
    }
    return false;
}

static void nobody_sees_anything_without_the_token(void **state)
{
    static const char *const paths[] = {"/debug/", "/debug/status", "/debug/status?since=1"};
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        struct http_reply reply;
        scene_get(*state, paths[i], NULL, &reply);
        assert_int_equal(reply.status, 401);
        assert_non_null(http_reply_header(&reply, "WWW-Authenticate"));
        http_reply_release(&reply);
    }
}

/* The policy names the content between the n-th <tag> and its end. */
static void assert_allowed(const char *page, const char *tag, int n, const char *policy)
{
    char begin[32], end[32];
    struct buf hash;
    const char *at = page;
    (void)snprintf(begin, sizeof(begin), "<%s>", tag);
    (void)snprintf(end, sizeof(end), "</%s>", tag);
    for (int i = 0; i < n; i++) {
        at = strstr(at, begin);
        assert_non_null(at);
        at += strlen(begin);
    }
    const char *until = strstr(at, end);
    assert_non_null(until);
    assert_true(until - at > 100);
    buf_init(&hash, 128);
    assert_int_equal(page_put_hash((struct page_text){at, (size_t)(until - at)}, &hash), APP_OK);
    if (!strstr(policy, hash.data))
        fail_msg("%s number %d is not in %s", tag, n, policy);
    buf_release(&hash);
}

static void the_page_allows_its_own_style_and_scripts_and_nothing_else(void **state)
{
    struct http_reply reply;
    pprof_get(*state, "/debug/", &reply);
    assert_int_equal(reply.status, 200);
    assert_header(&reply, "Content-Type", "text/html; charset=utf-8");
    assert_header(&reply, "Cache-Control", "no-store");
    assert_header(&reply, "Referrer-Policy", "no-referrer");
    const char *policy = http_reply_header(&reply, "Content-Security-Policy");
    assert_non_null(policy);
    assert_non_null(strstr(policy, "default-src 'none'; connect-src 'self'"));
    assert_null(strstr(policy, "unsafe"));
    assert_allowed(http_reply_text(&reply), "style", 1, policy);
    assert_allowed(http_reply_text(&reply), "script", 1, policy);
    assert_allowed(http_reply_text(&reply), "script", 2, policy);
    http_reply_release(&reply);
}

static void another_sites_page_may_not_ask(void **state)
{
    static const char *const headers[] = {"Authorization: Bearer " PPROF_TOKEN,
                                          "Sec-Fetch-Site: cross-site", NULL};
    struct http_reply reply;
    scene_get(*state, "/debug/status", headers, &reply);
    assert_int_equal(reply.status, 403);
    assert_null(http_reply_header(&reply, "Access-Control-Allow-Origin"));
    http_reply_release(&reply);
}

/* A sibling that started last tells of itself when it is ready. */
static json_t *status_of_all(const struct scene *scene)
{
    int64_t until_ns = deadline_in_ms(WAIT_S * 1000);
    for (;;) {
        json_t *answer = status(scene, 0);
        size_t count = json_array_size(json_object_get(answer, "processes"));
        if (count == PPROF_SIBLINGS || clock_now_ns() > until_ns) {
            assert_int_equal(count, PPROF_SIBLINGS);
            return answer;
        }
        json_decref(answer);
        deadline_sleep(deadline_in_ms(100));
    }
}

static void all_processes_are_listed(void **state)
{
    json_t *answer = status_of_all(*state);
    const json_t *processes = json_object_get(answer, "processes");
    for (size_t i = 0; i < PPROF_SIBLINGS; i++) {
        const json_t *process = json_array_get(processes, i);
        double started = json_number_value(json_object_get(process, "started"));
        assert_true(json_integer_value(json_object_get(process, "pid")) > 1);
        assert_true(started > (double)time(NULL) - 600 && started <= (double)time(NULL) + 1);
        assert_true(json_integer_value(json_object_get(process, "resident_bytes")) > 1000000);
    }
    json_decref(answer);
}

/* What was asked for shows in the charts of whichever process is asked next. */
static void requests_appear_in_the_charts(void **state)
{
    int64_t until_ns = deadline_in_ms(WAIT_S * 1000);
    bool seen = false;
    json_t *answer = NULL;
    while (!seen && clock_now_ns() < until_ns) {
        struct http_reply reply;
        scene_get(*state, "/api/cache/nothing-of-that-name", NULL, &reply);
        assert_int_equal(reply.status, 404);
        http_reply_release(&reply);
        json_decref(answer);
        answer = status(*state, 0);
        const json_t *cache = json_object_get(json_object_get(answer, "routes"), "cache");
        seen = has_number_above_zero(json_object_get(cache, "requests")) &&
               has_number_above_zero(json_object_get(cache, "cpu_ms")) &&
               has_number_above_zero(series(answer, "errors_4xx")) &&
               has_number_above_zero(series(answer, "cpu"));
    }
    if (!seen)
        fail_msg("not in %s", json_dumps(answer, JSON_COMPACT));
    json_decref(answer);
}

static void who_has_all_gets_only_what_is_new(void **state)
{
    json_t *answer = status(*state, 0);
    size_t count = json_array_size(json_object_get(answer, "at"));
    assert_true(count > 0);
    long long newest = json_integer_value(json_array_get(json_object_get(answer, "at"), count - 1));
    json_decref(answer);

    answer = status(*state, newest);
    const json_t *at = json_object_get(answer, "at");
    assert_true(json_array_size(at) < count + 2);
    for (size_t i = 0; i < json_array_size(at); i++)
        assert_true(json_integer_value(json_array_get(at, i)) > newest);
    json_decref(answer);

    /* A time that has not come yet is one of before the machine was started anew. */
    answer = status(*state, newest * 1000 + 1000000000000);
    assert_true(json_array_size(json_object_get(answer, "at")) >= count);
    json_decref(answer);
}

/* make up tells the api where its cache serves its metrics. */
static void the_caches_cpu_time_is_watched(void **state)
{
    int64_t until_ns = deadline_in_ms(WAIT_S * 1000);
    bool seen = false;
    while (!seen && clock_now_ns() < until_ns) {
        struct timespec pause = {0, 100 * NS_PER_MS};
        json_t *answer = status(*state, 0);
        const json_t *values = series(answer, "cache_cpu");
        size_t count = json_array_size(values);
        seen = count > 0 && json_is_number(json_array_get(values, count - 1));
        json_decref(answer);
        if (!seen)
            (void)nanosleep(&pause, NULL);
    }
    assert_true(seen);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nobody_sees_anything_without_the_token),
        cmocka_unit_test(the_page_allows_its_own_style_and_scripts_and_nothing_else),
        cmocka_unit_test(another_sites_page_may_not_ask),
        cmocka_unit_test(all_processes_are_listed),
        cmocka_unit_test(requests_appear_in_the_charts),
        cmocka_unit_test(who_has_all_gets_only_what_is_new),
        cmocka_unit_test(the_caches_cpu_time_is_watched),
    };
    return cmocka_run_group_tests(tests, pprof_scene_start, scene_stop);
}
