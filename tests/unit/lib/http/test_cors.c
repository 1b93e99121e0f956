/* SPDX-License-Identifier: MIT */
#include "lib/http/cors.h"

#include <stdio.h>
#include <string.h>

#include "lib/base/limits.h"
#include "support/cmocka.h"

static const char *const headers[] = {"Authorization", "Content-Type", "X-Request-Id", NULL};

static struct cors_policy policy_for(const char *origins)
{
    return (struct cors_policy){
        .origins = origins,
        .methods =
            HTTP_METHOD_BIT(HTTP_GET) | HTTP_METHOD_BIT(HTTP_HEAD) | HTTP_METHOD_BIT(HTTP_POST),
        .headers = headers,
    };
}

static struct cors_grant decide(const char *origins, const char *origin, enum http_method method)
{
    struct cors_policy policy = policy_for(origins);
    struct cors_grant grant;
    memset(&grant, 0x5a, sizeof(grant));
    cors_decide(&policy, origin, method, &grant);
    return grant;
}

static void assert_allowed(const char *origins, const char *origin, const char *as)
{
    struct cors_grant grant = decide(origins, origin, HTTP_GET);
    if (!grant.origin)
        print_error("%s does not allow %s\n", origins, origin);
    assert_non_null(grant.origin);
    assert_string_equal(grant.origin, as);
    assert_int_equal(grant.credentials, strcmp(as, "*") != 0);
}

static void assert_not_allowed(const char *origins, const char *origin)
{
    struct cors_grant grant = decide(origins, origin, HTTP_GET);
    if (grant.origin)
        print_error("%s allows %s\n", origins, origin ? origin : "none");
    assert_null(grant.origin);
    assert_false(grant.credentials);
}

/* --- Origins --- */

static void a_star_allows_every_origin_and_no_credentials(void **state)
{
    (void)state;
    assert_allowed("*", "https://a.example", "*");
    assert_allowed("*", "null", "*");
    assert_allowed("https://a.example,*", "https://a.example", "*");
    assert_allowed("https://a.example , * ", "https://b.example", "*");
}

static void an_origin_of_the_list_is_echoed_with_credentials(void **state)
{
    (void)state;
    assert_allowed("https://a.example", "https://a.example", "https://a.example");
    assert_allowed("http://x:1, https://a.example ,http://y:2", "https://a.example",
                   "https://a.example");
    assert_allowed("http://x:1,http://y:2", "http://y:2", "http://y:2");
    assert_allowed("null", "null", "null");
}

static void case_does_not_matter_and_the_clients_own_is_echoed(void **state)
{
    (void)state;
    assert_allowed("https://A.example", "HTTPS://a.EXAMPLE", "HTTPS://a.EXAMPLE");
    assert_allowed("https://*.Example", "https://a.eXample", "https://a.eXample");
}

static void other_origins_are_not_allowed(void **state)
{
    (void)state;
    static const char *const others[] = {
        "http://a.example",
        "https://a.example:444",
        "https://a.example/",
        "https://a.exampl",
        "https://b.a.example",
        "https://a.example.b",
        "null",
        "a.example",
    };
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
        assert_not_allowed("https://a.example", others[i]);
    assert_not_allowed("https://a.example", NULL);
    assert_not_allowed("https://a.example", "");
    assert_not_allowed("*", NULL);
    assert_not_allowed("*", "");
    assert_not_allowed("", "https://a.example");
    assert_not_allowed(",,", "https://a.example");
}

static void a_star_in_a_pattern_stands_for_any_characters(void **state)
{
    (void)state;
    assert_allowed("https://*.a.example", "https://b.a.example", "https://b.a.example");
    assert_allowed("https://*.a.example", "https://c.b.a.example", "https://c.b.a.example");
    assert_allowed("http://localhost:*", "http://localhost:3000", "http://localhost:3000");
    assert_allowed("http://localhost*", "http://localhost", "http://localhost");
    assert_allowed("*.example", "https://a.example", "https://a.example");
    assert_not_allowed("https://*.a.example", "https://a.example");
    assert_not_allowed("https://*.a.example", "https://b.a.example.evil");
    assert_not_allowed("https://*.a.example", "http://b.a.example");
    assert_not_allowed("http://localhost:*", "http://localhost");
}

