/* SPDX-License-Identifier: MIT */
/* Only the pixels under an emoji are touched, on whatever strip of the picture libvips asks for. */
#include "api/image/overlay.h"

#include "api/image/blend.h"

enum { CHUNK = 1024 }; /* pixels of a row that are drawn at a time */

static VipsPel *pixel_at(const VipsRegion *region, int x, int y)
{
    ptrdiff_t row = y - region->valid.top, column = x - region->valid.left;
    return region->data + row * region->bpl + column * region->im->Bands;
}

static void draw_row(VipsRegion *out, const struct sprite *sprite, const VipsRect *part, int y)
{
    unsigned char pixels[CHUNK * 4];
    int bands = out->im->Bands;
    for (int done = 0; done < part->width; done += CHUNK) {
        int x = part->left + done, skipped = 0;
        int count = sprite_row(sprite, x, y, VIPS_MIN(CHUNK, part->width - done), pixels, &skipped);
        if (count > 0)
            blend_row(pixel_at(out, x + skipped, y), bands, pixels, count);
    }
}

static void draw(VipsRegion *out, const struct sprite *sprite)
{
    const struct box *box = &sprite->box;
    VipsRect place = {box->left, box->top, box->width, box->height}, part;
    vips_rect_intersectrect(&out->valid, &place, &part);
    for (int y = part.top; y < part.top + part.height; y++)
        draw_row(out, sprite, &part, y);
}

/* libvips calls this for each strip, with the region that vips_start_one made. */
static int generate(VipsRegion *out, void *sequence, void *picture, void *data, gboolean *stop)
{
    (void)picture, (void)stop;
    VipsRegion *under = sequence;
    const struct overlay *overlay = data;
    const VipsRect *area = &out->valid;
    if (vips_region_prepare(under, area))
        return -1;
    vips_region_copy(under, out, area, area->left, area->top);
    for (size_t i = 0; i < overlay->count; i++)
        draw(out, &overlay->sprites[i]);
    return 0;
}

int overlay_build(VipsImage *picture, const struct overlay *overlay, VipsImage **out)
{
    VipsImage *image = vips_image_new();
    if (vips_image_pipelinev(image, VIPS_DEMAND_STYLE_THINSTRIP, picture, NULL) ||
        vips_image_generate(image, vips_start_one, generate, vips_stop_one, picture,
                            (void *)(uintptr_t)overlay)) {
        g_object_unref(image);
        return -1;
    }
    *out = image;
    return 0;
}
