/* SPDX-License-Identifier: MIT */
/* Whatever a decoder gives, what is opened has the colours that a browser shows. */
#include "unit/lib/picture/picture_fixture.h"

static void every_format_comes_out_as_srgb(void **state)
{
    (void)state;
    static const double colour[] = {200, 60, 30};
    static const int expected[] = {200, 60, 30};
    static const char *const all[] = {
        ".jpg[Q=95]",    ".jpg[Q=95,interlace]", ".png",        ".png[interlace]",
        ".png[palette]", ".webp[lossless]",      ".webp[Q=95]", ".gif"};
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        struct picture *picture = must_open(sample_encode(sample_plain(33, 21, 3, colour), all[i]));
        assert_int_equal(picture_width(picture), 33);
        assert_int_equal(picture_height(picture), 21);
        assert_int_equal(vips_image_get_interpretation(picture->image), VIPS_INTERPRETATION_sRGB);
        assert_int_equal(vips_image_get_format(picture->image), VIPS_FORMAT_UCHAR);
        assert_pixel(picture, 16, 10, expected, 4);
        picture_free(&picture);
        assert_null(picture);
        picture_free(&picture);
    }
}

static void grey_pictures_become_three_equal_bands(void **state)
{
    (void)state;
    static const double grey[] = {77};
    static const int expected[] = {77, 77, 77};
    static const char *const all[] = {".jpg", ".png"};
    for (size_t i = 0; i < 2; i++) {
        struct picture *picture = must_open(sample_encode(sample_plain(9, 9, 1, grey), all[i]));
        assert_false(picture_has_alpha(picture));
        assert_int_equal(vips_image_get_bands(picture->image), 3);
        assert_pixel(picture, 4, 4, expected, 1);
        picture_free(&picture);
    }
}

static void alpha_is_kept_beside_grey_and_colour(void **state)
{
    (void)state;
    static const double grey[] = {77, 130}, colour[] = {10, 200, 90, 130};
    static const int grey_expected[] = {77, 77, 77}, colour_expected[] = {10, 200, 90};
    struct picture *picture = must_open(sample_encode(sample_plain(9, 9, 2, grey), ".png"));
    assert_true(picture_has_alpha(picture));
    assert_pixel(picture, 4, 4, grey_expected, 1);
    assert_int_equal(pixel(picture, 4, 4, 3), 130);
    picture_free(&picture);

    picture = must_open(sample_encode(sample_plain(9, 9, 4, colour), ".webp[lossless]"));
    assert_true(picture_has_alpha(picture));
    assert_pixel(picture, 4, 4, colour_expected, 1);
    assert_int_equal(pixel(picture, 4, 4, 3), 130);
    picture_free(&picture);
}

/* A 16-bit copy of an 8-bit image; takes it over. */
static VipsImage *widen(VipsImage *image)
{
    VipsImage *shifted, *wide, *named;
    assert_int_equal(vips_linear1(image, &shifted, 257.0, 0.0, NULL), 0);
    assert_int_equal(vips_cast_ushort(shifted, &wide, NULL), 0);
    VipsInterpretation interpretation =
        vips_image_get_bands(image) < 3 ? VIPS_INTERPRETATION_GREY16 : VIPS_INTERPRETATION_RGB16;
    assert_int_equal(vips_copy(wide, &named, "interpretation", interpretation, NULL), 0);
    g_object_unref(image);
    g_object_unref(shifted);
    g_object_unref(wide);
    return named;
}

static void sixteen_bits_become_eight_alpha_included(void **state)
{
    (void)state;
    static const double colours[] = {10, 200, 90, 130};
    static const int colour_expected[] = {10, 200, 90}, grey_expected[] = {10, 10, 10};
    for (int bands = 1; bands <= 4; bands++) {
        struct picture *picture =
            must_open(sample_encode(widen(sample_plain(9, 9, bands, colours)), ".png"));
        assert_int_equal(vips_image_get_format(picture->image), VIPS_FORMAT_UCHAR);
        assert_int_equal(picture_has_alpha(picture), bands == 2 || bands == 4);
        assert_pixel(picture, 4, 4, bands < 3 ? grey_expected : colour_expected, 1);
        if (picture_has_alpha(picture))
            assert_near(pixel(picture, 4, 4, 3), (int)colours[bands - 1], 1);
        picture_free(&picture);
    }
}