static void start_and_end_of_a_pattern_do_not_overlap(void **state)
{
    (void)state;
    assert_not_allowed("https://aa*aa", "https://aaa");
    assert_allowed("https://aa*aa", "https://aaaa", "https://aaaa");
}

static void an_origin_that_cannot_be_echoed_is_not_allowed(void **state)
{
    (void)state;
    char origin[LIMIT_ORIGIN + 2];
    assert_not_allowed("http://*", "http://a\r\nSet-Cookie: b");
    assert_not_allowed("http://*", "http://a b");
    assert_not_allowed("http://*", "http://\xc3\xa4");
    assert_not_allowed("http://*", "http://a\x7f");
    memset(origin, 'a', sizeof(origin));
    memcpy(origin, "http://", 7);
    origin[LIMIT_ORIGIN + 1] = '\0';
    assert_not_allowed("http://*", origin);
    origin[LIMIT_ORIGIN] = '\0';
    assert_allowed("http://*", origin, origin);
}

static void a_method_that_pages_may_not_use_gets_nothing(void **state)
{
    (void)state;
    assert_null(decide("*", "https://a.example", HTTP_PUT).origin);
    assert_null(decide("*", "https://a.example", HTTP_DELETE).origin);
    assert_null(decide("*", "https://a.example", HTTP_OPTIONS).origin);
    assert_null(decide("*", "https://a.example", HTTP_OTHER).origin);
    assert_non_null(decide("*", "https://a.example", HTTP_HEAD).origin);
    assert_non_null(decide("*", "https://a.example", HTTP_POST).origin);
}

/* --- Preflights --- */

static struct cors_grant ask(const char *origins, const char *origin, const char *method,
                             const char *asked_headers)
{
    struct cors_policy policy = policy_for(origins);
    const struct cors_preflight preflight = {origin, method, asked_headers};
    struct cors_grant grant;
    memset(&grant, 0x5a, sizeof(grant));
    cors_decide_preflight(&policy, &preflight, &grant);
    return grant;
}

static void a_preflight_is_granted_the_method_and_headers_it_asks_for(void **state)
{
    (void)state;
    struct cors_grant grant =
        ask("https://a.example", "https://a.example", "POST", "content-type,authorization");
    assert_string_equal(grant.origin, "https://a.example");
    assert_true(grant.credentials);
    assert_string_equal(grant.method, "POST");
    assert_string_equal(grant.headers, "Content-Type, Authorization");

    grant = ask("*", "https://a.example", "get", NULL);
    assert_string_equal(grant.origin, "*");
    assert_false(grant.credentials);
    assert_string_equal(grant.method, "GET");
    assert_string_equal(grant.headers, "");
}

static void all_headers_of_the_policy_and_origin_may_be_asked_for(void **state)
{
    (void)state;
    struct cors_grant grant =
        ask("*", "https://a.example", "POST", " ORIGIN ,\tX-REQUEST-ID,, authorization , ");
    assert_string_equal(grant.origin, "*");
    assert_string_equal(grant.headers, "Origin, X-Request-Id, Authorization");
}

static void assert_nothing(const struct cors_grant *grant)
{
    assert_null(grant->origin);
    assert_null(grant->method);
    assert_false(grant->credentials);
    assert_string_equal(grant->headers, "");
}

