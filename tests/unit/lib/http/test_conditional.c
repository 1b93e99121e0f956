/* SPDX-License-Identifier: MIT */
#include "support/cmocka.h"

#include "lib/http/conditional.h"

#define TAG "\"0123456789abcdef\""

static void a_tag_in_the_list_matches(void **state)
{
    (void)state;
    static const char *const matching[] = {
        TAG, "W/" TAG, "\"x\", " TAG, "\"x\" ,W/\"y\"," TAG ",\"z\"", "*", " * ", "  " TAG "  "};
    for (size_t i = 0; i < sizeof(matching) / sizeof(matching[0]); i++)
        assert_true(conditional_none_match(matching[i], TAG));
    assert_true(conditional_none_match(TAG, "W/" TAG));
}

static void other_tags_and_nonsense_do_not_match(void **state)
{
    (void)state;
    static const char *const others[] = {"",
                                         "\"x\"",
                                         "0123456789abcdef",
                                         "\"01234",
                                         "W/",
                                         "junk",
                                         "*, \"x\"",
                                         ", , ",
                                         "\"0123456789ABCDEF\"",
                                         "\"\"",
                                         "\"x\", junk, " TAG};
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
        assert_false(conditional_none_match(others[i], TAG));
}

static void a_strong_tag_in_the_list_is_a_match_and_a_weak_one_is_none(void **state)
{
    (void)state;
    static const char *const matching[] = {TAG, "\"x\", " TAG, "W/\"x\"," TAG, "*", " * "};
    static const char *const others[] = {"",     "W/" TAG, "\"x\", W/" TAG,
                                         "junk", "\"x\"",  "*, \"x\""};
    for (size_t i = 0; i < sizeof(matching) / sizeof(matching[0]); i++)
        assert_true(conditional_match(matching[i], TAG));
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
        assert_false(conditional_match(others[i], TAG));
}

struct range_case {
    const char *range;
    enum range_kind kind;
    size_t first;
    size_t len;
};

static void ranges_of_bytes_are_read(void **state)
{
    (void)state;
    static const struct range_case cases[] = {
        {"bytes=0-0", RANGE_PART, 0, 1},
        {"bytes=0-9", RANGE_PART, 0, 10},
        {"bytes=90-99", RANGE_PART, 90, 10},
        {"bytes=90-", RANGE_PART, 90, 10},
        {"bytes=90-1000", RANGE_PART, 90, 10},
        {"bytes=-1", RANGE_PART, 99, 1},
        {"bytes=-100", RANGE_PART, 0, 100},
        {"bytes=-1000", RANGE_PART, 0, 100},
        {"Bytes= 5-6 ", RANGE_PART, 5, 2},
        {"bytes=99-99999999999999999999999999", RANGE_PART, 99, 1},
        {"bytes=100-", RANGE_UNSATISFIABLE, 0, 0},
        {"bytes=100-200", RANGE_UNSATISFIABLE, 0, 0},
        {"bytes=99999999999999999999999999-", RANGE_UNSATISFIABLE, 0, 0},
        {"bytes=-0", RANGE_UNSATISFIABLE, 0, 0},
        {"", RANGE_WHOLE, 0, 0},
        {"bytes=", RANGE_WHOLE, 0, 0},
        {"bytes=-", RANGE_WHOLE, 0, 0},
        {"bytes=9-5", RANGE_WHOLE, 0, 0},
        {"bytes=0-1,5-6", RANGE_WHOLE, 0, 0},
        {"bytes=a-b", RANGE_WHOLE, 0, 0},
        {"bytes=+1-5", RANGE_WHOLE, 0, 0},
        {"bytes=1-+5", RANGE_WHOLE, 0, 0},
        {"lines=0-1", RANGE_WHOLE, 0, 0},
        {"bytes=0-1x", RANGE_WHOLE, 0, 0},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct range part = {0, 0};
        enum range_kind kind = conditional_range(cases[i].range, "", TAG, 100, &part);
        if (kind != cases[i].kind || part.first != cases[i].first || part.len != cases[i].len)
            fail_msg("%s: %d, %zu, %zu", cases[i].range, (int)kind, part.first, part.len);
    }
}

static void a_range_counts_only_for_the_representation_that_it_was_meant_for(void **state)
{
    (void)state;
    struct range part;
    assert_int_equal(conditional_range("bytes=0-1", TAG, TAG, 9, &part), RANGE_PART);
    assert_int_equal(conditional_range("bytes=0-1", "\"x\"", TAG, 9, &part), RANGE_WHOLE);
    assert_int_equal(conditional_range("bytes=0-1", "W/" TAG, TAG, 9, &part), RANGE_WHOLE);
    assert_int_equal(conditional_range("bytes=0-1", "Sat, 29 Oct 1994 19:43:31 GMT", TAG, 9, &part),
                     RANGE_WHOLE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_tag_in_the_list_matches),
        cmocka_unit_test(other_tags_and_nonsense_do_not_match),
        cmocka_unit_test(a_strong_tag_in_the_list_is_a_match_and_a_weak_one_is_none),
        cmocka_unit_test(ranges_of_bytes_are_read),
        cmocka_unit_test(a_range_counts_only_for_the_representation_that_it_was_meant_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
