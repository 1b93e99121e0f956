/* SPDX-License-Identifier: MIT */
/* From any pixels that a decoder gives to 8-bit sRGB. */
#include <vips/vips.h>

#include "lib/picture/picture_private.h"
#include "lib/picture/srgb_profile.h"

static bool needs_profile(VipsImage *image)
{
    const void *profile;
    size_t len;
    if (!vips_image_get_typeof(image, VIPS_META_ICC_NAME) ||
        vips_image_get_blob(image, VIPS_META_ICC_NAME, &profile, &len))
        return false;
    return !srgb_profile_is(profile, len);
}

/* A detector sees faces in the colours of any RGB; those of CMYK may be far off without a profile.
 */
static bool is_close_enough(VipsImage *image)
{
    return vips_image_get_interpretation(image) != VIPS_INTERPRETATION_CMYK;
}

static int to_srgb(VipsImage *image, bool exact, VipsImage **out)
{
    if ((exact || !is_close_enough(image)) && needs_profile(image)) {
        if (vips_icc_transform(image, out, "srgb", "embedded", TRUE, "depth", 8, NULL) == 0)
            return 0;
        /* An unusable profile is no reason to refuse: viewers ignore it, too. */
        vips_error_clear();
    }
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