static void a_cmyk_jpeg_is_converted(void **state)
{
    (void)state;
    static const double inks[2][4] = {{0, 0, 0, 0}, {0, 230, 230, 0}};
    static const int expected[2][3] = {{255, 255, 255}, {225, 50, 45}};
    for (size_t i = 0; i < 2; i++) {
        VipsImage *plain = sample_plain(16, 16, 4, inks[i]), *cmyk;
        assert_int_equal(vips_copy(plain, &cmyk, "interpretation", VIPS_INTERPRETATION_CMYK, NULL),
                         0);
        g_object_unref(plain);
        struct picture *picture = must_open(sample_encode(cmyk, ".jpg[Q=98]"));
        assert_false(picture_has_alpha(picture));
        assert_pixel(picture, 8, 8, expected[i], 30);
        picture_free(&picture);
    }
}

static VipsImage *with_profile(VipsImage *image, const void *profile, size_t len)
{
    VipsImage *copy;
    assert_int_equal(vips_copy(image, &copy, NULL), 0);
    vips_image_set_blob_copy(copy, VIPS_META_ICC_NAME, profile, len);
    g_object_unref(image);
    return copy;
}

/* A profile that libvips brings along; malloc'ed. */
static unsigned char *builtin_profile(const char *name, size_t *len)
{
    VipsBlob *blob;
    assert_int_equal(vips_profile_load(name, &blob, NULL), 0);
    const void *profile = vips_blob_get(blob, len);
    unsigned char *copy = malloc(*len);
    assert_non_null(copy);
    memcpy(copy, profile, *len);
    vips_area_unref(VIPS_AREA(blob));
    return copy;
}

static struct picture *open_with_profile(VipsImage *image, const char *name, const char *suffix)
{
    size_t len;
    unsigned char *profile = builtin_profile(name, &len);
    struct sample sample = sample_encode(with_profile(image, profile, len), suffix);
    free(profile);
    return must_open(sample);
}

static void a_colour_profile_is_applied(void **state)
{
    (void)state;
    static const double colour[] = {180, 100, 80};
    struct picture *picture = open_with_profile(sample_plain(9, 9, 3, colour), "p3", ".png");
    /* A wide space's red is redder than sRGB's of the same number. */
    assert_true(pixel(picture, 4, 4, 0) > 185);
    assert_true(pixel(picture, 4, 4, 1) < 99);
    picture_free(&picture);

    static const int same[] = {180, 100, 80};
    picture = open_with_profile(sample_plain(9, 9, 3, colour), "srgb", ".png");
    assert_pixel(picture, 4, 4, same, 1);
    picture_free(&picture);
}

static void a_profile_that_is_none_is_ignored(void **state)
{
    (void)state;
    static const double colour[] = {180, 100, 80};
    static const int same[] = {180, 100, 80};
    unsigned char profile[300];
    memset(profile, 0x42, sizeof(profile));
    VipsImage *image = with_profile(sample_plain(16, 16, 3, colour), profile, sizeof(profile));
    struct picture *picture = must_open(sample_encode(image, ".jpg[Q=98]"));
    assert_pixel(picture, 8, 8, same, 3);
    assert_string_equal(vips_error_buffer(), "");
    picture_free(&picture);
}

/*
 * Profiles whose colour space is not the pixels' would turn these into something else. As WebP and
 * JPEG, since libpng drops such profiles by itself.
 */
