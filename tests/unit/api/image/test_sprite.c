/* SPDX-License-Identifier: MIT */
/* Pixels are compared with the same filter in floating point, straight from its definition. */
#include "api/image/sprite.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "api/image/artwork_file.h"
#include "support/cmocka.h"
#include "support/sample_artwork.h"

enum { BANDS = 4, GREY = 100, COLOURS = 5 };

/* Premultiplied. */
static const unsigned char palette[COLOURS][4] = {
    {0, 0, 0, 0}, {255, 0, 0, 255}, {0, 255, 0, 255}, {0, 0, 120, 120}, {GREY, GREY, GREY, 255}};

/* Emoji 0: four quarters of a disc, and one corner of it is cut. 1: a plain square. */
static unsigned char paint(size_t index, int side, int x, int y)
{
    double across = (x + 0.5) / side - 0.5, down = (y + 0.5) / side - 0.5;
    if (index == 1)
        return 4;
    if (hypot(across, down) > 0.5 || (across > 0.2 && down > 0.2))
        return 0;
    return (unsigned char)(1 + (across > 0) + 2 * (down > 0));
}

static struct artwork *open_artwork(void)
{
    static const struct sample_artwork sample = {2, palette, COLOURS, paint};
    size_t len;
    void *file = sample_artwork_make(&sample, &len);
    return sample_artwork_open(file, len);
}

/* A sprite and all pixels of its box. */
struct drawn {
    struct sprite sprite;
    unsigned char *pixels;
};

static const unsigned char *pixel_of(const struct drawn *drawn, int x, int y)
{
    const struct box *box = &drawn->sprite.box;
    return drawn->pixels + ((ptrdiff_t)(y - box->top) * box->width + x - box->left) * BANDS;
}

/* Each row with `parts` calls. */
static struct drawn draw(const struct artwork *artwork, size_t index, struct placement place,
                         int parts)
{
    struct drawn drawn;
    assert_int_equal(sprite_init(&drawn.sprite, artwork, index, &place), APP_OK);
    const struct box *box = &drawn.sprite.box;
    unsigned char *row = malloc((size_t)box->width * BANDS);
    drawn.pixels = calloc((size_t)box->width * (size_t)box->height, BANDS);
    assert_non_null(row);
    assert_non_null(drawn.pixels);
    for (int y = box->top; y < box->top + box->height; y++) {
        for (int part = 0; part < parts; part++) {
            int from = box->width * part / parts, to = box->width * (part + 1) / parts, skipped = 0;
            int count = sprite_row(&drawn.sprite, box->left + from, y, to - from, row, &skipped);
            assert_true(count >= 0 && skipped >= 0 && skipped + count <= to - from);
            size_t at = (size_t)(y - box->top) * (size_t)box->width + (size_t)(from + skipped);
            memcpy(drawn.pixels + at * BANDS, row, (size_t)count * BANDS);
        }
    }
    free(row);
    return drawn;
}

static void release(struct drawn *drawn)
{
    sprite_release(&drawn->sprite);
    free(drawn->pixels);
}

static double colour_of(int level, int x, int y, int band)
{
    int side = ARTWORK_SIDE(level);
    return x < 0 || y < 0 || x >= side || y >= side ? 0 : palette[paint(0, side, x, y)][band];
}

static double expected(struct placement place, int level, int x, int y, int band)
{
    double step = ARTWORK_SIDE(level) / place.side, middle = ARTWORK_SIDE(level) / 2.0 - 0.5;
    double right = (x + 0.5 - place.x) * step, low = (y + 0.5 - place.y) * step;
    double across = middle + right * cos(place.angle) + low * sin(place.angle);
    double down = middle + low * cos(place.angle) - right * sin(place.angle);
    int left = (int)floor(across), top = (int)floor(down);
    double u = across - left, v = down - top;
    return (colour_of(level, left, top, band) * (1 - u) +
            colour_of(level, left + 1, top, band) * u) *
               (1 - v) +
           (colour_of(level, left, top + 1, band) * (1 - u) +
            colour_of(level, left + 1, top + 1, band) * u) *
               v;
}

