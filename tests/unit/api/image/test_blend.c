/* SPDX-License-Identifier: MIT */
/* Blending is compared with the same formula in floating point, for many values at once. */
#include "api/image/blend.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "support/cmocka.h"

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

/* All pairs, one after the other. */
static void fill(unsigned char *data, int bands, bool is_over)
{
    for (int i = 0; i < SIDE * SIDE; i++) {
        struct pair pair = pair_at(i % SIDE, i / SIDE);
        for (int band = 0; band < 3; band++)
            data[i * bands + band] =
                (unsigned char)(is_over ? premultiply(pair.over, pair.over_alpha) : pair.under);
        if (bands == 4)
            data[i * bands + 3] = (unsigned char)(is_over ? pair.over_alpha : pair.under_alpha);
    }
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
    fill(under, bands, false);
    fill(over, 4, true);
    blend_row(under, bands, over, SIDE * SIDE);
    for (int i = 0; i < SIDE * SIDE; i++) {
        struct pair pair = pair_at(i % SIDE, i / SIDE);
        const unsigned char *pixel = under + i * bands;
        double through = 1.0 - pair.over_alpha / 255.0;
        double under_alpha = bands == 4 ? pair.under_alpha / 255.0 : 1.0;
        double alpha = pair.over_alpha / 255.0 + under_alpha * through;
        if (bands == 4)
            assert_close(pixel[3], alpha * 255.0, 1.0, pair);
        /* The nearer to invisible, the coarser a premultiplied byte. */
        if (alpha < 0.2)
            continue;
        double colour =
            (premultiply(pair.over, pair.over_alpha) + pair.under * under_alpha * through) / alpha;
        assert_close(pixel[1], colour, 1.0 + 1.0 / alpha, pair);
    }
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
    static const unsigned char clear[4] = {0}, before[] = {3, 77, 254, 1};
    for (int bands = 3; bands <= 4; bands++) {
        unsigned char under[4];
        memcpy(under, before, sizeof(under));
        blend_row(under, bands, clear, 1);
        assert_memory_equal(under, before, sizeof(under));
    }
}

static void only_the_row_is_touched(void **state)
{
    (void)state;
    static const unsigned char over[] = {9, 8, 7, 255, 6, 5, 4, 255};
    for (int bands = 3; bands <= 4; bands++) {
        unsigned char under[12] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1};
        blend_row(under + bands, bands, over, 1);
        for (int i = 0; i < 12; i++)
            assert_int_equal(under[i] != 1, i >= bands && i < 2 * bands);
        blend_row(under, bands, over, 0);
        assert_int_equal(under[0], 1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(blending_over_an_opaque_picture_is_exact_to_rounding),
        cmocka_unit_test(blending_over_a_transparent_picture_is_exact_to_rounding),
        cmocka_unit_test(what_is_invisible_changes_nothing),
        cmocka_unit_test(only_the_row_is_touched),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
