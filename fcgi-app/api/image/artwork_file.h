/* SPDX-License-Identifier: MIT */
/*
 * The file emoji.artwork, shared by the program that writes it at build time and
 * the module that maps it: a header, then `count` emoji, then their largest levels,
 * packed. Numbers are in the machine's own byte order: the file is made where it is
 * used, and the magic would not match elsewhere.
 */
#ifndef API_IMAGE_ARTWORK_FILE_H
#define API_IMAGE_ARTWORK_FILE_H

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#include "api/image/artwork.h"
#include "lib/base/digest.h"

#define ARTWORK_FILE_NAME "emoji.artwork"

/* Raise the last two digits when the layout changes. */
#define ARTWORK_FILE_MAGIC UINT64_C(0x656d6f6a69617202)

enum { ARTWORK_FILE_MAX_COUNT = 4096 };

struct artwork_file_header {
    uint64_t magic;
    uint64_t checksum; /* of all that follows it */
    uint64_t count;
};
static_assert(sizeof(struct artwork_file_header) == 24, "no padding");

enum {
    /* Where a level starts among the levels that are not packed. */
    ARTWORK_FILE_LEVEL_1 = 0,
    ARTWORK_FILE_LEVEL_2 = ARTWORK_FILE_LEVEL_1 + ARTWORK_LEVEL_SIZE(1),
    ARTWORK_FILE_LEVEL_3 = ARTWORK_FILE_LEVEL_2 + ARTWORK_LEVEL_SIZE(2),
    ARTWORK_FILE_LEVEL_4 = ARTWORK_FILE_LEVEL_3 + ARTWORK_LEVEL_SIZE(3),
    ARTWORK_FILE_LEVEL_5 = ARTWORK_FILE_LEVEL_4 + ARTWORK_LEVEL_SIZE(4),
    ARTWORK_FILE_LEVELS = ARTWORK_FILE_LEVEL_5 + ARTWORK_LEVEL_SIZE(5),
};
static_assert(ARTWORK_LEVELS == 6, "each has its place");

struct artwork_file_emoji {
    uint32_t packed_start; /* of level 0, from the start of the file; a zlib stream */
    uint32_t packed_len;
    unsigned char palette[ARTWORK_COLOURS][4];
    unsigned char levels[(ARTWORK_FILE_LEVELS + 7) / 8 * 8];
};
static_assert(sizeof(struct artwork_file_emoji) % 8 == 0, "no padding");

/* `len` is the file's. */
static inline uint64_t artwork_file_checksum(const struct artwork_file_header *header, size_t len)
{
    size_t skipped = offsetof(struct artwork_file_header, count);
    return xxh3_seeded((const char *)header + skipped, len - skipped, 0);
}

#endif
