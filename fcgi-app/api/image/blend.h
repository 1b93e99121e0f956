/* SPDX-License-Identifier: MIT */
/*
 * Porter-Duff OVER, in integers, on a row of pixels of 8 bits. Pure. Private to
 * api/image.
 */
#ifndef API_IMAGE_BLEND_H
#define API_IMAGE_BLEND_H

#include <stddef.h>

/*
 * Lay `count` pixels over others. `over`: RGBA, premultiplied. `under`: of `bands` bands,
 * 3 for RGB and 4 for RGBA that is not premultiplied.
 */
void blend_row(unsigned char *under, int bands, const unsigned char *over, int count);

#endif
