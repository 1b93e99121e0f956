/* SPDX-License-Identifier: MIT */
/*
 * The emoji pictures: one file, made at build time from the Noto Color Emoji
 * font and mapped read-only, so that all siblings share its pages.
 *
 * artwork_open at start, then read-only from any thread, artwork_close at the end.
 */
#ifndef API_IMAGE_ARTWORK_H
#define API_IMAGE_ARTWORK_H

#include <stddef.h>

#include "lib/base/err.h"

struct artwork;

/*
 * Map the file `path`; NULL looks for emoji.artwork beside the program and then
 * in ../share/emojify-api/ next to its directory, so that no setting is needed
 * wherever the program was installed. APP_CONFIG with the reason in why->text
 * when it is missing or not whole (its size and checksum are verified).
 */
enum app_err artwork_open(const char *path, struct artwork **artwork, struct err_buf *why)
    __attribute__((warn_unused_result));

/* NULLs the caller's pointer. NULL allowed. */
void artwork_close(struct artwork **artwork);

size_t artwork_count(const struct artwork *artwork);

/* Pixels of emoji `index` < artwork_count: RGBA, 8 bits, not premultiplied, side*side*4 bytes. */
const unsigned char *artwork_pixels(const struct artwork *artwork, size_t index);
int artwork_side(const struct artwork *artwork);

#endif
