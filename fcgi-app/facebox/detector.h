/* SPDX-License-Identifier: MIT */
/*
 * Finding faces in a grey picture. This narrow interface is all that the program
 * knows of the library behind it, so that a better detector can replace it.
 *
 * A detector serves one thread at a time; see detector_pool.h for several.
 * Nothing here throws.
 */
#ifndef FACEBOX_DETECTOR_H
#define FACEBOX_DETECTOR_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

#include "lib/base/err.h" /* which knows nothing of C++ */

struct detector;

/* 8-bit grey, `width` bytes a row; both sides at least 1. Belongs to the caller. */
struct detector_picture {
    const unsigned char *pixels;
    int width;
    int height;
};

/* A face in pixels of the picture, wholly inside it. */
struct detection {
    int left;
    int top;
    int width;
    int height;
    double confidence; /* above 0, below 1; 0.33 is the least that is reported */
};

/* A new detector; takes a few tenths of a second. APP_NO_MEMORY, APP_INTERNAL. */
enum app_err detector_new(struct detector **detector) __attribute__((warn_unused_result));

/* One more that is like `detector`, much faster. Errors as detector_new. */
enum app_err detector_copy(const struct detector *detector, struct detector **copy)
    __attribute__((warn_unused_result));

/* NULLs the caller's pointer. NULL allowed. */
void detector_free(struct detector **detector);

/*
 * Find upright, roughly frontal faces: the surest `max` of them go to `found`,
 * the surest first, their number to `*count`. The smallest face that is found is
 * 80 pixels wide, in pictures narrower than 1300 pixels 40. APP_NO_MEMORY;
 * APP_INTERNAL with the library's words in why->detail.
 */
enum app_err detector_find(struct detector *detector, const struct detector_picture *picture,
                           struct detection *found, size_t max, size_t *count, struct err_buf *why)
    __attribute__((warn_unused_result));

#ifdef __cplusplus
}
#endif

#endif
