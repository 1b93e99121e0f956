/* SPDX-License-Identifier: MIT */
/*
 * artwork-render ICONS OUTPUT: renders the emoji of ICONS, the icons.json of the npm
 * package @iconify-json/noto, into one file that artwork.c maps. Runs at build time
 * only, so the program that faces the network reads no SVG.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <jansson.h>
#include <vips/vips.h>
#include <zlib.h>

#include "api/image/artwork_file.h"
#include "lib/base/buf.h"

/*
 * Friendly or funny, and all with a face: they end up on real people. The order is by
 * code point; a picture's key chooses by it, so a new one would change old pictures.
 */
static const char *const emoji[] = {
    "grinning-face",
    "beaming-face-with-smiling-eyes",
    "face-with-tears-of-joy",
    "grinning-face-with-big-eyes",
    "grinning-face-with-smiling-eyes",
    "grinning-face-with-sweat",
    "grinning-squinting-face",
    "smiling-face-with-halo",
    "winking-face",
    "smiling-face-with-smiling-eyes",
    "face-savoring-food",
    "relieved-face",
    "smiling-face-with-heart-eyes",
    "smiling-face-with-sunglasses",
    "smirking-face",
    "neutral-face",
    "expressionless-face",
    "unamused-face",
    "pensive-face",
    "confused-face",
    "confounded-face",
    "kissing-face",
    "face-blowing-a-kiss",
    "kissing-face-with-smiling-eyes",
    "kissing-face-with-closed-eyes",
    "face-with-tongue",
    "winking-face-with-tongue",
    "squinting-face-with-tongue",
    "worried-face",
    "persevering-face",
    "fearful-face",
    "sleepy-face",
    "grimacing-face",
    "face-with-open-mouth",
    "hushed-face",
    "face-screaming-in-fear",
    "astonished-face",
    "flushed-face",
    "sleeping-face",
    "face-with-crossed-out-eyes",
    "face-without-mouth",
    "grinning-cat-with-smiling-eyes",
    "cat-with-tears-of-joy",
    "grinning-cat",
    "smiling-cat-with-heart-eyes",
    "cat-with-wry-smile",
    "kissing-cat",
    "weary-cat",
    "slightly-smiling-face",
    "upside-down-face",
    "face-with-rolling-eyes",
    "zipper-mouth-face",
    "money-mouth-face",
    "nerd-face",
    "thinking-face",
    "smiling-face-with-open-hands",
    "cowboy-hat-face",
    "rolling-on-the-floor-laughing",
    "drooling-face",
    "sneezing-face",
    "face-with-raised-eyebrow",
    "star-struck",
    "zany-face",
    "shushing-face",
    "face-with-hand-over-mouth",
    "exploding-head",
    "smiling-face-with-hearts",
    "yawning-face",
    "partying-face",
    "woozy-face",
    "hot-face",
    "cold-face",
    "disguised-face",
    "face-holding-back-tears",
    "pleading-face",
    "face-with-monocle",
    "melting-face",
    "face-with-open-eyes-and-hand-over-mouth",
    "face-with-peeking-eye",
    "saluting-face",
};
enum { EMOJI_COUNT = sizeof(emoji) / sizeof(emoji[0]) };

/* In the units of the drawings, which are made for 128 by 128. */
enum {
    VIEW = 128,
    ROOM = 8, /* around it, to find what a drawing has there */
};

enum { BANDS = 4, SIDE = ARTWORK_SIDE(0), PACKED_MAX = 64 * 1024 * 1024 };

/* All levels in one picture, so that they share one palette: beside the first the others, in a
 * column. */
enum { CANVAS_WIDTH = SIDE + SIDE / 2, CANVAS_PIXELS = CANVAS_WIDTH * SIDE };

/* What is drawn: a square, in the drawings' units. */
struct view {
    double left, top, side;
};

static bool fail(const char *name, const char *reason)
{
    fprintf(stderr, "artwork-render: %s: %s\n", name, reason);
    return false;
}

/* --- Drawing -------------------------------------------------------------------------- */

