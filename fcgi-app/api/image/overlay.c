/* SPDX-License-Identifier: MIT */
/* Porter-Duff OVER, in integers, on whatever strip of the picture libvips asks for. */
#include "api/image/overlay.h"

#include <stddef.h>

enum { PIXEL_BYTES = 4 }; /* of what is drawn */

/* a * b / 255, rounded; exact for bytes. */
static unsigned scale(unsigned a, unsigned b)
{
    unsigned product = a * b + 128;
    return (product + (product >> 8)) >> 8;
}

/* A resampled edge can overshoot its alpha. */
static VipsPel clip(unsigned value)
{
    return (VipsPel)(value > 255 ? 255 : value);
}

static void blend_opaque(VipsPel *under, const VipsPel *over, int count)
{
    for (int i = 0; i < count; i++, under += 3, over += PIXEL_BYTES) {
        unsigned through = 255U - over[3];
        for (int band = 0; band < 3; band++)
            under[band] = clip(over[band] + scale(under[band], through));
    }
}

/* `under` is not premultiplied. */
static void blend_alpha(VipsPel *under, const VipsPel *over, int count)
{
    for (int i = 0; i < count; i++, under += 4, over += PIXEL_BYTES) {
        unsigned weight = scale(under[3], 255U - over[3]);
        unsigned alpha = over[3] + weight;
        if (over[3] == 0)
            continue;
        for (int band = 0; band < 3; band++)
            under[band] = clip((over[band] * 255U + under[band] * weight + alpha / 2) / alpha);
        under[3] = (VipsPel)alpha;
    }
}

static VipsPel *pixel_at(const VipsRegion *region, int x, int y)
{
    ptrdiff_t row = y - region->valid.top;
    ptrdiff_t column = x - region->valid.left;
    return region->data + row * region->bpl + column * region->im->Bands;
}

/* Draw one image where it overlaps with the region. */
static int draw(VipsRegion *out, VipsRegion *image, int left, int top)
{
    VipsRect place = {left, top, image->im->Xsize, image->im->Ysize};
    VipsRect hit;
    vips_rect_intersectrect(&out->valid, &place, &hit);
    if (vips_rect_isempty(&hit))
        return 0;
    VipsRect wanted = {hit.left - left, hit.top - top, hit.width, hit.height};
    if (vips_region_prepare(image, &wanted))
        return -1;
    for (int y = 0; y < hit.height; y++) {
        VipsPel *under = pixel_at(out, hit.left, hit.top + y);
        const VipsPel *over = pixel_at(image, wanted.left, wanted.top + y);
        if (out->im->Bands == 3)
            blend_opaque(under, over, hit.width);
        else
            blend_alpha(under, over, hit.width);
    }
    return 0;
}

/* libvips calls this for each strip, with the regions that vips_start_many made. */
static int generate(VipsRegion *out, void *sequence, void *images, void *data, gboolean *stop)
{
    (void)images, (void)stop;
    VipsRegion **regions = sequence;
    const struct overlay *overlay = data;
    const VipsRect *area = &out->valid;
    if (vips_region_prepare(regions[0], area))
        return -1;
    vips_region_copy(regions[0], out, area, area->left, area->top);
    for (size_t i = 0; i < overlay->count; i++) {
        if (draw(out, regions[i + 1], overlay->lefts[i], overlay->tops[i]))
            return -1;
    }
    return 0;
}

int overlay_build(struct overlay *overlay, VipsImage **out)
{
    VipsImage *image = vips_image_new();
    if (vips_image_pipeline_array(image, VIPS_DEMAND_STYLE_THINSTRIP, overlay->images) ||
        vips_image_generate(image, vips_start_many, generate, vips_stop_many, overlay->images,
                            overlay)) {
        g_object_unref(image);
        return -1;
    }
    *out = image;
    return 0;
}
