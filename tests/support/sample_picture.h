/* SPDX-License-Identifier: MIT */
/*
 * Pictures for tests, made by libvips as the test runs. Every function fails
 * the running cmocka test when libvips does.
 */
#ifndef SUPPORT_SAMPLE_PICTURE_H
#define SUPPORT_SAMPLE_PICTURE_H

#include <stddef.h>
#include <stdint.h>
#include <vips/vips.h>

/* An encoded picture in memory of its own, so that a sanitizer sees each bound. */
struct sample {
    unsigned char *data;
    size_t len;
};

void sample_release(struct sample *sample);

/* A copy of the first `len` bytes. */
struct sample sample_cut(const struct sample *sample, size_t len);

/* Text that the metadata of sample_add_metadata carries. */
#define SAMPLE_SECRET "secret-place-51N"

/* Images in memory; the caller unrefs. */
VipsImage *sample_plain(int width, int height, int bands, const double *colour);
VipsImage *sample_photo(int width, int height); /* 3 bands, gradients and noise */

/* A reference with EXIF (GPS and a description), XMP and a comment; takes `image` over. */
VipsImage *sample_add_metadata(VipsImage *image);

/* Encode; `suffix` as libvips takes it: ".jpg[Q=90]". Takes `image` over. */
struct sample sample_encode(VipsImage *image, const char *suffix);

/* Decode anything, without our code; in memory, the caller unrefs. */
VipsImage *sample_decode(const void *data, size_t len);

/* Value of one band of one pixel of an 8-bit image in memory. */
int sample_pixel(VipsImage *image, int x, int y, int band);

/* A PNG of which only the header is there: 8-bit RGB, then a data chunk with nothing in it. */
struct sample sample_png_header(uint32_t width, uint32_t height);

/*
 * A progressive grey JPEG of 4000 x 4000 pixels with so many scans beside the first,
 * at most 882, each of 25 bytes that make the decoder visit all of it.
 */
struct sample sample_many_scans(int scans);

/* Group set-up and tear-down of tests that open pictures: libvips, as the programs start it. */
int sample_library_start(void **state);
int sample_library_stop(void **state);

#endif