/* SIDE by SIDE pixels, RGBA; NULL after a message. */
static VipsImage *draw(const char *name, const char *body, struct view view)
{
    struct buf svg;
    VipsImage *lazy = NULL, *image = NULL;
    buf_init(&svg, PACKED_MAX);
    if (buf_printf(&svg,
                   "<svg xmlns=\"http://www.w3.org/2000/svg\" "
                   "xmlns:xlink=\"http://www.w3.org/1999/xlink\" width=\"%d\" height=\"%d\" "
                   "viewBox=\"%.4f %.4f %.4f %.4f\">%s</svg>",
                   SIDE, SIDE, view.left, view.top, view.side, view.side, body) != APP_OK)
        fail(name, "no memory");
    else if (vips_svgload_buffer(svg.data, svg.len, &lazy, NULL))
        fail(name, vips_error_buffer());
    else
        image = vips_image_copy_memory(lazy);
    if (image && (image->Bands != BANDS || image->Xsize != SIDE || image->Ysize != SIDE)) {
        fail(name, "not drawn as RGBA");
        g_clear_object(&image);
    }
    g_clear_object(&lazy);
    buf_release(&svg);
    return image;
}

/* The square view of the drawing's size, its middle in the middle of what is visible. */
static bool centre(const char *name, VipsImage *image, struct view *view)
{
    enum { VISIBLE_ALPHA = 8 };
    const unsigned char *alpha = (const unsigned char *)vips_image_get_data(image) + 3;
    int left = SIDE, top = SIDE, right = 0, bottom = 0, visible = 0;
    for (int i = 0; i < SIDE * SIDE; i++) {
        int x = i % SIDE, y = i / SIDE;
        if (alpha[(size_t)i * BANDS] < VISIBLE_ALPHA)
            continue;
        left = MIN(left, x);
        right = MAX(right, x + 1);
        top = MIN(top, y);
        bottom = MAX(bottom, y + 1);
        visible++;
    }
    if (visible < SIDE * SIDE / 4)
        return fail(name, "hardly anything of it is visible");
    double unit = view->side / SIDE;
    double side = MAX(VIEW, MAX(right - left, bottom - top) * unit);
    *view = (struct view){view->left + (left + right) / 2.0 * unit - side / 2,
                          view->top + (top + bottom) / 2.0 * unit - side / 2, side};
    return true;
}

/* --- Levels ----------------------------------------------------------------------------- */

/* Where a level lies on the canvas. */
static unsigned char *on_canvas(unsigned char *canvas, int level)
{
    size_t top = 0;
    for (int above = 1; above < level; above++)
        top += (size_t)ARTWORK_SIDE(above);
    return canvas + (top * CANVAS_WIDTH + (level > 0 ? SIDE : 0)) * BANDS;
}

static size_t pixel_on_canvas(int x, int y)
{
    return ((size_t)y * CANVAS_WIDTH + (size_t)x) * BANDS;
}

/* Four pixels become their mean; invisible ones do not count. */
static void halve(const unsigned char *large, int side, unsigned char *small)
{
    for (int i = 0; i < side / 2 * (side / 2); i++) {
        int x = i % (side / 2), y = i / (side / 2);
        unsigned char *out = small + pixel_on_canvas(x, y);
        unsigned sums[BANDS] = {0};
        for (int j = 0; j < 4; j++) {
            const unsigned char *pixel = large + pixel_on_canvas(2 * x + j % 2, 2 * y + j / 2);
            for (int band = 0; band < 3; band++)
                sums[band] += (unsigned)pixel[band] * pixel[3];
            sums[3] += pixel[3];
        }
        for (int band = 0; band < 3 && sums[3] > 0; band++)
            out[band] = (unsigned char)((sums[band] + sums[3] / 2) / sums[3]);
        out[3] = (unsigned char)((sums[3] + 2) / 4);
    }
}

static void fill_canvas(VipsImage *image, unsigned char *canvas)
{
    const unsigned char *pixels = vips_image_get_data(image);
    memset(canvas, 0, (size_t)CANVAS_PIXELS * BANDS);
    for (int y = 0; y < SIDE; y++)
        memcpy(canvas + pixel_on_canvas(0, y), pixels + (size_t)y * SIDE * BANDS,
               (size_t)SIDE * BANDS);
    for (int level = 1; level < ARTWORK_LEVELS; level++)
        halve(on_canvas(canvas, level - 1), ARTWORK_SIDE(level - 1), on_canvas(canvas, level));
}

