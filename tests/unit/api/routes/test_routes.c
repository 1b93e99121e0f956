/* SPDX-License-Identifier: MIT */
/* Which routes exist under which settings, where they live and who may pass. */
#include "api/routes/routes.h"

#include <string.h>

#include "support/cmocka.h"

#define TOKEN "0123456789abcdef"

static const struct api_config plain = {
    .api_path = "/api/", .authn_server = "", .profile_token = ""};

static struct routes *routes_of(const struct api_config *config)
{
    struct routes *routes = NULL;
    assert_int_equal(routes_new(config, &routes), APP_OK);
    assert_non_null(routes);
    return routes;
}

static void assert_found(const struct api_config *config, enum http_method method, const char *path,
                         enum route_name name, enum route_access access)
{
    struct routes *routes = routes_of(config);
    struct route_match match;
    enum app_err err = routes_match(routes, method, path, &match);
    if (err)
        fail_msg("%s: %s", path, app_err_slug(err));
    assert_int_equal(match.route->policy->name, name);
    assert_int_equal(match.route->policy->access, access);
    assert_string_equal(match.route->name, route_name_text(name));
    routes_free(&routes);
    assert_null(routes);
}

/* `allowed` is for APP_METHOD_NOT_ALLOWED. */
static void assert_not_found(const struct api_config *config, enum http_method method,
                             const char *path, enum app_err expected, unsigned allowed)
{
    struct routes *routes = routes_of(config);
    struct route_match match;
    enum app_err err = routes_match(routes, method, path, &match);
    if (err != expected)
        fail_msg("%s: %s", path, app_err_slug(err));
    if (err == APP_METHOD_NOT_ALLOWED)
        assert_int_equal(match.allowed, allowed);
    routes_free(&routes);
}

enum {
    GET = HTTP_METHOD_BIT(HTTP_GET) | HTTP_METHOD_BIT(HTTP_HEAD),
    POST = HTTP_METHOD_BIT(HTTP_POST),
    DELETE = HTTP_METHOD_BIT(HTTP_DELETE)
};

static void the_apis_routes_lie_below_api_path(void **state)
{
    (void)state;
    struct api_config config = plain;
    assert_found(&config, HTTP_POST, "/api/", ROUTE_EMOJIFY, ROUTE_FOR_EVERYONE);
    assert_found(&config, HTTP_GET, "/api/health", ROUTE_HEALTH, ROUTE_FOR_EVERYONE);
    assert_not_found(&config, HTTP_GET, "/health", APP_NOT_FOUND, 0);
    assert_not_found(&config, HTTP_POST, "/api", APP_NOT_FOUND, 0);
    config.api_path = "/";
    assert_found(&config, HTTP_POST, "/", ROUTE_EMOJIFY, ROUTE_FOR_EVERYONE);
    assert_found(&config, HTTP_GET, "/health", ROUTE_HEALTH, ROUTE_FOR_EVERYONE);
    assert_not_found(&config, HTTP_GET, "/api/health", APP_NOT_FOUND, 0);
}

static void the_operators_routes_lie_at_the_root(void **state)
{
    (void)state;
    struct api_config config = plain;
    assert_found(&config, HTTP_GET, "/metrics", ROUTE_METRICS, ROUTE_FOR_KNOWN_HOSTS);
    assert_not_found(&config, HTTP_GET, "/api/metrics", APP_NOT_FOUND, 0);
    config.api_path = "/";
    assert_found(&config, HTTP_GET, "/metrics", ROUTE_METRICS, ROUTE_FOR_KNOWN_HOSTS);
}

static void a_post_needs_a_token_where_there_is_an_authentication_server(void **state)
{
    (void)state;
    struct api_config config = plain;
    config.authn_server = "https://auth.example";
    assert_found(&config, HTTP_POST, "/api/", ROUTE_EMOJIFY, ROUTE_FOR_TOKEN_HOLDERS);
    assert_found(&config, HTTP_POST, "/api/emojify/", ROUTE_EMOJIFY_CREATE,
                 ROUTE_FOR_TOKEN_HOLDERS);
    assert_found(&config, HTTP_POST, "/api/payments", ROUTE_PAYMENTS, ROUTE_FOR_TOKEN_HOLDERS);
    assert_found(&config, HTTP_GET, "/api/cache/a", ROUTE_CACHE, ROUTE_FOR_EVERYONE);
    assert_found(&config, HTTP_GET, "/api/emojify/a", ROUTE_EMOJIFY_QUERY, ROUTE_FOR_EVERYONE);
}

static void metrics_are_the_admins_when_the_setting_says_so(void **state)
{
    (void)state;
    struct api_config config = plain;
    config.profile_token = TOKEN;
    config.metrics_auth = METRICS_AUTH_TOKEN;
    assert_found(&config, HTTP_GET, "/metrics", ROUTE_METRICS, ROUTE_FOR_ADMIN);
    assert_not_found(&config, HTTP_POST, "/metrics", APP_METHOD_NOT_ALLOWED, GET);
}

static void without_profile_there_are_no_profiling_routes(void **state)
{
    (void)state;
    static const char *const paths[] = {
        "/debug/",          "/debug/status",  "/debug/pprof",        "/debug/pprof/",
        "/debug/pprof/cpu", "/pprof/profile", "/debug/pprof/saved/a"};
    struct api_config config = plain;
    config.profile_token = TOKEN;
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        assert_not_found(&config, HTTP_GET, paths[i], APP_NOT_FOUND, 0);
        /* Nor does a method that they do not take tell of them. */
        assert_not_found(&config, HTTP_OTHER, paths[i], APP_NOT_FOUND, 0);
    }
    config.profile = true;
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        struct routes *routes = routes_of(&config);
        struct route_match match;
        assert_int_equal(routes_match(routes, HTTP_GET, paths[i], &match), APP_OK);
        assert_int_equal(match.route->policy->access, ROUTE_FOR_ADMIN);
        assert_true(route_name_is_operators(match.route->policy->name));
        routes_free(&routes);
    }
}