static void each_pixel_is_what_the_filter_says(void **state)
{
    (void)state;
    static const struct {
        struct placement place;
        int level;
    } cases[] = {
        {{100, 80, 10, 0}, 5},         {{100.5, 80.5, 21, 0.3}, 5},   {{-40, 13.3, 44.9, -0.7}, 4},
        {{100, 80, 46, 0}, 3},         {{100.2, 80.7, 100, 1.05}, 2}, {{100, 80, 240, 0}, 1},
        {{0, 0, 407.9, -1.05}, 1},     {{100, 80, 409, 0.1}, 0},      {{100, 80, 480, 0}, 0},
        {{400.3, 380.1, 777, 0.5}, 0},
    };
    enum { TOLERANCE = 3 }; /* steps; the weights have 8 bits */
    struct artwork *artwork = open_artwork();
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct placement place = cases[i].place;
        struct drawn drawn = draw(artwork, 0, place, 1);
        const struct box *box = &drawn.sprite.box;
        for (int k = 0; k < box->width * box->height * BANDS; k++) {
            int x = box->left + k / BANDS % box->width, y = box->top + k / BANDS / box->width;
            double wanted = expected(place, cases[i].level, x, y, k % BANDS);
            if (fabs(drawn.pixels[k] - wanted) > TOLERANCE)
                fail_msg("case %zu, pixel %d,%d: %d, not %.1f", i, x, y, drawn.pixels[k], wanted);
        }
        release(&drawn);
    }
    artwork_close(&artwork);
}

static void the_box_holds_all_that_is_visible_and_not_much_more(void **state)
{
    (void)state;
    struct artwork *artwork = open_artwork();
    struct placement place = {100, 80, 50, 0};
    struct drawn drawn = draw(artwork, 1, place, 1);
    const struct box upright = {75, 55, 50, 50};
    assert_memory_equal(&drawn.sprite.box, &upright, sizeof(upright));
    assert_int_equal(pixel_of(&drawn, 75, 55)[3], 255);
    assert_int_equal(pixel_of(&drawn, 124, 104)[3], 255);
    release(&drawn);

    place.angle = M_PI / 4;
    drawn = draw(artwork, 1, place, 1);
    assert_in_range(drawn.sprite.box.width, 70, 73); /* the diagonal */
    assert_in_range(drawn.sprite.box.left, 63, 65);
    assert_int_equal(pixel_of(&drawn, 68, 80)[3], 255);
    assert_int_equal(pixel_of(&drawn, 100, 48)[3], 255);
    assert_int_equal(pixel_of(&drawn, 70, 50)[3], 0);
    assert_int_equal(pixel_of(&drawn, 130, 110)[3], 0);
    release(&drawn);
    artwork_close(&artwork);
}

/* A quarter turn clockwise brings what was at the left to the top. */
static void a_positive_angle_turns_clockwise(void **state)
{
    (void)state;
    struct artwork *artwork = open_artwork();
    struct drawn drawn = draw(artwork, 0, (struct placement){100, 100, 80, M_PI / 2}, 1);
    assert_memory_equal(pixel_of(&drawn, 85, 85), palette[3], BANDS);   /* was below */
    assert_memory_equal(pixel_of(&drawn, 115, 85), palette[1], BANDS);  /* was left */
    assert_memory_equal(pixel_of(&drawn, 115, 110), palette[2], BANDS); /* was above */
    release(&drawn);
    artwork_close(&artwork);
}

