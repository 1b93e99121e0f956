/* SPDX-License-Identifier: MIT */
#include "facebox/resample.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { BANDS = 3 };

/* A picture and its result, each in a block of its exact size, so that ASan sees each bound. */
struct resampled {
    unsigned char *pixels;
    size_t stride;
    int width;
    int height;
    float *out;
    int out_width;
    int out_height;
};

/* The last row ends with its pixels, not with its stride. */
static void make(struct resampled *made, int width, int height, size_t gap)
{
    made->stride = (size_t)width * BANDS + gap;
    made->width = width;
    made->height = height;
    size_t size = made->stride * (size_t)height - gap;
    made->pixels = malloc(size);
    assert_non_null(made->pixels);
    memset(made->pixels, 0xee, size);
    for (int y = 0; y < height; y++) {
        for (int x = 0; x < width * BANDS; x++)
            made->pixels[(size_t)y * made->stride + (size_t)x] =
                (unsigned char)((x * 53 + y * 97 + x * y * 7) % 256);
    }
}

static void run(struct resampled *made, int width, int height, int out_width, int out_height)
{
    size_t count = (size_t)out_width * (size_t)out_height * BANDS;
    const struct rgb_area area = {made->pixels, made->stride, made->width, made->height};
    made->out_width = out_width;
    made->out_height = out_height;
    made->out = malloc(count * sizeof(float));
    assert_non_null(made->out);
    for (size_t i = 0; i < count; i++)
        made->out[i] = 77;
    assert_int_equal(resample(&area, width, height, made->out, out_width, out_height), APP_OK);
}

static void release(struct resampled *made)
{
    free(made->pixels);
    free(made->out);
}

static double source(const struct resampled *made, int x, int y, int band)
{
    return made->pixels[(size_t)y * made->stride + (size_t)(x * BANDS + band)];
}

static double result(const struct resampled *made, int x, int y, int band)
{
    return (double)made->out[(y * made->out_width + x) * BANDS + band];
}

static void assert_near(double value, double expected)
{
    if (!(fabs(value - expected) < 1e-4))
        fail_msg("%f instead of %f", value, expected);
}

/* The length that [x, x + 1] and [begin, end] have in common. */
static double common(int x, double begin, double end)
{
    return fmax(0, fmin(x + 1, end) - fmax(x, begin));
}

/* The mean of the pixels below an area, each weighted by how much of it is covered. */
static double area_mean(const struct resampled *made, double left, double top, double right,
                        double bottom, int band)
{
    double sum = 0, weight = 0;
    for (int y = 0; y < made->height; y++) {
        for (int x = 0; x < made->width; x++) {
            double covered = common(x, left, right) * common(y, top, bottom);
            sum += covered * source(made, x, y, band);
            weight += covered;
        }
    }
    return sum / weight;
}

static void assert_reduced(int width, int height, int to_width, int to_height)
{
    struct resampled made;
    make(&made, width, height, 5);
    run(&made, to_width, to_height, to_width, to_height);
    double across = (double)width / to_width, down = (double)height / to_height;
    for (int y = 0; y < to_height; y++) {
        for (int x = 0; x < to_width; x++) {
            for (int band = 0; band < BANDS; band++)
                assert_near(
                    result(&made, x, y, band),
                    area_mean(&made, x * across, y * down, (x + 1) * across, (y + 1) * down, band) /
                            127.5 -
                        1);
        }
    }
    release(&made);
}

static void a_smaller_picture_has_the_means_of_areas(void **state)
{
    (void)state;
    assert_reduced(8, 6, 4, 3);
    assert_reduced(9, 6, 3, 2);
    assert_reduced(7, 5, 3, 2);
    assert_reduced(10, 10, 9, 9);
    assert_reduced(100, 3, 7, 2);
    assert_reduced(640, 4, 639, 3);
    assert_reduced(5, 5, 1, 1);
}

static void the_same_size_has_the_same_pixels(void **state)
{
    (void)state;
    struct resampled made;
    make(&made, 9, 7, 3);
    run(&made, 9, 7, 9, 7);
    for (int y = 0; y < 7; y++) {
        for (int x = 0; x < 9; x++) {
            for (int band = 0; band < BANDS; band++)
                assert_near(result(&made, x, y, band), source(&made, x, y, band) / 127.5 - 1);
        }
    }
    release(&made);
}

static int clamp(int value, int max)
{
    return value < 0 ? 0 : value > max ? max : value;
}

/* Linear between the middles of pixels; beyond the outermost ones they go on as they are. */
static double interpolate(const struct resampled *made, double x, double y, int band)
{
    int left = (int)floor(x - 0.5), top = (int)floor(y - 0.5);
    double right_share = x - 0.5 - left, bottom_share = y - 0.5 - top;
    int x_left = clamp(left, made->width - 1), x_right = clamp(left + 1, made->width - 1);
    int y_top = clamp(top, made->height - 1), y_bottom = clamp(top + 1, made->height - 1);
    double above = (1 - right_share) * source(made, x_left, y_top, band) +
                   right_share * source(made, x_right, y_top, band);
    double below = (1 - right_share) * source(made, x_left, y_bottom, band) +
                   right_share * source(made, x_right, y_bottom, band);
    return (1 - bottom_share) * above + bottom_share * below;
}

