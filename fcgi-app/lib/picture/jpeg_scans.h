/* SPDX-License-Identifier: MIT */
/*
 * How many scans a JPEG has, from its markers alone (ITU-T T.81, annex B). A
 * progressive JPEG of a few megabytes can have thousands, and the decoder goes
 * over the whole picture for each. Pure, any bytes, any thread.
 */
#ifndef LIB_PICTURE_JPEG_SCANS_H
#define LIB_PICTURE_JPEG_SCANS_H

#include <stdbool.h>
#include <stddef.h>

/*
 * Whether there are more than `most` scans. Walks as the decoder does, so what it
 * does not count the decoder does not see either: up to the end-of-image marker,
 * or the first segment whose length cannot be.
 */
bool jpeg_has_more_scans(const unsigned char *data, size_t len, unsigned most);

#endif
