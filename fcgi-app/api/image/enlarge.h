/* SPDX-License-Identifier: MIT */
/*
 * An emoji made larger, as the start of a libvips pipeline. It stands for
 * vips_resize, whose enlarging looks each pixel's surroundings up anew and takes
 * 70 ns a pixel: 14 emoji of 252 pixels took 60 ms with that, and take 6 with this.
 * Private to api/image.
 */
#ifndef API_IMAGE_ENLARGE_H
#define API_IMAGE_ENLARGE_H

#include <vips/vips.h>

/*
 * A premultiplied image of `side` * `side` pixels, 8 bits and 4 bands, from `rgba` of
 * `size` * `size` that is not premultiplied; side >= size. The filter is Catmull and
 * Rom's cubic. Nothing but a copy of the small one is held: rows are computed when
 * they are asked for, any part of the image at the same cost. Nonzero on failure.
 */
int enlarge_build(const unsigned char *rgba, int size, int side, VipsImage **out);

#endif