/* Reduce the canvas to ARTWORK_COLOURS colours, with the encoder of PNG. */
static bool reduce_colours(const char *name, unsigned char *canvas)
{
    size_t len = (size_t)CANVAS_PIXELS * BANDS, png_len = 0;
    VipsImage *plain = NULL, *full = NULL, *reduced = NULL;
    void *png = NULL;
    bool done = false;
    plain = vips_image_new_from_memory(canvas, len, CANVAS_WIDTH, SIDE, BANDS, VIPS_FORMAT_UCHAR);
    if (!plain || vips_copy(plain, &full, "interpretation", VIPS_INTERPRETATION_sRGB, NULL))
        goto out;
    if (vips_pngsave_buffer(full, &png, &png_len, "palette", TRUE, "dither", 0.0, "Q", 100, NULL) ||
        vips_pngload_buffer(png, png_len, &reduced, NULL) || vips_image_wio_input(reduced))
        goto out;
    done = reduced->Bands == BANDS;
    if (done)
        memcpy(canvas, vips_image_get_data(reduced), len);
out:
    g_clear_object(&reduced);
    g_clear_object(&full);
    g_clear_object(&plain);
    g_free(png);
    return done || fail(name, vips_error_buffer());
}

/* The index of the pixel's colour, which may be a new one; 0 is the invisible one. */
static int find_colour(struct artwork_file_emoji *out, int *count, const unsigned char *pixel)
{
    unsigned char premultiplied[BANDS] = {0, 0, 0, pixel[3]};
    for (int band = 0; band < 3; band++)
        premultiplied[band] = (unsigned char)((pixel[band] * pixel[3] + 127) / 255);
    for (int i = 0; i < *count; i++) {
        if (memcmp(out->palette[i], premultiplied, BANDS) == 0)
            return i;
    }
    if (*count == ARTWORK_COLOURS)
        return -1;
    memcpy(out->palette[*count], premultiplied, BANDS);
    return (*count)++;
}

/* --- The file --------------------------------------------------------------------------- */

struct artwork_file {
    struct artwork_file_header header;
    struct artwork_file_emoji emoji[EMOJI_COUNT];
};

static bool pack(const char *name, const unsigned char *pixels, struct artwork_file_emoji *out,
                 struct buf *packed)
{
    static unsigned char data[ARTWORK_LEVEL_SIZE(0) * 2];
    uLongf len = sizeof(data);
    if (compress2(data, &len, pixels, ARTWORK_LEVEL_SIZE(0), Z_BEST_COMPRESSION) != Z_OK)
        return fail(name, "cannot be compressed");
    out->packed_start = (uint32_t)(sizeof(struct artwork_file) + packed->len);
    out->packed_len = (uint32_t)len;
    return buf_append(packed, data, len) == APP_OK || fail(name, "no memory");
}

static bool store(const char *name, unsigned char *canvas, struct artwork_file_emoji *out,
                  struct buf *packed)
{
    static unsigned char largest[ARTWORK_LEVEL_SIZE(0)]; /* its border stays 0 */
    int colours = 1, colour = 0;
    const unsigned char *last = NULL;
    unsigned char *next = out->levels;
    for (int level = 0; level < ARTWORK_LEVELS; level++) {
        unsigned char *pixels = level == 0 ? largest : next;
        for (int i = 0; i < ARTWORK_SIDE(level) * ARTWORK_SIDE(level); i++) {
            int x = i % ARTWORK_SIDE(level), y = i / ARTWORK_SIDE(level);
            const unsigned char *pixel = on_canvas(canvas, level) + pixel_on_canvas(x, y);
            if (!last || memcmp(last, pixel, BANDS) != 0) /* most are like their neighbour */
                colour = find_colour(out, &colours, pixel);
            last = pixel;
            if (colour < 0)
                return fail(name, "too many colours: libvips was built without a quantiser");
            pixels[(y + 1) * ARTWORK_STRIDE(level) + x + 1] = (unsigned char)colour;
        }
        if (level > 0)
            next += ARTWORK_LEVEL_SIZE(level);
    }
    return pack(name, largest, out, packed);
}

