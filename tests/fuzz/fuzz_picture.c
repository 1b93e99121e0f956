/* SPDX-License-Identifier: MIT */
/*
 * A picture of any kind, opened under limits, whole and reduced: JPEG, PNG, WebP, GIF, or what only
 * looks like one. The decoders are Debian's, so only what they do with memory
 * that they were handed, and what we do with them, is seen.
 */
#include "fuzz/input.h"

#include "lib/base/clock.h"
#include "lib/picture/picture.h"
#include "lib/picture/picture_memory.h"

enum { OPEN_MS = 5000, REDUCED_SIDE = 64, MEMORY = 256 * 1024 * 1024 };

int LLVMFuzzerInitialize(int *argc, char ***argv);

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    struct err_buf why;
    (void)argc;
    (void)argv;
    must(picture_library_init("fuzz", &why) == APP_OK);
    picture_memory_limit(MEMORY);
    return 0;
}

/* What opening gave, or with `reduced` opening for a detector. */
static void check(const struct picture *picture, bool reduced)
{
    int width = picture_width(picture), height = picture_height(picture);
    must(width > 0 && height > 0);
    must(picture_full_width(picture) >= width && picture_full_height(picture) >= height);
    must(!reduced || !picture_has_alpha(picture));
    const unsigned char *pixels = picture_pixels(picture);
    size_t bands = picture_has_alpha(picture) ? 4 : 3;
    volatile unsigned char last = pixels[(size_t)width * (size_t)height * bands - 1];
    (void)last; /* it can be read */
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    for (int reduced = 0; reduced < 2; reduced++) {
        struct err_buf why = {.text = ""};
        struct picture *picture = NULL;
        int64_t deadline_ns = deadline_in_ms(OPEN_MS);
        enum app_err err =
            reduced ? picture_open_reduced(data, size, REDUCED_SIDE, deadline_ns, &picture, &why)
                    : picture_open(data, size, deadline_ns, &picture, &why);
        must(err == APP_OK || err == APP_NOT_A_PICTURE || err == APP_PICTURE_REFUSED ||
             err == APP_UNAVAILABLE);
        if (!err)
            check(picture, reduced);
        picture_free(&picture);
        must(picture_memory_taken() == 0);
    }
    return 0;
}
