/* SPDX-License-Identifier: MIT */
/*
 * artwork-render OUTPUT: renders the emoji of the font Noto Color Emoji into
 * one file that artwork.c maps. Runs at build time only, so the program that
 * faces the network needs neither the font nor a text renderer's set-up.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <vips/vips.h>

#include "api/image/artwork_file.h"
#include "lib/base/buf.h"
#include "lib/picture/picture.h"

#define FONT "Noto Color Emoji"

enum {
    SIDE = 128, /* the largest drawing of the font's bitmaps, which are 136 by 128 */
    DPI = 650,  /* gives the bitmaps in their own size, so that nothing is resampled twice */
};

/* Friendly or funny, and all with a face: they end up on real people. */
static const char *const emoji[] = {
    "\U0001F600", "\U0001F601", "\U0001F602", "\U0001F603", "\U0001F604", "\U0001F605",
    "\U0001F606", "\U0001F607", "\U0001F609", "\U0001F60A", "\U0001F60B", "\U0001F60C",
    "\U0001F60D", "\U0001F60E", "\U0001F60F", "\U0001F610", "\U0001F611", "\U0001F612",
    "\U0001F614", "\U0001F615", "\U0001F616", "\U0001F617", "\U0001F618", "\U0001F619",
    "\U0001F61A", "\U0001F61B", "\U0001F61C", "\U0001F61D", "\U0001F61F", "\U0001F623",
    "\U0001F628", "\U0001F62A", "\U0001F62C", "\U0001F62E", "\U0001F62F", "\U0001F631",
    "\U0001F632", "\U0001F633", "\U0001F634", "\U0001F635", "\U0001F636", "\U0001F638",
    "\U0001F639", "\U0001F63A", "\U0001F63B", "\U0001F63C", "\U0001F63D", "\U0001F640",
    "\U0001F642", "\U0001F643", "\U0001F644", "\U0001F910", "\U0001F911", "\U0001F913",
    "\U0001F914", "\U0001F917", "\U0001F920", "\U0001F923", "\U0001F924", "\U0001F927",
    "\U0001F928", "\U0001F929", "\U0001F92A", "\U0001F92B", "\U0001F92D", "\U0001F92F",
    "\U0001F970", "\U0001F971", "\U0001F973", "\U0001F974", "\U0001F975", "\U0001F976",
    "\U0001F978", "\U0001F979", "\U0001F97A", "\U0001F9D0", "\U0001FAE0", "\U0001FAE2",
    "\U0001FAE3", "\U0001FAE1",
};
enum { EMOJI_COUNT = sizeof(emoji) / sizeof(emoji[0]) };

struct artwork_file {
    struct artwork_file_header header;
    unsigned char pixels[EMOJI_COUNT][SIDE][SIDE][4];
};

/* The part of an image that is not transparent. */
struct drawing {
    int left, top, right, bottom; /* right and bottom are one beyond */
    long visible, coloured;       /* pixels */
};

enum { VISIBLE_ALPHA = 8, COLOURED_RANGE = 48 };

static const unsigned char *pixel_at(VipsImage *image, int x, int y)
{
    const unsigned char *data = vips_image_get_data(image);
    return data + ((size_t)y * (size_t)image->Xsize + (size_t)x) * 4;
}

static bool is_coloured(const unsigned char *pixel)
{
    int high = MAX(pixel[0], MAX(pixel[1], pixel[2]));
    int low = MIN(pixel[0], MIN(pixel[1], pixel[2]));
    return high - low >= COLOURED_RANGE;
}

static struct drawing measure(VipsImage *image)
{
    struct drawing drawing = {.left = image->Xsize, .top = image->Ysize};
    for (int y = 0; y < image->Ysize; y++) {
        for (int x = 0; x < image->Xsize; x++) {
            const unsigned char *pixel = pixel_at(image, x, y);
            if (pixel[3] < VISIBLE_ALPHA)
                continue;
            drawing.left = MIN(drawing.left, x);
            drawing.right = MAX(drawing.right, x + 1);
            drawing.top = MIN(drawing.top, y);
            drawing.bottom = MAX(drawing.bottom, y + 1);
            drawing.visible++;
            drawing.coloured += is_coloured(pixel);
        }
    }
    return drawing;
}

