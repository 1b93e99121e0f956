/* SPDX-License-Identifier: MIT */
/* Pictures of several faces, of none, and of sizes that are hard to handle. */
#include "unit/facebox/faces_fixture.h"

#include <string.h>

/* --- Several faces ------------------------------------------------------------------ */

static VipsImage *make_noise(int width, int height)
{
    VipsImage *bands[3] = {NULL}, *joined = NULL, *bytes = NULL, *noise = NULL;
    for (int i = 0; i < 3; i++) {
        if (vips_gaussnoise(&bands[i], width, height, "mean", 128.0, "sigma", 40.0, "seed", 7 + i,
                            NULL))
            fail_msg("libvips: %s", vips_error_buffer());
    }
    if (vips_bandjoin(bands, &joined, 3, NULL) || vips_cast_uchar(joined, &bytes, NULL) ||
        vips_copy(bytes, &noise, "interpretation", VIPS_INTERPRETATION_sRGB, NULL))
        fail_msg("libvips: %s", vips_error_buffer());
    VipsImage *memory = vips_image_copy_memory(noise);
    assert_non_null(memory);
    for (int i = 0; i < 3; i++)
        g_object_unref(bands[i]);
    g_object_unref(joined);
    g_object_unref(bytes);
    g_object_unref(noise);
    return memory;
}

static VipsImage *make_grey(int width, int height)
{
    static const double grey[] = {128, 128, 128};
    return sample_plain(width, height, 3, grey);
}

static void two_faces_are_found_in_their_places(void **state)
{
    struct portrait left, right;
    struct face_place places[2];
    struct faces faces = {.count = 99};
    VipsImage *canvas = make_grey(1024, 600);
    portrait_open(PORTRAIT_ASTRONAUT, &left);
    portrait_open(PORTRAIT_HOPPER, &right);
    places[0] = portrait_paste(&left, &canvas, 0, 50);
    places[1] = portrait_paste(&right, &canvas, 512, 0);
    find_in(*state, canvas, ".jpg[Q=90]", &faces);
    assert_found(&faces, places, 2);
    portrait_release(&left);
    portrait_release(&right);
}

static void six_faces_in_a_large_picture_of_noise_are_found(void **state)
{
    struct face_place places[6];
    struct faces faces = {.count = 99};
    VipsImage *canvas = make_noise(3000, 2000);
    for (int i = 0; i < 6; i++) {
        struct portrait portrait;
        portrait_open(i % 2 == 0 ? PORTRAIT_ASTRONAUT : PORTRAIT_HOPPER, &portrait);
        places[i] = portrait_paste(&portrait, &canvas, 200 + i % 3 * 950, 150 + i / 3 * 950);
        portrait_release(&portrait);
    }
    find_in(*state, canvas, ".jpg[Q=90]", &faces);
    assert_found(&faces, places, 6);
}

/* --- A crowd ----------------------------------------------------------------------- */

enum { CROWD_ACROSS = 4, CROWD = 12, CROWD_WIDTH = 2400, CROWD_HEIGHT = 1600 };

/* Hopper's photograph twelve times, each face of `side` pixels. */
static struct sample make_crowd(double side, struct face_place places[CROWD])
{
    struct portrait portrait;
    VipsImage *canvas = make_grey(CROWD_WIDTH, CROWD_HEIGHT);
    portrait_open(PORTRAIT_HOPPER, &portrait);
    portrait_scale(&portrait, side);
    for (int i = 0; i < CROWD; i++)
        places[i] = portrait_paste(&portrait, &canvas, 173 + i % CROWD_ACROSS * 571,
                                   131 + i / CROWD_ACROSS * 509);
    portrait_release(&portrait);
    return sample_encode(canvas, ".jpg[Q=95]");
}

static struct detector_picture open_crowd(const struct sample *crowd, int side,
                                          struct picture **picture)
{
    struct err_buf why = {.text = ""};
    if (picture_open_reduced(crowd->data, crowd->len, side, deadline_in_ms(60000), picture, &why))
        fail_msg("%s (%s)", why.text, why.detail);
    return (struct detector_picture){picture_pixels(*picture), picture_width(*picture),
                                     picture_height(*picture), picture_full_width(*picture),
                                     picture_full_height(*picture)};
}

