/* SPDX-License-Identifier: MIT */
/* The checksum reads the whole file once at start, which also brings it into memory. */
#include "api/image/artwork.h"

#include <assert.h>
#include <stdbool.h>
#include <stdlib.h>

#include <zlib.h>

#include "api/image/artwork_file.h"
#include "lib/base/data_file.h"

struct artwork {
    const struct artwork_file_header *header; /* at the start of the file */
    struct data_file file;
};

static const struct artwork_file_emoji *emoji_at(const struct artwork *artwork, size_t index)
{
    assert(index < artwork->header->count);
    return (const struct artwork_file_emoji *)(artwork->header + 1) + index;
}

static bool is_whole(const struct artwork *artwork)
{
    const struct artwork_file_header *header = artwork->header;
    size_t len = artwork->file.len;
    if (len < sizeof(*header) || header->magic != ARTWORK_FILE_MAGIC ||
        artwork_file_checksum(header, len) != header->checksum)
        return false;
    if (header->count < 1 || header->count > ARTWORK_FILE_MAX_COUNT ||
        len < sizeof(*header) + header->count * sizeof(struct artwork_file_emoji))
        return false;
    for (size_t i = 0; i < header->count; i++) {
        const struct artwork_file_emoji *emoji = emoji_at(artwork, i);
        if (emoji->packed_start > len || emoji->packed_len > len - emoji->packed_start)
            return false;
    }
    return true;
}

enum app_err artwork_open(const char *path, struct artwork **artwork, struct err_buf *why)
{
    struct artwork *opened = calloc(1, sizeof(*opened));
    if (!opened)
        return APP_NO_MEMORY;
    enum app_err err =
        data_file_open(path, ARTWORK_FILE_NAME, "the emoji file", &opened->file, why);
    opened->header = opened->file.data;
    if (!err && !is_whole(opened))
        err = err_set(why, APP_CONFIG,
                      "the emoji file %s is damaged or of another version; `make` renders it anew",
                      opened->file.path);
    if (err)
        artwork_close(&opened);
    else
        *artwork = opened;
    return err;
}

void artwork_close(struct artwork **artwork)
{
    if (!*artwork)
        return;
    data_file_close(&(*artwork)->file);
    free(*artwork);
    *artwork = NULL;
}

size_t artwork_count(const struct artwork *artwork)
{
    return artwork->header->count;
}

const unsigned char (*artwork_palette(const struct artwork *artwork, size_t index))[4]
{
    return emoji_at(artwork, index)->palette;
}

const unsigned char *artwork_level(const struct artwork *artwork, size_t index, int level)
{
    static const size_t starts[ARTWORK_LEVELS] = {
        [1] = ARTWORK_FILE_LEVEL_1, [2] = ARTWORK_FILE_LEVEL_2, [3] = ARTWORK_FILE_LEVEL_3,
        [4] = ARTWORK_FILE_LEVEL_4, [5] = ARTWORK_FILE_LEVEL_5,
    };
    assert(level >= 1 && level < ARTWORK_LEVELS);
    return emoji_at(artwork, index)->levels + starts[level];
}

enum app_err artwork_unpack(const struct artwork *artwork, size_t index, unsigned char *pixels)
{
    const struct artwork_file_emoji *emoji = emoji_at(artwork, index);
    const unsigned char *packed = (const unsigned char *)artwork->file.data + emoji->packed_start;
    uLongf len = ARTWORK_LEVEL_SIZE(0);
    int status = uncompress(pixels, &len, packed, emoji->packed_len);
    if (status == Z_MEM_ERROR)
        return APP_NO_MEMORY;
    return status == Z_OK && len == ARTWORK_LEVEL_SIZE(0) ? APP_OK : APP_INTERNAL;
}
