/* SPDX-License-Identifier: MIT */
#include "api/image/geometry.h"

#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static const struct box junk = {-7, -8, -9, -10};

static void assert_not_drawn(struct box face, int width, int height)
{
    struct box emoji = junk;
    assert_false(geometry_emoji_box(&face, width, height, &emoji));
    assert_memory_equal(&emoji, &junk, sizeof(emoji));
}

static struct box must_draw(struct box face, int width, int height)
{
    struct box emoji = junk;
    assert_true(geometry_emoji_box(&face, width, height, &emoji));
    assert_int_equal(emoji.width, emoji.height);
    return emoji;
}

static void an_emoji_is_a_larger_square_a_little_above_the_face(void **state)
{
    (void)state;
    struct box emoji = must_draw((struct box){200, 100, 100, 100}, 1000, 800);
    assert_int_equal(emoji.width, 140);
    assert_int_equal(emoji.left, 180);
    assert_int_equal(emoji.top, 75);
}

static void the_longer_side_of_a_face_counts(void **state)
{
    (void)state;
    struct box tall = must_draw((struct box){200, 200, 50, 100}, 1000, 800);
    struct box wide = must_draw((struct box){200, 200, 100, 50}, 1000, 800);
    assert_int_equal(tall.width, 140);
    assert_int_equal(wide.width, 140);
    assert_int_equal(tall.left, 155);
    assert_int_equal(wide.top, 150);
}

static void the_smallest_face_gets_a_pixel(void **state)
{
    (void)state;
    struct box emoji = must_draw((struct box){0, 0, 1, 1}, 1, 1);
    assert_int_equal(emoji.width, 1);
    assert_int_equal(emoji.left, 0);
    assert_int_equal(emoji.top, 0);
}

static void empty_faces_and_pictures_get_none(void **state)
{
    (void)state;
    assert_not_drawn((struct box){10, 10, 0, 10}, 100, 100);
    assert_not_drawn((struct box){10, 10, 10, 0}, 100, 100);
    assert_not_drawn((struct box){10, 10, -5, 10}, 100, 100);
    assert_not_drawn((struct box){10, 10, 10, INT_MIN}, 100, 100);
    assert_not_drawn((struct box){10, 10, 10, 10}, 0, 100);
    assert_not_drawn((struct box){10, 10, 10, 10}, 100, -1);
}

static void a_face_may_be_four_times_the_picture_but_not_more(void **state)
{
    (void)state;
    (void)must_draw((struct box){-150, -150, 400, 400}, 100, 50);
    assert_not_drawn((struct box){-150, -150, 401, 400}, 100, 50);
    assert_not_drawn((struct box){-150, -150, 400, 401}, 100, 50);
}

static void an_emoji_outside_the_picture_is_not_drawn(void **state)
{
    (void)state;
    /* Faces of 100: the emoji reaches 20 further at the sides, 25 at the top, 15 at the bottom. */
    (void)must_draw((struct box){-119, 300, 100, 100}, 1000, 800);
    assert_not_drawn((struct box){-120, 300, 100, 100}, 1000, 800);
    (void)must_draw((struct box){1019, 300, 100, 100}, 1000, 800);
    assert_not_drawn((struct box){1020, 300, 100, 100}, 1000, 800);
    (void)must_draw((struct box){300, -114, 100, 100}, 1000, 800);
    assert_not_drawn((struct box){300, -115, 100, 100}, 1000, 800);
    (void)must_draw((struct box){300, 824, 100, 100}, 1000, 800);
    assert_not_drawn((struct box){300, 825, 100, 100}, 1000, 800);
}

