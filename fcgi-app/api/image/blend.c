/* SPDX-License-Identifier: MIT */
/* Nearly all pixels of an emoji are opaque or invisible, and need no arithmetic. */
#include "api/image/blend.h"

#include <string.h>

enum { OVER_BYTES = 4 };

/* a * b / 255, rounded; exact for bytes. */
static unsigned scale(unsigned a, unsigned b)
{
    unsigned product = a * b + 128;
    return (product + (product >> 8)) >> 8;
}

static void blend_opaque(unsigned char *under, const unsigned char *over, int count)
{
    for (int i = 0; i < count; i++, under += 3, over += OVER_BYTES) {
        unsigned through = 255U - over[3];
        if (through == 255)
            continue;
        for (int band = 0; band < 3; band++)
            under[band] = (unsigned char)(over[band] + (through ? scale(under[band], through) : 0));
    }
}

static void blend_alpha(unsigned char *under, const unsigned char *over, int count)
{
    for (int i = 0; i < count; i++, under += 4, over += OVER_BYTES) {
        unsigned weight = scale(under[3], 255U - over[3]);
        unsigned alpha = over[3] + weight;
        if (over[3] == 0)
            continue;
        for (int band = 0; band < 3; band++)
            under[band] =
                (unsigned char)((over[band] * 255U + under[band] * weight + alpha / 2) / alpha);
        under[3] = (unsigned char)alpha;
    }
}

void blend_row(unsigned char *under, int bands, const unsigned char *over, int count)
{
    if (bands == 3)
        blend_opaque(under, over, count);
    else
        blend_alpha(under, over, count);
}
