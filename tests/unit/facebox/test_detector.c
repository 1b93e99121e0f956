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

enum { FOUND_MAX = 8 };

static int make(void **state)
{
    struct detector *detector = NULL;
    if (detector_new(&detector))
        return -1;
    *state = detector;
    return 0;
}

static int release(void **state)
{
    struct detector *detector = *state;
    detector_free(&detector);
    return detector ? -1 : 0;
}

/* Search a picture of that size, each pixel made by pattern(x, y). */
static void assert_no_face(struct detector *detector, int width, int height,
                           unsigned char (*pattern)(int x, int y))
{
    /* Exactly as large as it must be, so that the sanitizer sees every bound. */
    unsigned char *pixels = malloc((size_t)width * (size_t)height);
    assert_non_null(pixels);
    for (int y = 0; y < height; y++) {
        for (int x = 0; x < width; x++)
            pixels[(size_t)y * (size_t)width + (size_t)x] = pattern(x, y);
    }
    struct detector_picture picture = {pixels, width, height};
    struct detection found[FOUND_MAX];
    size_t count = 99;
    struct err_buf why = {0};
    assert_int_equal(detector_find(detector, &picture, found, FOUND_MAX, &count, &why), APP_OK);
    if (count != 0)
        fail_msg("%zu faces in %d x %d", count, width, height);
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

static void both_sides_of_the_width_that_is_doubled_are_searched(void **state)
{
    assert_no_face(*state, 1299, 100, noise);
    assert_no_face(*state, 1300, 100, noise);
}

static void a_copy_works_after_its_original_is_gone(void **state)
{
    (void)state;
    struct detector *original = NULL;
    struct detector *copy = NULL;
    assert_int_equal(detector_new(&original), APP_OK);
    assert_int_equal(detector_copy(original, &copy), APP_OK);
    detector_free(&original);
    assert_null(original);
    assert_no_face(copy, 100, 100, waves);
    detector_free(&copy);
    detector_free(&copy);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_picture_without_a_face_has_none),
        cmocka_unit_test(the_smallest_and_narrowest_pictures_are_searched),
        cmocka_unit_test(both_sides_of_the_width_that_is_doubled_are_searched),
        cmocka_unit_test(a_copy_works_after_its_original_is_gone),
    };
    return cmocka_run_group_tests(tests, make, release);
}
