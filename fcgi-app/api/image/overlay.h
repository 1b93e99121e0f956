/* SPDX-License-Identifier: MIT */
/*
 * Emoji laid over a picture, as one step of a libvips pipeline. It stands for
 * vips_affine and vips_composite, which give the whole picture an alpha and blend in
 * floating point, tile by tile: 14 emoji on 2000 x 1333 pixels, written as JPEG, took
 * 82 ms with composite alone. Private to api/image.
 */
#ifndef API_IMAGE_OVERLAY_H
#define API_IMAGE_OVERLAY_H

#include <stddef.h>
#include <vips/vips.h>

#include "api/image/sprite.h"

struct overlay {
    const struct sprite *sprites; /* later ones on top */
    size_t count;
};

/*
 * An image like `picture` (8 bits, 3 bands or 4 with alpha) with all sprites drawn on it.
 * `overlay` and what it points to must outlive it. Nonzero on failure.
 */
int overlay_build(VipsImage *picture, const struct overlay *overlay, VipsImage **out);

#endif
