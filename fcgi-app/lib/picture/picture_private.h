/* SPDX-License-Identifier: MIT */
/*
 * What is inside a struct picture, and what the files of this room do for each other. Thread rule
 * as in picture.h.
 */
#ifndef LIB_PICTURE_PICTURE_PRIVATE_H
#define LIB_PICTURE_PICTURE_PRIVATE_H

#include <stdbool.h>
#include <stdint.h>
#include <vips/vips.h>

#include "lib/picture/picture_vips.h"

struct picture {
    VipsImage *image; /* in memory, 8-bit sRGB or sRGB and alpha, upright, without metadata */
    int full_width;   /* before it was reduced; else its own */
    int full_height;
    int64_t deadline_ns;
    size_t reserved;      /* of the memory that all pictures share, see picture_memory.h */
    bool source_is_plain; /* it came as a JPEG or PNG that was upright already */
    bool source_is_jpeg;
    bool is_opaque; /* there is no alpha, or none that lets something through */
};

/* Bytes in memory that a decoder reads until the watch expires. */
struct picture_reader {
    const unsigned char *data;
    gint64 len;
    gint64 position;
    gint64 piece;   /* at most so many bytes are handed over at once; 0: as many as are asked for */
    bool lacks_end; /* a JPEG's end-of-image marker is added behind the last byte */
    struct picture_watch *watch;
};

/* A source that reads them; the reader must outlive it. NULL on failure; nothing is read yet. */
VipsSourceCustom *picture_source_new(struct picture_reader *reader);

/*
 * 8 bits, three bands or four with alpha, in sRGB, whatever the decoder gave. Not `exact`: an RGB
 * profile is ignored. As a libvips operation.
 */
int picture_to_plain(VipsImage *image, bool exact, VipsImage **out);

/* What to ask a decoder for, so that the longer side has at least `least_side` pixels. */
int picture_decoder_shrink(const VipsImage *image, bool is_jpeg, int least_side);

/* Smaller so that the longer side has `least_side` pixels, if it has twice that or more. */
int picture_shrink(VipsImage *image, int least_side, VipsImage **out);

#endif