static void hostile_numbers_do_not_overflow(void **state)
{
    (void)state;
    static const int extremes[] = {INT_MIN, INT_MIN + 1, -1, 0, 1, INT_MAX - 1, INT_MAX};
    enum { COUNT = sizeof(extremes) / sizeof(extremes[0]), COMBINATIONS = 7 * 7 * 7 * 7 };
    for (int i = 0; i < COMBINATIONS; i++) {
        struct box face = {extremes[i % COUNT], extremes[i / COUNT % COUNT],
                           extremes[i / COUNT / COUNT % COUNT],
                           extremes[i / COUNT / COUNT / COUNT % COUNT]};
        struct box emoji = junk;
        /* The sanitizer is the judge; what is drawn must also overlap with the picture. */
        if (geometry_emoji_box(&face, 100, 100, &emoji))
            assert_true(emoji.left < 100 && emoji.left + emoji.width > 0);
        if (geometry_emoji_box(&face, INT_MAX, INT_MAX, &emoji))
            assert_true(emoji.width > 0);
    }
}

static const char key[] = "0123456789abcdef0123456789abcdef";

static void all_faces_of_a_picture_get_different_emoji_while_there_are_enough(void **state)
{
    (void)state;
    char other[sizeof(key)];
    memcpy(other, key, sizeof(key));
    for (size_t count = 1; count <= 100; count++) {
        bool seen[100] = {false};
        other[count % 32] = (char)('0' + count % 10);
        for (size_t face = 0; face < count; face++) {
            size_t index = geometry_choose_emoji(other, face, count);
            assert_true(index < count);
            assert_false(seen[index]);
            seen[index] = true;
        }
    }
}

static void neighbours_differ_even_when_there_are_more_faces_than_emoji(void **state)
{
    (void)state;
    for (size_t count = 2; count <= 12; count++) {
        for (size_t face = 0; face < 60; face++)
            assert_int_not_equal(geometry_choose_emoji(key, face, count),
                                 geometry_choose_emoji(key, face + 1, count));
        assert_true(geometry_choose_emoji(key, SIZE_MAX, count) < count);
    }
}

static void the_choice_depends_on_key_and_index_only(void **state)
{
    (void)state;
    char copy[sizeof(key)];
    memcpy(copy, key, sizeof(key));
    for (size_t face = 0; face < 20; face++)
        assert_int_equal(geometry_choose_emoji(key, face, 80),
                         geometry_choose_emoji(copy, face, 80));
}

static void keys_spread_over_all_emoji(void **state)
{
    (void)state;
    enum { COUNT = 80, KEYS = 2000 };
    int hits[COUNT] = {0};
    for (int i = 0; i < KEYS; i++) {
        char text[33];
        (void)snprintf(text, sizeof(text), "%032x", (unsigned)i * 2654435761U);
        hits[geometry_choose_emoji(text, 0, COUNT)]++;
    }
    for (int i = 0; i < COUNT; i++)
        assert_in_range(hits[i], 1, KEYS / COUNT * 4);
}

static void a_choice_of_one_or_none_is_the_first(void **state)
{
    (void)state;
    assert_int_equal(geometry_choose_emoji(key, 5, 1), 0);
    assert_int_equal(geometry_choose_emoji(key, 5, 0), 0);
    assert_in_range(geometry_choose_emoji("", 5, 7), 0, 6);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_emoji_is_a_larger_square_a_little_above_the_face),
        cmocka_unit_test(the_longer_side_of_a_face_counts),
        cmocka_unit_test(the_smallest_face_gets_a_pixel),
        cmocka_unit_test(empty_faces_and_pictures_get_none),
        cmocka_unit_test(a_face_may_be_four_times_the_picture_but_not_more),
        cmocka_unit_test(an_emoji_outside_the_picture_is_not_drawn),
        cmocka_unit_test(hostile_numbers_do_not_overflow),
        cmocka_unit_test(all_faces_of_a_picture_get_different_emoji_while_there_are_enough),
        cmocka_unit_test(neighbours_differ_even_when_there_are_more_faces_than_emoji),
        cmocka_unit_test(the_choice_depends_on_key_and_index_only),
        cmocka_unit_test(keys_spread_over_all_emoji),
        cmocka_unit_test(a_choice_of_one_or_none_is_the_first),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
