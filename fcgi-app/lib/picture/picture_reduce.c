/* SPDX-License-Identifier: MIT */
/*
 * Smaller pictures for a face detector. Decoders make them smaller where they can,
 * which saves most of their work; libvips' vector code does the rest.
 */
#include <vips/vips.h>

#include "lib/picture/picture_private.h"

enum { JPEG_LARGEST_SHRINK = 8 };

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

/* The largest whole factor that leaves `least` pixels at the longer side; at least 1. */
static int whole_factor(const VipsImage *image, int least)
{
    return MAX(1, MAX(image->Xsize, image->Ysize) / least);
}

int picture_decoder_shrink(const VipsImage *image, bool is_jpeg, int least_side)
{
    int factor = whole_factor(image, least_side);
    /* Decoders round down, and libvips ends the process over a side of no pixels. */
    factor = MIN(factor, MIN(image->Xsize, image->Ysize));
    if (!is_jpeg)
        return factor;
    int shrink = 1;
    while (2 * shrink <= MIN(factor, JPEG_LARGEST_SHRINK))
        shrink *= 2;
    return shrink;
}

int picture_shrink(VipsImage *image, int least_side, VipsImage **out)
{
    int longer = MAX(image->Xsize, image->Ysize);
    return longer >= 2 * least_side ? reduce(image, (double)longer / least_side, out)
                                    : vips_copy(image, out, NULL);
}
