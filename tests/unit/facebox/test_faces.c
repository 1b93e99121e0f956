/* SPDX-License-Identifier: MIT */
/* run: seconds=20 */
/* One face, in all the ways in which a photograph may show it. */
#include "unit/facebox/faces_fixture.h"

static const enum portrait_name frontal[] = {PORTRAIT_ASTRONAUT, PORTRAIT_HOPPER};
enum { FRONTAL_COUNT = sizeof(frontal) / sizeof(frontal[0]) };

/* Search the portrait, which is taken over, as a PNG and as a JPEG. */
static void assert_face_is_found(const struct faces_fixture *fixture, struct portrait *portrait,
                                 double degrees)
{
    static const char *const suffixes[] = {".png[compression=1]", ".jpg[Q=85]"};
    for (size_t i = 0; i < sizeof(suffixes) / sizeof(suffixes[0]); i++) {
        struct faces faces = {.count = 99};
        find_in(fixture, g_object_ref(portrait->image), suffixes[i], &faces);
        assert_int_equal(faces.width, vips_image_get_width(portrait->image));
        assert_int_equal(faces.height, vips_image_get_height(portrait->image));
        assert_one_found(&faces, &portrait->face, degrees);
    }
    portrait_release(portrait);
}

static void an_upright_face_is_found(void **state)
{
    for (int i = 0; i < FRONTAL_COUNT; i++) {
        struct portrait portrait;
        portrait_open(frontal[i], &portrait);
        assert_face_is_found(*state, &portrait, 0);
    }
}

static void a_mirrored_face_is_found(void **state)
{
    for (int i = 0; i < FRONTAL_COUNT; i++) {
        struct portrait portrait;
        portrait_open(frontal[i], &portrait);
        portrait_mirror(&portrait);
        assert_face_is_found(*state, &portrait, 0);
    }
}

static void assert_turned_faces_are_found(const struct faces_fixture *fixture, double degrees)
{
    for (int i = 0; i < 2 * FRONTAL_COUNT; i++) {
        double turn = i % 2 == 0 ? degrees : -degrees;
        struct portrait portrait;
        portrait_open(frontal[i / 2], &portrait);
        portrait_turn(&portrait, turn);
        assert_face_is_found(fixture, &portrait, turn);
    }
}

static void a_face_turned_by_15_degrees_is_found(void **state)
{
    assert_turned_faces_are_found(*state, 15);
}

static void a_face_turned_by_30_degrees_is_found(void **state)
{
    assert_turned_faces_are_found(*state, 30);
}

static void a_face_turned_by_45_degrees_is_found(void **state)
{
    assert_turned_faces_are_found(*state, 45);
}

static void assert_face_of_size_is_found(const struct faces_fixture *fixture, int side)
{
    for (int i = 0; i < FRONTAL_COUNT; i++) {
        struct portrait portrait;
        portrait_open(frontal[i], &portrait);
        portrait_scale(&portrait, side);
        assert_face_is_found(fixture, &portrait, 0);
    }
}

static void a_face_of_24_pixels_is_found(void **state)
{
    assert_face_of_size_is_found(*state, 24);
}

static void a_face_of_40_pixels_is_found(void **state)
{
    assert_face_of_size_is_found(*state, 40);
}

static void a_face_of_100_pixels_is_found(void **state)
{
    assert_face_of_size_is_found(*state, 100);
}

static void a_face_of_900_pixels_is_found(void **state)
{
    assert_face_of_size_is_found(*state, 900);
}

static void a_face_in_the_dark_is_found(void **state)
{
    for (int i = 0; i < FRONTAL_COUNT; i++) {
        struct portrait portrait;
        portrait_open(frontal[i], &portrait);
        portrait_brighten(&portrait, 0.2, 0);
        assert_face_is_found(*state, &portrait, 0);
    }
}

static void a_face_without_colour_is_found(void **state)
{
    for (int i = 0; i < FRONTAL_COUNT; i++) {
        struct portrait portrait;
        portrait_open(frontal[i], &portrait);
        portrait_make_grey(&portrait);
        assert_face_is_found(*state, &portrait, 0);
    }
}

static void a_face_behind_a_mask_is_found(void **state)
{
    for (int i = 0; i < FRONTAL_COUNT; i++) {
        struct portrait portrait;
        portrait_open(frontal[i], &portrait);
        portrait_mask(&portrait);
        assert_face_is_found(*state, &portrait, 0);
    }
}

/* Cut off a fifth of the face at the left, or at the top. */
static void cut_fifth(struct portrait *portrait, bool at_left)
{
    const struct face_place *face = &portrait->face;
    if (at_left)
        portrait_cut(portrait, (int)(face->middle_x - 0.3 * face->width), 0);
    else
        portrait_cut(portrait, 0, (int)(face->middle_y - 0.3 * face->height));
}

static void a_face_that_the_edge_cuts_is_found(void **state)
{
    for (int i = 0; i < 2 * FRONTAL_COUNT; i++) {
        struct portrait portrait;
        portrait_open(frontal[i / 2], &portrait);
        cut_fifth(&portrait, i % 2 == 0);
        assert_face_is_found(*state, &portrait, 0);
    }
}

static void a_face_in_profile_is_found(void **state)
{
    struct portrait portrait;
    struct faces faces = {.count = 99};
    portrait_open(PORTRAIT_CAMERAMAN, &portrait);
    find_in(*state, g_object_ref(portrait.image), ".png", &faces);
    assert_found(&faces, &portrait.face, 1);
    portrait_release(&portrait);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_upright_face_is_found),
        cmocka_unit_test(a_mirrored_face_is_found),
        cmocka_unit_test(a_face_turned_by_15_degrees_is_found),
        cmocka_unit_test(a_face_turned_by_30_degrees_is_found),
        cmocka_unit_test(a_face_turned_by_45_degrees_is_found),
        cmocka_unit_test(a_face_of_24_pixels_is_found),
        cmocka_unit_test(a_face_of_40_pixels_is_found),
        cmocka_unit_test(a_face_of_100_pixels_is_found),
        cmocka_unit_test(a_face_of_900_pixels_is_found),
        cmocka_unit_test(a_face_in_the_dark_is_found),
        cmocka_unit_test(a_face_without_colour_is_found),
        cmocka_unit_test(a_face_behind_a_mask_is_found),
        cmocka_unit_test(a_face_that_the_edge_cuts_is_found),
        cmocka_unit_test(a_face_in_profile_is_found),
    };
    return cmocka_run_group_tests(tests, faces_fixture_make, faces_fixture_release);
}
