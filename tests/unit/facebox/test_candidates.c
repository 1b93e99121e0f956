/* SPDX-License-Identifier: MIT */
#include "facebox/candidates.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static struct candidates candidates;

static int empty(void **state)
{
    (void)state;
    memset(&candidates, 0, sizeof(candidates));
    return 0;
}

static struct candidate make(float left, float top, float right, float bottom, float score)
{
    struct candidate made = {
        .left = left, .top = top, .right = right, .bottom = bottom, .score = score, .passes = 1};
    for (int i = 0; i < CANDIDATE_POINTS; i++) {
        made.points[i][0] = left + (float)i;
        made.points[i][1] = top - (float)i;
    }
    return made;
}

static void add(float left, float top, float right, float bottom, float score)
{
    struct candidate candidate = make(left, top, right, bottom, score);
    candidates_add(&candidates, &candidate);
}

static void assert_near(float value, double expected)
{
    if (!(fabs((double)value - expected) < 1e-3))
        fail_msg("%f instead of %f", (double)value, expected);
}

static void none_merge_into_none(void **state)
{
    (void)state;
    candidates_merge(&candidates, 0);
    assert_int_equal(candidates.count, 0);
}

static void one_stays_what_it_is(void **state)
{
    (void)state;
    struct candidate expected = make(3, 5, 43, 55, 0.7F);
    candidates_add(&candidates, &expected);
    candidates_merge(&candidates, 0);
    assert_int_equal(candidates.count, 1);
    assert_near(candidates.list[0].left, 3);
    assert_near(candidates.list[0].top, 5);
    assert_near(candidates.list[0].right, 43);
    assert_near(candidates.list[0].bottom, 55);
    assert_near(candidates.list[0].score, 0.7);
    assert_near(candidates.list[0].points[5][0], 8);
    assert_near(candidates.list[0].points[5][1], 0);
    assert_int_equal(candidates.list[0].passes, 1);
}

static void those_of_one_face_become_their_mean_weighted_by_score(void **state)
{
    (void)state;
    add(0, 0, 100, 100, 0.4F);
    add(20, 10, 120, 110, 0.8F);
    candidates_merge(&candidates, 0);
    assert_int_equal(candidates.count, 1);
    const struct candidate *face = &candidates.list[0];
    assert_near(face->score, 0.8);
    assert_near(face->left, (0.4 * 0 + 0.8 * 20) / 1.2);
    assert_near(face->top, (0.4 * 0 + 0.8 * 10) / 1.2);
    assert_near(face->right, (0.4 * 100 + 0.8 * 120) / 1.2);
    assert_near(face->bottom, (0.4 * 100 + 0.8 * 110) / 1.2);
    for (int i = 0; i < CANDIDATE_POINTS; i++) {
        assert_near(face->points[i][0], (0.4 * i + 0.8 * (20 + i)) / 1.2);
        assert_near(face->points[i][1], (0.4 * -i + 0.8 * (10 - i)) / 1.2);
    }
}

/* Two boxes of 100 x 100, one `shift` to the right: their union is 100 * (100 + shift). */
static size_t count_merged_of_two(float shift)
{
    candidates.count = 0;
    add(0, 0, 100, 100, 0.9F);
    add(shift, 0, 100 + shift, 100, 0.8F);
    candidates_merge(&candidates, 0);
    return candidates.count;
}

static void three_tenths_of_the_union_are_the_limit_of_one_face(void **state)
{
    (void)state;
    /* (100 - shift) / (100 + shift) is 0.3 at 53.85 */
    assert_int_equal(count_merged_of_two(53.8F), 1);
    assert_int_equal(count_merged_of_two(53.9F), 2);
    assert_int_equal(count_merged_of_two(100), 2);
    assert_int_equal(count_merged_of_two(500), 2);
}

/* A box of 100 x 100, and a surer or less sure one of 20 x 20 that reaches `inside` into it. */
static void assert_small_one_is_left(float inside, float score, size_t expected)
{
    candidates.count = 0;
    add(0, 0, 100, 100, 0.7F);
    add(100 - inside, 40, 120 - inside, 60, score);
    candidates_merge(&candidates, 0);
    assert_int_equal(candidates.count, expected);
    assert_near(candidates.list[0].score, score > 0.7F ? (double)score : 0.7);
}

static void what_lies_inside_or_around_a_surer_one_is_dropped(void **state)
{
    (void)state;
    assert_small_one_is_left(20, 0.5F, 1);
    assert_small_one_is_left(12.1F, 0.5F, 1);
    assert_small_one_is_left(11.9F, 0.5F, 2);
    assert_small_one_is_left(20, 0.9F, 1);
    assert_small_one_is_left(12.1F, 0.9F, 1);
    assert_small_one_is_left(11.9F, 0.9F, 2);
}