static void one_thing_that_is_not_allowed_spoils_the_grant(void **state)
{
    (void)state;
    static const struct {
        const char *origin, *method, *headers;
    } cases[] = {
        {NULL, "POST", NULL},
        {"", "POST", NULL},
        {"https://b.example", "POST", NULL},
        {"https://a.example", "PUT", NULL},
        {"https://a.example", "DELETE", NULL},
        {"https://a.example", "OPTIONS", NULL},
        {"https://a.example", "OTHER", NULL},
        {"https://a.example", "POST ", NULL},
        {"https://a.example", "", NULL},
        {"https://a.example", "POST", "Cookie"},
        {"https://a.example", "POST", "Authorization, X-Other"},
        {"https://a.example", "POST", "Authorization Content-Type"},
        {"https://a.example", "POST", "Authorizatio"},
        {"https://a.example", "POST", "Authorization\r\nX: y"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct cors_grant grant =
            ask("https://a.example", cases[i].origin, cases[i].method, cases[i].headers);
        assert_nothing(&grant);
    }
}

static void a_list_of_headers_that_does_not_fit_is_not_granted(void **state)
{
    (void)state;
    /* "Origin, " is 8 characters, so 32 of them are 254 and one more is too long. */
    char list[40 * 7 + 1] = "";
    for (size_t i = 0; i < 32; i++)
        memcpy(list + i * 7, "origin,", 8);
    struct cors_grant grant = ask("*", "https://a.example", "GET", list);
    assert_string_equal(grant.origin, "*");
    assert_int_equal(strlen(grant.headers), 254);
    memcpy(list + (size_t)32 * 7, "origin", 7);
    grant = ask("*", "https://a.example", "GET", list);
    assert_nothing(&grant);
}

/* --- Configuration --- */

static void lists_that_can_be_meant_are_accepted(void **state)
{
    (void)state;
    static const char *const lists[] = {
        "*",
        "null",
        "https://a.example",
        "https://a.example:8443, http://localhost:*",
        "https://*.a.example,*.b.example , *",
        "chrome-extension://abcdef",
        "http://[::1]:3000",
    };
    for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
        struct err_buf why = {.text = ""};
        assert_int_equal(cors_check_origins(lists[i], &why), APP_OK);
    }
}

static void lists_that_would_never_match_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *list;
        const char *reason;
    } cases[] = {
        {"", "empty"},
        {"https://a.example,", "empty"},
        {"https://a.example,,*", "empty"},
        {"https://a.example https://b.example", "commas"},
        {"https://\xc3\xa4.example", "commas"},
        {"https://*.*.example", "one *"},
        {"**", "one *"},
        {"a.example", "scheme://host"},
        {"https://a.example/", "scheme://host"},
        {"https://a.example/path", "scheme://host"},
        {"https://", "scheme://host"},
        {"://a", "scheme://host"},
        {"*,b.example", "scheme://host"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct err_buf why = {.text = ""};
        assert_int_equal(cors_check_origins(cases[i].list, &why), APP_CONFIG);
        if (!strstr(why.text, cases[i].reason))
            print_error("\"%s\": %s\n", cases[i].list, why.text);
        assert_non_null(strstr(why.text, cases[i].reason));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_star_allows_every_origin_and_no_credentials),
        cmocka_unit_test(an_origin_of_the_list_is_echoed_with_credentials),
        cmocka_unit_test(case_does_not_matter_and_the_clients_own_is_echoed),
        cmocka_unit_test(other_origins_are_not_allowed),
        cmocka_unit_test(a_star_in_a_pattern_stands_for_any_characters),
        cmocka_unit_test(start_and_end_of_a_pattern_do_not_overlap),
        cmocka_unit_test(an_origin_that_cannot_be_echoed_is_not_allowed),
        cmocka_unit_test(a_method_that_pages_may_not_use_gets_nothing),
        cmocka_unit_test(a_preflight_is_granted_the_method_and_headers_it_asks_for),
        cmocka_unit_test(all_headers_of_the_policy_and_origin_may_be_asked_for),
        cmocka_unit_test(one_thing_that_is_not_allowed_spoils_the_grant),
        cmocka_unit_test(a_list_of_headers_that_does_not_fit_is_not_granted),
        cmocka_unit_test(lists_that_can_be_meant_are_accepted),
        cmocka_unit_test(lists_that_would_never_match_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
