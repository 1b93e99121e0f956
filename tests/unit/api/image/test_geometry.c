/* SPDX-License-Identifier: MIT */
#include "api/image/geometry.h"

#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "support/cmocka.h"

static const struct placement junk = {-7, -8, -9, -10};

static struct face boxed(int left, int top, int width, int height)
{
    return (struct face){.box = {left, top, width, height}};
}

static void assert_not_drawn(struct face face, int width, int height)
{
    struct placement place = junk;
    assert_false(geometry_place(&face, width, height, &place));
    assert_memory_equal(&place, &junk, sizeof(place));
}

static struct placement must_draw(struct face face, int width, int height)
{
    struct placement place = junk;
    assert_true(geometry_place(&face, width, height, &place));
    return place;
}

static void assert_place(struct placement place, double left, double top, double side)
{
    assert_true(place.side == side);
    assert_true(place.x - side / 2 == left);
    assert_true(place.y - side / 2 == top);
    assert_true(place.angle == 0);
}

static void an_emoji_is_a_larger_square_a_little_above_the_face(void **state)
{
    (void)state;
    assert_place(must_draw(boxed(200, 100, 100, 100), 1000, 800), 180, 75, 140);
}

static void the_longer_side_of_a_face_counts(void **state)
{
    (void)state;
    assert_place(must_draw(boxed(200, 200, 50, 100), 1000, 800), 155, 175, 140);
    assert_place(must_draw(boxed(200, 200, 100, 50), 1000, 800), 180, 150, 140);
}

static void the_smallest_face_gets_a_pixel(void **state)
{
    (void)state;
    assert_place(must_draw(boxed(0, 0, 1, 1), 1, 1), 0, 0, 1);
}

static void empty_faces_and_pictures_get_none(void **state)
{
    (void)state;
    assert_not_drawn(boxed(10, 10, 0, 10), 100, 100);
    assert_not_drawn(boxed(10, 10, 10, 0), 100, 100);
    assert_not_drawn(boxed(10, 10, -5, 10), 100, 100);
    assert_not_drawn(boxed(10, 10, 10, INT_MIN), 100, 100);
    assert_not_drawn(boxed(10, 10, 10, 10), 0, 100);
    assert_not_drawn(boxed(10, 10, 10, 10), 100, -1);
}

static void a_face_may_be_four_times_the_picture_but_not_more(void **state)
{
    (void)state;
    (void)must_draw(boxed(-150, -150, 400, 400), 100, 50);
    assert_not_drawn(boxed(-150, -150, 401, 400), 100, 50);
    assert_not_drawn(boxed(-150, -150, 400, 401), 100, 50);
}

static void an_emoji_outside_the_picture_is_not_drawn(void **state)
{
    (void)state;
    /* Faces of 100: the emoji reaches 20 further at the sides, 25 at the top, 15 at the bottom. */
    (void)must_draw(boxed(-119, 300, 100, 100), 1000, 800);
    assert_not_drawn(boxed(-120, 300, 100, 100), 1000, 800);
    (void)must_draw(boxed(1019, 300, 100, 100), 1000, 800);
    assert_not_drawn(boxed(1020, 300, 100, 100), 1000, 800);
    (void)must_draw(boxed(300, -114, 100, 100), 1000, 800);
    assert_not_drawn(boxed(300, -115, 100, 100), 1000, 800);
    (void)must_draw(boxed(300, 824, 100, 100), 1000, 800);
    assert_not_drawn(boxed(300, 825, 100, 100), 1000, 800);
}

static void hostile_numbers_do_not_overflow(void **state)
{
    (void)state;
    static const int extremes[] = {INT_MIN, INT_MIN + 1, -1, 0, 1, INT_MAX - 1, INT_MAX};
    enum { COUNT = sizeof(extremes) / sizeof(extremes[0]), COMBINATIONS = 7 * 7 * 7 * 7 };
    for (int i = 0; i < COMBINATIONS; i++) {
        struct face face =
            boxed(extremes[i % COUNT], extremes[i / COUNT % COUNT],
                  extremes[i / COUNT / COUNT % COUNT], extremes[i / COUNT / COUNT / COUNT % COUNT]);
        struct placement place;
        /* The sanitizer is the judge; what is drawn must also overlap with the picture. */
        if (geometry_place(&face, 100, 100, &place))
            assert_true(place.x - place.side / 2 < 100 && place.x + place.side / 2 > 0);
        if (geometry_place(&face, INT_MAX, INT_MAX, &place))
            assert_true(place.side > 0);
    }
}

/* --- Faces with points ------------------------------------------------------------------ */

#define DEGREE (M_PI / 180)

enum { WIDTH = 1000, HEIGHT = 800 };

/* As the detector's network tells them, of photographs. */
static const struct face from_the_front = {.box = {400, 300, 208, 208},
                                           .has_points = true,
                                           .points = {{463.1, 369.4},
                                                      {546.4, 367.4},
                                                      {507.4, 418.8},
                                                      {508.0, 457.6},
                                                      {420.4, 389.5},
                                                      {588.8, 385.3}}};
