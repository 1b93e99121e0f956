/* SPDX-License-Identifier: MIT */
/*
 * Pictures that somebody made to do harm, or that are broken in the ways that
 * files are: each is made anew, so that none of them lies in the repository.
 * Needs libvips (vips_init); a failure fails the running test.
 */
#ifndef SUPPORT_HOSTILE_PICTURE_H
#define SUPPORT_HOSTILE_PICTURE_H

#include <stddef.h>

#include "support/sample_picture.h"

/* What a service may answer. */
enum hostile_end {
    HOSTILE_REFUSED,        /* 4xx */
    HOSTILE_SLOWLY_REFUSED, /* 4xx, when its time is up */
    HOSTILE_HARMLESS,       /* 200 */
    HOSTILE_EITHER          /* viewers differ, and so may libraries */
};

struct hostile_picture {
    const char *name; /* fit for a file */
    enum hostile_end end;
    struct sample (*make)(void);
};

extern const struct hostile_picture hostile_pictures[];
extern const size_t hostile_picture_count;

#endif
