/* SPDX-License-Identifier: MIT */
/* From any pixels that a decoder gives to 8-bit sRGB. */
#include <string.h>
#include <vips/vips.h>

#include "lib/picture/picture_private.h"
#include "lib/picture/srgb_profile.h"

/* The header of an ICC profile (ICC.1:2022, 7.2): where its class and its colour space stand. */
enum { ICC_HEADER = 128, ICC_CLASS = 12, ICC_SPACE = 16, ICC_NAME = 4 };

static bool is_one_of(const unsigned char *name, const char *const *names, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (memcmp(name, names[i], ICC_NAME) == 0)
            return true;
    }
    return false;
}

static int count_colours(VipsImage *image)
{
    return vips_image_get_bands(image) - (vips_image_hasalpha(image) ? 1 : 0);
}

/*
 * Whether the profile is about such pixels. libvips would obey one of CMYK for four bands of
 * RGBA; viewers ignore a profile of another space, and those of links and of named colours.
 */
static bool profile_fits(VipsImage *image, const unsigned char *profile, size_t len)
{
    static const char *const classes[] = {"scnr", "mntr", "prtr", "spac"};
    if (len < ICC_HEADER || !is_one_of(profile + ICC_CLASS, classes, 4))
        return false;
    const char *space = "RGB ";
    if (vips_image_get_interpretation(image) == VIPS_INTERPRETATION_CMYK)
        space = "CMYK";
    else if (count_colours(image) < 3)
        space = "GRAY";
    return memcmp(profile + ICC_SPACE, space, ICC_NAME) == 0;
}

static bool needs_profile(VipsImage *image)
{
    const void *profile;
    size_t len;
    if (!vips_image_get_typeof(image, VIPS_META_ICC_NAME) ||
        vips_image_get_blob(image, VIPS_META_ICC_NAME, &profile, &len))
        return false;
    return profile_fits(image, profile, len) && !srgb_profile_is(profile, len);
}

/* A detector finds faces in any RGB colours. Those of CMYK may be far off without a profile. */
static bool is_close_enough(VipsImage *image)
{
    return vips_image_get_interpretation(image) != VIPS_INTERPRETATION_CMYK;
}

/* With the intent that browsers take; it makes a difference for profiles with tables only. */
static int transform_colours(VipsImage *image, VipsImage **out)
{
    return vips_icc_transform(image, out, "srgb", "embedded", TRUE, "intent",
                              VIPS_INTENT_PERCEPTUAL, "depth", 8, NULL);
}

/* Converts the colours only: libvips would read a 16-bit alpha as if it had 8 bits. */
static int transform(VipsImage *image, VipsImage **out)
{
    if (!vips_image_hasalpha(image))
        return transform_colours(image, out);
    VipsImage *colours = NULL, *alpha = NULL, *srgb = NULL, *alpha_bytes = NULL;
    int last = vips_image_get_bands(image) - 1;
    bool is_wide = vips_image_get_format(image) == VIPS_FORMAT_USHORT;
    int status = -1;
    if (vips_extract_band(image, &colours, 0, "n", last, NULL) == 0 &&
        vips_extract_band(image, &alpha, last, NULL) == 0 &&
        transform_colours(colours, &srgb) == 0 &&
        vips_cast(alpha, &alpha_bytes, VIPS_FORMAT_UCHAR, "shift", is_wide, NULL) == 0)
        status = vips_bandjoin2(srgb, alpha_bytes, out, NULL);
    g_clear_object(&alpha_bytes);
    g_clear_object(&srgb);
    g_clear_object(&alpha);
    g_clear_object(&colours);
    return status;
}

/* CMYK without a profile, as browsers show it: each ink and black take their share of the light. */
static int multiply_inks(VipsImage *image, VipsImage **out)
{
    VipsImage *light = NULL, *inks = NULL, *black = NULL, *product = NULL, *bytes = NULL;
    int status = -1;
    if (vips_invert(image, &light, NULL) == 0 &&
        vips_extract_band(light, &inks, 0, "n", 3, NULL) == 0 &&
        vips_extract_band(light, &black, 3, NULL) == 0 &&
        vips_multiply(inks, black, &product, NULL) == 0 &&
        vips_linear1(product, &bytes, 1.0 / UINT8_MAX, 0.5, "uchar", TRUE, NULL) == 0)
        status = vips_copy(bytes, out, "interpretation", VIPS_INTERPRETATION_sRGB, NULL);
    g_clear_object(&bytes);
    g_clear_object(&product);
    g_clear_object(&black);
    g_clear_object(&inks);
    g_clear_object(&light);
    return status;
}

static int to_srgb(VipsImage *image, bool exact, VipsImage **out)
{
    if ((exact || !is_close_enough(image)) && needs_profile(image)) {
        if (transform(image, out) == 0)
            return 0;
        /* An unusable profile is no reason to refuse: viewers ignore it, too. */
        vips_error_clear();
    }
    if (vips_image_get_interpretation(image) == VIPS_INTERPRETATION_CMYK &&
        vips_image_get_format(image) == VIPS_FORMAT_UCHAR)
        return multiply_inks(image, out);
    return vips_colourspace(image, out, VIPS_INTERPRETATION_sRGB, NULL);
}

static int to_plain_bands(VipsImage *image, VipsImage **out)
{
    VipsImage *eight_bit;
    if (vips_cast_uchar(image, &eight_bit, NULL))
        return -1;
    int bands = vips_image_get_bands(eight_bit);
    if (bands < 3) {
        vips_error("picture", "%d bands after the conversion to sRGB", bands);
        g_object_unref(eight_bit);
        return -1;
    }
    int status = vips_extract_band(eight_bit, out, 0, "n", bands > 3 ? 4 : 3, NULL);
    g_object_unref(eight_bit);
    return status;
}

int picture_to_plain(VipsImage *image, bool exact, VipsImage **out)
{
    VipsImage *srgb = NULL;
    int status = to_srgb(image, exact, &srgb);
    if (status == 0)
        status = to_plain_bands(srgb, out);
    g_clear_object(&srgb);
    return status;
}
