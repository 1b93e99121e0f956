/* SPDX-License-Identifier: MIT */
#include "api/auth/authn.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/clock.h"
#include "support/cmocka.h"
#include "support/origin.h"
#include "support/token.h"

struct fixture {
    struct origin *origin;
    struct http_client *http;
    char server[60];
    struct token_key *key;
    struct authn *authn;
    char *token; /* a good one */
    struct err_buf why;
};

static char *sign(const struct fixture *fixture, const char *issuer, const char *audience,
                  int64_t lifetime_s)
{
    char *claims = token_claims(issuer, audience, lifetime_s);
    char *token = token_sign(fixture->key, "ES256", claims);
    free(claims);
    return token;
}

static int set_up(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    assert_non_null(fixture);
    fixture->origin = origin_start();
    assert_int_equal(http_client_new(&fixture->http), APP_OK);
    (void)snprintf(fixture->server, sizeof(fixture->server), "http://127.0.0.1:%d",
                   origin_port(fixture->origin));
    fixture->key = token_key_new(TOKEN_P256, "a");
    const struct authn_options options = {fixture->server, "emojify", 4};
    assert_int_equal(authn_new(&options, &fixture->authn), APP_OK);
    char *set = token_key_set((const struct token_key *const[]){fixture->key}, 1);
    origin_answer(fixture->origin, "/jwks", "200 OK", "", set);
    free(set);
    fixture->token = sign(fixture, fixture->server, "emojify", 60);
    *state = fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    free(fixture->token);
    authn_free(&fixture->authn);
    assert_null(fixture->authn);
    token_key_free(&fixture->key);
    http_client_free(&fixture->http);
    origin_stop(&fixture->origin);
    free(fixture);
    return 0;
}

static enum app_err check(struct fixture *fixture, const char *authorization)
{
    const struct jwks_call call = {fixture->http, deadline_in_ms(20000), "id"};
    fixture->why = (struct err_buf){.text = ""};
    return authn_check(fixture->authn, &call, authorization, &fixture->why);
}

static enum app_err check_with(struct fixture *fixture, const char *scheme, const char *token,
                               const char *rest)
{
    char *header;
    assert_true(asprintf(&header, "%s%s%s", scheme, token, rest) >= 0);
    enum app_err err = check(fixture, header);
    free(header);
    return err;
}

static void assert_refused(struct fixture *fixture, const char *authorization, const char *text)
{
    assert_int_equal(check(fixture, authorization), APP_UNAUTHORIZED);
    assert_string_equal(fixture->why.text, text);
}

static void the_schemes_jwt_and_bearer_are_taken(void **state)
{
    struct fixture *fixture = *state;
    static const char *const schemes[] = {"jwt ", "Bearer ", "bearer ", "BEARER "};
    for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++) {
        assert_int_equal(check_with(fixture, schemes[i], fixture->token, ""), APP_OK);
        assert_string_equal(fixture->why.text, "");
        assert_string_equal(fixture->why.detail, "");
    }
}

static void no_header_is_said_so(void **state)
{
    assert_refused(*state, NULL, "No auth header");
    assert_refused(*state, "", "No auth header");
}

static void another_scheme_or_none_is_no_token(void **state)
{
    struct fixture *fixture = *state;
    static const char *const headers[] = {
        "basic abc:123", "jwt", "Bearer", "JWT x", "Jwt x",   "token x",   " jwt x",
        "jwtx y",        "x",   " ",      "jw x",  "Beare x", "Bearers x",
    };
    for (size_t i = 0; i < sizeof(headers) / sizeof(headers[0]); i++)
        assert_refused(fixture, headers[i], "No auth token");
    assert_int_equal(check_with(fixture, "", fixture->token, ""), APP_UNAUTHORIZED);
    assert_int_equal(check_with(fixture, "JWT ", fixture->token, ""), APP_UNAUTHORIZED);
    assert_string_equal(fixture->why.text, "No auth token");
    assert_int_equal(origin_requests(fixture->origin, NULL), 0);
}

static void what_is_no_token_is_refused_without_asking_anybody(void **state)
{
    struct fixture *fixture = *state;
    static const char *const headers[] = {"jwt ",         "jwt  ",  "jwt x",
                                          "Bearer a.b.c", "jwt ..", "jwt eyJhbGciOiJub25lIn0.e30."};
    for (size_t i = 0; i < sizeof(headers) / sizeof(headers[0]); i++)
        assert_refused(fixture, headers[i], "Invalid jwt");
    assert_int_equal(origin_requests(fixture->origin, NULL), 0);
}

static void the_second_part_is_the_token_as_the_go_service_had_it(void **state)
{
    struct fixture *fixture = *state;
    assert_int_equal(check_with(fixture, "jwt ", fixture->token, " and more"), APP_OK);
    assert_int_equal(check_with(fixture, "jwt  ", fixture->token, ""), APP_UNAUTHORIZED);
    assert_string_equal(fixture->why.text, "Invalid jwt");
}

static void assert_token_refused(struct fixture *fixture, char *token, const char *detail)
{
    assert_int_equal(check_with(fixture, "jwt ", token, ""), APP_UNAUTHORIZED);
    assert_string_equal(fixture->why.text, "Invalid jwt");
    assert_non_null(strstr(fixture->why.detail, detail));
    assert_null(strstr(fixture->why.detail, token));
    free(token);
}

static void a_token_for_somebody_else_or_another_time_is_invalid(void **state)
{
    struct fixture *fixture = *state;
    char with_slash[64];
    (void)snprintf(with_slash, sizeof(with_slash), "%s/", fixture->server);
    assert_token_refused(fixture, sign(fixture, with_slash, "emojify", 60), "another issuer");
    assert_token_refused(fixture, sign(fixture, fixture->server, "emojify2", 60),
                         "another audience");
    assert_token_refused(fixture, sign(fixture, fixture->server, "emojify", -70), "expired");
    assert_int_equal(check_with(fixture, "jwt ", fixture->token, ""), APP_OK);
}

static void a_token_of_a_key_that_the_server_does_not_have_is_invalid(void **state)
{
    struct fixture *fixture = *state;
    struct token_key *other = token_key_new(TOKEN_P256, "other");
    char *claims = token_claims(fixture->server, "emojify", 60);
    assert_token_refused(fixture, token_sign(other, "ES256", claims),
                         "a key that the server does not have");
    free(claims);
    token_key_free(&other);
}

static void a_server_that_fails_says_nothing_against_the_token(void **state)
{
    struct fixture *fixture = *state;
    origin_answer(fixture->origin, "/jwks", "500 Internal Server Error", "", "boom");
    assert_int_equal(check_with(fixture, "jwt ", fixture->token, ""), APP_UNAVAILABLE);
    assert_string_equal(fixture->why.text, "the authentication server cannot be asked now");
    assert_non_null(strstr(fixture->why.detail, "answered 500"));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(the_schemes_jwt_and_bearer_are_taken),
        TEST(no_header_is_said_so),
        TEST(another_scheme_or_none_is_no_token),
        TEST(what_is_no_token_is_refused_without_asking_anybody),
        TEST(the_second_part_is_the_token_as_the_go_service_had_it),
        TEST(a_token_for_somebody_else_or_another_time_is_invalid),
        TEST(a_token_of_a_key_that_the_server_does_not_have_is_invalid),
        TEST(a_server_that_fails_says_nothing_against_the_token),
    };
    if (http_client_global_init() != APP_OK)
        return 1;
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    http_client_global_release();
    return failed;
}
