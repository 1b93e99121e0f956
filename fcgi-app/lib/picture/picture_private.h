/* SPDX-License-Identifier: MIT */
/*
 * What is inside a struct picture, for the only other room that knows libvips,
 * api/image; and what both need around every libvips call: a deadline that is
 * watched, and an error that becomes one of ours.
 *
 * Thread rule as in picture.h; a watch belongs to the thread that started it.
 */
#ifndef LIB_PICTURE_PICTURE_PRIVATE_H
#define LIB_PICTURE_PICTURE_PRIVATE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <vips/vips.h>

#include "lib/base/err.h"

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

/* One deadline over one or more evaluations. */
struct picture_watch {
    int64_t deadline_ns;
    _Atomic bool expired; /* libvips may ask from a thread of its own */
    VipsImage *image;     /* a reference; NULL: nothing is being watched */
    gulong handler;
};

void picture_watch_init(struct picture_watch *watch, int64_t deadline_ns);

/* Whether the deadline has passed; remembers it for picture_failure. */
bool picture_watch_expired(struct picture_watch *watch);

/*
 * Kill whatever is computed from `image` when the deadline passes. Start it
 * before anything is built on `image`; stop it before `image` is used for
 * anything else. Stop is safe to call when nothing is being watched.
 */
void picture_watch_start(struct picture_watch *watch, VipsImage *image);
void picture_watch_stop(struct picture_watch *watch);

/*
 * `image` for a face detector: laid over white if it has alpha, and with a `factor` above 1
 * smaller by it in width and height, each at least one pixel. As a libvips operation.
 */
int picture_opaque(VipsImage *image, double factor, VipsImage **out);

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

/*
 * Turn libvips' failure into ours: APP_PICTURE_REFUSED when the watch expired,
 * APP_NO_MEMORY, else `otherwise` with `text`. libvips' own words go to
 * why->detail and its error buffer, which all threads share, is emptied.
 */
enum app_err picture_failure(const struct picture_watch *watch, enum app_err otherwise,
                             const char *text, struct err_buf *why);

#endif
