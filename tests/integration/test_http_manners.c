/* SPDX-License-Identifier: MIT */
/* run: web=all */
/* What all answers have in common, as a client gets it through the web server. */
#include <stdio.h>
#include <string.h>

#include "support/cmocka.h"
#include "support/scene.h"

#define TOKEN      "an-admin-token-of-the-test"
#define AUTHORIZED "Authorization: Bearer " TOKEN
#define FROM_A     "Origin: https://a.example"
#define LIST(...)  ((const char *const[]){__VA_ARGS__, NULL})

static int start(void **state)
{
    return scene_start(state, LIST("PROFILE_TOKEN=" TOKEN));
}

/* With every answer the application's own. */
static int start_without_tier(void **state)
{
    return scene_start(state, LIST("LOCAL_CACHE_DIR=", "DIRECT=off"));
}

static void ask(const struct scene *scene, const char *method, const char *path,
                const char *const *headers, struct http_reply *reply)
{
    struct http_call call = {.method = method, .url = path, .headers = headers};
    if (strcmp(method, "POST") == 0 || strcmp(method, "PUT") == 0)
        call.body = ""; /* without a length lighttpd answers 411 */
    scene_ask(scene, &call, reply);
}

/* The path of a stored picture. */
static void store(const struct scene *scene, char path[64])
{
    char key[33];
    scene_emojify(scene, scene_url(scene, "/pictures/coffee.png").text, key);
    (void)snprintf(path, 64, "/api/cache/%s", key);
}

/* --- Caches ------------------------------------------------------------------------ */

static void pictures_may_be_kept_and_nothing_else(void **state)
{
    static const struct {
        const char *method, *path;
        int status;
    } cases[] = {
        {"GET", "/api/health", 200},
        {"GET", "/api/health/live", 200},
        {"HEAD", "/api/health/ready", 200},
        {"GET", "/metrics", 200},
        {"GET", "/api/cache/unknown", 404}, /* it may be made any moment */
        {"GET", "/api/nothing", 404},
        {"GET", "/api/a%2Fb", 400},
        {"POST", "/api/", 400},
        {"PUT", "/api/", 405},
        {"POST", "/api/payments", 501},
        {"DELETE", "/api/cache/unknown", 401},
    };
    const struct scene *scene = *state;
    struct http_reply reply;
    char path[64];
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        ask(scene, cases[i].method, cases[i].path, NULL, &reply);
        if (reply.status != cases[i].status)
            fail_msg("%s %s: %d", cases[i].method, cases[i].path, reply.status);
        assert_header(&reply, "Cache-Control", "no-store");
        assert_null(http_reply_header(&reply, "ETag"));
        assert_non_null(http_reply_header(&reply, "X-Request-Id"));
        http_reply_release(&reply);
    }
    ask(scene, "GET", "/api/emojify/unknown", NULL, &reply);
    assert_int_equal(reply.status, stack_web() == STACK_APACHE_FCGID ? 501 : 200);
    assert_header(&reply, "Cache-Control", "no-store");
    http_reply_release(&reply);
    scene_post(scene, scene_url(scene, "/pictures/coffee.png").text, NULL, &reply);
    assert_int_equal(reply.status, 200);
    assert_header(&reply, "Cache-Control", "no-store");
    http_reply_release(&reply);
    store(scene, path);
    ask(scene, "GET", path, NULL, &reply);
    assert_header(&reply, "Cache-Control", "public, max-age=30");
    http_reply_release(&reply);
}

/* Else one such request could take a picture from all who share a cache. */
static void a_range_that_is_not_there_is_an_error_that_nobody_keeps(void **state)
{
    const struct scene *scene = *state;
    struct http_reply reply;
    char path[64];
    store(scene, path);
    ask(scene, "GET", path, LIST("Range: bytes=99999999-"), &reply);
    assert_error(&reply, 416, "the range begins behind the file's end\n");
    assert_header(&reply, "Cache-Control", "no-store");
    assert_null(http_reply_header(&reply, "ETag"));
    assert_non_null(strstr(http_reply_header(&reply, "Content-Range"), "bytes */"));
    http_reply_release(&reply);
    ask(scene, "GET", path, LIST("Range: bytes=99999999-", "Accept: application/json"), &reply);
    assert_problem(&reply, 416, "range-not-satisfiable");
    http_reply_release(&reply);
}

