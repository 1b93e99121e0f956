/* SPDX-License-Identifier: MIT */
#include "lib/base/hex.h"

#include "support/cmocka.h"

static void digits_of_either_case_have_a_value(void **state)
{
    (void)state;
    static const char lower[] = "0123456789abcdef", upper[] = "0123456789ABCDEF";
    for (int i = 0; i < 16; i++) {
        assert_int_equal(hex_value(lower[i]), i);
        assert_int_equal(hex_value(upper[i]), i);
    }
}

static void nothing_else_has(void **state)
{
    (void)state;
    int digits = 0;
    for (int byte = -128; byte < 128; byte++)
        digits += hex_value((char)byte) >= 0;
    assert_int_equal(digits, 22);
    static const char neighbours[] = "/:@G`g";
    for (size_t i = 0; i < sizeof(neighbours); i++) /* the NUL as well */
        assert_int_equal(hex_value(neighbours[i]), -1);
}

static void two_digits_are_a_byte(void **state)
{
    (void)state;
    assert_int_equal(hex_byte("00"), 0);
    assert_int_equal(hex_byte("7f"), 127);
    assert_int_equal(hex_byte("Ff!"), 255);
    assert_int_equal(hex_byte("g0"), -1);
    assert_int_equal(hex_byte("0g"), -1);
    assert_int_equal(hex_byte("1"), -1);
    assert_int_equal(hex_byte(""), -1);
}

static void bytes_are_written_in_lower_case(void **state)
{
    (void)state;
    static const unsigned char bytes[] = {0x00, 0x1f, 0xab, 0xff};
    char text[2 * sizeof(bytes) + 1];
    hex_write(bytes, sizeof(bytes), text);
    assert_string_equal(text, "001fabff");
    hex_write(bytes, 0, text);
    assert_string_equal(text, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(digits_of_either_case_have_a_value),
        cmocka_unit_test(nothing_else_has),
        cmocka_unit_test(two_digits_are_a_byte),
        cmocka_unit_test(bytes_are_written_in_lower_case),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
