/* SPDX-License-Identifier: MIT */
/*
 * A picture of any kind, opened under limits: JPEG, PNG, WebP, GIF, or what only
 * looks like one. The decoders are Debian's, so only what they do with memory
 * that they were handed, and what we do with them, is seen.
 */
#include "fuzz/input.h"

#include "lib/base/clock.h"
#include "lib/picture/picture.h"
#include "lib/picture/picture_memory.h"

enum { OPEN_MS = 5000, GREY_SIDE = 64, MEMORY = 256 * 1024 * 1024 };

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

static void use(const struct picture *picture)
{
    struct err_buf why;
    unsigned char *pixels = NULL;
    int width = 0;
    int height = 0;
    double scale = 0;
    must(picture_width(picture) > 0 && picture_height(picture) > 0);
    if (picture_to_grey(picture, GREY_SIDE, &pixels, &width, &height, &scale, &why) == APP_OK)
        must(width > 0 && width <= GREY_SIDE && height > 0 && height <= GREY_SIDE && scale >= 1);
    free(pixels);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct err_buf why = {.text = ""};
    struct picture *picture = NULL;
    enum app_err err = picture_open(data, size, deadline_in_ms(OPEN_MS), &picture, &why);
    must(err == APP_OK || err == APP_NOT_A_PICTURE || err == APP_PICTURE_REFUSED ||
         err == APP_UNAVAILABLE);
    if (!err)
        use(picture);
    picture_free(&picture);
    must(picture_memory_taken() == 0);
    return 0;
}
