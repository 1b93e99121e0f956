/* SPDX-License-Identifier: MIT */
/*
 * What is decided before a route: where the API is, what other sites' pages may
 * know, and who may pass. The routes that are asked here need no upstream:
 * POST /payments answers 501 to whom it is open, since no gateway is set.
 */
#include "api/handler.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/auth/authn.h"
#include "api/routes/routes.h"
#include "lib/net/http_client.h"
#include "support/cmocka.h"
#include "support/loopback.h"
#include "support/origin.h"
#include "support/token.h"

enum { HEADERS_MAX = 8 };

struct fixture {
    struct app app;
    struct worker worker;
    struct log_sink sink;
    struct loopback loopback;
    bool has_answer;
    struct origin *origin; /* of the authentication server */
    char server[60];
    struct token_key *key;
};

/* By the settings as they stand. */
static void make_routes(struct fixture *fixture)
{
    routes_free(&fixture->app.routes);
    assert_int_equal(routes_new(&fixture->app.config, &fixture->app.routes), APP_OK);
}

static int set_up(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    assert_non_null(fixture);
    fixture->sink = (struct log_sink){.fd = -1, .level = LOG_OFF};
    fixture->app.log = (struct log){.sink = &fixture->sink, .module = "test"};
    fixture->app.config.api_path = "/api/";
    fixture->app.config.allow_origin = "https://a.example";
    fixture->app.config.payment_address = "";
    fixture->app.config.request_timeout_ms = 20000;
    fixture->app.config.run_dir = "/proc/self/nothing"; /* metrics in memory of its own */
    fixture->app.config.statsd_server = "";
    fixture->app.config.authn_server = "";
    fixture->app.config.profile_token = "";
    make_routes(fixture);
    assert_int_equal(
        telemetry_start(&fixture->app.telemetry, &fixture->app.config, &fixture->app.log, NULL),
        APP_OK);
    assert_int_equal(http_client_new(&fixture->worker.http), APP_OK);
    *state = fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    if (fixture->has_answer)
        loopback_release(&fixture->loopback);
    telemetry_stop(&fixture->app.telemetry);
    routes_free(&fixture->app.routes);
    authn_free(&fixture->app.authn);
    http_client_free(&fixture->worker.http);
    token_key_free(&fixture->key);
    origin_stop(&fixture->origin);
    free(fixture);
    return 0;
}

static void start_authn(struct fixture *fixture)
{
    fixture->origin = origin_start();
    fixture->key = token_key_new(TOKEN_P256, "a");
    (void)snprintf(fixture->server, sizeof(fixture->server), "http://127.0.0.1:%d",
                   origin_port(fixture->origin));
    fixture->app.config.authn_server = fixture->server;
    make_routes(fixture);
    const struct authn_options options = {fixture->server, "emojify", 1};
    assert_int_equal(authn_new(&options, &fixture->app.authn), APP_OK);
    char *set = token_key_set((const struct token_key *const[]){fixture->key}, 1);
    origin_answer(fixture->origin, "/jwks", "200 OK", "", set);
    free(set);
}

/* `headers` are CGI variables up to NULL, or NULL. The answer is in fixture->loopback. */
static void ask(struct fixture *fixture, const char *method, const char *path,
                const char *const *headers)
{
    char method_line[32], path_line[128];
    const char *environment[HEADERS_MAX + 3] = {method_line, path_line};
    (void)snprintf(method_line, sizeof(method_line), "REQUEST_METHOD=%s", method);
    (void)snprintf(path_line, sizeof(path_line), "REQUEST_URI=%s", path);
    for (size_t i = 0; headers && headers[i] && i < HEADERS_MAX; i++)
        environment[i + 2] = headers[i];
    if (fixture->has_answer)
        loopback_release(&fixture->loopback);
    loopback_init(&fixture->loopback, environment, NULL, 0);
    fixture->has_answer = true;
    assert_int_equal(fixture->loopback.init_err, APP_OK);
    handler_handle(&fixture->app, &fixture->worker, &fixture->loopback.request,
                   &fixture->loopback.response);
}

static void assert_answer(struct fixture *fixture, int status, const char *body)
{
    assert_int_equal(fixture->loopback.response.status, status);
    assert_string_equal(fixture->loopback.body.data, body);
}

/* NULL: there is no such header. */
static void assert_header(struct fixture *fixture, const char *name, const char *value)
{
    const char *sent = loopback_header(&fixture->loopback, name);
    if (!value) {
        if (sent)
            print_error("%s: %s\n", name, sent);
        assert_null(sent);
        return;
    }
    if (!sent)
        print_error("there is no %s\n", name);
    assert_non_null(sent);
    assert_string_equal(sent, value);
}

