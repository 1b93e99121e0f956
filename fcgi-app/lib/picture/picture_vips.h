/* SPDX-License-Identifier: MIT */
/*
 * A picture as libvips has it, for the only other room that knows libvips, api/image; and what
 * both need around every libvips call: a deadline that is watched, and an error that becomes one
 * of ours.
 *
 * Thread rule as in picture.h; a watch belongs to the thread that started it.
 */
#ifndef LIB_PICTURE_PICTURE_VIPS_H
#define LIB_PICTURE_PICTURE_VIPS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <vips/vips.h>

#include "lib/base/err.h"
#include "lib/picture/picture.h"

/*
 * In memory, 8-bit sRGB or sRGB and alpha, upright, without metadata. The picture's own: take a
 * reference, or a copy by vips_copy before a watch is set on it.
 */
VipsImage *picture_image(const struct picture *picture);

/* Whether the source came as a JPEG or PNG that was upright already; as a JPEG, of any kind. */
bool picture_source_is_plain(const struct picture *picture);
bool picture_source_is_jpeg(const struct picture *picture);

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

/*
 * Turn libvips' failure into ours: APP_PICTURE_REFUSED when the watch expired,
 * APP_NO_MEMORY, else `otherwise` with `text`. libvips' own words go to
 * why->detail and its error buffer, which all threads share, is emptied.
 */
enum app_err picture_failure(const struct picture_watch *watch, enum app_err otherwise,
                             const char *text, struct err_buf *why);

#endif
