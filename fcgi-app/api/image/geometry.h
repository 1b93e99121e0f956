/* SPDX-License-Identifier: MIT */
/*
 * Where an emoji goes, given where a face is. Pure integer geometry in pixels,
 * the origin at the picture's top left corner.
 */
#ifndef API_IMAGE_GEOMETRY_H
#define API_IMAGE_GEOMETRY_H

#include <stdbool.h>
#include <stddef.h>

/* A face or an emoji; may lie partly outside the picture. */
struct box {
    int left;
    int top;
    int width;
    int height;
};

/*
 * The box of the emoji that covers the head whose face is `face`: a square
 * about 1.4 times the face's longer side (the drawing in it has a margin, and
 * covers 1.3), its centre moved up a little, since detectors box the face from
 * brow to chin. False when nothing of it is inside a picture of that size, or
 * the face is empty or absurdly large (its longer side beyond four times the
 * picture's), and then *emoji is not set.
 */
bool geometry_emoji_box(const struct box *face, int picture_width, int picture_height,
                        struct box *emoji);

/*
 * Which of `emoji_count` emoji the face of that index in that picture gets: a
 * function of the key (32 hex digits) and the index only, different for
 * neighbouring indexes, and for all faces of a picture with at most emoji_count.
 */
size_t geometry_choose_emoji(const char *key, size_t face_index, size_t emoji_count);

#endif
