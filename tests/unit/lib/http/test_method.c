/* SPDX-License-Identifier: MIT */
#include "lib/http/method.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void each_name_is_read_back_as_its_method(void **state)
{
    (void)state;
    for (enum http_method method = HTTP_GET; method < HTTP_OTHER; method++)
        assert_int_equal(http_method_parse(http_method_name(method)), method);
}

static void the_names_are_those_of_the_rfc(void **state)
{
    (void)state;
    assert_string_equal(http_method_name(HTTP_GET), "GET");
    assert_string_equal(http_method_name(HTTP_HEAD), "HEAD");
    assert_string_equal(http_method_name(HTTP_POST), "POST");
    assert_string_equal(http_method_name(HTTP_PUT), "PUT");
    assert_string_equal(http_method_name(HTTP_DELETE), "DELETE");
    assert_string_equal(http_method_name(HTTP_OPTIONS), "OPTIONS");
    assert_string_equal(http_method_name(HTTP_OTHER), "OTHER");
}

static void names_are_case_sensitive_and_whole(void **state)
{
    (void)state;
    static const char *const others[] = {"",     "get",   "Get",   "GE",    "GETS",
                                         "GET ", "PATCH", "TRACE", "OTHER", "\xff"};
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
        assert_int_equal(http_method_parse(others[i]), HTTP_OTHER);
}

static void the_bits_of_two_methods_differ(void **state)
{
    (void)state;
    unsigned seen = 0;
    for (enum http_method method = HTTP_GET; method < HTTP_METHOD__MAX; method++) {
        assert_int_equal(seen & HTTP_METHOD_BIT(method), 0);
        seen |= HTTP_METHOD_BIT(method);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_name_is_read_back_as_its_method),
        cmocka_unit_test(the_names_are_those_of_the_rfc),
        cmocka_unit_test(names_are_case_sensitive_and_whole),
        cmocka_unit_test(the_bits_of_two_methods_differ),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
