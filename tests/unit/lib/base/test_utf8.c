/* SPDX-License-Identifier: MIT */
#include "support/cmocka.h"

#include <string.h>

#include "lib/base/utf8.h"

static void well_formed_characters_have_their_length(void **state)
{
    (void)state;
    assert_int_equal(utf8_char_len("a", 1), 1);
    assert_int_equal(utf8_char_len("\xc3\xa9", 2), 2);
    assert_int_equal(utf8_char_len("\xe2\x82\xac", 3), 3);
    assert_int_equal(utf8_char_len("\xf0\x9f\x98\x80", 4), 4);
    assert_int_equal(utf8_char_len("\xf4\x8f\xbf\xbf", 4), 4);
}

static void malformed_characters_have_none(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "\x80",
        "\xc0\xaf",
        "\xc1\xbf",
        "\xe0\x9f\xbf",
        "\xed\xa0\x80",
        "\xf0\x8f\x80",
        "\xf0\x8f\xbf\xbf",
        "\xf4\x90\x80\x80",
        "\xf5\x80\x80\x80",
        "\xff",
        "\xc3",
        "\xe2\x82",
        "\xf0\x9f\x98",
        "\xc3(",
        "\xe2(\xa1",
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_int_equal(utf8_char_len(bad[i], strlen(bad[i])), 0);
    assert_int_equal(utf8_char_len("", 0), 0);
}

static void a_character_that_is_cut_off_is_malformed(void **state)
{
    (void)state;
    assert_int_equal(utf8_char_len("\xf0\x9f\x98\x80", 3), 0);
    assert_false(utf8_is_valid("ab\xc3\xa9", 3));
    assert_true(utf8_is_valid("ab\xc3\xa9", 4));
    assert_true(utf8_is_valid("", 0));
}

static void control_characters_are_not_printable(void **state)
{
    (void)state;
    assert_int_equal(utf8_printable_len("\x1b", 1), 0);
    assert_int_equal(utf8_printable_len("\x7f", 1), 0);
    assert_int_equal(utf8_printable_len("\0", 1), 0);
    assert_int_equal(utf8_printable_len("\xc2\x85", 2), 0);
    assert_int_equal(utf8_printable_len("\xc2\xa0", 2), 2);
}

static void controls_of_the_text_s_direction_are_not_printable(void **state)
{
    (void)state;
    static const unsigned controls[][2] = {{0x202a, 0x202e}, {0x2066, 0x2069}};
    for (unsigned code = 0x2000; code < 0x2100; code++) {
        bool is_control = false;
        for (size_t i = 0; i < 2; i++)
            is_control |= code >= controls[i][0] && code <= controls[i][1];
        const char text[] = {(char)0xe2, (char)(0x80 | (code >> 6 & 0x3f)),
                             (char)(0x80 | (code & 0x3f))};
        assert_int_equal(utf8_printable_len(text, 3), is_control ? 0 : 3);
    }
}

static void a_copy_is_one_line_and_cuts_no_character(void **state)
{
    (void)state;
    char out[6];
    memset(out, 'z', sizeof(out));
    utf8_copy_printable(out, 5, "a\nb\xff", 4);
    assert_string_equal(out, "a?b?");
    utf8_copy_printable(out, 5, "abc\xf0\x9f\x98\x80", 7);
    assert_string_equal(out, "abc");
    utf8_copy_printable(out, 5, "", 0);
    assert_string_equal(out, "");
    utf8_copy_printable(out, 5, "abcdefgh", 8);
    assert_string_equal(out, "abcde");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(well_formed_characters_have_their_length),
        cmocka_unit_test(malformed_characters_have_none),
        cmocka_unit_test(a_character_that_is_cut_off_is_malformed),
        cmocka_unit_test(control_characters_are_not_printable),
        cmocka_unit_test(controls_of_the_text_s_direction_are_not_printable),
        cmocka_unit_test(a_copy_is_one_line_and_cuts_no_character),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
