/* SPDX-License-Identifier: MIT */
/*
 * One lazy pipeline: the emoji are resized, laid over the picture and encoded
 * strip by strip, so that memory stays bounded however large a face claims to
 * be. The encoder writes into a bounded buffer and stops when that is full.
 */
#include "api/image/emojify.h"

#include <assert.h>
#include <string.h>
#include <vips/vips.h>

#include "api/image/enlarge.h"
#include "api/image/overlay.h"
#include "lib/base/buf.h"
#include "lib/base/limits.h"
#include "lib/picture/picture_private.h"

#define TEXT_FAILED    "the emoji cannot be drawn"
#define TEXT_TOO_LARGE "the emojified picture is too large"

enum { WEBP_LARGEST_SIDE = 16383, JPEG_QUALITY = 85, WEBP_QUALITY = 80, PNG_COMPRESSION = 3 };

#define DOTS_PER_MM (72 / 25.4) /* where a format wants a resolution; the source's is dropped */

/* --- Formats ------------------------------------------------------------------------ */

static int save_jpeg(VipsImage *image, VipsTarget *target)
{
    return vips_jpegsave_target(image, target, "Q", JPEG_QUALITY, "optimize_coding", FALSE,
                                "interlace", FALSE, "strip", TRUE, NULL);
}

/* Beside libvips' default (compression 6, no filter) a third smaller and a third faster. */
static int save_png(VipsImage *image, VipsTarget *target)
{
    return vips_pngsave_target(image, target, "compression", PNG_COMPRESSION, "filter",
                               VIPS_FOREIGN_PNG_FILTER_UP, "strip", TRUE, NULL);
}

/*
 * libvips 8.14 ignores "strip" here and writes an EXIF block of its own making:
 * resolution and size. The source's is gone since picture_open.
 */
static int save_webp(VipsImage *image, VipsTarget *target)
{
    return vips_webpsave_target(image, target, "Q", WEBP_QUALITY, "strip", TRUE, NULL);
}

struct encoder {
    const char *content_type;
    bool has_alpha;
    int (*save)(VipsImage *image, VipsTarget *target);
};

static const struct encoder encoders[EMOJIFY_FORMAT__MAX] = {
    [EMOJIFY_JPEG] = {"image/jpeg", false, save_jpeg},
    [EMOJIFY_PNG] = {"image/png", true, save_png},
    [EMOJIFY_WEBP] = {"image/webp", true, save_webp},
};

static const struct encoder *choose_encoder(const struct picture *picture,
                                            enum emojify_format format)
{
    assert(format < EMOJIFY_FORMAT__MAX);
    if (format == EMOJIFY_WEBP &&
        MAX(picture_width(picture), picture_height(picture)) > WEBP_LARGEST_SIDE)
        format = EMOJIFY_AUTO;
    if (format == EMOJIFY_AUTO)
        format = picture_has_alpha(picture) ? EMOJIFY_PNG : EMOJIFY_JPEG;
    return &encoders[format];
}

/* --- Drawing -------------------------------------------------------------------------- */

static void release_emoji(struct overlay *overlay)
{
    for (size_t i = 0; i < overlay->count; i++)
        g_object_unref(overlay->images[i + 1]);
    overlay->count = 0;
}

/* Premultiplied, so that the colour of invisible pixels does not bleed into the edge. */
static int resize_premultiplied(VipsImage *rgba, double scale, VipsImage **out)
{
    VipsImage *premultiplied = NULL, *eight_bit = NULL;
    int status = -1;
    if (vips_premultiply(rgba, &premultiplied, NULL) ||
        vips_cast_uchar(premultiplied, &eight_bit, NULL))
        goto out;
    status = vips_resize(eight_bit, out, scale, NULL);
out:
    g_clear_object(&eight_bit);
    g_clear_object(&premultiplied);
    return status;
}

static int shrink_emoji(const unsigned char *rgba, int size, int side, VipsImage **out)
{
    VipsImage *pixels = vips_image_new_from_memory(rgba, (size_t)size * (size_t)size * 4, size,
                                                   size, 4, VIPS_FORMAT_UCHAR);
    VipsImage *lazy = NULL;
    if (!pixels)
        return -1;
    int status = resize_premultiplied(pixels, (double)side / size, &lazy);
    g_object_unref(pixels);
    if (status)
        return -1;
    *out = vips_image_copy_memory(lazy);
    g_object_unref(lazy);
    return *out ? 0 : -1;
}

/* A small one is computed here and kept, a large one when it is drawn. */
static int resize_emoji(const struct artwork *artwork, size_t index, int side, VipsImage **out)
{
    int size = artwork_side(artwork);
    const unsigned char *rgba = artwork_pixels(artwork, index);
    return side < size ? shrink_emoji(rgba, size, side, out) : enlarge_build(rgba, size, side, out);
}

