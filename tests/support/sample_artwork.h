/* SPDX-License-Identifier: MIT */
/* Emoji files for tests. Every function fails the running cmocka test when it cannot do its work.
 */
#ifndef SUPPORT_SAMPLE_ARTWORK_H
#define SUPPORT_SAMPLE_ARTWORK_H

#include <stddef.h>

#include "api/image/artwork.h"

/* What `count` emoji look like; all have one palette. */
struct sample_artwork {
    size_t count;
    const unsigned char (*palette)[4]; /* of `colours` colours, premultiplied */
    size_t colours;
    /* The index of a pixel's colour: of the emoji `index`, in a level of that side. */
    unsigned char (*paint)(size_t index, int side, int x, int y);
};

/* A whole file in memory, malloc'ed. */
void *sample_artwork_make(const struct sample_artwork *sample, size_t *len);

/* After a change to a file in memory: give it the checksum that fits. */
void sample_artwork_sign(void *file, size_t len);

/* Opens such a file; frees it. */
struct artwork *sample_artwork_open(void *file, size_t len);

#endif