static void assert_enlarged(int width, int height, int to_width, int to_height)
{
    struct resampled made;
    make(&made, width, height, 0);
    run(&made, to_width, to_height, to_width, to_height);
    for (int y = 0; y < to_height; y++) {
        for (int x = 0; x < to_width; x++) {
            for (int band = 0; band < BANDS; band++)
                assert_near(result(&made, x, y, band),
                            interpolate(&made, (x + 0.5) * width / to_width,
                                        (y + 0.5) * height / to_height, band) /
                                    127.5 -
                                1);
        }
    }
    release(&made);
}

static void a_larger_picture_is_interpolated_linearly(void **state)
{
    (void)state;
    assert_enlarged(2, 2, 4, 4);
    assert_enlarged(5, 3, 8, 7);
    assert_enlarged(10, 10, 11, 11);
    assert_enlarged(3, 1, 192, 64);
    assert_enlarged(1, 1, 5, 5);
}

static void one_axis_may_shrink_while_the_other_grows(void **state)
{
    (void)state;
    struct resampled made;
    make(&made, 4, 2, 0);
    run(&made, 2, 4, 2, 4);
    for (int band = 0; band < BANDS; band++) {
        double top = (source(&made, 0, 0, band) + source(&made, 1, 0, band)) / 2;
        double bottom = (source(&made, 0, 1, band) + source(&made, 1, 1, band)) / 2;
        assert_near(result(&made, 0, 0, band), top / 127.5 - 1);
        assert_near(result(&made, 0, 1, band), (0.75 * top + 0.25 * bottom) / 127.5 - 1);
        assert_near(result(&made, 0, 3, band), bottom / 127.5 - 1);
    }
    release(&made);
}

static void the_rest_of_the_result_is_zero(void **state)
{
    (void)state;
    struct resampled made;
    make(&made, 10, 6, 0);
    run(&made, 5, 3, 32, 64);
    for (int y = 0; y < 64; y++) {
        for (int x = 0; x < 32; x++) {
            for (int band = 0; band < BANDS && (x >= 5 || y >= 3); band++)
                assert_true(result(&made, x, y, band) == 0);
        }
    }
    assert_true(fabs(result(&made, 4, 2, 0)) <= 1);
    release(&made);
}

static void black_is_minus_one_and_white_is_one(void **state)
{
    (void)state;
    struct resampled made;
    make(&made, 4, 1, 0);
    memset(made.pixels, 0, 6);
    memset(made.pixels + 6, 255, 6);
    run(&made, 2, 1, 2, 1);
    assert_near(result(&made, 0, 0, 0), -1);
    assert_near(result(&made, 1, 0, 2), 1);
    release(&made);
}

static void a_picture_may_have_one_pixel_on_an_axis(void **state)
{
    (void)state;
    static const int sizes[][4] = {{1, 10000, 1, 192}, {10000, 1, 640, 1}, {1, 1, 192, 192},
                                   {1, 500, 3, 7},     {500, 1, 7, 3},     {10000, 1, 1, 1}};
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        struct resampled made;
        make(&made, sizes[i][0], sizes[i][1], 0);
        run(&made, sizes[i][2], sizes[i][3], sizes[i][2] + 1, sizes[i][3] + 1);
        for (int y = 0; y < sizes[i][3]; y++) {
            for (int x = 0; x < sizes[i][2]; x++)
                assert_true(fabs(result(&made, x, y, 1)) <= 1.0001);
        }
        release(&made);
    }
}

static void every_size_stays_within_its_bounds(void **state)
{
    (void)state;
    for (int from = 1; from <= 40; from++) {
        for (int to = 1; to <= 90; to++) {
            struct resampled made;
            make(&made, from, 2, 1);
            run(&made, to, 3, to, 3);
            for (int x = 0; x < to; x++)
                assert_true(fabs(result(&made, x, 2, 2)) <= 1.0001);
            release(&made);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_smaller_picture_has_the_means_of_areas),
        cmocka_unit_test(the_same_size_has_the_same_pixels),
        cmocka_unit_test(a_larger_picture_is_interpolated_linearly),
        cmocka_unit_test(one_axis_may_shrink_while_the_other_grows),
        cmocka_unit_test(the_rest_of_the_result_is_zero),
        cmocka_unit_test(black_is_minus_one_and_white_is_one),
        cmocka_unit_test(a_picture_may_have_one_pixel_on_an_axis),
        cmocka_unit_test(every_size_stays_within_its_bounds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
