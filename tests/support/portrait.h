/* SPDX-License-Identifier: MIT */
/*
 * Photographs of which the place of the face is known, and what tests do to them. The
 * place goes along with each change. The photographs come from Debian packages
 * (tests/pictures.sh). Every function fails the running cmocka test when libvips does.
 */
#ifndef SUPPORT_PORTRAIT_H
#define SUPPORT_PORTRAIT_H

#include <vips/vips.h>

/* The face's own box: a turned face keeps its size. */
struct face_place {
    double middle_x;
    double middle_y;
    double width;
    double height;
};

struct portrait {
    VipsImage *image; /* in memory, 8-bit sRGB of three bands */
    struct face_place face;
};

enum portrait_name {
    PORTRAIT_ASTRONAUT,
    PORTRAIT_HOPPER,
    PORTRAIT_CAMERAMAN, /* in profile */
    PORTRAIT_NAME__MAX
};

void portrait_open(enum portrait_name name, struct portrait *portrait);
void portrait_release(struct portrait *portrait);

/* A photograph as it is, in memory, 8-bit sRGB of three bands; the caller unrefs. */
VipsImage *portrait_photograph(const char *name);

void portrait_mirror(struct portrait *portrait);
/* Enlarge or reduce the picture until the face's larger side has so many pixels. */
void portrait_scale(struct portrait *portrait, double side);
/* Turn about the middle, clockwise; the picture grows by half and its new parts are grey. */
void portrait_turn(struct portrait *portrait, double degrees);
/* Each sample times `factor`, plus `offset`. */
void portrait_brighten(struct portrait *portrait, double factor, double offset);
/* The same three samples in each pixel. */
void portrait_make_grey(struct portrait *portrait);
/* Paint over the face from its middle down, in the light blue of a mask. */
void portrait_mask(struct portrait *portrait);
/* Keep only what lies at and behind `left` and `top`. */
void portrait_cut(struct portrait *portrait, int left, int top);

/*
 * Put the portrait onto `*canvas`, which is replaced, with its top left corner at
 * `left`, `top`. Returns the face's place there.
 */
struct face_place portrait_paste(const struct portrait *portrait, VipsImage **canvas, int left,
                                 int top);

#endif