#define FROM(origin) "HTTP_ORIGIN=" origin
#define HEADERS(...) ((const char *const[]){__VA_ARGS__, NULL})

/* --- Other sites' pages --- */

static void every_answer_below_the_api_path_varies_by_origin(void **state)
{
    struct fixture *fixture = *state;
    static const struct {
        const char *method, *path;
        int status;
    } cases[] = {
        {"GET", "/api/health/live", 200}, {"HEAD", "/api/health/live", 200},
        {"GET", "/api/nothing", 404},     {"PUT", "/api/", 405},
        {"POST", "/api/payments", 501},   {"OPTIONS", "/api/", 405},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        ask(fixture, cases[i].method, cases[i].path, NULL);
        assert_int_equal(fixture->loopback.response.status, cases[i].status);
        assert_int_equal(loopback_header_count(&fixture->loopback, "Vary"), 1);
        assert_header(fixture, "Vary", "Origin");
        assert_header(fixture, "Access-Control-Allow-Origin", NULL);
    }
}

static void an_origin_that_is_allowed_is_told_so_in_errors_too(void **state)
{
    struct fixture *fixture = *state;
    static const char *const paths[] = {"/api/health/live", "/api/nothing"};
    for (size_t i = 0; i < 2; i++) {
        ask(fixture, "GET", paths[i], HEADERS(FROM("https://a.example")));
        assert_header(fixture, "Access-Control-Allow-Origin", "https://a.example");
        assert_header(fixture, "Access-Control-Allow-Credentials", "true");
        assert_header(fixture, "Access-Control-Expose-Headers",
                      "X-Request-Id, Retry-After, ETag, Location, Link");
        assert_header(fixture, "Access-Control-Max-Age", NULL);
    }
}

static void a_star_is_sent_without_credentials(void **state)
{
    struct fixture *fixture = *state;
    fixture->app.config.allow_origin = "*";
    ask(fixture, "GET", "/api/health/live", HEADERS(FROM("https://a.example")));
    assert_header(fixture, "Access-Control-Allow-Origin", "*");
    assert_header(fixture, "Access-Control-Allow-Credentials", NULL);
}

static void another_origin_is_answered_and_told_nothing(void **state)
{
    struct fixture *fixture = *state;
    ask(fixture, "GET", "/api/health/live", HEADERS(FROM("https://b.example")));
    assert_answer(fixture, 200, "OK\n");
    assert_header(fixture, "Vary", "Origin");
    assert_header(fixture, "Access-Control-Allow-Origin", NULL);
    assert_header(fixture, "Access-Control-Expose-Headers", NULL);
}

static void a_preflight_is_answered_before_routes_and_tokens(void **state)
{
    struct fixture *fixture = *state;
    static const char *const paths[] = {"/api/", "/api/payments", "/api/nothing"};
    start_authn(fixture);
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        ask(fixture, "OPTIONS", paths[i],
            HEADERS(FROM("https://a.example"), "HTTP_ACCESS_CONTROL_REQUEST_METHOD=POST",
                    "HTTP_ACCESS_CONTROL_REQUEST_HEADERS=authorization,content-type"));
        assert_answer(fixture, 200, "");
        assert_int_equal(loopback_header_count(&fixture->loopback, "Vary"), 3);
        assert_non_null(strstr(fixture->loopback.head.data,
                               "Vary: Origin\r\nVary: Access-Control-Request-Method\r\n"
                               "Vary: Access-Control-Request-Headers\r\n"));
        assert_header(fixture, "Content-Length", "0");
        assert_header(fixture, "Content-Type", NULL);
        assert_header(fixture, "Access-Control-Allow-Origin", "https://a.example");
        assert_header(fixture, "Access-Control-Allow-Credentials", "true");
        assert_header(fixture, "Access-Control-Allow-Methods", "POST");
        assert_header(fixture, "Access-Control-Allow-Headers", "Authorization, Content-Type");
        assert_header(fixture, "Access-Control-Max-Age", "600");
        assert_header(fixture, "Access-Control-Expose-Headers", NULL);
    }
    assert_int_equal(origin_requests(fixture->origin, NULL), 0);
}

static void a_preflight_that_asks_for_no_headers_gets_none(void **state)
{
    struct fixture *fixture = *state;
    ask(fixture, "OPTIONS", "/api/",
        HEADERS(FROM("https://a.example"), "HTTP_ACCESS_CONTROL_REQUEST_METHOD=POST"));
    assert_header(fixture, "Access-Control-Allow-Methods", "POST");
    assert_header(fixture, "Access-Control-Allow-Headers", NULL);
}

