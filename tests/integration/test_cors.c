/* SPDX-License-Identifier: MIT */
/* run: web=all */
/* What other sites' pages are told, as browsers get it through the web server. */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "support/cmocka.h"
#include "support/scene.h"

#define HEADERS(...) ((const char *const[]){__VA_ARGS__, NULL})
#define FROM_A       "Origin: https://a.example"
#define FROM_B       "Origin: https://b.example"

static int start_open(void **state)
{
    return scene_start(state, NULL);
}

static int start_listed(void **state)
{
    return scene_start(
        state, HEADERS("ALLOW_ORIGIN=https://a.example, http://localhost:*, https://*.c.example"));
}

static void ask(const struct scene *scene, const char *method, const char *path,
                const char *const *headers, struct http_reply *reply)
{
    scene_ask(scene, &(struct http_call){.method = method, .url = path, .headers = headers}, reply);
}

static void assert_no_header(const struct http_reply *reply, const char *name)
{
    const char *value = http_reply_header(reply, name);
    if (value)
        fail_msg("%s: %s", name, value);
}

/* Whether a header that may be there several times, or be a list, has this value. */
static bool has_value(const struct http_reply *reply, const char *name, const char *value)
{
    const char *line = reply->headers.data;
    const char *end = line + reply->headers.len;
    size_t len = strlen(name);
    for (; line < end; line += strlen(line) + 1) {
        if (strncasecmp(line, name, len) == 0 && line[len] == ':') {
            for (const char *found = line + len; *found; found += strcspn(found, ",")) {
                found += 1 + strspn(found + 1, " ");
                if (strcspn(found, ",\r\n") == strlen(value) &&
                    strncmp(found, value, strlen(value)) == 0)
                    return true;
            }
        }
    }
    return false;
}

static void assert_preflight_vary(const struct http_reply *reply)
{
    assert_true(has_value(reply, "Vary", "Origin"));
    assert_true(has_value(reply, "Vary", "Access-Control-Request-Method"));
    assert_true(has_value(reply, "Vary", "Access-Control-Request-Headers"));
}

/* --- ALLOW_ORIGIN=*, the default ------------------------------------------------- */

static void every_answer_varies_by_origin(void **state)
{
    static const struct {
        const char *method, *path;
        int status;
    } cases[] = {
        {"GET", "/api/health", 200},
        {"GET", "/api/cache/unknown", 404},
        {"PUT", "/api/", 405},
        {"DELETE", "/api/cache/unknown", 405},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct http_reply reply;
        ask(*state, cases[i].method, cases[i].path, NULL, &reply);
        assert_int_equal(reply.status, cases[i].status);
        assert_true(has_value(&reply, "Vary", "Origin"));
        assert_no_header(&reply, "Access-Control-Allow-Origin");
        http_reply_release(&reply);
    }
}

static void any_page_may_read_answers_and_errors_without_credentials(void **state)
{
    static const char *const paths[] = {"/api/health", "/api/cache/unknown", "/api/nothing"};
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        struct http_reply reply;
        ask(*state, "GET", paths[i], HEADERS(FROM_A), &reply);
        assert_header(&reply, "Access-Control-Allow-Origin", "*");
        assert_header(&reply, "Access-Control-Expose-Headers",
                      "X-Request-Id, Retry-After, ETag, Location, Link");
        assert_no_header(&reply, "Access-Control-Allow-Credentials");
        http_reply_release(&reply);
    }
}

static void a_page_may_emojify(void **state)
{
    const struct scene *scene = *state;
    struct http_reply reply;
    ask(scene, "OPTIONS", "/api/",
        HEADERS(FROM_A, "Access-Control-Request-Method: POST",
                "Access-Control-Request-Headers: authorization,content-type"),
        &reply);
    assert_int_equal(reply.status, 200);
    assert_int_equal(reply.body.len, 0);
    assert_preflight_vary(&reply);
    assert_header(&reply, "Access-Control-Allow-Origin", "*");
    assert_header(&reply, "Access-Control-Allow-Methods", "POST");
    assert_header(&reply, "Access-Control-Allow-Headers", "Authorization, Content-Type");
    assert_header(&reply, "Access-Control-Max-Age", "600");
    assert_no_header(&reply, "Access-Control-Allow-Credentials");
    http_reply_release(&reply);

    scene_post(scene, scene_url(scene, "/pictures/camera.png").text, HEADERS(FROM_A), &reply);
    assert_int_equal(reply.status, 200);
    assert_header(&reply, "Access-Control-Allow-Origin", "*");
    http_reply_release(&reply);
}

