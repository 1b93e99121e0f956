/* SPDX-License-Identifier: MIT */
/* Pixels are compared with the same filter in floating point, straight from its definition. */
#include "api/image/enlarge.h"

#include <math.h>
#include <string.h>

#include "lib/picture/picture.h"
#include "support/cmocka.h"
#include "support/sample_picture.h"

enum { SIZE = 64, PIXEL = 4 };

/* A disc with a soft edge and colours that change, on nothing. */
static void draw_disc(unsigned char rgba[SIZE * SIZE * PIXEL])
{
    for (int y = 0; y < SIZE; y++) {
        for (int x = 0; x < SIZE; x++) {
            unsigned char *pixel = rgba + (y * SIZE + x) * PIXEL;
            int from_middle = (x - SIZE / 2) * (x - SIZE / 2) + (y - SIZE / 2) * (y - SIZE / 2);
            int alpha = (800 - from_middle) * 2;
            pixel[0] = (unsigned char)(x * 3);
            pixel[1] = (unsigned char)(y * 3);
            pixel[2] = (unsigned char)(255 - x - y);
            pixel[3] = (unsigned char)VIPS_CLIP(0, alpha, 255);
        }
    }
}

static VipsImage *in_memory(VipsImage *lazy)
{
    VipsImage *image = vips_image_copy_memory(lazy);
    assert_non_null(image);
    g_object_unref(lazy);
    return image;
}

static VipsImage *enlarge(const unsigned char *rgba, int size, int side)
{
    VipsImage *lazy = NULL;
    assert_int_equal(enlarge_build(rgba, size, side, &lazy), 0);
    VipsImage *image = in_memory(lazy);
    assert_int_equal(vips_image_get_width(image), side);
    assert_int_equal(vips_image_get_height(image), side);
    return image;
}

/* Catmull and Rom's cubic: Keys' of 1981 with a = -1/2. */
static double cubic(double distance)
{
    double d = fabs(distance);
    if (d < 1)
        return (1.5 * d - 2.5) * d * d + 1;
    return d < 2 ? ((-0.5 * d + 2.5) * d - 4) * d + 2 : 0;
}

static double expected(const unsigned char *rgba, int side, int x, int y, int band)
{
    double across = (x + 0.5) * SIZE / side - 0.5, down = (y + 0.5) * SIZE / side - 0.5, sum = 0;
    for (int row = (int)floor(down) - 1; row < floor(down) + 3; row++) {
        for (int column = (int)floor(across) - 1; column < floor(across) + 3; column++) {
            const unsigned char *pixel =
                rgba +
                (VIPS_CLIP(0, row, SIZE - 1) * SIZE + VIPS_CLIP(0, column, SIZE - 1)) * PIXEL;
            double value = band == 3 ? pixel[3] : pixel[band] * pixel[3] / 255.0;
            sum += value * cubic(across - column) * cubic(down - row);
        }
    }
    return VIPS_CLIP(0, sum, 255);
}

static void each_pixel_is_what_the_filter_says(void **state)
{
    (void)state;
    static const int sides[] = {SIZE + 1, 97, 128, 300, 777};
    enum { TOLERANCE = 2 }; /* steps */
    unsigned char rgba[SIZE * SIZE * PIXEL];
    draw_disc(rgba);
    for (size_t i = 0; i < sizeof(sides) / sizeof(sides[0]); i++) {
        VipsImage *image = enlarge(rgba, SIZE, sides[i]);
        for (int j = 0; j < sides[i] * sides[i] * PIXEL; j++) {
            int x = j / PIXEL % sides[i], y = j / PIXEL / sides[i], band = j % PIXEL;
            double wanted = expected(rgba, sides[i], x, y, band);
            int value = sample_pixel(image, x, y, band);
            if (fabs(value - wanted) > TOLERANCE)
                fail_msg("side %d, pixel %d,%d: %d, not %.1f", sides[i], x, y, value, wanted);
        }
        g_object_unref(image);
    }
}

static void the_same_size_gives_the_same_pixels_premultiplied(void **state)
{
    (void)state;
    unsigned char rgba[SIZE * SIZE * PIXEL];
    draw_disc(rgba);
    VipsImage *image = enlarge(rgba, SIZE, SIZE);
    for (int i = 0; i < SIZE * SIZE * PIXEL; i++) {
        int alpha = rgba[i | 3];
        int wanted = i % PIXEL == 3 ? alpha : (rgba[i] * alpha + 127) / 255;
        assert_int_equal(sample_pixel(image, i / PIXEL % SIZE, i / PIXEL / SIZE, i % PIXEL),
                         wanted);
    }
    g_object_unref(image);
}

static void one_colour_stays_that_colour_to_the_edges(void **state)
{
    (void)state;
    unsigned char white[2 * 2 * PIXEL];
    memset(white, 255, sizeof(white));
    VipsImage *image = enlarge(white, 2, 333);
    for (int i = 0; i < 333 * 333 * PIXEL; i++)
        assert_int_equal(sample_pixel(image, i / PIXEL % 333, i / PIXEL / 333, i % PIXEL), 255);
    g_object_unref(image);
}

static void a_part_is_the_same_as_in_the_whole(void **state)
{
    (void)state;
    unsigned char rgba[SIZE * SIZE * PIXEL];
    VipsImage *lazy = NULL, *cut = NULL;
    draw_disc(rgba);
    VipsImage *whole = enlarge(rgba, SIZE, 500);
    assert_int_equal(enlarge_build(rgba, SIZE, 500, &lazy), 0);
    assert_int_equal(vips_extract_area(lazy, &cut, 201, 333, 150, 40, NULL), 0);
    g_object_unref(lazy);
    VipsImage *part = in_memory(cut);
    for (int i = 0; i < 150 * 40 * PIXEL; i++) {
        int x = i / PIXEL % 150, y = i / PIXEL / 150, band = i % PIXEL;
        assert_int_equal(sample_pixel(part, x, y, band),
                         sample_pixel(whole, 201 + x, 333 + y, band));
    }
    g_object_unref(part);
    g_object_unref(whole);
}

static int start(void **state)
{
    (void)state;
    struct err_buf why = {.text = ""};
    return picture_library_init("test_enlarge", &why) ? -1 : 0;
}

static int stop(void **state)
{
    (void)state;
    picture_library_release();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_pixel_is_what_the_filter_says),
        cmocka_unit_test(the_same_size_gives_the_same_pixels_premultiplied),
        cmocka_unit_test(one_colour_stays_that_colour_to_the_edges),
        cmocka_unit_test(a_part_is_the_same_as_in_the_whole),
    };
    return cmocka_run_group_tests_name("enlarge", tests, start, stop);
}
