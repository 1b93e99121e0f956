/* SPDX-License-Identifier: MIT */
/*
 * The emoji's drawings: one file, made at build time from the vectors of Noto Emoji
 * and mapped read-only, so that all siblings share its pages.
 *
 * A drawing is a square, stored in levels: each is half as large as the one before,
 * so that a sampler finds one near the size that it draws. A pixel is a byte, the
 * index of a colour in the drawing's palette. Around each level lies a border of one
 * transparent pixel, so that a sampler may look half a pixel beyond the edge.
 *
 * artwork_open at start, then read-only from any thread, artwork_close at the end.
 */
#ifndef API_IMAGE_ARTWORK_H
#define API_IMAGE_ARTWORK_H

#include <stddef.h>

#include "lib/base/err.h"

enum { ARTWORK_LEVELS = 6, ARTWORK_COLOURS = 256 };

/* The side of a level without the border, a row of it with, and all its bytes. */
#define ARTWORK_SIDE(level)       (480 >> (level))
#define ARTWORK_STRIDE(level)     (ARTWORK_SIDE(level) + 2)
#define ARTWORK_LEVEL_SIZE(level) (ARTWORK_STRIDE(level) * ARTWORK_STRIDE(level))

struct artwork;

/*
 * Map the file `path`; NULL looks for emoji.artwork beside the program and then
 * in ../share/emojify-api/ next to its directory, so that no setting is needed
 * wherever the program was installed. APP_CONFIG with the reason in why->text
 * when it is missing or not whole (its sizes and checksum are verified).
 */
enum app_err artwork_open(const char *path, struct artwork **artwork, struct err_buf *why)
    __attribute__((warn_unused_result));

/* NULLs the caller's pointer. NULL allowed. */
void artwork_close(struct artwork **artwork);

size_t artwork_count(const struct artwork *artwork);

/* The ARTWORK_COLOURS colours of emoji `index` < artwork_count: RGBA, 8 bits, premultiplied. */
const unsigned char (*artwork_palette(const struct artwork *artwork, size_t index))[4];

/* A level of emoji `index` that is not packed: from 1 to ARTWORK_LEVELS - 1. */
const unsigned char *artwork_level(const struct artwork *artwork, size_t index, int level);

/* Unpack level 0, of ARTWORK_LEVEL_SIZE(0) bytes. APP_INTERNAL when the file's data is bad. */
enum app_err artwork_unpack(const struct artwork *artwork, size_t index, unsigned char *pixels)
    __attribute__((warn_unused_result));

#endif
