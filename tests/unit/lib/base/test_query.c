/* SPDX-License-Identifier: MIT */
#include "lib/base/query.h"

#include <string.h>

#include "support/cmocka.h"

enum { SIZE = 16 };

/* Found, with that value, and whatever was in `out` before. */
static void assert_value(const char *query, const char *name, const char *expected)
{
    char out[SIZE];
    memset(out, 'x', sizeof(out));
    if (!query_value(query, name, out, sizeof(out)))
        fail_msg("no %s in \"%s\"", name, query);
    assert_string_equal(out, expected);
}

static void assert_none(const char *query, const char *name)
{
    char out[SIZE];
    memset(out, 'x', sizeof(out));
    if (query_value(query, name, out, sizeof(out)))
        fail_msg("%s in \"%s\" is \"%s\"", name, query, out);
    assert_string_equal(out, "");
}

static void a_value_is_found_at_any_place(void **state)
{
    (void)state;
    assert_value("seconds=5", "seconds", "5");
    assert_value("seconds=5&debug=1&ago=60", "seconds", "5");
    assert_value("seconds=5&debug=1&ago=60", "debug", "1");
    assert_value("seconds=5&debug=1&ago=60", "ago", "60");
    assert_value("&&seconds=5&&", "seconds", "5");
}

static void a_value_may_be_empty_and_hold_an_equals_sign(void **state)
{
    (void)state;
    assert_value("seconds=", "seconds", "");
    assert_value("seconds=&debug=1", "seconds", "");
    assert_value("a=b=c", "a", "b=c");
    assert_value("a==", "a", "=");
}

static void a_name_is_whole(void **state)
{
    (void)state;
    assert_none("", "seconds");
    assert_none("seconds", "seconds");
    assert_none("seconds&debug=1", "seconds");
    assert_none("secondsx=5", "seconds");
    assert_none("xseconds=5", "seconds");
    assert_none("second=5", "seconds");
    assert_none("Seconds=5", "seconds");
    assert_none("a=seconds=5", "seconds");
    assert_value("secondsx=5&seconds=6", "seconds", "6");
}

static void of_two_values_the_first_counts(void **state)
{
    (void)state;
    assert_value("a=1&a=2", "a", "1");
    assert_none("a=%zz&a=2", "a");
}

static void a_value_is_decoded(void **state)
{
    (void)state;
    assert_value("a=%41%7a%2D", "a", "Az-");
    assert_value("a=%c3%A4", "a", "\xc3\xa4");
    assert_value("a=x+y%2Bz", "a", "x y+z");
    assert_value("a=1%262&b=3", "a", "1&2");
    assert_value("a=%01%ff", "a", "\x01\xff");
    assert_value("a=%10", "a", "\x10");
}

static void a_malformed_value_is_none(void **state)
{
    (void)state;
    static const char *const bad[] = {"a=%",    "a=%4",     "a=x%4",  "a=%zz",   "a=%4z",
                                      "a=%z4",  "a=%%41",   "a=%00",  "a=1%002", "a=% 1",
                                      "a=%&41", "a=%4&1=1", "a=%-1x", "a=%0x",   "a=%+1"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_none(bad[i], "a");
}

static void only_what_fits_is_a_value(void **state)
{
    (void)state;
    char out[4] = "xxx";
    assert_true(query_value("a=12", "a", out, sizeof(out)));
    assert_string_equal(out, "12");
    assert_true(query_value("a=123&b=1", "a", out, sizeof(out)));
    assert_string_equal(out, "123");
    assert_true(query_value("a=%31%32%33", "a", out, sizeof(out)));
    assert_string_equal(out, "123");
    assert_false(query_value("a=1234", "a", out, sizeof(out)));
    assert_string_equal(out, "");

    char nothing[1] = {'x'};
    assert_true(query_value("a=", "a", nothing, sizeof(nothing)));
    assert_int_equal(nothing[0], '\0');
    nothing[0] = 'x';
    assert_false(query_value("a=1", "a", nothing, sizeof(nothing)));
    assert_int_equal(nothing[0], '\0');
}

static void assert_number(const char *query, double expected)
{
    double number = query_number(query, "a", -7);
    if (number < expected || number > expected)
        fail_msg("%s is %f", query, number);
}

static void a_number_is_finite_and_whole_or_none(void **state)
{
    (void)state;
    assert_number("a=5", 5);
    assert_number("b=1&a=-2.5e1&a=3", -25);
    assert_number("a=%31%30", 10);
    static const char *const bad[] = {"",
                                      "a=",
                                      "a=five",
                                      "a=5s",
                                      "a=5%20",
                                      "a=inf",
                                      "a=nan",
                                      "a=1e999",
                                      "a=%zz",
                                      "b=5",
                                      "a=000000000000000000000000000000005"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_number(bad[i], -7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_value_is_found_at_any_place),
        cmocka_unit_test(a_value_may_be_empty_and_hold_an_equals_sign),
        cmocka_unit_test(a_name_is_whole),
        cmocka_unit_test(of_two_values_the_first_counts),
        cmocka_unit_test(a_value_is_decoded),
        cmocka_unit_test(a_malformed_value_is_none),
        cmocka_unit_test(only_what_fits_is_a_value),
        cmocka_unit_test(a_number_is_finite_and_whole_or_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