/* The cache's protocol has no date; a file in the local tier has its own. */
static void a_condition_with_a_date_says_nothing_to_the_application(void **state)
{
    static const char *const conditions[] = {"If-Modified-Since: Fri, 01 Jan 2100 00:00:00 GMT",
                                             "If-Unmodified-Since: Sat, 29 Oct 1994 19:43:31 GMT"};
    const struct scene *scene = *state;
    char path[64];
    store(scene, path);
    for (size_t i = 0; i < 2; i++) {
        struct http_reply reply;
        ask(scene, "GET", path, LIST(conditions[i]), &reply);
        assert_int_equal(reply.status, 200);
        assert_null(http_reply_header(&reply, "Last-Modified"));
        http_reply_release(&reply);
    }
}

/* --- Which form --------------------------------------------------------------------- */

static void json_is_for_who_prefers_it(void **state)
{
    static const struct {
        const char *accept;
        bool json;
    } cases[] = {
        {"Accept: application/json", true},
        {"Accept: application/json, text/plain, */*", true},
        {"Accept: text/plain;q=0.1, application/json;q=0.2", true},
        {"Accept: application/*", true},
        {"Accept: */*", false},
        {"Accept: text/html,application/xhtml+xml,*/*;q=0.8", false},
        {"Accept: text/plain, application/json;q=0.9", false},
        {"Accept: application/json;q=0, */*", false},
        {"Accept:", false},
    };
    const struct scene *scene = *state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const char *const *headers = LIST(cases[i].accept);
        bool json = cases[i].json;
        struct http_reply reply;
        ask(scene, "GET", "/api/health", headers, &reply);
        assert_header(&reply, "Content-Type",
                      json ? "application/json" : "text/plain; charset=utf-8");
        http_reply_release(&reply);
        ask(scene, "GET", "/api/nothing", headers, &reply);
        assert_header(&reply, "Content-Type",
                      json ? "application/problem+json" : "text/plain; charset=utf-8");
        http_reply_release(&reply);
        scene_post(scene, scene_url(scene, "/pictures/coffee.png").text, headers, &reply);
        assert_header(&reply, "Content-Type",
                      json ? "application/json" : "text/plain; charset=utf-8");
        assert_non_null(strstr(http_reply_header(&reply, "Link"), "/api/cache/"));
        http_reply_release(&reply);
    }
}

/* --- Methods ------------------------------------------------------------------------ */

static void a_method_that_is_not_taken_is_answered_with_those_that_are(void **state)
{
    static const struct {
        const char *method, *path, *allow;
    } cases[] = {
        {"GET", "/api/", "POST"},
        {"OPTIONS", "/api/", "POST"},
        {"GET", "/api/emojify/", "POST"},
        {"POST", "/api/emojify/abc", "GET, HEAD"},
        {"POST", "/api/cache/abc", "GET, HEAD, DELETE"},
        {"DELETE", "/api/health", "GET, HEAD"},
        {"POST", "/api/health/live", "GET, HEAD"},
        {"POST", "/api/health/ready", "GET, HEAD"},
        {"GET", "/api/payments", "POST"},
        {"POST", "/metrics", "GET, HEAD"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct http_reply reply;
        ask(*state, cases[i].method, cases[i].path, NULL, &reply);
        if (reply.status != 405)
            fail_msg("%s %s: %d", cases[i].method, cases[i].path, reply.status);
        assert_header(&reply, "Allow", cases[i].allow);
        http_reply_release(&reply);
    }
}

static void head_is_get_without_the_body(void **state)
{
    static const char *const paths[] = {"/api/health/live", "/api/nothing", "/api/cache/unknown",
                                        "/api/emojify/unknown", NULL};
    const struct scene *scene = *state;
    char picture[64];
    store(scene, picture);
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        const char *path = paths[i] ? paths[i] : picture;
        struct http_reply get, head;
        char length[24];
        ask(scene, "GET", path, NULL, &get);
        ask(scene, "HEAD", path, NULL, &head);
        assert_int_equal(head.status, get.status);
        assert_int_equal(head.body.len, 0);
        (void)snprintf(length, sizeof(length), "%zu", get.body.len);
        assert_header(&head, "Content-Length", length);
        assert_header(&head, "Content-Type", http_reply_header(&get, "Content-Type"));
        http_reply_release(&get);
        http_reply_release(&head);
    }
}

