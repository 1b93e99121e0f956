/* SPDX-License-Identifier: MIT */
/*
 * Finding faces in a picture. This narrow interface is all that the program knows of
 * the network behind it, so that a better one can replace it.
 *
 * A detector serves one thread at a time; see detector_pool.h for several.
 */
#ifndef FACEBOX_DETECTOR_H
#define FACEBOX_DETECTOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "facebox/network.h"
#include "lib/base/err.h"

struct detector;

/*
 * The longer side, in pixels, of the picture that detector_find and
 * detector_find_small look at. A larger picture finds no more faces.
 */
enum { DETECTOR_SIDE = 640, DETECTOR_SMALL_SIDE = 1216 };

/*
 * 8-bit red, green and blue, 3 * width bytes a row; both sides at least 1. `full_width` and
 * `full_height` are those of the picture that this one was made from. Belongs to the
 * caller.
 */
struct detector_picture {
    const unsigned char *pixels;
    int width;
    int height;
    int full_width;
    int full_height;
};

enum detection_point {
    DETECTION_RIGHT_EYE, /* of the person: at the left of a face seen from the front */
    DETECTION_LEFT_EYE,
    DETECTION_NOSE,
    DETECTION_MOUTH,
    DETECTION_RIGHT_EAR,
    DETECTION_LEFT_EAR,
    DETECTION_POINT__MAX
};

/* In pixels of the full picture. A point may lie outside of the box, and of the picture. */
struct detection_place {
    double x;
    double y;
};

/* A face. The box is in pixels of the full picture, wholly inside it. */
struct detection {
    int left;
    int top;
    int width;
    int height;
    struct detection_place points[DETECTION_POINT__MAX];
    double confidence; /* above 0, below 1 */
};

/* Which faces are reported. */
struct detector_options {
    double least_confidence; /* of a face that is seen in one size of the picture only */
};

/* The default, chosen by the numbers in docs/faces.md. */
#define DETECTOR_LEAST_CONFIDENCE 0.55

/* A new detector; takes some milliseconds. `network` must outlive it. APP_NO_MEMORY, APP_INTERNAL.
 */
enum app_err detector_new(const struct network *network, const struct detector_options *options,
                          struct detector **detector, struct err_buf *why)
    __attribute__((warn_unused_result));

/* NULLs the caller's pointer. NULL allowed. */
void detector_free(struct detector **detector);

/* Free the memory that pictures need; the next picture takes it again. */
void detector_trim(struct detector *detector);

/* The faces of one picture, the surest first; they belong to the detector until its next picture.
 */
struct detections {
    const struct detection *list;
    size_t count;
    bool has_small; /* there may be more, which detector_find_small finds */
};

/*
 * Find the faces whose longer side is about 1/40 of the picture's longer side or more, at
 * most LIMIT_FACES, in any pose but upside down. APP_NO_MEMORY, APP_INTERNAL.
 */
enum app_err detector_find(struct detector *detector, const struct detector_picture *picture,
                           struct detections *found, struct err_buf *why)
    __attribute__((warn_unused_result));

/*
 * After detector_find on the same picture, now larger: find faces of half that size, too.
 * Takes several times as long, and ends early at `deadline_ns` with what it has. Errors
 * as detector_find.
 */
enum app_err detector_find_small(struct detector *detector, const struct detector_picture *picture,
                                 int64_t deadline_ns, struct detections *found, struct err_buf *why)
    __attribute__((warn_unused_result));

#endif
