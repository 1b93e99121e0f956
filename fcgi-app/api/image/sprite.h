/* SPDX-License-Identifier: MIT */
/*
 * One emoji as it lies on a picture: turned and scaled. Rows are computed when they
 * are asked for, so that a sprite costs the same memory however large it is.
 *
 * sprite_init, then sprite_row from any thread, sprite_release. The artwork must
 * outlive it. Private to api/image.
 */
#ifndef API_IMAGE_SPRITE_H
#define API_IMAGE_SPRITE_H

#include <stddef.h>
#include <stdint.h>

#include "api/image/artwork.h"
#include "api/image/face.h"
#include "api/image/geometry.h"
#include "lib/base/err.h"

struct sprite {
    struct box box; /* of all that can be visible */

    /* Private. */
    const unsigned char *pixels; /* of the level that is sampled, with its border */
    unsigned char *unpacked;     /* the same when it is ours, else NULL */
    int64_t limit;               /* coordinates from 0 to below this are in the level */
    ptrdiff_t stride;
    int64_t across, down; /* where in the level the box's first pixel lies */
    int64_t cosine, sine; /* the step from a pixel to the next, in the level */
    uint64_t palette[ARTWORK_COLOURS];
};

/* On failure there is nothing to release. APP_NO_MEMORY; APP_INTERNAL: the artwork is bad. */
enum app_err sprite_init(struct sprite *sprite, const struct artwork *artwork, size_t index,
                         const struct placement *placement) __attribute__((warn_unused_result));

/* Safe on a zeroed sprite. */
void sprite_release(struct sprite *sprite);

/*
 * The pixels from `x` on in row `y` of the picture, at most `count`, as RGBA
 * premultiplied. Returns how many are written to `out`; the first is `*skipped` pixels
 * right of `x`, and all that are not written are invisible. The part must lie in the box.
 */
int sprite_row(const struct sprite *sprite, int x, int y, int count, unsigned char *out,
               int *skipped);

#endif
