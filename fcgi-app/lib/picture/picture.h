/* SPDX-License-Identifier: MIT */
/*
 * Opening a stranger's picture under limits. With api/image the only place that
 * knows libvips; struct picture is opaque elsewhere.
 *
 * Only JPEG, PNG, WebP and GIF (first frame) are taken; the loaders of every
 * other format are blocked. Size, frames, a JPEG's scans and the memory that it will
 * take (picture_memory.h) are checked from the header before anything is decoded, a truncated or
 * broken file is an error, the picture is turned upright by its EXIF orientation.
 *
 * picture_library_init once in main; picture_thread_release at the end of every
 * thread that used pictures. A struct picture belongs to one thread.
 */
#ifndef LIB_PICTURE_PICTURE_H
#define LIB_PICTURE_PICTURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/err.h"
#include "lib/base/log.h"

struct picture;

/* Bring libvips up: one thread a picture, no operation cache, loaders blocked. APP_INTERNAL. */
enum app_err picture_library_init(const char *program_name, struct err_buf *why)
    __attribute__((warn_unused_result));
void picture_library_release(void);
/* Bytes of pixels and buffers that the library holds now, of all threads. Any thread. */
size_t picture_library_memory(void);
void picture_thread_release(void);

/*
 * Decode `data`, which must stay valid until picture_open returns (the pixels
 * are in memory then). APP_NOT_A_PICTURE for a type we do not take,
 * APP_PICTURE_REFUSED for too many pixels, frames or scans or a broken file, with a
 * text for the client in why->text; APP_UNAVAILABLE while other pictures have the
 * memory; APP_ORIGIN_TIMEOUT never; APP_NO_MEMORY. An operation that
 * is not done by deadline_ns is killed: APP_PICTURE_REFUSED.
 */
enum app_err picture_open(const void *data, size_t len, int64_t deadline_ns,
                          struct picture **picture, struct err_buf *why)
    __attribute__((warn_unused_result));

/* NULLs the caller's pointer. NULL allowed. */
void picture_free(struct picture **picture);

int picture_width(const struct picture *picture);
int picture_height(const struct picture *picture);
/* Whether some pixel lets something through. */
bool picture_has_alpha(const struct picture *picture);

/*
 * Open a picture for a face detector: reduced on the way, by a whole factor that leaves
 * at least `least_side` pixels at the longer side (never enlarged), three bands, alpha laid over
 * white, RGB profiles ignored. It needs far less time and memory than picture_open, whose errors it
 * has.
 */
enum app_err picture_open_reduced(const void *data, size_t len, int least_side, int64_t deadline_ns,
                                  struct picture **picture, struct err_buf *why)
    __attribute__((warn_unused_result));

/* The size that picture_open would have given; upright. */
int picture_full_width(const struct picture *picture);
int picture_full_height(const struct picture *picture);

/*
 * Rows from the top without gaps, 3 bytes a pixel, or 4 where the picture has alpha.
 * They belong to the picture.
 */
const unsigned char *picture_pixels(const struct picture *picture);

#endif
