/* SPDX-License-Identifier: MIT */
/* Blending is compared with the same formula in floating point, for many values at once. */
#include "api/image/overlay.h"

#include <math.h>
#include <stdlib.h>

#include "lib/picture/picture.h"
#include "support/cmocka.h"
#include "support/sample_picture.h"

/* Every pair of these as (under's, over's) alpha and colour is one pixel of a square. */
static const int values[] = {0, 1, 2, 63, 127, 128, 200, 254, 255};
enum { VALUES = sizeof(values) / sizeof(values[0]), SIDE = VALUES * VALUES };

/* The pixel x,y of the square: x chooses both alphas, y both colours. */
struct pair {
    int under_alpha, over_alpha, under, over; /* over: not premultiplied */
};

static struct pair pair_at(int x, int y)
{
    return (struct pair){values[x / VALUES], values[x % VALUES], values[y / VALUES],
                         values[y % VALUES]};
}

static int premultiply(int colour, int alpha)
{
    return (colour * alpha + 127) / 255;
}

/* One image of all pairs, in memory; `data` must outlive it. */
static VipsImage *make_image(unsigned char *data, int bands, bool is_over)
{
    for (int i = 0; i < SIDE * SIDE; i++) {
        struct pair pair = pair_at(i % SIDE, i / SIDE);
        for (int band = 0; band < 3; band++)
            data[i * bands + band] =
                (unsigned char)(is_over ? premultiply(pair.over, pair.over_alpha) : pair.under);
        if (bands == 4)
            data[i * bands + 3] = (unsigned char)(is_over ? pair.over_alpha : pair.under_alpha);
    }
    VipsImage *image = vips_image_new_from_memory(data, (size_t)SIDE * SIDE * (size_t)bands, SIDE,
                                                  SIDE, bands, VIPS_FORMAT_UCHAR);
    assert_non_null(image);
    return image;
}

static VipsImage *run(struct overlay *overlay)
{
    VipsImage *lazy = NULL;
    assert_int_equal(overlay_build(overlay, &lazy), 0);
    VipsImage *image = vips_image_copy_memory(lazy);
    assert_non_null(image);
    g_object_unref(lazy);
    return image;
}

static void assert_close(int value, double expected, double tolerance, struct pair pair)
{
    if (fabs(value - expected) > tolerance)
        fail_msg("%d and not %.2f: %d (alpha %d) over %d (alpha %d)", value, expected, pair.over,
                 pair.over_alpha, pair.under, pair.under_alpha);
}

/* All pairs drawn over each other must be within rounding of Porter-Duff OVER. */
static void assert_blends(int bands)
{
    unsigned char *under = malloc((size_t)SIDE * SIDE * 4), *over = malloc((size_t)SIDE * SIDE * 4);
    assert_non_null(under);
    assert_non_null(over);
    struct overlay overlay = {
        .images = {make_image(under, bands, false), make_image(over, 4, true)}, .count = 1};
    VipsImage *image = run(&overlay);
    assert_int_equal(vips_image_get_bands(image), bands);
    for (int i = 0; i < SIDE * SIDE; i++) {
        struct pair pair = pair_at(i % SIDE, i / SIDE);
        double through = 1.0 - pair.over_alpha / 255.0;
        double under_alpha = bands == 4 ? pair.under_alpha / 255.0 : 1.0;
        double alpha = pair.over_alpha / 255.0 + under_alpha * through;
        if (bands == 4)
            assert_close(sample_pixel(image, i % SIDE, i / SIDE, 3), alpha * 255.0, 1.0, pair);
        /* The nearer to invisible, the coarser a premultiplied byte. */
        if (alpha < 0.2)
            continue;
        double colour =
            (premultiply(pair.over, pair.over_alpha) + pair.under * under_alpha * through) / alpha;
        assert_close(sample_pixel(image, i % SIDE, i / SIDE, 1), colour, 1.0 + 1.0 / alpha, pair);
    }
    g_object_unref(image);
    g_object_unref(overlay.images[0]);
    g_object_unref(overlay.images[1]);
    free(under);
    free(over);
}

static void blending_over_an_opaque_picture_is_exact_to_rounding(void **state)
{
    (void)state;
    assert_blends(3);
}

static void blending_over_a_transparent_picture_is_exact_to_rounding(void **state)
{
    (void)state;
    assert_blends(4);
}

static void what_is_invisible_changes_nothing(void **state)
{
    (void)state;
    static const double clear[] = {0, 0, 0, 0}, under[] = {3, 77, 254, 1};
    for (int bands = 3; bands <= 4; bands++) {
        struct overlay overlay = {
            .images = {sample_plain(10, 10, bands, under), sample_plain(10, 10, 4, clear)},
            .count = 1};
        VipsImage *image = run(&overlay);
        for (int band = 0; band < bands; band++)
            assert_int_equal(sample_pixel(image, 5, 5, band), (int)under[band]);
        g_object_unref(image);
        g_object_unref(overlay.images[0]);
        g_object_unref(overlay.images[1]);
    }
}

/* A resampled edge can have colours above its alpha. */
static void an_overshoot_is_clipped(void **state)
{
    (void)state;
    static const double overshoot[] = {140, 140, 140, 100}, white[] = {255, 255, 255, 255};
    for (int bands = 3; bands <= 4; bands++) {
        struct overlay overlay = {
            .images = {sample_plain(4, 4, bands, white), sample_plain(4, 4, 4, overshoot)},
            .count = 1};
        VipsImage *image = run(&overlay);
        assert_int_equal(sample_pixel(image, 2, 2, 0), 255);
        g_object_unref(image);
        g_object_unref(overlay.images[0]);
        g_object_unref(overlay.images[1]);
    }
}

static void later_images_lie_on_top_and_all_are_clipped(void **state)
{
    (void)state;
    static const double black[] = {0, 0, 0}, red[] = {200, 0, 0, 255}, green[] = {0, 200, 0, 255};
    struct overlay overlay = {.images = {sample_plain(100, 80, 3, black),
                                         sample_plain(40, 40, 4, red),
                                         sample_plain(40, 40, 4, green)},
                              .lefts = {-20, 10},
                              .tops = {-20, 10},
                              .count = 2};
    VipsImage *image = run(&overlay);
    assert_int_equal(vips_image_get_width(image), 100);
    assert_int_equal(vips_image_get_height(image), 80);
    assert_int_equal(sample_pixel(image, 0, 0, 0), 200);
    assert_int_equal(sample_pixel(image, 19, 9, 0), 200);
    assert_int_equal(sample_pixel(image, 20, 9, 0), 0);
    assert_int_equal(sample_pixel(image, 15, 15, 0), 0);
    assert_int_equal(sample_pixel(image, 15, 15, 1), 200);
    assert_int_equal(sample_pixel(image, 49, 49, 1), 200);
    assert_int_equal(sample_pixel(image, 50, 50, 1), 0);
    g_object_unref(image);
    for (size_t i = 0; i < 3; i++)
        g_object_unref(overlay.images[i]);
}

static int start(void **state)
{
    (void)state;
    struct err_buf why = {.text = ""};
    return picture_library_init("test_overlay", &why) ? -1 : 0;
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
        cmocka_unit_test(blending_over_an_opaque_picture_is_exact_to_rounding),
        cmocka_unit_test(blending_over_a_transparent_picture_is_exact_to_rounding),
        cmocka_unit_test(what_is_invisible_changes_nothing),
        cmocka_unit_test(an_overshoot_is_clipped),
        cmocka_unit_test(later_images_lie_on_top_and_all_are_clipped),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