static const struct face profile = {.box = {119, 69, 89, 89},
                                    .has_points = true,
                                    .points = {{160.2, 91.9},
                                               {171.4, 92.8},
                                               {189.3, 110.3},
                                               {176.4, 131.8},
                                               {100.9, 103.2},
                                               {143.4, 104.2}}};

/* Turned about the box's middle; the box stays, as if it were that of a larger face. */
static struct face turned(struct face face, double degrees)
{
    double cosine = cos(degrees * DEGREE), sine = sin(degrees * DEGREE);
    double middle_x = face.box.left + face.box.width / 2.0;
    double middle_y = face.box.top + face.box.height / 2.0;
    for (int i = 0; i < FACE_POINT__MAX; i++) {
        double x = face.points[i].x - middle_x, y = face.points[i].y - middle_y;
        face.points[i].x = middle_x + x * cosine - y * sine;
        face.points[i].y = middle_y + y * cosine + x * sine;
    }
    return face;
}

/* The same face as in a mirror: what was right is left. */
static struct face mirrored(struct face face)
{
    static const enum face_point_name others[FACE_POINT__MAX] = {
        [FACE_RIGHT_EYE] = FACE_LEFT_EYE, [FACE_LEFT_EYE] = FACE_RIGHT_EYE,
        [FACE_NOSE] = FACE_NOSE,          [FACE_MOUTH] = FACE_MOUTH,
        [FACE_RIGHT_EAR] = FACE_LEFT_EAR, [FACE_LEFT_EAR] = FACE_RIGHT_EAR,
    };
    struct face other = face;
    for (int i = 0; i < FACE_POINT__MAX; i++) {
        other.points[i] = face.points[others[i]];
        other.points[i].x = 2 * face.box.left + face.box.width - other.points[i].x;
    }
    return other;
}

/* The eyes' angle is 0 at first. */
static struct face level(void)
{
    return turned(from_the_front, atan2(2.0, 83.3) / DEGREE);
}

static double angle_of(struct face face)
{
    return must_draw(face, WIDTH, HEIGHT).angle / DEGREE;
}

static void assert_angle(struct face face, double expected, double tolerance)
{
    double angle = angle_of(face);
    if (fabs(angle - expected) > tolerance)
        fail_msg("turned by %.2f and not %.2f degrees", angle, expected);
}

static void an_emoji_turns_with_the_eyes_from_5_to_60_degrees(void **state)
{
    (void)state;
    static const double angles[][2] = {
        {0, 0},       {4.9, 0},   {-4.9, 0},  {5.001, 5.001}, {-5.1, -5.1}, {23, 23},  {-45, -45},
        {59.9, 59.9}, {60.1, 60}, {-61, -60}, {90, 60},       {-120, -60},  {179, 60}, {-179, -60}};
    for (size_t i = 0; i < sizeof(angles) / sizeof(angles[0]); i++)
        assert_angle(turned(level(), angles[i][0]), angles[i][1], 0.0001);
}

static void eyes_that_coincide_do_not_turn_an_emoji(void **state)
{
    (void)state;
    struct face face = level();
    face.points[FACE_RIGHT_EYE].x = face.points[FACE_LEFT_EYE].x =
        face.points[FACE_MOUTH].x; /* one above the other, which is an angle of 90 degrees */
    face.points[FACE_RIGHT_EYE].y -= 3;
    assert_angle(face, 0, 0.0001);
    assert_angle(turned(face, 20), 20, 0.5);
    face.points[FACE_RIGHT_EYE] = face.points[FACE_LEFT_EYE];
    assert_angle(face, 0, 0.0001);
}

/* The mouth lies before the eyes there. */
static void in_a_profile_the_angle_is_that_of_the_head(void **state)
{
    (void)state;
    static const double angles[] = {-45, -30, -15, 0, 15, 30, 45};
    for (size_t i = 0; i < sizeof(angles) / sizeof(angles[0]); i++) {
        assert_angle(turned(profile, angles[i]), angles[i], 5);
        assert_angle(turned(mirrored(profile), angles[i]), angles[i], 5);
    }
    /* The same head, but its picture was turned by 15 degrees; the eyes say 45. */
    static const struct face other = {.box = {186, 101, 96, 96},
                                      .has_points = true,
                                      .points = {{235.9, 126.7},
                                                 {240.8, 131.6},
                                                 {256.4, 155.4},
                                                 {238.0, 173.1},
                                                 {175.1, 121.0},
                                                 {206.8, 136.9}}};
    assert_angle(other, 15, 5);
}

/* Whether the round head of an emoji reaches a point: an ellipse, see geometry.h. */
static bool is_covered(struct placement place, struct face_point point)
{
    double x = point.x - place.x, y = point.y - place.y;
    double across = x * cos(place.angle) + y * sin(place.angle);
    double down = y * cos(place.angle) - x * sin(place.angle);
    return hypot(across / (0.906 / 2 * place.side), down / (0.867 / 2 * place.side)) <= 1;
}