static bool render(const char *name, const json_t *icons, struct artwork_file_emoji *out,
                   struct buf *packed)
{
    static unsigned char canvas[CANVAS_PIXELS * BANDS];
    const char *body = json_string_value(json_object_get(json_object_get(icons, name), "body"));
    if (!body)
        return fail(name, "there is no drawing of that name");
    struct view view = {-ROOM, -ROOM, VIEW + 2 * ROOM};
    VipsImage *image = draw(name, body, view);
    bool centred = image && centre(name, image, &view);
    g_clear_object(&image);
    image = centred ? draw(name, body, view) : NULL;
    if (!image)
        return false;
    fill_canvas(image, canvas);
    g_object_unref(image);
    return reduce_colours(name, canvas) && store(name, canvas, out, packed);
}

static bool all_differ(const struct artwork_file *file)
{
    for (size_t i = 0; i < EMOJI_COUNT; i++) {
        for (size_t j = i + 1; j < EMOJI_COUNT; j++) {
            if (memcmp(file->emoji[i].levels, file->emoji[j].levels,
                       sizeof(file->emoji[i].levels)) == 0)
                return fail(emoji[i], "looks the same as another");
        }
    }
    return true;
}

/* What is written; `out` is empty before. */
static bool render_all(const json_t *icons, struct buf *out)
{
    struct buf packed;
    struct artwork_file *file = calloc(1, sizeof(*file));
    bool done = file != NULL;
    buf_init(&packed, PACKED_MAX);
    for (size_t i = 0; done && i < EMOJI_COUNT; i++)
        done = render(emoji[i], icons, &file->emoji[i], &packed);
    done = done && all_differ(file);
    if (done) {
        file->header =
            (struct artwork_file_header){.magic = ARTWORK_FILE_MAGIC, .count = EMOJI_COUNT};
        done = buf_append(out, file, sizeof(*file)) == APP_OK &&
               buf_append(out, packed.data, packed.len) == APP_OK;
    }
    if (done) {
        struct artwork_file_header *header = (struct artwork_file_header *)(void *)out->data;
        header->checksum = artwork_file_checksum(header, out->len);
    }
    buf_release(&packed);
    free(file);
    return done;
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

/* A new file beside `path`, so that it can be renamed; -1 with errno. */
static int open_aside(const char *path, char aside[PATH_MAX])
{
    if (snprintf(aside, PATH_MAX, "%s.%ld", path, (long)getpid()) >= PATH_MAX) {
        errno = ENAMETOOLONG;
        return -1;
    }
    return open(aside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
}

/* Written aside and renamed: a running program may have the old file mapped. */
static bool replace_file(const char *icons, const char *path)
{
    char aside[PATH_MAX];
    struct buf out;
    json_error_t error;
    int fd = open_aside(path, aside);
    if (fd < 0)
        return fail(path, strerror(errno));
    buf_init(&out, 2 * PACKED_MAX);
    json_t *root = json_load_file(icons, 0, &error);
    bool rendered =
        root ? render_all(json_object_get(root, "icons"), &out) : fail(icons, error.text);
    bool written = rendered && write_whole(fd, out.data, out.len) && fsync(fd) == 0;
    written = close(fd) == 0 && written;
    written = written && rename(aside, path) == 0;
    if (rendered && !written)
        (void)fail(path, strerror(errno));
    if (!written)
        unlink(aside);
    json_decref(root);
    buf_release(&out);
    return written;
}

int main(int argc, char **argv)
{
    if (argc != 3) {
        fprintf(stderr, "usage: artwork-render ICONS OUTPUT\n");
        return 2;
    }
    if (VIPS_INIT(argv[0])) {
        (void)fail("libvips", vips_error_buffer());
        return EXIT_FAILURE;
    }
    bool done = replace_file(argv[1], argv[2]);
    vips_shutdown();
    return done ? EXIT_SUCCESS : EXIT_FAILURE;
}