/* Copy the drawing to the middle of a transparent square. */
static void copy_centred(VipsImage *image, const struct drawing *drawing,
                         unsigned char out[SIDE][SIDE][4])
{
    int width = drawing->right - drawing->left;
    int height = drawing->bottom - drawing->top;
    int left = (SIDE - width) / 2;
    int top = (SIDE - height) / 2;
    for (int y = 0; y < height; y++)
        memcpy(out[top + y][left], pixel_at(image, drawing->left, drawing->top + y),
               (size_t)width * 4);
}

/* Without the font, text falls back to another one's empty box: not half of that is coloured. */
static bool is_emoji(const struct drawing *drawing)
{
    return drawing->visible > SIDE * SIDE / 4 && drawing->coloured * 2 > drawing->visible &&
           drawing->right - drawing->left <= SIDE && drawing->bottom - drawing->top <= SIDE;
}

static bool render(const char *text, unsigned char out[SIDE][SIDE][4])
{
    VipsImage *lazy = NULL, *image = NULL;
    bool rendered = false;
    if (vips_text(&lazy, text, "font", FONT, "dpi", DPI, "rgba", TRUE, NULL)) {
        fprintf(stderr, "artwork-render: %s: %s", text, vips_error_buffer());
        return false;
    }
    image = vips_image_copy_memory(lazy);
    if (!image || image->Bands != 4 || image->BandFmt != VIPS_FORMAT_UCHAR) {
        fprintf(stderr, "artwork-render: %s: not RGBA\n", text);
        goto out;
    }
    struct drawing drawing = measure(image);
    if (!is_emoji(&drawing)) {
        fprintf(stderr,
                "artwork-render: %s is not drawn in colour: is the font \"%s\" installed "
                "(fonts-noto-color-emoji)?\n",
                text, FONT);
        goto out;
    }
    copy_centred(image, &drawing, out);
    rendered = true;
out:
    g_clear_object(&image);
    g_clear_object(&lazy);
    return rendered;
}

static bool all_differ(const struct artwork_file *file)
{
    for (size_t i = 0; i < EMOJI_COUNT; i++) {
        for (size_t j = i + 1; j < EMOJI_COUNT; j++) {
            if (memcmp(file->pixels[i], file->pixels[j], sizeof(file->pixels[i])) == 0) {
                fprintf(stderr, "artwork-render: %s and %s look the same\n", emoji[i], emoji[j]);
                return false;
            }
        }
    }
    return true;
}

static bool write_whole(int fd, const void *data, size_t len)
{
    const char *rest = data;
    while (len > 0) {
        ssize_t written = write(fd, rest, len);
        if (written < 0)
            return false;
        rest += written;
        len -= (size_t)written;
    }
    return true;
}

/* Written aside and renamed: a running program may have the old file mapped. */
static bool replace_file(const char *path, const void *data, size_t len)
{
    char aside[PATH_MAX];
    if (snprintf(aside, sizeof(aside), "%s.%ld", path, (long)getpid()) >= (int)sizeof(aside)) {
        errno = ENAMETOOLONG;
        return false;
    }
    int fd = open(aside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd < 0)
        return false;
    bool written = write_whole(fd, data, len) && fsync(fd) == 0;
    if (close(fd) || !written || rename(aside, path)) {
        int reason = errno;
        unlink(aside);
        errno = reason;
        return false;
    }
    return true;
}

static bool render_all(struct artwork_file *file)
{
    file->header = (struct artwork_file_header){
        .magic = ARTWORK_FILE_MAGIC, .count = EMOJI_COUNT, .side = SIDE};
    for (size_t i = 0; i < EMOJI_COUNT; i++) {
        if (!render(emoji[i], file->pixels[i]))
            return false;
    }
    file->header.checksum = artwork_file_checksum(&file->header, file->pixels);
    return all_differ(file);
}

int main(int argc, char **argv)
{
    struct err_buf why = {.text = ""};
    if (argc != 2) {
        fprintf(stderr, "usage: artwork-render OUTPUT\n");
        return 2;
    }
    if (picture_library_init(argv[0], &why)) {
        fprintf(stderr, "artwork-render: %s: %s\n", why.text, why.detail);
        return EXIT_FAILURE;
    }
    int status = EXIT_FAILURE;
    struct artwork_file *file = calloc(1, sizeof(*file));
    if (!file)
        perror("artwork-render");
    else if (render_all(file)) {
        if (replace_file(argv[1], file, sizeof(*file)))
            status = EXIT_SUCCESS;
        else
            fprintf(stderr, "artwork-render: %s: %s\n", argv[1], strerror(errno));
    }
    free(file);
    picture_library_release();
    return status;
}