static struct face_point from_eyes_to_mouth(const struct face *face, double share)
{
    const struct face_point *points = face->points;
    double x = (points[FACE_RIGHT_EYE].x + points[FACE_LEFT_EYE].x) / 2;
    double y = (points[FACE_RIGHT_EYE].y + points[FACE_LEFT_EYE].y) / 2;
    return (struct face_point){x + (points[FACE_MOUTH].x - x) * share,
                               y + (points[FACE_MOUTH].y - y) * share};
}

static void assert_head_covered(struct face face, const char *name)
{
    struct placement place = must_draw(face, WIDTH, HEIGHT);
    for (int i = 0; i < FACE_POINT__MAX; i++) {
        if (!is_covered(place, face.points[i]))
            fail_msg("%s: point %d is free", name, i);
    }
    if (!is_covered(place, from_eyes_to_mouth(&face, 1.55)))
        fail_msg("%s: the chin is free", name);
    if (!is_covered(place, from_eyes_to_mouth(&face, -1)))
        fail_msg("%s: the forehead is free", name);
    assert_true(place.side <= 2.7 * face.box.width); /* with a box that is too small */
}

static void ears_chin_and_forehead_are_covered_however_the_head_is_turned(void **state)
{
    (void)state;
    char name[40];
    for (int angle = -90; angle <= 90; angle += 15) {
        (void)snprintf(name, sizeof(name), "front, %d degrees", angle);
        assert_head_covered(turned(from_the_front, angle), name);
        (void)snprintf(name, sizeof(name), "profile, %d degrees", angle);
        assert_head_covered(turned(profile, angle), name);
        (void)snprintf(name, sizeof(name), "other profile, %d degrees", angle);
        assert_head_covered(turned(mirrored(profile), angle), name);
    }
}

static void the_detectors_smaller_box_of_a_tilted_head_does_not_make_it_smaller(void **state)
{
    (void)state;
    struct face face = turned(from_the_front, 45);
    double side = must_draw(face, WIDTH, HEIGHT).side;
    face.box = (struct box){422, 322, 164, 164};
    assert_true(fabs(must_draw(face, WIDTH, HEIGHT).side / side - 1) < 0.05);
    assert_head_covered(face, "45 degrees");
}

static void in_a_profile_the_emoji_reaches_the_back_of_the_head(void **state)
{
    (void)state;
    struct face plain = profile;
    plain.has_points = false;
    struct placement with = must_draw(profile, WIDTH, HEIGHT);
    struct placement without = must_draw(plain, WIDTH, HEIGHT);
    struct face_point behind_the_ear = {88, 100}, before_the_nose = {212, 110};
    assert_true(is_covered(with, behind_the_ear));
    assert_false(is_covered(without, behind_the_ear));
    assert_false(is_covered(with, before_the_nose));
}

static void points_that_cannot_be_a_face_s_are_ignored(void **state)
{
    (void)state;
    static const double absurd[] = {NAN, INFINITY, -INFINITY, 1e308, -1e308, 1e4, -1e4};
    struct face plain = from_the_front;
    plain.has_points = false;
    struct placement expected = must_draw(plain, WIDTH, HEIGHT);
    for (size_t i = 0; i < sizeof(absurd) / sizeof(absurd[0]); i++) {
        for (int k = 0; k < FACE_POINT__MAX; k++) {
            struct face face = from_the_front;
            face.points[k].x = absurd[i];
            struct placement place = must_draw(face, WIDTH, HEIGHT);
            assert_memory_equal(&place, &expected, sizeof(place));
            face = from_the_front;
            face.points[k].y = absurd[i];
            place = must_draw(face, WIDTH, HEIGHT);
            assert_memory_equal(&place, &expected, sizeof(place));
        }
    }
    struct face one_point = from_the_front;
    for (int k = 0; k < FACE_POINT__MAX; k++)
        one_point.points[k] = from_the_front.points[FACE_NOSE];
    struct placement place = must_draw(one_point, WIDTH, HEIGHT);
    assert_memory_equal(&place, &expected, sizeof(place));
}

/* --- The choice ---------------------------------------------------------------------------- */

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
        cmocka_unit_test(an_emoji_turns_with_the_eyes_from_5_to_60_degrees),
        cmocka_unit_test(eyes_that_coincide_do_not_turn_an_emoji),
        cmocka_unit_test(in_a_profile_the_angle_is_that_of_the_head),
        cmocka_unit_test(ears_chin_and_forehead_are_covered_however_the_head_is_turned),
        cmocka_unit_test(the_detectors_smaller_box_of_a_tilted_head_does_not_make_it_smaller),
        cmocka_unit_test(in_a_profile_the_emoji_reaches_the_back_of_the_head),
        cmocka_unit_test(points_that_cannot_be_a_face_s_are_ignored),
        cmocka_unit_test(all_faces_of_a_picture_get_different_emoji_while_there_are_enough),
        cmocka_unit_test(neighbours_differ_even_when_there_are_more_faces_than_emoji),
        cmocka_unit_test(the_choice_depends_on_key_and_index_only),
        cmocka_unit_test(keys_spread_over_all_emoji),
        cmocka_unit_test(a_choice_of_one_or_none_is_the_first),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
