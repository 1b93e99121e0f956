/* SPDX-License-Identifier: MIT */
#include "lib/fcgi/request.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "support/loopback.h"

#define GET(...) ((const char *const[]){"REQUEST_METHOD=GET", __VA_ARGS__, NULL})

struct body_case {
    const char *length; /* "CONTENT_LENGTH=..." */
    const char *input;
    size_t max;
    enum app_err body_err;
    enum app_err expected;
};

static void assert_body(const struct body_case *test, const char *expected)
{
    struct loopback loopback;
    loopback_init(&loopback, GET("REQUEST_URI=/", test->length), test->input, strlen(test->input));
    loopback.request.input.body_err = test->body_err;
    const char *body = "junk";
    size_t len = 99;
    assert_int_equal(request_body(&loopback.request, test->max, &body, &len), test->expected);
    assert_string_equal(body, expected);
    assert_int_equal(len, test->expected ? 99 : strlen(expected));
    loopback_release(&loopback);
}

static void a_body_is_what_its_length_says(void **state)
{
    (void)state;
    static const struct body_case cases[] = {
        {"CONTENT_LENGTH=5", "hello", 5, APP_OK, APP_OK},
        {"CONTENT_LENGTH=5", "hello", 100, APP_OK, APP_OK},
        {"CONTENT_LENGTH=5", "hello, and more", 5, APP_OK, APP_OK},
        {"OTHER=", "hello", 5, APP_OK, APP_OK},
        {"CONTENT_LENGTH=-1", "hello", 6, APP_OK, APP_OK},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        assert_body(&cases[i], "hello");
}

static void an_empty_body_is_an_empty_string(void **state)
{
    (void)state;
    static const struct body_case cases[] = {
        {"CONTENT_LENGTH=0", "", 0, APP_OK, APP_OK},
        {"CONTENT_LENGTH=0", "x", 0, APP_OK, APP_OK},
        {"OTHER=", "", 0, APP_OK, APP_OK},
        {"OTHER=", "", 10, APP_OK, APP_OK},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        assert_body(&cases[i], "");
    struct loopback loopback;
    loopback_init(&loopback, GET("REQUEST_URI=/"), NULL, 0);
    const char *body;
    size_t len;
    assert_int_equal(request_body(&loopback.request, 0, &body, &len), APP_OK);
    assert_string_equal(body, "");
    loopback_release(&loopback);
}

static void a_body_that_is_not_here_is_an_error(void **state)
{
    (void)state;
    static const struct body_case cases[] = {
        {"CONTENT_LENGTH=6", "hello!", 5, APP_OK, APP_TOO_LARGE},
        {"CONTENT_LENGTH=9223372036854775807", "", 5, APP_OK, APP_TOO_LARGE},
        {"OTHER=", "hello!", 5, APP_OK, APP_TOO_LARGE},
        {"CONTENT_LENGTH=6", "hello", 10, APP_OK, APP_BAD_REQUEST},
        {"CONTENT_LENGTH=6", "", 10, APP_OK, APP_BAD_REQUEST},
        {"CONTENT_LENGTH=6", "", 10, APP_REQUEST_TIMEOUT, APP_REQUEST_TIMEOUT},
        {"OTHER=", "", 10, APP_UNAVAILABLE, APP_UNAVAILABLE},
        {"OTHER=", "", 10, APP_TOO_LARGE, APP_TOO_LARGE},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        assert_body(&cases[i], "junk");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_body_is_what_its_length_says),
        cmocka_unit_test(an_empty_body_is_an_empty_string),
        cmocka_unit_test(a_body_that_is_not_here_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
