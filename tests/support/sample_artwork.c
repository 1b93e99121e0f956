/* SPDX-License-Identifier: MIT */
#include "support/sample_artwork.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <zlib.h>

#include "api/image/artwork_file.h"
#include "support/cmocka.h"

static void paint_level(const struct sample_artwork *sample, size_t index, int level,
                        unsigned char *pixels)
{
    int side = ARTWORK_SIDE(level);
    memset(pixels, 0, (size_t)ARTWORK_LEVEL_SIZE(level));
    for (int i = 0; i < side * side; i++)
        pixels[(i / side + 1) * ARTWORK_STRIDE(level) + i % side + 1] =
            sample->paint(index, side, i % side, i / side);
}

void *sample_artwork_make(const struct sample_artwork *sample, size_t *len)
{
    enum { PACKED_MAX = ARTWORK_LEVEL_SIZE(0) * 2 };
    size_t head = sizeof(struct artwork_file_header);
    size_t start = head + sample->count * sizeof(struct artwork_file_emoji);
    unsigned char *file = calloc(1, start + sample->count * PACKED_MAX);
    static unsigned char largest[ARTWORK_LEVEL_SIZE(0)];
    assert_non_null(file);
    *(struct artwork_file_header *)(void *)file =
        (struct artwork_file_header){.magic = ARTWORK_FILE_MAGIC, .count = sample->count};
    struct artwork_file_emoji *emoji = (struct artwork_file_emoji *)(void *)(file + head);
    for (size_t i = 0; i < sample->count; i++, emoji++) {
        unsigned char *next = emoji->levels;
        for (int level = 1; level < ARTWORK_LEVELS; next += ARTWORK_LEVEL_SIZE(level), level++)
            paint_level(sample, i, level, next);
        memcpy(emoji->palette, sample->palette, sample->colours * sizeof(emoji->palette[0]));
        uLongf packed_len = PACKED_MAX;
        paint_level(sample, i, 0, largest);
        assert_int_equal(compress(file + start, &packed_len, largest, sizeof(largest)), Z_OK);
        emoji->packed_start = (uint32_t)start;
        emoji->packed_len = (uint32_t)packed_len;
        start += packed_len;
    }
    *len = start;
    sample_artwork_sign(file, start);
    return file;
}

void sample_artwork_sign(void *file, size_t len)
{
    struct artwork_file_header *header = file;
    header->checksum = artwork_file_checksum(header, len);
}

struct artwork *sample_artwork_open(void *file, size_t len)
{
    char path[] = "/tmp/sample_artwork.XXXXXX";
    struct artwork *artwork = NULL;
    struct err_buf why = {.text = ""};
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, file, len), len);
    close(fd);
    free(file);
    enum app_err err = artwork_open(path, &artwork, &why);
    unlink(path);
    if (err)
        fail_msg("%s", why.text);
    return artwork;
}
