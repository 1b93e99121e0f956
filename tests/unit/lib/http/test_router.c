/* SPDX-License-Identifier: MIT */
#include "lib/http/router.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static enum app_err never_called(struct exchange *exchange)
{
    (void)exchange;
    fail();
    return APP_INTERNAL;
}

static const struct route routes[] = {
    {HTTP_POST, "/", "create", never_called, NULL},
    {HTTP_GET, "/cache/{file}", "cache", never_called, NULL},
    {HTTP_DELETE, "/cache/{file}", "delete", never_called, NULL},
    {HTTP_POST, "/emojify/", "queue", never_called, NULL},
    {HTTP_GET, "/emojify/{id}", "job", never_called, NULL},
    {HTTP_GET, "/health", "health", never_called, NULL},
    {HTTP_GET, "/health/live", "live", never_called, NULL},
    {HTTP_GET, "/health/{name}", "named", never_called, NULL},
};
enum { ROUTE_COUNT = sizeof(routes) / sizeof(routes[0]) };

static enum app_err match_path(enum http_method method, const char *path, struct route_match *match)
{
    memset(match, 0x5a, sizeof(*match));
    return router_match(routes, ROUTE_COUNT, method, path, match);
}

static void assert_route(enum http_method method, const char *path, const char *name,
                         const char *parameter)
{
    struct route_match match;
    assert_int_equal(match_path(method, path, &match), APP_OK);
    assert_string_equal(match.route->name, name);
    assert_string_equal(match.parameter, parameter);
}

static void a_fixed_path_matches_whole(void **state)
{
    (void)state;
    assert_route(HTTP_POST, "/", "create", "");
    assert_route(HTTP_GET, "/health", "health", "");
    assert_route(HTTP_GET, "/health/live", "live", "");
    assert_route(HTTP_POST, "/emojify/", "queue", "");
}

static void a_parameter_is_the_rest_of_the_path(void **state)
{
    (void)state;
    assert_route(HTTP_GET, "/cache/a", "cache", "a");
    assert_route(HTTP_GET, "/cache/b1946ac92492d2347c6235b4d2611184.jpg", "cache",
                 "b1946ac92492d2347c6235b4d2611184.jpg");
    assert_route(HTTP_GET, "/cache/{file}", "cache", "{file}");
    assert_route(HTTP_DELETE, "/cache/x", "delete", "x");
    const char *path = "/emojify/17";
    struct route_match match;
    assert_int_equal(match_path(HTTP_GET, path, &match), APP_OK);
    assert_ptr_equal(match.parameter, path + strlen("/emojify/"));
}

static void the_first_row_that_matches_wins(void **state)
{
    (void)state;
    assert_route(HTTP_GET, "/health/live", "live", "");
    assert_route(HTTP_GET, "/health/lively", "named", "lively");
}

static void head_is_served_by_the_get_route(void **state)
{
    (void)state;
    assert_route(HTTP_HEAD, "/health", "health", "");
    assert_route(HTTP_HEAD, "/cache/x", "cache", "x");
}

static void other_paths_are_not_found_and_leave_the_result_alone(void **state)
{
    (void)state;
    static const char *const paths[] = {
        "",
        "//",
        "/cache",
        "/cache/",
        "/cache/a/b",
        "/cache//",
        "/Health",
        "/health/",
        "/healthy",
        "/healt",
        "/emojify",
        "/.",
        "/cache/a/",
        "/health/live/",
        "/x/../health",
        "/emojify/17/status",
        "health",
    };
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        struct route_match match, junk;
        memset(&junk, 0x5a, sizeof(junk));
        assert_int_equal(match_path(HTTP_GET, paths[i], &match), APP_NOT_FOUND);
        assert_memory_equal(&match, &junk, sizeof(match));
    }
}

static void a_wrong_method_is_told_what_is_allowed(void **state)
{
    (void)state;
    struct route_match match;
    assert_int_equal(match_path(HTTP_GET, "/", &match), APP_METHOD_NOT_ALLOWED);
    assert_int_equal(match.allowed, HTTP_METHOD_BIT(HTTP_POST));
    assert_int_equal(match_path(HTTP_POST, "/cache/x", &match), APP_METHOD_NOT_ALLOWED);
    assert_int_equal(match.allowed, HTTP_METHOD_BIT(HTTP_GET) | HTTP_METHOD_BIT(HTTP_HEAD) |
                                        HTTP_METHOD_BIT(HTTP_DELETE));
    assert_int_equal(match_path(HTTP_OTHER, "/health", &match), APP_METHOD_NOT_ALLOWED);
    assert_int_equal(match.allowed, HTTP_METHOD_BIT(HTTP_GET) | HTTP_METHOD_BIT(HTTP_HEAD));
    assert_null(match.route);
    assert_string_equal(match.parameter, "");
}

static void head_is_not_allowed_where_get_is_not(void **state)
{
    (void)state;
    struct route_match match;
    assert_int_equal(match_path(HTTP_HEAD, "/", &match), APP_METHOD_NOT_ALLOWED);
    assert_int_equal(match.allowed, HTTP_METHOD_BIT(HTTP_POST));
}

static void an_empty_table_finds_nothing(void **state)
{
    (void)state;
    struct route_match match;
    assert_int_equal(router_match(NULL, 0, HTTP_GET, "/", &match), APP_NOT_FOUND);
}

static void the_allow_header_lists_the_names(void **state)
{
    (void)state;
    char out[64];
    router_allow_header(HTTP_METHOD_BIT(HTTP_GET) | HTTP_METHOD_BIT(HTTP_HEAD), out, sizeof(out));
    assert_string_equal(out, "GET, HEAD");
    router_allow_header(HTTP_METHOD_BIT(HTTP_POST), out, sizeof(out));
    assert_string_equal(out, "POST");
    router_allow_header(~0U, out, sizeof(out));
    assert_string_equal(out, "GET, HEAD, POST, PUT, DELETE, OPTIONS");
    router_allow_header(0, out, sizeof(out));
    assert_string_equal(out, "");
}

static void the_allow_header_is_cut_between_names(void **state)
{
    (void)state;
    unsigned allowed = HTTP_METHOD_BIT(HTTP_GET) | HTTP_METHOD_BIT(HTTP_HEAD);
    char out[16];
    router_allow_header(allowed, out, sizeof("GET, HEAD"));
    assert_string_equal(out, "GET, HEAD");
    router_allow_header(allowed, out, sizeof("GET, HEAD") - 1);
    assert_string_equal(out, "GET");
    router_allow_header(allowed, out, 1);
    assert_string_equal(out, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_fixed_path_matches_whole),
        cmocka_unit_test(a_parameter_is_the_rest_of_the_path),
        cmocka_unit_test(the_first_row_that_matches_wins),
        cmocka_unit_test(head_is_served_by_the_get_route),
        cmocka_unit_test(other_paths_are_not_found_and_leave_the_result_alone),
        cmocka_unit_test(a_wrong_method_is_told_what_is_allowed),
        cmocka_unit_test(head_is_not_allowed_where_get_is_not),
        cmocka_unit_test(an_empty_table_finds_nothing),
        cmocka_unit_test(the_allow_header_lists_the_names),
        cmocka_unit_test(the_allow_header_is_cut_between_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
