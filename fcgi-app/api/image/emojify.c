/* SPDX-License-Identifier: MIT */
/*
 * One lazy pipeline: the emoji are turned, scaled, laid over the picture and encoded
 * strip by strip, so that memory stays bounded however large a face claims to be. The
 * encoder writes into a bounded buffer and stops when that is full.
 */
#include "api/image/emojify.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <vips/vips.h>

#include "api/image/overlay.h"
#include "lib/base/buf.h"
#include "lib/base/limits.h"
#include "lib/picture/picture_vips.h"

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

struct sprites {
    struct sprite *list;
    size_t count;
};

static void release_sprites(struct sprites *sprites)
{
    for (size_t i = 0; i < sprites->count; i++)
        sprite_release(&sprites->list[i]);
    free(sprites->list);
}

/*
 * On failure the list holds what was placed so far; after the deadline too, and then
 * encode refuses.
 */
static enum app_err place_sprites(const struct picture *picture, const struct face *faces,
                                  size_t face_count, const struct emojify_options *options,
                                  struct picture_watch *watch, struct sprites *sprites)
{
    size_t emoji_count = artwork_count(options->artwork);
    face_count = MIN(face_count, LIMIT_FACES);
    sprites->list = calloc(face_count + 1, sizeof(*sprites->list));
    if (!sprites->list)
        return APP_NO_MEMORY;
    for (size_t i = 0; i < face_count && !picture_watch_expired(watch); i++) {
        struct placement placement;
        if (!geometry_place(&faces[i], picture_width(picture), picture_height(picture), &placement))
            continue;
        size_t index = geometry_choose_emoji(options->key, i, emoji_count);
        enum app_err err =
            sprite_init(&sprites->list[sprites->count], options->artwork, index, &placement);
        if (err)
            return err;
        sprites->count++;
    }
    return APP_OK;
}

static int flatten(VipsImage *image, VipsImage **out)
{
    VipsArrayDouble *white = vips_array_double_newv(1, 255.0);
    int status = vips_flatten(image, out, "background", white, NULL);
    vips_area_unref(VIPS_AREA(white));
    return status;
}

/* What the encoder shall see; nothing is computed yet. */
static int build(VipsImage *picture, const struct overlay *overlay, bool keep_alpha,
                 VipsImage **out)
{
    VipsImage *drawn = NULL, *settled = NULL;
    int status = -1;
    if (overlay_build(picture, overlay, &drawn))
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

enum app_err emojify_draw(const struct picture *picture, const struct face *faces,
                          size_t face_count, const struct emojify_options *options,
                          struct emojify_result *result, struct err_buf *why)
{
    const struct encoder *encoder = choose_encoder(picture, options->format);
    struct picture_watch watch;
    picture_watch_init(&watch, options->deadline_ns);
    struct writer writer = {.watch = &watch};
    buf_init(&writer.buf, LIMIT_RESULT_BYTES);
    struct sprites sprites = {.list = NULL};
    VipsImage *image = NULL;
    enum app_err err = place_sprites(picture, faces, face_count, options, &watch, &sprites);
    if (err) {
        err_detail(why, "an emoji of the artwork: %s", app_strerror(err));
        err = err_set(why, err, TEXT_FAILED);
        goto out;
    }
    struct overlay overlay = {sprites.list, sprites.count};
    if (build(picture_image(picture), &overlay, encoder->has_alpha, &image)) {
        err = picture_failure(&watch, APP_INTERNAL, TEXT_FAILED, why);
        goto out;
    }
    err = encode(image, encoder, &writer, why);
    if (err)
        goto out;
    result->drawn = sprites.count;
    result->content_type = encoder->content_type;
    result->data = buf_take(&writer.buf, &result->len);
out:
    g_clear_object(&image);
    release_sprites(&sprites);
    buf_release(&writer.buf);
    return err;
}