static void what_is_dropped_does_not_move_the_box(void **state)
{
    (void)state;
    add(0, 0, 100, 100, 0.7F);
    add(80, 80, 100, 100, 0.6F);
    candidates_merge(&candidates, 0);
    assert_int_equal(candidates.count, 1);
    assert_near(candidates.list[0].left, 0);
    assert_near(candidates.list[0].top, 0);
}

static void those_that_saw_a_face_are_remembered_together(void **state)
{
    (void)state;
    struct candidate first = make(0, 0, 100, 100, 0.6F), second = make(5, 5, 105, 105, 0.7F);
    struct candidate other = make(300, 0, 400, 100, 0.5F), inside = make(310, 10, 330, 30, 0.4F);
    first.passes = 1;
    second.passes = 4;
    other.passes = 2;
    inside.passes = 8;
    candidates_add(&candidates, &first);
    candidates_add(&candidates, &inside);
    candidates_add(&candidates, &second);
    candidates_add(&candidates, &other);
    candidates_merge(&candidates, 0);
    assert_int_equal(candidates.count, 2);
    assert_int_equal(candidates.list[0].passes, 5);
    assert_int_equal(candidates.list[1].passes, 2);
}

static void the_surest_comes_first(void **state)
{
    (void)state;
    for (int i = 0; i < 50; i++)
        add((float)i * 200, 0, (float)i * 200 + 100, 100, 0.01F + (float)(i * 37 % 50) / 60);
    candidates_merge(&candidates, 0);
    assert_int_equal(candidates.count, 50);
    for (size_t i = 1; i < candidates.count; i++)
        assert_true(candidates.list[i - 1].score > candidates.list[i].score);
}

static void the_ones_before_the_first_are_left_alone(void **state)
{
    (void)state;
    add(0, 0, 100, 100, 0.1F);
    add(0, 0, 100, 100, 0.5F);
    add(2, 2, 102, 102, 0.6F);
    candidates_merge(&candidates, 1);
    assert_int_equal(candidates.count, 2);
    assert_near(candidates.list[0].score, 0.1);
    assert_near(candidates.list[1].score, 0.6);
    candidates_merge(&candidates, 0);
    assert_int_equal(candidates.count, 1);
    candidates_merge(&candidates, 1);
    assert_int_equal(candidates.count, 1);
}

static void boxes_without_an_area_stay_apart(void **state)
{
    (void)state;
    add(10, 10, 10, 10, 0.9F);
    add(10, 10, 10, 10, 0.8F);
    add(10, 10, 10, 50, 0.7F);
    candidates_merge(&candidates, 0);
    assert_int_equal(candidates.count, 3);
    for (size_t i = 0; i < 3; i++)
        assert_true(isfinite(candidates.list[i].left) && isfinite(candidates.list[i].bottom));
}

static bool has_score(float score)
{
    for (size_t i = 0; i < candidates.count; i++) {
        if (candidates.list[i].score == score)
            return true;
    }
    return false;
}

static void the_least_sure_gives_way_when_there_is_no_room(void **state)
{
    (void)state;
    for (int i = 0; i < CANDIDATES_MAX; i++)
        add((float)i * 200, 0, (float)i * 200 + 100, 100, i == 7 ? 0.2F : i == 9 ? 0.3F : 0.5F);
    assert_int_equal(candidates.count, CANDIDATES_MAX);
    add(-500, 0, -400, 100, 0.1F);
    assert_int_equal(candidates.count, CANDIDATES_MAX);
    assert_false(has_score(0.1F));
    assert_true(has_score(0.2F));
    add(-500, 0, -400, 100, 0.6F);
    assert_int_equal(candidates.count, CANDIDATES_MAX);
    assert_false(has_score(0.2F));
    assert_true(has_score(0.3F));
    assert_true(has_score(0.6F));
    candidates_merge(&candidates, 0);
    assert_int_equal(candidates.count, CANDIDATES_MAX);
    assert_near(candidates.list[0].score, 0.6);
    assert_near(candidates.list[CANDIDATES_MAX - 1].score, 0.3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(none_merge_into_none, empty),
        cmocka_unit_test_setup(one_stays_what_it_is, empty),
        cmocka_unit_test_setup(those_of_one_face_become_their_mean_weighted_by_score, empty),
        cmocka_unit_test_setup(three_tenths_of_the_union_are_the_limit_of_one_face, empty),
        cmocka_unit_test_setup(what_lies_inside_or_around_a_surer_one_is_dropped, empty),
        cmocka_unit_test_setup(what_is_dropped_does_not_move_the_box, empty),
        cmocka_unit_test_setup(those_that_saw_a_face_are_remembered_together, empty),
        cmocka_unit_test_setup(the_surest_comes_first, empty),
        cmocka_unit_test_setup(the_ones_before_the_first_are_left_alone, empty),
        cmocka_unit_test_setup(boxes_without_an_area_stay_apart, empty),
        cmocka_unit_test_setup(the_least_sure_gives_way_when_there_is_no_room, empty),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