static void the_web_server_may_guard_the_profiling_routes_but_nothing_else(void **state)
{
    (void)state;
    struct api_config config = plain;
    config.profile = true;
    config.profile_auth = PROFILE_AUTH_NONE;
    config.profile_token = TOKEN;
    assert_found(&config, HTTP_GET, "/debug/", ROUTE_ADMIN, ROUTE_FOR_OWN_SITE);
    assert_found(&config, HTTP_POST, "/pprof/symbol", ROUTE_PPROF, ROUTE_FOR_OWN_SITE);
    assert_found(&config, HTTP_GET, "/debug/log", ROUTE_LOG, ROUTE_FOR_ADMIN);
    assert_found(&config, HTTP_DELETE, "/api/cache/a", ROUTE_CACHE, ROUTE_FOR_ADMIN);
}

static void what_asks_for_the_admin_token_exists_only_with_one(void **state)
{
    (void)state;
    struct api_config config = plain;
    config.profile = true;
    config.profile_auth = PROFILE_AUTH_NONE;
    assert_not_found(&config, HTTP_GET, "/debug/log", APP_NOT_FOUND, 0);
    assert_not_found(&config, HTTP_OTHER, "/debug/log", APP_NOT_FOUND, 0);
    assert_not_found(&config, HTTP_DELETE, "/api/cache/a", APP_METHOD_NOT_ALLOWED, GET);
    config.profile_token = TOKEN;
    assert_not_found(&config, HTTP_OTHER, "/debug/log", APP_METHOD_NOT_ALLOWED, GET | POST);
    assert_not_found(&config, HTTP_POST, "/api/cache/a", APP_METHOD_NOT_ALLOWED, GET | DELETE);
    config.profile = false; /* it is no profiling route */
    assert_found(&config, HTTP_POST, "/debug/log", ROUTE_LOG, ROUTE_FOR_ADMIN);
}

static void pages_may_ask_for_what_is_the_apis_only(void **state)
{
    (void)state;
    static const struct {
        const char *api_path, *path;
        bool expected;
    } cases[] = {
        {"/api/", "/api/", true},
        {"/api/", "/api/nothing", true},
        {"/api/", "/api", false},
        {"/api/", "/metrics", false},
        {"/api/", "/debug/x", false},
        {"/", "/", true},
        {"/", "/nothing", true},
        {"/", "/metrics", false},
        {"/", "/metricsx", true},
        {"/", "/debug/", false},
        {"/", "/debug/nothing", false},
        {"/", "/debug", true},
        {"/", "/pprof/profile", false},
        {"/", "/cache/debug", true},
        {"/debug/", "/debug/health", false},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct api_config config = plain;
        config.api_path = cases[i].api_path;
        struct routes *routes = routes_of(&config);
        if (routes_is_for_pages(routes, cases[i].path) != cases[i].expected)
            fail_msg("%s below %s", cases[i].path, cases[i].api_path);
        routes_free(&routes);
    }
}

static void only_what_says_so_is_quick(void **state)
{
    (void)state;
    struct api_config config = plain;
    size_t count;
    config.profile = true;
    config.profile_token = TOKEN;
    struct routes *routes = routes_of(&config);
    const struct route *all = routes_all(routes, &count);
    assert_true(count > 0);
    for (size_t i = 0; i < count; i++) {
        bool quick =
            strcmp(all[i].pattern, "/api/health/live") == 0 ||
            (strcmp(all[i].pattern, "/api/cache/{file}") == 0 && all[i].method == HTTP_GET);
        if (all[i].policy->quick != quick)
            fail_msg("%s", all[i].pattern);
    }
    routes_free(&routes);
}

static void names_are_told_apart(void **state)
{
    (void)state;
    assert_string_equal(route_name_text(ROUTE_NONE), "none");
    assert_null(route_name_text(ROUTE_NAME__MAX));
    assert_null(route_name_text(SIZE_MAX));
    for (size_t i = 0; i < ROUTE_NAME__MAX; i++) {
        assert_non_null(route_name_text(i));
        for (size_t j = 0; j < i; j++)
            assert_string_not_equal(route_name_text(i), route_name_text(j));
    }
    assert_false(route_name_is_operators(ROUTE_CACHE));
    assert_false(route_name_is_operators(ROUTE_NONE));
    assert_true(route_name_is_operators(ROUTE_METRICS));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_apis_routes_lie_below_api_path),
        cmocka_unit_test(the_operators_routes_lie_at_the_root),
        cmocka_unit_test(a_post_needs_a_token_where_there_is_an_authentication_server),
        cmocka_unit_test(metrics_are_the_admins_when_the_setting_says_so),
        cmocka_unit_test(without_profile_there_are_no_profiling_routes),
        cmocka_unit_test(the_web_server_may_guard_the_profiling_routes_but_nothing_else),
        cmocka_unit_test(what_asks_for_the_admin_token_exists_only_with_one),
        cmocka_unit_test(pages_may_ask_for_what_is_the_apis_only),
        cmocka_unit_test(only_what_says_so_is_quick),
        cmocka_unit_test(names_are_told_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
