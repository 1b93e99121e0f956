/* SPDX-License-Identifier: MIT */
/* Everything is computed in 64 bits: a face comes from another service and may hold any int. */
#include "api/image/geometry.h"

#include <limits.h>
#include <stdint.h>
#include <string.h>

#include "lib/base/fnv1a.h"

/* Of the face's longer side, in percent. Chosen by eye on portraits. */
enum { SIDE_PERCENT = 140, RAISE_PERCENT = 5 };

enum { LARGEST_FACE = 4 }; /* times the picture's longer side */

static int64_t max64(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

/* Rounded, for amounts that are not negative. */
static int64_t percent(int64_t amount, int percentage)
{
    return (amount * percentage + 50) / 100;
}

bool geometry_emoji_box(const struct box *face, int picture_width, int picture_height,
                        struct box *emoji)
{
    if (face->width <= 0 || face->height <= 0 || picture_width <= 0 || picture_height <= 0)
        return false;
    int64_t longer = max64(face->width, face->height);
    if (longer > LARGEST_FACE * max64(picture_width, picture_height))
        return false;

    int64_t side = max64(1, percent(longer, SIDE_PERCENT));
    int64_t left = face->left + (face->width - side) / 2;
    int64_t top = face->top + (face->height - side) / 2 - percent(longer, RAISE_PERCENT);
    if (left >= picture_width || top >= picture_height || left + side <= 0 || top + side <= 0)
        return false;
    if (side > INT_MAX || left < INT_MIN || top < INT_MIN)
        return false;
    *emoji = (struct box){(int)left, (int)top, (int)side, (int)side};
    return true;
}

static uint64_t greatest_common_divisor(uint64_t a, uint64_t b)
{
    while (b != 0) {
        uint64_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

/*
 * A walk through all emoji with a step that has no factor in common with their
 * number comes back to an emoji only when each has had its turn.
 */
size_t geometry_choose_emoji(const char *key, size_t face_index, size_t emoji_count)
{
    if (emoji_count < 2)
        return 0;
    uint64_t hash = fnv1a(FNV1A_START, key, strlen(key));
    uint64_t start = hash % emoji_count;
    uint64_t step = 1 + (hash >> 32) % (emoji_count - 1);
    while (greatest_common_divisor(step, emoji_count) != 1)
        step = 1 + step % (emoji_count - 1);
    return (size_t)((start + face_index % emoji_count * step) % emoji_count);
}