static void a_profile_of_another_colour_space_is_ignored(void **state)
{
    (void)state;
    static const double colours[] = {180, 100, 80, 200};
    static const int same[] = {180, 100, 80}, grey[] = {180, 180, 180};
    static const struct {
        int bands;
        const char *suffix;
        const int *expected;
    } cases[] = {
        {1, ".jpg[Q=98]", grey},
        {3, ".jpg[Q=98]", same},
        {3, ".webp[lossless]", same},
        {4, ".webp[lossless]", same},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct picture *picture =
            open_with_profile(sample_plain(9, 9, cases[i].bands, colours), "cmyk", cases[i].suffix);
        assert_pixel(picture, 4, 4, cases[i].expected, 3);
        assert_int_equal(picture_has_alpha(picture), cases[i].bands == 4);
        picture_free(&picture);
    }
}

/* Of classes that do not describe a device: a link between two, and named colours. */
static void a_profile_of_another_class_is_ignored(void **state)
{
    (void)state;
    enum { CLASS = 12 };
    static const double colour[] = {180, 100, 80};
    static const int same[] = {180, 100, 80};
    static const char *const classes[] = {"link", "nmcl", "abst"};
    for (size_t i = 0; i < 3; i++) {
        size_t len;
        unsigned char *profile = builtin_profile("p3", &len);
        memcpy(profile + CLASS, classes[i], 4);
        struct picture *picture = must_open(sample_encode(
            with_profile(sample_plain(9, 9, 3, colour), profile, len), ".webp[lossless]"));
        assert_pixel(picture, 4, 4, same, 1);
        picture_free(&picture);
        free(profile);
    }
}

static void sixteen_bits_with_alpha_and_a_profile_keep_the_alpha(void **state)
{
    (void)state;
    static const double colours[] = {180, 100, 80, 130};
    struct picture *picture =
        open_with_profile(widen(sample_plain(9, 9, 4, colours)), "p3", ".png");
    assert_near(pixel(picture, 4, 4, 3), 130, 1);
    assert_true(pixel(picture, 4, 4, 0) > 185); /* the profile was applied */
    picture_free(&picture);
}

static void alpha_that_is_full_everywhere_is_none(void **state)
{
    (void)state;
    static const double opaque[] = {180, 100, 80, 255}, nearly[] = {180, 100, 80, 254};
    struct picture *picture = must_open(sample_encode(sample_plain(9, 9, 4, opaque), ".png"));
    assert_false(picture_has_alpha(picture));
    picture_free(&picture);
    picture = must_open(sample_encode(sample_plain(9, 9, 4, nearly), ".png"));
    assert_true(picture_has_alpha(picture));
    picture_free(&picture);
}

static void black_ink_without_a_profile_is_black(void **state)
{
    (void)state;
    static const double inks[] = {0, 0, 0, 255};
    static const int black[] = {0, 0, 0};
    VipsImage *plain = sample_plain(16, 16, 4, inks), *cmyk;
    assert_int_equal(vips_copy(plain, &cmyk, "interpretation", VIPS_INTERPRETATION_CMYK, NULL), 0);
    g_object_unref(plain);
    struct picture *picture = must_open(sample_encode(cmyk, ".jpg[Q=98]"));
    assert_pixel(picture, 8, 8, black, 4);
    picture_free(&picture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_format_comes_out_as_srgb),
        cmocka_unit_test(grey_pictures_become_three_equal_bands),
        cmocka_unit_test(alpha_is_kept_beside_grey_and_colour),
        cmocka_unit_test(sixteen_bits_become_eight_alpha_included),
        cmocka_unit_test(a_cmyk_jpeg_is_converted),
        cmocka_unit_test(a_colour_profile_is_applied),
        cmocka_unit_test(a_profile_that_is_none_is_ignored),
        cmocka_unit_test(a_profile_of_another_colour_space_is_ignored),
        cmocka_unit_test(a_profile_of_another_class_is_ignored),
        cmocka_unit_test(sixteen_bits_with_alpha_and_a_profile_keep_the_alpha),
        cmocka_unit_test(alpha_that_is_full_everywhere_is_none),
        cmocka_unit_test(black_ink_without_a_profile_is_black),
    };
    return cmocka_run_group_tests(tests, sample_library_start, sample_library_stop);
}