/* Each alone, as a library or a tracer adds it. */
static void headers_that_pages_send_are_allowed(void **state)
{
    static const char *const names[] = {
        "authorization", "content-type", "x-request-id",  "x-requested-with", "traceparent",
        "tracestate",    "baggage",      "if-none-match", "if-match",         "range"};
    const struct scene *scene = *state;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        char asked[80];
        struct http_reply reply;
        (void)snprintf(asked, sizeof(asked), "Access-Control-Request-Headers: %s", names[i]);
        ask(scene, "OPTIONS", "/api/",
            HEADERS(FROM_A, "Access-Control-Request-Method: POST", asked), &reply);
        assert_non_null(http_reply_header(&reply, "Access-Control-Allow-Headers"));
        assert_int_equal(
            strcasecmp(http_reply_header(&reply, "Access-Control-Allow-Headers"), names[i]), 0);
        http_reply_release(&reply);
    }
}

static void a_preflight_for_what_is_not_allowed_gets_the_vary_lines_only(void **state)
{
    static const char *const cases[][3] = {
        {FROM_A, "Access-Control-Request-Method: DELETE", NULL},
        {FROM_A, "Access-Control-Request-Method: POST", "Access-Control-Request-Headers: cookie"},
        {"Access-Control-Request-Method: POST", NULL, NULL},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct http_reply reply;
        ask(*state, "OPTIONS", "/api/", HEADERS(cases[i][0], cases[i][1], cases[i][2]), &reply);
        assert_int_equal(reply.status, 200);
        assert_int_equal(reply.body.len, 0);
        assert_preflight_vary(&reply);
        assert_no_header(&reply, "Access-Control-Allow-Origin");
        assert_no_header(&reply, "Access-Control-Allow-Methods");
        http_reply_release(&reply);
    }
}

static void options_that_is_no_preflight_is_not_allowed(void **state)
{
    struct http_reply reply;
    ask(*state, "OPTIONS", "/api/", HEADERS(FROM_A), &reply);
    assert_error(&reply, 405, NULL);
    http_reply_release(&reply);
}

static void the_operators_paths_are_no_pages_business(void **state)
{
    static const char *const paths[] = {"/metrics", "/debug/", "/pprof/profile"};
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        struct http_reply reply;
        ask(*state, "OPTIONS", paths[i], HEADERS(FROM_A, "Access-Control-Request-Method: GET"),
            &reply);
        assert_no_header(&reply, "Access-Control-Allow-Origin");
        http_reply_release(&reply);
    }
}

/* --- Some origins ----------------------------------------------------------------- */

static void listed_origins_are_echoed_with_credentials(void **state)
{
    static const char *const origins[] = {"https://a.example", "HTTPS://A.example",
                                          "http://localhost:3000", "https://x.y.c.example"};
    for (size_t i = 0; i < sizeof(origins) / sizeof(origins[0]); i++) {
        struct http_reply reply;
        char header[80];
        (void)snprintf(header, sizeof(header), "Origin: %s", origins[i]);
        ask(*state, "GET", "/api/health", HEADERS(header), &reply);
        assert_header(&reply, "Access-Control-Allow-Origin", origins[i]);
        assert_header(&reply, "Access-Control-Allow-Credentials", "true");
        assert_true(has_value(&reply, "Vary", "Origin"));
        http_reply_release(&reply);
        ask(*state, "OPTIONS", "/api/", HEADERS(header, "Access-Control-Request-Method: POST"),
            &reply);
        assert_header(&reply, "Access-Control-Allow-Origin", origins[i]);
        assert_header(&reply, "Access-Control-Allow-Credentials", "true");
        http_reply_release(&reply);
    }
}

static void other_origins_are_answered_and_told_nothing(void **state)
{
    static const char *const headers[] = {FROM_B, "Origin: null", "Origin: https://c.example",
                                          "Origin: https://a.example.evil"};
    for (size_t i = 0; i < sizeof(headers) / sizeof(headers[0]); i++) {
        struct http_reply reply;
        ask(*state, "GET", "/api/health", HEADERS(headers[i]), &reply);
        assert_int_equal(reply.status, 200);
        assert_true(has_value(&reply, "Vary", "Origin"));
        assert_no_header(&reply, "Access-Control-Allow-Origin");
        assert_no_header(&reply, "Access-Control-Allow-Credentials");
        http_reply_release(&reply);
    }
}

int main(void)
{
    const struct CMUnitTest open[] = {
        cmocka_unit_test(every_answer_varies_by_origin),
        cmocka_unit_test(any_page_may_read_answers_and_errors_without_credentials),
        cmocka_unit_test(a_page_may_emojify),
        cmocka_unit_test(headers_that_pages_send_are_allowed),
        cmocka_unit_test(a_preflight_for_what_is_not_allowed_gets_the_vary_lines_only),
        cmocka_unit_test(options_that_is_no_preflight_is_not_allowed),
        cmocka_unit_test(the_operators_paths_are_no_pages_business),
    };
    const struct CMUnitTest listed[] = {
        cmocka_unit_test(listed_origins_are_echoed_with_credentials),
        cmocka_unit_test(other_origins_are_answered_and_told_nothing),
    };
    int failed = cmocka_run_group_tests(open, start_open, scene_stop);
    failed += cmocka_run_group_tests(listed, start_listed, scene_stop);
    return failed;
}
