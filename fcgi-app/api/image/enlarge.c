/* SPDX-License-Identifier: MIT */
/*
 * Row by row in integers: the four rows of the small image that matter become one,
 * which is then stretched. The first part costs by the small image's width, so nearly
 * all time goes into the second.
 */
#include "api/image/enlarge.h"

#include <assert.h>
#include <math.h>
#include <stddef.h>
#include <stdint.h>

enum {
    BANDS = 4,
    TAPS = 4,
    WEIGHT_BITS = 11,
    ROW_BITS = 6, /* behind the point, of a row that is not stretched yet */
    PHASES = 256, /* places between two pixels that are told apart */
    SIZE_LARGEST = 1024,
    MARGIN = 2 /* pixels that are repeated at either end of a row */
};

/* Where a pixel of the large image lies in the small one: 32 bits behind the point. */
#define POINT_BITS 32

/* Belongs to the image, like the pixels. No part of it grows with the large image. */
struct enlargement {
    int size;
    int64_t step;          /* from one pixel of the large image to the next, in the small one */
    unsigned char *pixels; /* premultiplied */
    int weights[PHASES][TAPS];
};

static void premultiply(const unsigned char *rgba, size_t count, unsigned char *out)
{
    for (size_t i = 0; i < count; i++, rgba += BANDS, out += BANDS) {
        for (int band = 0; band < 3; band++)
            out[band] = (unsigned char)((rgba[band] * rgba[3] + 127) / 255);
        out[3] = rgba[3];
    }
}

/* Keys' cubic with a = -1/2, at the distances 1 + x, x, 1 - x and 2 - x. */
static void cubic(double x, double weights[TAPS])
{
    weights[0] = ((-0.5 * x + 1) * x - 0.5) * x;
    weights[1] = (1.5 * x - 2.5) * x * x + 1;
    weights[2] = ((-1.5 * x + 2) * x + 0.5) * x;
    weights[3] = (0.5 * x - 0.5) * x * x;
}

static void make_weights(struct enlargement *enlargement)
{
    for (int phase = 0; phase < PHASES; phase++) {
        int *weights = enlargement->weights[phase];
        double exact[TAPS];
        int sum = 0;
        cubic((double)phase / PHASES, exact);
        for (int i = 0; i < TAPS; i++) {
            weights[i] = (int)lround(exact[i] * (1 << WEIGHT_BITS));
            sum += weights[i];
        }
        weights[phase < PHASES / 2 ? 1 : 2] += (1 << WEIGHT_BITS) - sum; /* plain stays plain */
    }
}

/* The middles of the pixels meet: the large image covers just what the small one does. */
static int64_t middle_of(const struct enlargement *enlargement, int position)
{
    return enlargement->step * position + enlargement->step / 2 - (INT64_C(1) << (POINT_BITS - 1));
}

static int pixel_of(int64_t middle)
{
    return (int)(middle >> POINT_BITS); /* rounds down, left of the first pixel as well */
}

static const int *weights_of(const struct enlargement *enlargement, int64_t middle)
{
    return enlargement->weights[(uint32_t)middle / (uint32_t)(UINT32_MAX / PHASES + 1)];
}

/* The four rows around `middle` as one, with a margin at either end. */
static void blend_rows(const struct enlargement *enlargement, int64_t middle, int *row)
{
    const int *weights = weights_of(enlargement, middle);
    int size = enlargement->size, len = size * BANDS;
    const unsigned char *rows[TAPS];
    for (int i = 0; i < TAPS; i++) {
        int at = pixel_of(middle) - 1 + i;
        rows[i] = enlargement->pixels + (ptrdiff_t)VIPS_CLIP(0, at, size - 1) * len;
    }
    int *out = row + MARGIN * BANDS;
    for (int i = 0; i < len; i++)
        out[i] = (rows[0][i] * weights[0] + rows[1][i] * weights[1] + rows[2][i] * weights[2] +
                  rows[3][i] * weights[3]) >>
                 (WEIGHT_BITS - ROW_BITS);
    for (int i = 0; i < MARGIN * BANDS; i++) {
        row[i] = out[i % BANDS];
        out[len + i] = out[len - BANDS + i % BANDS];
    }
}

static void stretch(const struct enlargement *enlargement, const int *row, int left, int count,
                    VipsPel *out)
{
    enum { SHIFT = WEIGHT_BITS + ROW_BITS, HALF = 1 << (SHIFT - 1) };
    int64_t middle = middle_of(enlargement, left);
    for (int i = 0; i < count; i++, middle += enlargement->step, out += BANDS) {
        const int *weights = weights_of(enlargement, middle);
        const int *pixel = row + (pixel_of(middle) - 1 + MARGIN) * BANDS;
        for (int band = 0; band < BANDS; band++, pixel++) {
            int value = (pixel[0] * weights[0] + pixel[BANDS] * weights[1] +
                         pixel[2 * BANDS] * weights[2] + pixel[3 * BANDS] * weights[3] + HALF) >>
                        SHIFT;
            out[band] = (VipsPel)VIPS_CLIP(0, value, 255);
        }
    }
}

static int generate(VipsRegion *out, void *sequence, void *data, void *unused, gboolean *stop)
{
    (void)sequence, (void)unused, (void)stop;
    const struct enlargement *enlargement = data;
    const VipsRect *area = &out->valid;
    int row[(SIZE_LARGEST + 2 * MARGIN) * BANDS];
    for (int y = 0; y < area->height; y++) {
        blend_rows(enlargement, middle_of(enlargement, area->top + y), row);
        stretch(enlargement, row, area->left, area->width, out->data + (ptrdiff_t)y * out->bpl);
    }
    return 0;
}

/* NULL when there is no memory. */
static struct enlargement *make_enlargement(VipsImage *owner, const unsigned char *rgba, int size,
                                            int side)
{
    size_t count = (size_t)size * (size_t)size;
    struct enlargement *made = VIPS_NEW(owner, struct enlargement);
    unsigned char *pixels = VIPS_ARRAY(owner, count * BANDS, unsigned char);
    if (!made || !pixels)
        return NULL;
    made->size = size;
    made->step = ((int64_t)size << POINT_BITS) / side;
    made->pixels = pixels;
    premultiply(rgba, count, pixels);
    make_weights(made);
    return made;
}

int enlarge_build(const unsigned char *rgba, int size, int side, VipsImage **out)
{
    assert(size > 0 && size <= SIZE_LARGEST && side >= size);
    VipsImage *image = vips_image_new();
    struct enlargement *enlargement = make_enlargement(image, rgba, size, side);
    vips_image_init_fields(image, side, side, BANDS, VIPS_FORMAT_UCHAR, VIPS_CODING_NONE,
                           VIPS_INTERPRETATION_sRGB, 1, 1);
    if (!enlargement || vips_image_pipelinev(image, VIPS_DEMAND_STYLE_ANY, NULL) ||
        vips_image_generate(image, NULL, generate, NULL, enlargement, NULL)) {
        g_object_unref(image);
        return -1;
    }
    *out = image;
    return 0;
}
