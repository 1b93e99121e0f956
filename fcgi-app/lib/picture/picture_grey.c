/* SPDX-License-Identifier: MIT */
/* A picture in grey, for a face detector. */
#include "lib/picture/picture.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <vips/vips.h>

#include "lib/picture/picture_private.h"

#define TEXT_FAILED "the picture cannot be processed"

static int flatten(VipsImage *image, VipsImage **out)
{
    VipsArrayDouble *white = vips_array_double_newv(1, 255.0);
    int status = vips_flatten(image, out, "background", white, NULL);
    vips_area_unref(VIPS_AREA(white));
    return status;
}

/*
 * A side of at least one pixel, however thin the picture. Without libvips'
 * first step by a whole number ("gap") its vector code does all of the work: 7000
 * pixels to 1300 then take 68 ms, not 874. Its weights have few bits, though,
 * and beyond this factor lose more than one step of brightness in 200.
 */
enum { LARGEST_VECTOR_FACTOR = 16 };

static int reduce(VipsImage *image, double factor, VipsImage **out)
{
    double across = MAX(1.0 / factor, 1.0 / vips_image_get_width(image));
    double down = MAX(1.0 / factor, 1.0 / vips_image_get_height(image));
    return vips_resize(image, out, across, "vscale", down, "kernel", VIPS_KERNEL_LINEAR, "gap",
                       factor > LARGEST_VECTOR_FACTOR ? 2.0 : 0.0, NULL);
}

/* Luma of BT.601, what detectors are trained on. */
static int to_luma(VipsImage *image, VipsImage **out)
{
    VipsImage *weights = vips_image_new_matrixv(3, 1, 0.299, 0.587, 0.114);
    VipsImage *luma = NULL;
    int status = -1;
    if (vips_recomb(image, &luma, weights, NULL) == 0)
        status = vips_cast_uchar(luma, out, NULL);
    g_clear_object(&luma);
    g_object_unref(weights);
    return status;
}

int picture_opaque(VipsImage *image, double factor, VipsImage **out)
{
    VipsImage *opaque = NULL;
    int status = -1;
    if ((vips_image_hasalpha(image) ? flatten(image, &opaque) : vips_copy(image, &opaque, NULL)) ==
        0)
        status = factor > 1.0 ? reduce(opaque, factor, out) : vips_copy(opaque, out, NULL);
    g_clear_object(&opaque);
    return status;
}

static int build_grey(VipsImage *image, double factor, VipsImage **out)
{
    VipsImage *opaque = NULL;
    int status = picture_opaque(image, factor, &opaque);
    if (status == 0)
        status = to_luma(opaque, out);
    g_clear_object(&opaque);
    return status;
}

/* NULL when there is no memory. `image` is one band of bytes in memory, without gaps. */
static unsigned char *copy_pixels(VipsImage *image)
{
    size_t size = (size_t)vips_image_get_width(image) * (size_t)vips_image_get_height(image);
    const void *data = vips_image_get_data(image);
    unsigned char *pixels = data ? malloc(size) : NULL;
    if (pixels)
        memcpy(pixels, data, size);
    return pixels;
}

enum app_err picture_to_grey(const struct picture *picture, int max_side, unsigned char **pixels,
                             int *width, int *height, double *scale, struct err_buf *why)
{
    assert(max_side > 0);
    int longer = MAX(picture_width(picture), picture_height(picture));
    double factor = longer > max_side ? (double)longer / max_side : 1.0;
    struct picture_watch watch;
    picture_watch_init(&watch, picture->deadline_ns);
    VipsImage *lazy = NULL, *grey = NULL;

    if (build_grey(picture->image, factor, &lazy) == 0) {
        picture_watch_start(&watch, lazy);
        grey = vips_image_copy_memory(lazy);
        picture_watch_stop(&watch);
    }
    g_clear_object(&lazy);
    if (!grey)
        return picture_failure(&watch, APP_INTERNAL, TEXT_FAILED, why);

    enum app_err err = APP_NO_MEMORY;
    unsigned char *copy = copy_pixels(grey);
    if (copy) {
        *pixels = copy;
        *width = vips_image_get_width(grey);
        *height = vips_image_get_height(grey);
        *scale = factor;
        err = APP_OK;
    }
    g_object_unref(grey);
    return err;
}
