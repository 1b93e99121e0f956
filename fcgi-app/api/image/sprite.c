/* SPDX-License-Identifier: MIT */
/*
 * Bilinear, from the level whose pixels are nearest in size to those of the picture:
 * at most a third smaller, so that nothing flickers, or half as large again; only the two
 * largest levels are stretched further. Everything is premultiplied, so that the colour
 * of invisible pixels does not bleed into an edge.
 *
 * A coordinate in a level counts from the middle of the border's first pixel, in units
 * of 2^-32 of a pixel of the level.
 */
#include "api/image/sprite.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { POINT_BITS = 32, PIXEL_BYTES = 4 };

#define ONE (INT64_C(1) << POINT_BITS)

/*
 * How much larger than a level an emoji may be before the next level is taken. The last
 * one has to be unpacked, which takes as long as drawing 200 x 200 pixels or more.
 */
static const double STRETCH = 1.5, STRETCH_BEFORE_UNPACKING = 1.7;

/* --- Four numbers of 16 bits in one of 64 ---------------------------------------------- */

#define EACH UINT64_C(0x0001000100010001)

static uint64_t spread(const unsigned char pixel[PIXEL_BYTES])
{
    return (uint64_t)pixel[0] | (uint64_t)pixel[1] << 16 | (uint64_t)pixel[2] << 32 |
           (uint64_t)pixel[3] << 48;
}

static void put(uint64_t colour, unsigned char *out)
{
    uint64_t pairs = colour | colour >> 8;
    uint32_t bytes = (uint32_t)(pairs & 0xffff) | (uint32_t)(pairs >> 16 & 0xffff0000);
    memcpy(out, &bytes, sizeof(bytes));
}

/* `weight` of 256 is of `b`. No sum exceeds 255 * 256 + 128, so none reaches its neighbour. */
static uint64_t mix(uint64_t a, uint64_t b, unsigned weight)
{
    uint64_t sum = a * (256 - weight) + b * weight + EACH * 128;
    return sum >> 8 & EACH * 255;
}

/* --- Setting up -------------------------------------------------------------------------- */

/* The smallest level that is not stretched too far. */
static int choose_level(double side)
{
    int level = ARTWORK_LEVELS - 1;
    while (level > 1 && ARTWORK_SIDE(level) * STRETCH < side)
        level--;
    return level == 1 && ARTWORK_SIDE(1) * STRETCH_BEFORE_UNPACKING < side ? 0 : level;
}

static enum app_err take_level(struct sprite *sprite, const struct artwork *artwork, size_t index,
                               int level)
{
    sprite->limit = (ARTWORK_SIDE(level) + 1) * ONE;
    sprite->stride = ARTWORK_STRIDE(level);
    if (level > 0) {
        sprite->pixels = artwork_level(artwork, index, level);
        return APP_OK;
    }
    sprite->unpacked = malloc(ARTWORK_LEVEL_SIZE(0));
    if (!sprite->unpacked)
        return APP_NO_MEMORY;
    sprite->pixels = sprite->unpacked;
    enum app_err err = artwork_unpack(artwork, index, sprite->unpacked);
    if (err)
        sprite_release(sprite);
    return err;
}

/* The turned square's box, and a pixel more where it does not end between two. */
static struct box box_of(const struct placement *placement)
{
    double half = placement->side / 2 * (fabs(cos(placement->angle)) + fabs(sin(placement->angle)));
    double left = floor(placement->x - half), top = floor(placement->y - half);
    return (struct box){(int)left, (int)top, (int)(ceil(placement->x + half) - left),
                        (int)(ceil(placement->y + half) - top)};
}

enum app_err sprite_init(struct sprite *sprite, const struct artwork *artwork, size_t index,
                         const struct placement *placement)
{
    assert(placement->side >= 1);
    int level = choose_level(placement->side);
    *sprite = (struct sprite){.box = box_of(placement)};
    enum app_err err = take_level(sprite, artwork, index, level);
    if (err)
        return err;
    for (size_t i = 0; i < ARTWORK_COLOURS; i++)
        sprite->palette[i] = spread(artwork_palette(artwork, index)[i]);

    double step = ARTWORK_SIDE(level) / placement->side;
    double cosine = cos(placement->angle) * step, sine = sin(placement->angle) * step;
    double x = sprite->box.left + 0.5 - placement->x, y = sprite->box.top + 0.5 - placement->y;
    double middle = (ARTWORK_SIDE(level) + 1) / 2.0;
    sprite->cosine = llround(cosine * ONE);
    sprite->sine = llround(sine * ONE);
    sprite->across = llround((middle + x * cosine + y * sine) * ONE);
    sprite->down = llround((middle + y * cosine - x * sine) * ONE);
    return APP_OK;
}

void sprite_release(struct sprite *sprite)
{
    free(sprite->unpacked);
    sprite->unpacked = NULL;
}

/* --- Sampling ------------------------------------------------------------------------------ */

/* Rounded down; `b` is positive. */
static int64_t divide(int64_t a, int64_t b)
{
    return a / b - (a % b < 0);
}

/* Narrow `from` and `to` to the pixels i for which 0 <= start + i * step < limit. */
static void narrow(int64_t start, int64_t step, int64_t limit, int64_t *from, int64_t *to)
{
    if (step < 0) { /* the same from the other side */
        start = limit - 1 - start;
        step = -step;
    }
    if (step == 0) {
        if (start < 0 || start >= limit)
            *to = *from;
        return;
    }
    int64_t first = -divide(start, step), last = divide(limit - 1 - start, step);
    *from = first > *from ? first : *from;
    *to = last + 1 < *to ? last + 1 : *to;
}

static uint64_t sample(const struct sprite *sprite, int64_t across, int64_t down)
{
    const unsigned char *above =
        sprite->pixels + (down >> POINT_BITS) * sprite->stride + (across >> POINT_BITS);
    const unsigned char *below = above + sprite->stride;
    const uint64_t *palette = sprite->palette;
    if (above[0] == above[1] && above[0] == below[0] && above[0] == below[1])
        return palette[above[0]];
    unsigned right = (uint32_t)across >> 24, low = (uint32_t)down >> 24;
    return mix(mix(palette[above[0]], palette[above[1]], right),
               mix(palette[below[0]], palette[below[1]], right), low);
}

int sprite_row(const struct sprite *sprite, int x, int y, int count, unsigned char *out,
               int *skipped)
{
    int64_t right = x - sprite->box.left, low = y - sprite->box.top, from = 0, to = count;
    int64_t across = sprite->across + right * sprite->cosine + low * sprite->sine;
    int64_t down = sprite->down + low * sprite->cosine - right * sprite->sine;
    narrow(across, sprite->cosine, sprite->limit, &from, &to);
    narrow(down, -sprite->sine, sprite->limit, &from, &to);
    if (from >= to)
        return 0;
    across += from * sprite->cosine;
    down -= from * sprite->sine;
    for (int64_t i = from; i < to; i++, out += PIXEL_BYTES) {
        put(sample(sprite, across, down), out);
        across += sprite->cosine;
        down -= sprite->sine;
    }
    *skipped = (int)from;
    return (int)(to - from);
}