static void one_colour_stays_that_colour_to_the_edges(void **state)
{
    (void)state;
    static const double sides[] = {1, 7, 15, 60, 200, 480, 700};
    struct artwork *artwork = open_artwork();
    for (size_t i = 0; i < sizeof(sides) / sizeof(sides[0]); i++) {
        struct drawn drawn =
            draw(artwork, 1, (struct placement){sides[i] / 2, sides[i] / 2, sides[i], 0}, 1);
        int side = (int)sides[i];
        for (int k = 0; k < side * side; k++) {
            const unsigned char *pixel = pixel_of(&drawn, k % side, k / side);
            bool edge =
                k % side == 0 || k / side == 0 || k % side == side - 1 || k / side == side - 1;
            if (!edge)
                assert_memory_equal(pixel, palette[4], BANDS);
            else /* half a pixel of the level blends with the border, and no dark colour */
                assert_in_range(pixel[0] * 255 / (pixel[3] + 1), GREY - 5, GREY + 5);
        }
        release(&drawn);
    }
    artwork_close(&artwork);
}

static void a_part_of_a_row_is_the_same_as_in_the_whole(void **state)
{
    (void)state;
    static const double angles[] = {0, 0.4, -1, M_PI / 2, M_PI};
    struct artwork *artwork = open_artwork();
    for (size_t i = 0; i < sizeof(angles) / sizeof(angles[0]); i++) {
        struct placement place = {30.7, 500.2, 143, angles[i]};
        struct drawn whole = draw(artwork, 0, place, 1), parts = draw(artwork, 0, place, 13);
        const struct box *box = &whole.sprite.box;
        assert_memory_equal(whole.pixels, parts.pixels,
                            (size_t)box->width * (size_t)box->height * BANDS);
        release(&whole);
        release(&parts);
    }
    artwork_close(&artwork);
}

static void a_huge_sprite_has_every_part_of_it(void **state)
{
    (void)state;
    enum { SIDE = 400000 };
    struct artwork *artwork = open_artwork();
    struct sprite sprite;
    unsigned char pixels[100 * BANDS];
    int skipped = -1;
    for (int i = 0; i < 2; i++) {
        struct placement place = {SIDE / 2.0, SIDE / 2.0, SIDE, i ? 0.5 : 0};
        assert_int_equal(sprite_init(&sprite, artwork, 1, &place), APP_OK);
        assert_int_equal(sprite_row(&sprite, SIDE - 60000, SIDE / 2, 100, pixels, &skipped), 100);
        assert_int_equal(skipped, 0);
        assert_memory_equal(pixels + 99 * BANDS, palette[4], BANDS);
        assert_int_equal(sprite_row(&sprite, SIDE / 2, SIDE - 60000, 100, pixels, &skipped), 100);
        assert_memory_equal(pixels, palette[4], BANDS);
        sprite_release(&sprite);
    }
    artwork_close(&artwork);
}

static void a_largest_level_that_cannot_be_unpacked_is_an_error(void **state)
{
    (void)state;
    static const struct sample_artwork sample = {1, palette, COLOURS, paint};
    size_t len;
    void *file = sample_artwork_make(&sample, &len);
    ((struct artwork_file_emoji *)((struct artwork_file_header *)file + 1))->packed_len--;
    sample_artwork_sign(file, len);
    struct artwork *artwork = sample_artwork_open(file, len);
    struct sprite sprite;
    struct placement place = {0, 0, 409, 0};
    assert_int_equal(sprite_init(&sprite, artwork, 0, &place), APP_INTERNAL);
    place.side = 408;
    assert_int_equal(sprite_init(&sprite, artwork, 0, &place), APP_OK);
    sprite_release(&sprite);
    artwork_close(&artwork);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_pixel_is_what_the_filter_says),
        cmocka_unit_test(the_box_holds_all_that_is_visible_and_not_much_more),
        cmocka_unit_test(a_positive_angle_turns_clockwise),
        cmocka_unit_test(one_colour_stays_that_colour_to_the_edges),
        cmocka_unit_test(a_part_of_a_row_is_the_same_as_in_the_whole),
        cmocka_unit_test(a_huge_sprite_has_every_part_of_it),
        cmocka_unit_test(a_largest_level_that_cannot_be_unpacked_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
