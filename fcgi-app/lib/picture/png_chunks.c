/* SPDX-License-Identifier: MIT */
#include "lib/picture/png_chunks.h"

#include <stdint.h>
#include <string.h>

enum {
    SIGNATURE_LEN = 8,
    CHUNK_FRAME = 12, /* length, type, checksum */
    HEADER_LEN = 13,
    SURPLUS_ALLOWED = 64 * 1024
};

struct chunk {
    const unsigned char *type; /* four letters */
    const unsigned char *data;
    size_t len;
    bool cut; /* it claims more than that */
};

static uint32_t read_number(const unsigned char *bytes)
{
    return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
}

/* The chunk at *at, with *at behind it; one that is cut short is what there is of it. */
static bool next_chunk(const unsigned char *data, size_t len, size_t *at, struct chunk *chunk)
{
    if (*at > len || len - *at < CHUNK_FRAME)
        return false;
    size_t room = len - *at - CHUNK_FRAME;
    size_t claimed = read_number(data + *at);
    *chunk = (struct chunk){data + *at + 4, data + *at + 8, claimed < room ? claimed : room,
                            claimed > room};
    *at += CHUNK_FRAME + chunk->len;
    return true;
}

static bool is_type(const struct chunk *chunk, const char *type)
{
    return memcmp(chunk->type, type, 4) == 0;
}

bool png_has_more_packed_chunks(const unsigned char *data, size_t len, unsigned most)
{
    struct chunk chunk;
    unsigned packed = 0;
    for (size_t at = SIGNATURE_LEN; next_chunk(data, len, &at, &chunk) && !is_type(&chunk, "IEND");)
        packed += is_type(&chunk, "zTXt") || is_type(&chunk, "iTXt") || is_type(&chunk, "iCCP");
    return packed > most;
}

/* Bytes of all rows, each with one for its filter; interlaced there are up to twice as many rows.
 */
static uint64_t unpacked_len(const unsigned char *header)
{
    static const unsigned char channels[8] = {[0] = 1, [2] = 3, [3] = 1, [4] = 2, [6] = 4};
    uint64_t width = read_number(header) & INT32_MAX;
    uint64_t height = read_number(header + 4) & INT32_MAX;
    uint64_t bits = (uint64_t)(header[8] <= 16 ? header[8] : 16) * channels[header[9] & 7];
    uint64_t row = width * bits / 8 + 2;
    return height > 0 && row > UINT64_MAX / 4 / height ? UINT64_MAX / 4 : row * height;
}

bool png_has_surplus_data(const unsigned char *data, size_t len)
{
    struct chunk chunk;
    uint64_t packed = 0;
    size_t at = SIGNATURE_LEN;
    if (!next_chunk(data, len, &at, &chunk) || !is_type(&chunk, "IHDR") || chunk.len < HEADER_LEN)
        return false;
    uint64_t allowed = 2 * unpacked_len(chunk.data) + SURPLUS_ALLOWED;
    while (next_chunk(data, len, &at, &chunk) && !is_type(&chunk, "IEND")) {
        if (is_type(&chunk, "IDAT"))
            packed += chunk.len;
    }
    return packed > allowed;
}

bool png_has_chunk_beyond_end(const unsigned char *data, size_t len)
{
    struct chunk chunk;
    for (size_t at = SIGNATURE_LEN; next_chunk(data, len, &at, &chunk) && !is_type(&chunk, "IEND");)
        if (chunk.cut && !is_type(&chunk, "IDAT"))
            return true;
    return false;
}
