/* SPDX-License-Identifier: MIT */
/*
 * What the markers of a JPEG tell before it is decoded (ITU-T T.81, annex B): how many scans it
 * has, since a progressive JPEG of a few megabytes can have thousands, and the decoder goes over
 * the whole picture for each; and whether its end is there. Pure, any bytes, any thread.
 */
#ifndef LIB_PICTURE_JPEG_SCANS_H
#define LIB_PICTURE_JPEG_SCANS_H

#include <stdbool.h>
#include <stddef.h>

struct jpeg_outline {
    unsigned scans; /* at most one more than `most` are counted */
    /*
     * There is a scan, and no end-of-image marker behind it. Some cameras and tools leave the
     * marker out; a file that was cut short lacks it too.
     */
    bool lacks_end;
};

/*
 * Walks as the decoder does, so what it does not count the decoder does not see either: up to the
 * end-of-image marker, the first segment whose length cannot be, or the first scan above `most`.
 */
struct jpeg_outline jpeg_outline(const unsigned char *data, size_t len, unsigned most);

#endif