/* Of a file that Apache sends by itself it gives parts to HEAD as well. */
static void a_range_says_nothing_to_head(void **state)
{
    const struct scene *scene = *state;
    struct http_reply reply;
    char path[64];
    store(scene, path);
    ask(scene, "HEAD", path, LIST("Range: bytes=0-3"), &reply);
    assert_int_equal(reply.status, 200);
    assert_null(http_reply_header(&reply, "Content-Range"));
    assert_string_not_equal(http_reply_header(&reply, "Content-Length"), "4");
    http_reply_release(&reply);
}

/* --- Other sites' pages ------------------------------------------------------------- */

static void delete_is_not_offered_to_other_sites_pages(void **state)
{
    struct http_reply reply;
    ask(*state, "OPTIONS", "/api/cache/abc",
        LIST(FROM_A, "Access-Control-Request-Method: DELETE",
             "Access-Control-Request-Headers: authorization"),
        &reply);
    assert_int_equal(reply.status, 200);
    assert_null(http_reply_header(&reply, "Access-Control-Allow-Methods"));
    assert_null(http_reply_header(&reply, "Access-Control-Allow-Origin"));
    http_reply_release(&reply);
    static const char *const marks[] = {FROM_A, "Sec-Fetch-Site: cross-site",
                                        "Sec-Fetch-Site: same-site"};
    for (size_t i = 0; i < sizeof(marks) / sizeof(marks[0]); i++) {
        ask(*state, "DELETE", "/api/cache/abc", LIST(AUTHORIZED, marks[i]), &reply);
        assert_error(&reply, 403, NULL);
        assert_null(http_reply_header(&reply, "Access-Control-Allow-Origin"));
        http_reply_release(&reply);
    }
}

/* A page of another site must be able to show the id of what failed, and to come back in time. */
static void pages_may_read_the_headers_that_they_need(void **state)
{
    struct http_reply reply;
    ask(*state, "GET", "/api/cache/unknown", LIST(FROM_A), &reply);
    assert_int_equal(reply.status, 404);
    assert_header(&reply, "Access-Control-Expose-Headers",
                  "X-Request-Id, Retry-After, ETag, Location, Link");
    http_reply_release(&reply);
    ask(*state, "OPTIONS", "/api/", LIST(FROM_A, "Access-Control-Request-Method: POST"), &reply);
    assert_header(&reply, "Access-Control-Max-Age", "600");
    assert_non_null(http_reply_header(&reply, "X-Request-Id"));
    http_reply_release(&reply);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pictures_may_be_kept_and_nothing_else),
        cmocka_unit_test(a_range_that_is_not_there_is_an_error_that_nobody_keeps),
        cmocka_unit_test(json_is_for_who_prefers_it),
        cmocka_unit_test(a_method_that_is_not_taken_is_answered_with_those_that_are),
        cmocka_unit_test(head_is_get_without_the_body),
        cmocka_unit_test(delete_is_not_offered_to_other_sites_pages),
        cmocka_unit_test(pages_may_read_the_headers_that_they_need),
    };
    const struct CMUnitTest tests_without_tier[] = {
        cmocka_unit_test(a_condition_with_a_date_says_nothing_to_the_application),
        cmocka_unit_test(a_range_that_is_not_there_is_an_error_that_nobody_keeps),
        cmocka_unit_test(a_range_says_nothing_to_head),
    };
    int failed = cmocka_run_group_tests(tests, start, scene_stop);
    return failed + cmocka_run_group_tests(tests_without_tier, start_without_tier, scene_stop);
}
