/* SPDX-License-Identifier: MIT */
/*
 * What a PNG's chunks tell before any of it is unpacked (ISO 15948, clause 5). The
 * library unpacks texts and profiles while it looks for the size, before anybody can
 * say no, and data that has no pixel left to fill up to its end. Pure, any bytes, any
 * thread.
 */
#ifndef LIB_PICTURE_PNG_CHUNKS_H
#define LIB_PICTURE_PNG_CHUNKS_H

#include <stdbool.h>
#include <stddef.h>

/* Whether more than `most` chunks are texts or profiles that can be packed: zTXt, iTXt, iCCP. */
bool png_has_more_packed_chunks(const unsigned char *data, size_t len, unsigned most);

/*
 * Whether the packed pixels are longer than twice what they are unpacked, and 64 KiB:
 * no encoder writes that. False when there is no header to know the size from.
 */
bool png_has_surplus_data(const unsigned char *data, size_t len);

/*
 * Whether a chunk that the library reads whole, any but pixels, claims to be longer
 * than the file: the library takes (and clears) memory for all that it claims, a
 * gigabyte and more, before it misses the rest.
 */
bool png_has_chunk_beyond_end(const unsigned char *data, size_t len);

#endif