/* On failure the overlay holds what was placed so far. */
static int place_emoji(const struct picture *picture, const struct box *faces, size_t face_count,
                       const struct emojify_options *options, struct picture_watch *watch,
                       struct overlay *overlay)
{
    for (size_t i = 0; i < face_count && i < LIMIT_FACES; i++) {
        struct box emoji;
        if (picture_watch_expired(watch))
            return -1;
        if (!geometry_emoji_box(&faces[i], picture_width(picture), picture_height(picture), &emoji))
            continue;
        size_t index = geometry_choose_emoji(options->key, i, artwork_count(options->artwork));
        size_t n = overlay->count;
        if (resize_emoji(options->artwork, index, emoji.width, &overlay->images[n + 1]))
            return -1;
        overlay->lefts[n] = emoji.left;
        overlay->tops[n] = emoji.top;
        overlay->count++;
    }
    return 0;
}

static int flatten(VipsImage *image, VipsImage **out)
{
    VipsArrayDouble *white = vips_array_double_newv(1, 255.0);
    int status = vips_flatten(image, out, "background", white, NULL);
    vips_area_unref(VIPS_AREA(white));
    return status;
}

/* What the encoder shall see; nothing is computed yet. */
static int build(struct overlay *overlay, bool keep_alpha, VipsImage **out)
{
    VipsImage *drawn = NULL, *settled = NULL;
    int status = -1;
    if (overlay->count > 0 ? overlay_build(overlay, &drawn)
                           : vips_copy(overlay->images[0], &drawn, NULL))
        goto out;
    if (vips_image_get_bands(drawn) == 4 && !keep_alpha ? flatten(drawn, &settled)
                                                        : vips_copy(drawn, &settled, NULL))
        goto out;
    status = vips_copy(settled, out, "xres", DOTS_PER_MM, "yres", DOTS_PER_MM, NULL);
out:
    g_clear_object(&settled);
    g_clear_object(&drawn);
    return status;
}

/* --- Encoding --------------------------------------------------------------------------- */

struct writer {
    struct buf buf;
    struct picture_watch *watch;
    enum app_err err; /* of the buffer */
};

static gint64 on_write(VipsTargetCustom *target, const void *data, gint64 length,
                       struct writer *writer)
{
    (void)target;
    if (picture_watch_expired(writer->watch))
        return -1;
    writer->err = buf_append(&writer->buf, data, (size_t)length);
    return writer->err ? -1 : length;
}

static enum app_err writer_failure(const struct writer *writer, struct err_buf *why)
{
    enum app_err err = picture_failure(writer->watch, APP_INTERNAL, TEXT_FAILED, why);
    if (writer->err == APP_TOO_LARGE)
        return err_set(why, APP_PICTURE_REFUSED, TEXT_TOO_LARGE);
    return writer->err ? writer->err : err;
}

/* Run the pipeline. */
static enum app_err encode(VipsImage *image, const struct encoder *encoder, struct writer *writer,
                           struct err_buf *why)
{
    VipsTargetCustom *target = vips_target_custom_new();
    int status = -1;
    if (target) {
        g_signal_connect(target, "write", G_CALLBACK(on_write), writer);
        picture_watch_start(writer->watch, image);
        status = encoder->save(image, VIPS_TARGET(target));
        picture_watch_stop(writer->watch);
        g_object_unref(target);
    }
    return status ? writer_failure(writer, why) : APP_OK;
}

enum app_err emojify_draw(const struct picture *picture, const struct box *faces, size_t face_count,
                          const struct emojify_options *options, struct emojify_result *result,
                          struct err_buf *why)
{
    const struct encoder *encoder = choose_encoder(picture, options->format);
    struct picture_watch watch;
    picture_watch_init(&watch, options->deadline_ns);
    struct writer writer = {.watch = &watch};
    buf_init(&writer.buf, LIMIT_RESULT_BYTES);
    struct overlay overlay = {.images = {picture->image}};
    VipsImage *image = NULL;
    enum app_err err;

    if (place_emoji(picture, faces, face_count, options, &watch, &overlay) ||
        build(&overlay, encoder->has_alpha, &image)) {
        err = picture_failure(&watch, APP_INTERNAL, TEXT_FAILED, why);
        goto out;
    }
    err = encode(image, encoder, &writer, why);
    if (err)
        goto out;
    result->drawn = overlay.count;
    result->content_type = encoder->content_type;
    result->data = buf_take(&writer.buf, &result->len);
out:
    g_clear_object(&image);
    release_emoji(&overlay);
    buf_release(&writer.buf);
    return err;
}