/* So large that detector_find sees some of them, and too few. */
static void a_second_look_finds_the_small_faces_of_a_crowd(void **state)
{
    enum { SIDE = 50, MOST_AT_FIRST = 6, LEAST = 10, CPU_MS = 5000 };
    const struct faces_fixture *fixture = *state;
    struct face_place places[CROWD];
    struct faces faces = {.count = 99};
    struct sample crowd = make_crowd(SIDE, places);

    struct picture *picture = NULL;
    struct detector *detector = NULL;
    struct detections found;
    assert_int_equal(detector_pool_take(fixture->pool, 0, &detector), APP_OK);
    struct detector_picture view = open_crowd(&crowd, DETECTOR_SIDE, &picture);
    assert_int_equal(detector_find(detector, &view, &found, NULL), APP_OK);
    assert_in_range(found.count, 0, MOST_AT_FIRST);
    assert_true(found.has_small);
    picture_free(&picture);
    detector_pool_return(fixture->pool, &detector);

    int64_t used_ns = clock_thread_cpu_ns();
    find_in_sample(fixture, &crowd, &faces);
    used_ns = clock_thread_cpu_ns() - used_ns;
    assert_in_range(count_found(&faces, places, CROWD), LEAST, CROWD);
    assert_in_range(faces.count, LEAST, CROWD);
    assert_in_range(used_ns / NS_PER_MS, 0, CPU_MS);
    sample_release(&crowd);
}

/* Search the tiles of the crowd until `deadline_ns`. */
static size_t find_small_in_crowd(const struct faces_fixture *fixture, double side,
                                  int64_t deadline_ns)
{
    struct face_place places[CROWD];
    struct faces faces = {.width = CROWD_WIDTH, .height = CROWD_HEIGHT};
    struct sample crowd = make_crowd(side, places);
    struct picture *picture = NULL;
    struct detector *detector = NULL;
    struct detections found;
    assert_int_equal(detector_pool_take(fixture->pool, 0, &detector), APP_OK);
    struct detector_picture view = open_crowd(&crowd, DETECTOR_SMALL_SIDE, &picture);
    assert_int_equal(detector_find(detector, &view, &found, NULL), APP_OK);
    assert_int_equal(detector_find_small(detector, &view, deadline_ns, &found, NULL), APP_OK);
    faces.count = found.count;
    memcpy(faces.found, found.list, found.count * sizeof(found.list[0]));
    picture_free(&picture);
    detector_pool_return(fixture->pool, &detector);
    sample_release(&crowd);
    assert_int_equal(count_found(&faces, places, CROWD), found.count);
    return found.count;
}

static void a_second_look_sees_faces_of_a_hundredth_of_the_picture(void **state)
{
    assert_in_range(find_small_in_crowd(*state, CROWD_WIDTH / 100.0, deadline_in_ms(60000)), 10,
                    CROWD);
}

static void without_time_the_second_look_leaves_what_was_found(void **state)
{
    enum { SIDE = 60 };
    size_t all = find_small_in_crowd(*state, SIDE, deadline_in_ms(60000));
    size_t first = find_small_in_crowd(*state, SIDE, clock_now_ns());
    assert_in_range(first, 1, CROWD);
    assert_in_range(all, first, CROWD);
}

/* --- No face ----------------------------------------------------------------------- */

/* Takes `image` over. */
static void assert_no_face(const struct faces_fixture *fixture, VipsImage *image,
                           const char *suffix)
{
    int width = vips_image_get_width(image), height = vips_image_get_height(image);
    struct faces faces = {.count = 99};
    find_in(fixture, image, suffix, &faces);
    if (faces.count > 0)
        print_found(&faces);
    assert_int_equal(faces.count, 0);
    assert_int_equal(faces.width, width);
    assert_int_equal(faces.height, height);
}

/* Stripes of red, white and blue. */
static VipsImage *make_flag(int width, int height)
{
    static const unsigned char colours[3][3] = {{200, 16, 46}, {255, 255, 255}, {0, 33, 105}};
    VipsImage *flag = make_grey(width, height);
    for (int stripe = 0; stripe < 13; stripe++) {
        double ink[3];
        for (int band = 0; band < 3; band++)
            ink[band] = colours[stripe % 3][band];
        if (vips_draw_rect(flag, ink, 3, 0, stripe * height / 13, width, height / 13 + 1, "fill",
                           TRUE, NULL))
            fail_msg("libvips: %s", vips_error_buffer());
    }
    return flag;
}