static void a_preflight_that_is_not_allowed_gets_the_vary_lines_only(void **state)
{
    struct fixture *fixture = *state;
    const char *const *const cases[] = {
        HEADERS("HTTP_ACCESS_CONTROL_REQUEST_METHOD=POST"),
        HEADERS(FROM("https://b.example"), "HTTP_ACCESS_CONTROL_REQUEST_METHOD=POST"),
        HEADERS(FROM("https://a.example"), "HTTP_ACCESS_CONTROL_REQUEST_METHOD=DELETE"),
        HEADERS(FROM("https://a.example"), "HTTP_ACCESS_CONTROL_REQUEST_METHOD=POST",
                "HTTP_ACCESS_CONTROL_REQUEST_HEADERS=cookie"),
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        ask(fixture, "OPTIONS", "/api/", cases[i]);
        assert_answer(fixture, 200, "");
        assert_int_equal(loopback_header_count(&fixture->loopback, "Vary"), 3);
        assert_null(strstr(fixture->loopback.head.data, "Access-Control-Allow"));
        assert_header(fixture, "Access-Control-Max-Age", NULL);
    }
}

static void options_that_is_no_preflight_is_a_method_like_others(void **state)
{
    struct fixture *fixture = *state;
    ask(fixture, "OPTIONS", "/api/", HEADERS(FROM("https://a.example")));
    assert_int_equal(fixture->loopback.response.status, 405);
    assert_header(fixture, "Allow", "POST");
    assert_header(fixture, "Access-Control-Allow-Origin", NULL);
    ask(fixture, "OPTIONS", "/api/",
        HEADERS(FROM("https://a.example"), "HTTP_ACCESS_CONTROL_REQUEST_METHOD="));
    assert_int_equal(fixture->loopback.response.status, 405);
}

static void what_is_outside_the_api_is_no_pages_business(void **state)
{
    struct fixture *fixture = *state;
    static const char *const paths[] = {"/metrics",       "/debug/", "/debug/pprof/",
                                        "/pprof/profile", "/other",  "/"};
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        ask(fixture, "GET", paths[i], HEADERS(FROM("https://a.example")));
        assert_int_equal(fixture->loopback.response.status, i == 0 ? 200 : 404);
        assert_header(fixture, "Vary", NULL);
        assert_header(fixture, "Access-Control-Allow-Origin", NULL);
    }
}

static void the_operators_paths_are_not_even_when_the_api_is_at_the_root(void **state)
{
    struct fixture *fixture = *state;
    static const char *const paths[] = {"/metrics", "/debug/", "/debug/pprof/", "/pprof/profile"};
    fixture->app.config.api_path = "/";
    make_routes(fixture);
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        ask(fixture, "OPTIONS", paths[i],
            HEADERS(FROM("https://a.example"), "HTTP_ACCESS_CONTROL_REQUEST_METHOD=GET"));
        /* There are metrics; without PROFILE there is nothing else. */
        assert_int_equal(fixture->loopback.response.status, i == 0 ? 405 : 404);
        assert_header(fixture, "Vary", NULL);
        assert_header(fixture, "Access-Control-Allow-Origin", NULL);
    }
    ask(fixture, "GET", "/metricsx", HEADERS(FROM("https://a.example")));
    assert_header(fixture, "Access-Control-Allow-Origin", "https://a.example");
}

/* --- Who may pass --- */

static void without_an_authentication_server_all_may_pass(void **state)
{
    struct fixture *fixture = *state;
    ask(fixture, "POST", "/api/payments", NULL);
    assert_answer(fixture, 501, "payments are not configured\n");
    ask(fixture, "POST", "/api/payments", HEADERS("HTTP_AUTHORIZATION=jwt nonsense"));
    assert_int_equal(fixture->loopback.response.status, 501);
}

static void assert_unauthorized(struct fixture *fixture, const char *body)
{
    assert_answer(fixture, 401, body);
    assert_header(fixture, "Content-Type", "text/plain; charset=utf-8");
    assert_header(fixture, "X-Content-Type-Options", "nosniff");
    assert_header(fixture, "WWW-Authenticate", "Bearer realm=\"emojify\"");
}

static void posts_need_a_token(void **state)
{
    struct fixture *fixture = *state;
    static const char *const paths[] = {"/api/", "/api/payments", "/api/emojify/"};
    start_authn(fixture);
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        ask(fixture, "POST", paths[i], NULL);
        assert_unauthorized(fixture, "No auth header\n");
        ask(fixture, "POST", paths[i], HEADERS("HTTP_AUTHORIZATION=basic abc:123"));
        assert_unauthorized(fixture, "No auth token\n");
        ask(fixture, "POST", paths[i], HEADERS("HTTP_AUTHORIZATION=jwt x"));
        assert_unauthorized(fixture, "Invalid jwt\n");
    }
}

