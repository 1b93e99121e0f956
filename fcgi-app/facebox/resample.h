/* SPDX-License-Identifier: MIT */
/*
 * A picture in another size, as the network reads it. Where it becomes smaller each
 * pixel is the mean of the area that it covers, where it becomes larger pixels are
 * interpolated linearly. Pure, any thread.
 */
#ifndef FACEBOX_RESAMPLE_H
#define FACEBOX_RESAMPLE_H

#include <stddef.h>

#include "lib/base/err.h"

/* 8-bit red, green and blue; `stride` bytes a row. */
struct rgb_area {
    const unsigned char *pixels;
    size_t stride;
    int width;
    int height;
};

/*
 * Write `width` * `height` pixels, both at least 1, into the top left corner of `out`,
 * which has `out_width` * `out_height` pixels of three floats between -1 and 1. The rest
 * of it becomes 0. APP_NO_MEMORY.
 */
enum app_err resample(const struct rgb_area *area, int width, int height, float *out, int out_width,
                      int out_height) __attribute__((warn_unused_result));

#endif
