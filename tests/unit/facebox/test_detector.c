/* SPDX-License-Identifier: MIT */
/* Pictures made here, which show no face; photographs are for the integration tests. */
#include "facebox/detector.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/base/clock.h"
#include "unit/facebox/detector_fixture.h"
#include "unit/facebox/network_builder.h"

struct fixture {
    struct network network;
    struct detector *detector;
};

static int make(void **state)
{
    static struct fixture fixture;
    struct err_buf why = {0};
    *state = &fixture;
    return fixture_open_network(&fixture.network) ||
                   detector_new(&fixture.network, &fixture_options, &fixture.detector, &why)
               ? -1
               : 0;
}

static int release(void **state)
{
    struct fixture *fixture = *state;
    detector_free(&fixture->detector);
    fixture_close_network(&fixture->network);
    return fixture->detector ? -1 : 0;
}

/* Search a picture of that size, each pixel made by pattern(x, y). */
static void assert_no_face(const struct fixture *fixture, int width, int height,
                           unsigned char (*pattern)(int x, int y))
{
    /* Exactly as large as it must be, so that the sanitizer sees every bound. */
    size_t size = (size_t)width * (size_t)height * 3;
    unsigned char *pixels = malloc(size);
    assert_non_null(pixels);
    for (size_t i = 0; i < size; i++)
        pixels[i] = pattern((int)(i % ((size_t)width * 3)), (int)(i / ((size_t)width * 3)));
    struct detector_picture picture = {pixels, width, height, width, height};
    struct detections found = {.count = 99};
    struct err_buf why = {0};
    assert_int_equal(detector_find(fixture->detector, &picture, &found, &why), APP_OK);
    if (found.count != 0)
        fail_msg("%zu faces in %d x %d", found.count, width, height);
    assert_int_equal(
        detector_find_small(fixture->detector, &picture, deadline_in_ms(60000), &found, &why),
        APP_OK);
    if (found.count != 0)
        fail_msg("%zu small faces in %d x %d", found.count, width, height);
    free(pixels);
}

static unsigned char plain(int x, int y)
{
    (void)x, (void)y;
    return 128;
}

static unsigned char gradient(int x, int y)
{
    return (unsigned char)(x + y);
}

static unsigned char noise(int x, int y)
{
    uint32_t value = (uint32_t)x * 2654435761U ^ (uint32_t)y * 2246822519U;
    return (unsigned char)((value ^ value >> 15) * 2654435769U >> 24);
}

static unsigned char waves(int x, int y)
{
    return (unsigned char)lround(127.5 + 127 * sin(x / 7.0) * sin(y / 9.0));
}

static void a_picture_without_a_face_has_none(void **state)
{
    assert_no_face(*state, 320, 240, plain);
    assert_no_face(*state, 320, 240, gradient);
    assert_no_face(*state, 320, 240, noise);
    assert_no_face(*state, 320, 240, waves);
}

static void the_smallest_and_narrowest_pictures_are_searched(void **state)
{
    static const int sizes[][2] = {{1, 1},   {2, 1},    {1, 2},    {3, 3},     {7, 5},
                                   {40, 40}, {1, 2000}, {2000, 1}, {10, 2000}, {2000, 10}};
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
        assert_no_face(*state, sizes[i][0], sizes[i][1], noise);
}

/* Faces in a plain picture by a network that sees one in each cell, its first eye `eye` pixels
 * away. */
static size_t count_faces_with_eye_at(float eye)
{
    static struct built_network built;
    static unsigned char pixels[64 * 64 * 3];
    const struct detector_picture picture = {pixels, 64, 64, 640, 640};
    struct network network;
    struct detector *detector = NULL;
    struct detections found = {.count = 99};
    struct err_buf why = {0};
    network_builder_make(&built);
    memset(built.weights, 0, sizeof(built.weights));
    built.weights[300] = 5; /* the score, which is a bias only */
    network_builder_op(&built, BUILT_BOXES)->bias = 400;
    built.weights[402] = built.weights[403] = 20; /* width and height */
    built.weights[404] = eye;
    network_builder_sign(&built);
    assert_int_equal(network_read(&built, sizeof(built), &network, &why), APP_OK);
    assert_int_equal(detector_new(&network, &fixture_options, &detector, &why), APP_OK);
    assert_int_equal(detector_find(detector, &picture, &found, &why), APP_OK);
    detector_free(&detector);
    return found.count;
}

static void numbers_that_no_face_can_have_are_left_out(void **state)
{
    (void)state;
    assert_true(count_faces_with_eye_at(5) > 0);
    assert_true(count_faces_with_eye_at(4096) > 0);
    assert_int_equal(count_faces_with_eye_at(4097), 0);
    assert_int_equal(count_faces_with_eye_at(3e38F), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_picture_without_a_face_has_none),
        cmocka_unit_test(the_smallest_and_narrowest_pictures_are_searched),
        cmocka_unit_test(numbers_that_no_face_can_have_are_left_out),
    };
    return cmocka_run_group_tests(tests, make, release);
}
