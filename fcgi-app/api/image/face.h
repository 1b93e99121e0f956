/* SPDX-License-Identifier: MIT */
/* A face as the detector describes it, in pixels, the origin at the picture's top left corner. */
#ifndef API_IMAGE_FACE_H
#define API_IMAGE_FACE_H

#include <stdbool.h>

/* May lie partly outside the picture. */
struct box {
    int left;
    int top;
    int width;
    int height;
};

/* The person's right eye lies at the left in a frontal photograph. */
enum face_point_name {
    FACE_RIGHT_EYE,
    FACE_LEFT_EYE,
    FACE_NOSE,
    FACE_MOUTH,
    FACE_RIGHT_EAR,
    FACE_LEFT_EAR,
    FACE_POINT__MAX
};

/* May lie outside the box and the picture. */
struct face_point {
    double x;
    double y;
};

struct face {
    struct box box;
    bool has_points; /* a detector need not tell any */
    struct face_point points[FACE_POINT__MAX];
};

#endif
