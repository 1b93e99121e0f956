/* SPDX-License-Identifier: MIT */
/* Aladdin is the example of RFC 7617. */
#include "facebox/basic_auth.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void the_right_user_and_password_match(void **state)
{
    (void)state;
    assert_true(basic_auth_matches("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==", "Aladdin", "open sesame"));
    assert_true(basic_auth_matches("bAsIc QWxhZGRpbjpvcGVuIHNlc2FtZQ==", "Aladdin", "open sesame"));
    assert_true(basic_auth_matches("Basic dTo=", "u", ""));
    assert_true(basic_auth_matches("Basic dTphOmI=", "u", "a:b"));
}

static void anything_else_does_not(void **state)
{
    (void)state;
    static const char *const headers[] = {
        "",
        "Basic",
        "Basic ",
        "Basic Og==",                         /* ":" */
        "Basic QWxhZGRpbjo=",                 /* no password */
        "Basic QWxhZGRpbjpvcGVuIHNlc2Ft",     /* shorter */
        "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQA=", /* a NUL more */
        "Basic QWxhZGRpbjpvcGVuIHNlc2FtZWU=", /* longer */
        "Basic YWxhZGRpbjpvcGVuIHNlc2FtZQ==", /* aladdin */
        "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ",   /* no padding */
        "Basic ****",
        "Bearer QWxhZGRpbjpvcGVuIHNlc2FtZQ==",
        "QWxhZGRpbjpvcGVuIHNlc2FtZQ==",
    };
    assert_false(basic_auth_matches(NULL, "Aladdin", "open sesame"));
    for (size_t i = 0; i < sizeof(headers) / sizeof(headers[0]); i++) {
        if (basic_auth_matches(headers[i], "Aladdin", "open sesame"))
            fail_msg("\"%s\" was taken", headers[i]);
    }
}

static void a_huge_header_does_not_match(void **state)
{
    (void)state;
    char header[60000] = "Basic ";
    memset(header + 6, 'A', sizeof(header) - 7);
    assert_false(basic_auth_matches(header, "u", "p"));
}

static void a_user_with_a_colon_is_refused(void **state)
{
    (void)state;
    struct err_buf why = {0};
    assert_int_equal(basic_auth_check_user("user name", &why), APP_OK);
    assert_int_equal(basic_auth_check_user("a:b", &why), APP_CONFIG);
    assert_string_equal(why.text, "a user's name has no colon");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_right_user_and_password_match),
        cmocka_unit_test(anything_else_does_not),
        cmocka_unit_test(a_huge_header_does_not_match),
        cmocka_unit_test(a_user_with_a_colon_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
