/* SPDX-License-Identifier: MIT */
/* What is looked for in a JPEG's markers and a PNG's chunks before the library sees them. */
#include "fuzz/input.h"

#include "lib/picture/jpeg_scans.h"
#include "lib/picture/png_chunks.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input input = {data, size};
    char *copy = fuzz_text(&input, size);
    /* In memory without the NUL behind it. */
    unsigned char *picture = realloc(copy, size > 0 ? size : 1);
    must(picture != NULL);
    bool more = true;
    for (unsigned most = 0; most < 4; most++) {
        bool has = jpeg_outline(picture, size, most).scans > most;
        must(more || !has); /* more than two are more than one */
        more = has;
    }
    (void)png_has_more_packed_chunks(picture, size, 2);
    (void)png_has_surplus_data(picture, size);
    (void)png_has_chunk_beyond_end(picture, size);
    free(picture);
    return 0;
}
