/* SPDX-License-Identifier: MIT */
/*
 * The file emoji.artwork, shared by the program that writes it at build time
 * and the module that maps it. A header, then `count` pictures of side*side
 * RGBA pixels. Numbers are in the machine's own byte order: the file is made
 * where it is used, and the magic would not match elsewhere.
 */
#ifndef API_IMAGE_ARTWORK_FILE_H
#define API_IMAGE_ARTWORK_FILE_H

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/fnv1a.h"

#define ARTWORK_FILE_NAME "emoji.artwork"

/* Raise the last two digits when the layout changes. */
#define ARTWORK_FILE_MAGIC UINT64_C(0x656d6f6a69617201)

enum { ARTWORK_FILE_MAX_COUNT = 4096, ARTWORK_FILE_MAX_SIDE = 1024 };

struct artwork_file_header {
    uint64_t magic;
    uint32_t count;
    uint32_t side;
    uint64_t checksum; /* of count, side and all pixels */
};
static_assert(sizeof(struct artwork_file_header) == 24, "no padding");

/* Bytes of one picture. */
static inline size_t artwork_file_picture_size(const struct artwork_file_header *header)
{
    return (size_t)header->side * header->side * 4;
}

/* `pixels` are those of all pictures. */
static inline uint64_t artwork_file_checksum(const struct artwork_file_header *header,
                                             const void *pixels)
{
    uint64_t hash = fnv1a(FNV1A_START, &header->count, sizeof(header->count));
    hash = fnv1a(hash, &header->side, sizeof(header->side));
    return fnv1a(hash, pixels, header->count * artwork_file_picture_size(header));
}

#endif