static void pictures_without_a_face_have_none(void **state)
{
    assert_no_face(*state, portrait_photograph("coffee.png"), ".jpg[Q=90]");
    assert_no_face(*state, portrait_photograph("coffee.png"), ".png");
    assert_no_face(*state, make_noise(1000, 700), ".png[compression=1]");
    assert_no_face(*state, sample_photo(1600, 1200), ".jpg[Q=80]");
    assert_no_face(*state, make_flag(1300, 690), ".png");
    assert_no_face(*state, make_flag(400, 400), ".jpg");
}

static void the_smallest_and_narrowest_pictures_are_searched(void **state)
{
    enum { WEBP_SIDE = 16383 }; /* more than that the format cannot say */
    static const int sizes[][2] = {{1, 1}, {1, 10000}, {10000, 1}, {31, 33}, {2, 65000}};
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        assert_no_face(*state, make_noise(sizes[i][0], sizes[i][1]), ".png");
        assert_no_face(*state, make_noise(sizes[i][0], sizes[i][1]), ".jpg");
        if (sizes[i][1] <= WEBP_SIDE)
            assert_no_face(*state, make_noise(sizes[i][0], sizes[i][1]), ".webp");
    }
}

static void a_picture_of_fifty_megapixels_is_searched(void **state)
{
    assert_no_face(*state, make_grey(8660, 5773), ".png[compression=1]");
    assert_no_face(*state, make_grey(8660, 5773), ".jpg");
}

static void a_face_in_fifty_megapixels_is_found(void **state)
{
    struct portrait portrait;
    struct faces faces = {.count = 99};
    VipsImage *canvas = make_grey(8660, 5773);
    portrait_open(PORTRAIT_HOPPER, &portrait);
    portrait_scale(&portrait, 600);
    struct face_place place = portrait_paste(&portrait, &canvas, 5000, 3000);
    find_in(*state, canvas, ".jpg", &faces);
    assert_one_found(&faces, &place, 0);
    portrait_release(&portrait);
}

static void more_pixels_than_the_limit_are_refused(void **state)
{
    const struct faces_fixture *fixture = *state;
    struct sample header = sample_png_header(8660, 5774);
    struct faces faces;
    struct err_buf why = {.text = ""};
    assert_int_equal(
        faces_find(fixture->pool, header.data, header.len, deadline_in_ms(60000), &faces, &why),
        APP_PICTURE_REFUSED);
    assert_true(why.text[0] != '\0');
    sample_release(&header);
}

static void nobody_waits_longer_than_the_deadline_for_a_detector(void **state)
{
    const struct faces_fixture *fixture = *state;
    struct detector *taken = NULL;
    struct faces faces;
    struct err_buf why = {.text = ""};
    assert_int_equal(detector_pool_take(fixture->pool, 0, &taken), APP_OK);
    assert_int_equal(faces_find(fixture->pool, "x", 1, deadline_in_ms(20), &faces, &why), APP_BUSY);
    assert_string_equal(why.text, "busy");
    detector_pool_return(fixture->pool, &taken);
    assert_int_equal(faces_find(fixture->pool, "x", 1, deadline_in_ms(60000), &faces, &why),
                     APP_NOT_A_PICTURE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(two_faces_are_found_in_their_places),
        cmocka_unit_test(six_faces_in_a_large_picture_of_noise_are_found),
        cmocka_unit_test(a_second_look_finds_the_small_faces_of_a_crowd),
        cmocka_unit_test(a_second_look_sees_faces_of_a_hundredth_of_the_picture),
        cmocka_unit_test(without_time_the_second_look_leaves_what_was_found),
        cmocka_unit_test(pictures_without_a_face_have_none),
        cmocka_unit_test(the_smallest_and_narrowest_pictures_are_searched),
        cmocka_unit_test(a_picture_of_fifty_megapixels_is_searched),
        cmocka_unit_test(a_face_in_fifty_megapixels_is_found),
        cmocka_unit_test(more_pixels_than_the_limit_are_refused),
        cmocka_unit_test(nobody_waits_longer_than_the_deadline_for_a_detector),
    };
    return cmocka_run_group_tests(tests, faces_fixture_make, faces_fixture_release);
}
