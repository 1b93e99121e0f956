/* SPDX-License-Identifier: MIT */
/*
 * Where an emoji goes, given where a face is, and which one. Pure. In pixels, the
 * origin at the picture's top left corner.
 */
#ifndef API_IMAGE_GEOMETRY_H
#define API_IMAGE_GEOMETRY_H

#include <stdbool.h>
#include <stddef.h>

#include "api/image/face.h"

/* A square, of which the round head of most emoji fills 0.91 across and 0.87 down. */
struct placement {
    double x, y;  /* the middle */
    double side;  /* at least 1 */
    double angle; /* in radians; a positive one turns clockwise, as seen */
};

/*
 * The place of the emoji that covers the head whose face is `face`.
 *
 * Without points, a square about 1.4 times the face's longer side, upright, its middle
 * a little above the face's, since detectors box the face from brow to chin. With
 * points the emoji is turned with the head, by 5 to 60 degrees or not at all, and
 * covers both ears, chin and forehead, in a profile the back of the head too. Points
 * that cannot be those of a face in that box are ignored.
 *
 * False when nothing of it is inside a picture of that size, or the face is empty or
 * absurdly large (its longer side beyond four times the picture's), and then
 * *placement is not set.
 */
bool geometry_place(const struct face *face, int picture_width, int picture_height,
                    struct placement *placement);

/*
 * Which of `emoji_count` emoji the face of that index in that picture gets: a
 * function of the key (32 hex digits) and the index only, different for
 * neighbouring indexes, and for all faces of a picture with at most emoji_count.
 */
size_t geometry_choose_emoji(const char *key, size_t face_index, size_t emoji_count);

#endif