static void a_good_token_lets_the_request_pass(void **state)
{
    struct fixture *fixture = *state;
    char *header;
    start_authn(fixture);
    char *claims = token_claims(fixture->server, "emojify", 60);
    char *token = token_sign(fixture->key, "ES256", claims);
    assert_true(asprintf(&header, "HTTP_AUTHORIZATION=jwt %s", token) > 0);
    ask(fixture, "POST", "/api/payments", HEADERS(header));
    assert_answer(fixture, 501, "payments are not configured\n");
    assert_header(fixture, "WWW-Authenticate", NULL);
    free(header);
    free(token);
    free(claims);
}

static void a_refusal_can_be_read_by_the_page_that_caused_it(void **state)
{
    struct fixture *fixture = *state;
    start_authn(fixture);
    ask(fixture, "POST", "/api/",
        HEADERS(FROM("https://a.example"), "HTTP_ACCEPT=application/json"));
    assert_int_equal(fixture->loopback.response.status, 401);
    assert_header(fixture, "Access-Control-Allow-Origin", "https://a.example");
    assert_non_null(strstr(fixture->loopback.body.data, "\"code\":\"unauthorized\""));
    assert_non_null(strstr(fixture->loopback.body.data, "\"detail\":\"No auth header\""));
}

static void the_other_routes_need_none(void **state)
{
    struct fixture *fixture = *state;
    start_authn(fixture);
    ask(fixture, "GET", "/api/health/live", NULL);
    assert_answer(fixture, 200, "OK\n");
    ask(fixture, "GET", "/api/cache/.hidden", NULL);
    assert_int_equal(fixture->loopback.response.status, 404);
    ask(fixture, "GET", "/api/emojify/some-id", NULL); /* without threads for jobs here */
    assert_int_equal(fixture->loopback.response.status, 501);
}

static void a_wrong_method_is_told_before_a_token_is_asked_for(void **state)
{
    struct fixture *fixture = *state;
    start_authn(fixture);
    ask(fixture, "GET", "/api/payments", NULL);
    assert_int_equal(fixture->loopback.response.status, 405);
    ask(fixture, "PUT", "/api/", HEADERS("HTTP_AUTHORIZATION=jwt x"));
    assert_int_equal(fixture->loopback.response.status, 405);
    assert_header(fixture, "Allow", "POST");
}

static void an_authentication_server_that_fails_is_a_503_with_a_time_to_come_back(void **state)
{
    struct fixture *fixture = *state;
    char *header;
    start_authn(fixture);
    char *claims = token_claims(fixture->server, "emojify", 60);
    char *token = token_sign(fixture->key, "ES256", claims);
    assert_true(asprintf(&header, "HTTP_AUTHORIZATION=Bearer %s", token) > 0);
    origin_answer(fixture->origin, "/jwks", "500 Boom", "", "secret words");
    ask(fixture, "POST", "/api/payments", HEADERS(header));
    assert_answer(fixture, 503, "the authentication server cannot be asked now\n");
    assert_header(fixture, "Retry-After", "1");
    assert_header(fixture, "WWW-Authenticate", NULL);
    free(header);
    free(token);
    free(claims);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(every_answer_below_the_api_path_varies_by_origin),
        TEST(an_origin_that_is_allowed_is_told_so_in_errors_too),
        TEST(a_star_is_sent_without_credentials),
        TEST(another_origin_is_answered_and_told_nothing),
        TEST(a_preflight_is_answered_before_routes_and_tokens),
        TEST(a_preflight_that_asks_for_no_headers_gets_none),
        TEST(a_preflight_that_is_not_allowed_gets_the_vary_lines_only),
        TEST(options_that_is_no_preflight_is_a_method_like_others),
        TEST(what_is_outside_the_api_is_no_pages_business),
        TEST(the_operators_paths_are_not_even_when_the_api_is_at_the_root),
        TEST(without_an_authentication_server_all_may_pass),
        TEST(posts_need_a_token),
        TEST(a_good_token_lets_the_request_pass),
        TEST(a_refusal_can_be_read_by_the_page_that_caused_it),
        TEST(the_other_routes_need_none),
        TEST(a_wrong_method_is_told_before_a_token_is_asked_for),
        TEST(an_authentication_server_that_fails_is_a_503_with_a_time_to_come_back),
    };
    if (http_client_global_init() != APP_OK)
        return 1;
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    http_client_global_release();
    return failed;
}
