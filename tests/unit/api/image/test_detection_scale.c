/* SPDX-License-Identifier: MIT */
#include "api/image/detection.h"

#include "support/cmocka.h"

static void box_and_points_of_a_reduced_copy_grow_to_the_picture(void **state)
{
    (void)state;
    const struct detection_copy copy = {.scale = 2.5};
    struct face faces[2] = {
        {.box = {10, -20, 31, 40}, .has_points = true},
        {.box = {1, 2, 3, 4}},
    };
    for (int i = 0; i < FACE_POINT__MAX; i++)
        faces[0].points[i] = (struct face_point){i * 10.5, -i};
    detection_copy_scale(&copy, faces, 2);
    assert_int_equal(faces[0].box.left, 25);
    assert_int_equal(faces[0].box.top, -50);
    assert_int_equal(faces[0].box.width, 78);
    assert_int_equal(faces[0].box.height, 100);
    assert_true(faces[0].has_points);
    for (int i = 0; i < FACE_POINT__MAX; i++) {
        assert_true(faces[0].points[i].x == i * 26.25);
        assert_true(faces[0].points[i].y == i * -2.5);
    }
    assert_false(faces[1].has_points);
    assert_int_equal(faces[1].box.height, 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(box_and_points_of_a_reduced_copy_grow_to_the_picture),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
