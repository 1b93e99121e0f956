/* SPDX-License-Identifier: MIT */
#include "lib/picture/jpeg_scans.h"

#include <string.h>

enum {
    FILL = 0xff,
    STUFFED = 0x00, /* behind 0xff: data */
    TEMPORARY = 0x01,
    RESTART_FIRST = 0xd0,
    RESTART_LAST = 0xd7,
    START_OF_IMAGE = 0xd8,
    END_OF_IMAGE = 0xd9,
    START_OF_SCAN = 0xda
};

/* The next marker's code, with *at behind it; 0: there is none. Skips what is no marker. */
static int next_marker(const unsigned char *data, size_t len, size_t *at)
{
    while (*at < len) {
        const unsigned char *found = memchr(data + *at, FILL, len - *at);
        if (!found)
            return 0;
        *at = (size_t)(found - data);
        while (*at < len && data[*at] == FILL)
            (*at)++;
        if (*at < len && data[(*at)++] != STUFFED)
            return data[*at - 1];
    }
    return 0;
}

static bool stands_alone(int marker)
{
    return marker == TEMPORARY || marker == START_OF_IMAGE ||
           (marker >= RESTART_FIRST && marker <= RESTART_LAST);
}

/* Go on behind the next marker and its segment. The marker's code; 0: there is none. */
static int next_segment(const unsigned char *data, size_t len, size_t *at)
{
    int marker = next_marker(data, len, at);
    if (marker == 0 || marker == END_OF_IMAGE || stands_alone(marker))
        return marker;
    if (len - *at < 2)
        return 0;
    size_t segment_len = (size_t)data[*at] << 8 | data[*at + 1];
    if (segment_len < 2 || segment_len > len - *at)
        return 0;
    *at += segment_len; /* of a scan its head; the data behind it has no markers */
    return marker;
}

struct jpeg_outline jpeg_outline(const unsigned char *data, size_t len, unsigned most)
{
    struct jpeg_outline outline = {.scans = 0};
    size_t at = 0;
    int marker;
    while ((marker = next_segment(data, len, &at)) != 0 && marker != END_OF_IMAGE) {
        if (marker == START_OF_SCAN && ++outline.scans > most)
            return outline;
    }
    outline.lacks_end = outline.scans > 0 && marker == 0;
    return outline;
}
