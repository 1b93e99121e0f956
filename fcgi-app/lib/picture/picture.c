/* SPDX-License-Identifier: MIT */
/*
 * The magic bytes choose the loader, so that libvips never guesses; pixels are
 * converted while they stream out of the decoder and written to memory once.
 */
#include "lib/picture/picture.h"

#include <assert.h>
#include <glib.h>
#include <stdlib.h>
#include <string.h>
#include <vips/vips.h>

#include "lib/base/limits.h"
#include "lib/picture/jpeg_scans.h"
#include "lib/picture/picture_memory.h"
#include "lib/picture/picture_private.h"
#include "lib/picture/png_chunks.h"

#define TEXT_NOT_A_PICTURE "not a picture of a kind that is taken here (JPEG, PNG, WebP, GIF)"
#define TEXT_BROKEN        "the picture is broken or cut short"

typedef int load_function(VipsSource *source, VipsImage **out, ...);

struct format {
    const char *loader_class; /* unblocked at start */
    load_function *load;
    const char *magic;
    size_t magic_len;
    const char *second_magic; /* at second_offset; NULL: none */
    size_t second_offset;
    bool is_plain;        /* every face detector reads it */
    int decoder_bytes;    /* a pixel, beside the result */
    int interlaced_bytes; /* a pixel and band, when it comes in several passes */
};

enum { JPEG_COEFFICIENT = 2, PNG_WHOLE = 2, WEBP_CANVAS = 12, GIF_CANVAS = 8 };

static const struct format formats[] = {
    {"VipsForeignLoadJpeg", vips_jpegload_source, "\xff\xd8\xff", 3, NULL, 0, true, 1,
     JPEG_COEFFICIENT},
    {"VipsForeignLoadPng", vips_pngload_source, "\x89PNG\r\n\x1a\n", 8, NULL, 0, true, 1,
     PNG_WHOLE},
    {"VipsForeignLoadWebp", vips_webpload_source, "RIFF", 4, "WEBPVP", 8, false, WEBP_CANVAS, 0},
    {"VipsForeignLoadNsgif", vips_gifload_source, "GIF87a", 6, NULL, 0, false, GIF_CANVAS, 0},
    {"VipsForeignLoadNsgif", vips_gifload_source, "GIF89a", 6, NULL, 0, false, GIF_CANVAS, 0},
};
enum { FORMAT_COUNT = sizeof(formats) / sizeof(formats[0]) };

/* --- The library ------------------------------------------------------------- */

/*
 * A hostile picture can make a decoder warn once a line, so messages are
 * dropped; what failed is in the error buffer. The last words before an abort pass.
 */
static void drop_message(const gchar *domain, GLogLevelFlags level, const gchar *message,
                         gpointer unused)
{
    if (level & G_LOG_FLAG_FATAL)
        g_log_default_handler(domain, level, message, unused);
}

enum app_err picture_library_init(const char *program_name, struct err_buf *why)
{
    struct picture_watch watch;
    picture_watch_init(&watch, INT64_MAX);

    g_log_set_default_handler(drop_message, NULL);
    if (VIPS_INIT(program_name))
        return picture_failure(&watch, APP_INTERNAL, "libvips cannot be started", why);
    vips_concurrency_set(1);
    vips_cache_set_max(0);
    vips_operation_block_set("VipsForeignLoad", TRUE);
    for (size_t i = 0; i < FORMAT_COUNT; i++)
        vips_operation_block_set(formats[i].loader_class, FALSE);
    return APP_OK;
}

void picture_library_release(void)
{
    vips_shutdown();
}

size_t picture_library_memory(void)
{
    return vips_tracked_get_mem();
}

void picture_thread_release(void)
{
    vips_thread_shutdown();
}

/* --- Before decoding ----------------------------------------------------------------- */

static const struct format *find_format(const unsigned char *data, size_t len)
{
    for (size_t i = 0; i < FORMAT_COUNT; i++) {
        const struct format *format = &formats[i];
        if (len < format->magic_len || memcmp(data, format->magic, format->magic_len) != 0)
            continue;
        if (!format->second_magic)
            return format;
        size_t second_len = strlen(format->second_magic);
        if (len >= format->second_offset + second_len &&
            memcmp(data + format->second_offset, format->second_magic, second_len) == 0)
            return format;
    }
    return NULL;
}

static enum app_err check_size(VipsImage *image, struct err_buf *why)
{
    int width = vips_image_get_width(image);
    int height = vips_image_get_height(image);
    if (width > LIMIT_PICTURE_SIDE || height > LIMIT_PICTURE_SIDE)
        return err_set(why, APP_PICTURE_REFUSED,
                       "the picture is too wide or too high: %d x %d pixels, at most %d are taken",
                       width, height, LIMIT_PICTURE_SIDE);
    if ((int64_t)width * height > LIMIT_PICTURE_PIXELS)
        return err_set(why, APP_PICTURE_REFUSED,
                       "the picture has too many pixels: %d x %d, at most %d are taken", width,
                       height, LIMIT_PICTURE_PIXELS);
    int frames = vips_image_get_n_pages(image);
    if (frames > LIMIT_PICTURE_FRAMES)
        return err_set(why, APP_PICTURE_REFUSED, "the picture has more than %d frames",
                       LIMIT_PICTURE_FRAMES);
    return APP_OK;
}

static size_t count_pixels(const VipsImage *image)
{
    return (size_t)vips_image_get_width(image) * (size_t)vips_image_get_height(image);
}

/*
 * What opening it takes at most, measured per pixel with pictures of 49 million: a
 * plain JPEG 3.3 bytes, a progressive one without subsampling 9.3, PNG with alpha
 * 4.3 to 4.6, interlaced 8, with 16 bits 12, WebP and GIF 8 (and 16 that WebP asks
 * for but may not touch).
 */
static size_t estimate_memory(const struct format *format, VipsImage *image)
{
    size_t bands = (size_t)vips_image_get_bands(image);
    size_t kept = bands == 2 || bands > 3 ? 4 : 3;
    size_t bytes = kept + (size_t)format->decoder_bytes;
    if (vips_image_get_typeof(image, "interlaced"))
        bytes += bands * (size_t)format->interlaced_bytes;
    if (vips_image_get_orientation(image) != 1)
        bytes += kept; /* there are two until it is turned */
    return count_pixels(image) * bytes;
}

/* What the library would not notice, or only after it has done the work. */
static enum app_err check_structure(const struct format *format, const unsigned char *data,
                                    size_t len, const struct jpeg_outline *outline,
                                    struct err_buf *why)
{
    if (outline->scans > LIMIT_PICTURE_SCANS)
        return err_set(why, APP_PICTURE_REFUSED, "the picture has more than %d scans",
                       LIMIT_PICTURE_SCANS);
    if (format->load != vips_pngload_source)
        return APP_OK;
    if (png_has_more_packed_chunks(data, len, LIMIT_PICTURE_TEXTS))
        return err_set(why, APP_PICTURE_REFUSED, "the picture has more than %d texts",
                       LIMIT_PICTURE_TEXTS);
    if (png_has_surplus_data(data, len) || png_has_chunk_beyond_end(data, len))
        return err_set(why, APP_PICTURE_REFUSED, TEXT_BROKEN);
    return APP_OK;
}

/* --- Decoding ---------------------------------------------------------------------- */

/* What to open a picture for. */
struct opening {
    int least_side; /* see picture_open_reduced; 0: the whole picture, in its exact colours */
};

/* Run the pipeline: decode, convert, write to memory. */
static int decode(VipsImage *loaded, const struct opening *opening, VipsImage **out)
{
    VipsImage *small = NULL, *plain = NULL, *settled = NULL;
    bool exact = opening->least_side == 0;
    int status = -1;
    if (exact ? vips_copy(loaded, &small, NULL)
              : picture_shrink(loaded, opening->least_side, &small))
        goto out;
    if (picture_to_plain(small, exact, &plain))
        goto out;
    if (exact ? vips_copy(plain, &settled, NULL) : picture_opaque(plain, 1, &settled))
        goto out;
    *out = vips_image_copy_memory(settled);
    status = *out ? 0 : -1;
out:
    g_clear_object(&settled);
    g_clear_object(&plain);
    g_clear_object(&small);
    return status;
}

/* Turn it by its EXIF orientation; replaces *image. */
static int turn_upright(VipsImage **image, struct picture_watch *watch)
{
    if (vips_image_get_orientation(*image) == 1)
        return 0;
    VipsImage *turned = NULL, *copy = NULL;
    picture_watch_start(watch, *image);
    if (vips_autorot(*image, &turned, NULL) == 0)
        copy = vips_image_copy_memory(turned);
    picture_watch_stop(watch);
    g_clear_object(&turned);
    if (!copy)
        return -1;
    g_object_unref(*image);
    *image = copy;
    return 0;
}

/* An alpha that is full everywhere is as good as none. */
static bool is_opaque(VipsImage *image)
{
    enum { BANDS = 4, ALPHA = 3 };
    if (vips_image_get_bands(image) < BANDS)
        return true;
    const unsigned char *data = vips_image_get_data(image);
    size_t len = count_pixels(image) * BANDS;
    for (size_t at = ALPHA; at < len; at += BANDS) {
        if (data[at] != UINT8_MAX)
            return false;
    }
    return true;
}

/* EXIF, GPS, XMP, ICC, comments: nothing of it may reach what we write. */
static void remove_metadata(VipsImage *image)
{
    gchar **names = vips_image_get_fields(image);
    for (gchar **name = names; *name; name++)
        (void)vips_image_remove(image, *name); /* false for width and its like */
    g_strfreev(names);
}

/* --- Opening ------------------------------------------------------------------------- */

static enum app_err reserve(struct picture *picture, size_t bytes, struct err_buf *why)
{
    enum app_err err = picture_memory_take(bytes, why);
    if (!err)
        picture->reserved = bytes;
    return err;
}

/* Give back what is above `bytes`. */
static void keep_reserved(struct picture *picture, size_t bytes)
{
    if (picture->reserved <= bytes)
        return;
    picture_memory_give(picture->reserved - bytes);
    picture->reserved = bytes;
}

/* The decoder's image, of which only the header is read yet; `shrink` 1 is its full size. */
static int start_decoder(const struct format *format, struct picture_reader *reader, int shrink,
                         VipsSourceCustom **source, VipsImage **loaded)
{
    /* Behind an end that was added, only the decoder's warnings tell that pixels are missing. */
    VipsFailOn fail_on = reader->lacks_end ? VIPS_FAIL_ON_WARNING : VIPS_FAIL_ON_TRUNCATED;
    reader->position = 0;
    *source = picture_source_new(reader);
    if (!*source)
        return -1;
    VipsSource *base = VIPS_SOURCE(*source);
    if (shrink > 1 && format->load == vips_jpegload_source)
        return vips_jpegload_source(base, loaded, "shrink", shrink, "fail_on", fail_on, "access",
                                    VIPS_ACCESS_SEQUENTIAL, NULL);
    if (shrink > 1 && format->load == vips_webpload_source)
        return vips_webpload_source(base, loaded, "scale", 1.0 / shrink, "fail_on", fail_on,
                                    "access", VIPS_ACCESS_SEQUENTIAL, NULL);
    return format->load(base, loaded, "fail_on", fail_on, "access", VIPS_ACCESS_SEQUENTIAL, NULL);
}

/* Begin again with a decoder that makes the picture smaller, if there is one. */
static int restart_smaller(const struct format *format, struct picture_reader *reader,
                           int least_side, VipsSourceCustom **source, VipsImage **loaded)
{
    bool is_jpeg = format->load == vips_jpegload_source;
    int shrink = picture_decoder_shrink(*loaded, is_jpeg, least_side);
    if (shrink == 1 || !(is_jpeg || format->load == vips_webpload_source))
        return 0;
    g_clear_object(loaded);
    g_clear_object(source);
    return start_decoder(format, reader, shrink, source, loaded);
}

/* What the header tells, all of it before anything is decoded. */
static enum app_err check_header(const struct format *format, VipsImage *loaded,
                                 struct picture *opened, struct err_buf *why)
{
    enum app_err err = check_size(loaded, why);
    if (!err)
        err = reserve(opened, estimate_memory(format, loaded), why);
    if (err)
        return err;
    int orientation = vips_image_get_orientation(loaded);
    bool lies = orientation >= 5 && orientation <= 8;
    opened->full_width = lies ? loaded->Ysize : loaded->Xsize;
    opened->full_height = lies ? loaded->Xsize : loaded->Ysize;
    opened->source_is_plain = format->is_plain && orientation == 1;
    opened->source_is_jpeg = format->load == vips_jpegload_source;
    return APP_OK;
}

static enum app_err load(const struct format *format, struct picture_reader *reader,
                         const struct opening *opening, struct picture *opened, struct err_buf *why)
{
    struct picture_watch *watch = reader->watch;
    VipsImage *loaded = NULL, *pixels = NULL;
    VipsSourceCustom *source = NULL;
    enum app_err err = APP_OK;

    if (start_decoder(format, reader, 1, &source, &loaded)) {
        err = picture_failure(watch, APP_PICTURE_REFUSED, TEXT_BROKEN, why);
        goto out;
    }
    err = check_header(format, loaded, opened, why);
    if (err)
        goto out;
    if (opening->least_side > 0 &&
        restart_smaller(format, reader, opening->least_side, &source, &loaded)) {
        err = picture_failure(watch, APP_PICTURE_REFUSED, TEXT_BROKEN, why);
        goto out;
    }
    picture_watch_start(watch, loaded);
    int status = decode(loaded, opening, &pixels);
    picture_watch_stop(watch);
    if (status || turn_upright(&pixels, watch)) {
        err = picture_failure(watch, APP_PICTURE_REFUSED, TEXT_BROKEN, why);
        goto out;
    }
    remove_metadata(pixels);
    opened->is_opaque = is_opaque(pixels);
    opened->image = pixels;
    pixels = NULL;
    keep_reserved(opened,
                  count_pixels(opened->image) * (size_t)vips_image_get_bands(opened->image));
out:
    g_clear_object(&pixels);
    g_clear_object(&loaded);
    g_clear_object(&source);
    /* A decoder's warnings pile up in the buffer even when it succeeds. */
    vips_error_clear();
    return err;
}

/*
 * Encoders make some ten scans. Of a JPEG that has many more, a buffer of the decoder's can hold
 * dozens, each a pass over the whole picture, and the deadline is looked at once a buffer.
 */
enum { ORDINARY_SCANS = 16, SMALL_PIECE = 64 };

static enum app_err open_picture(const void *data, size_t len, const struct opening *opening,
                                 int64_t deadline_ns, struct picture **picture, struct err_buf *why)
{
    struct picture_watch watch;
    picture_watch_init(&watch, deadline_ns);

    const struct format *format = find_format(data, len);
    if (!format)
        return err_set(why, APP_NOT_A_PICTURE, TEXT_NOT_A_PICTURE);
    if (picture_watch_expired(&watch))
        return picture_failure(&watch, APP_PICTURE_REFUSED, TEXT_BROKEN, why);

    struct jpeg_outline outline = {.scans = 0};
    if (format->load == vips_jpegload_source)
        outline = jpeg_outline(data, len, LIMIT_PICTURE_SCANS);
    enum app_err err = check_structure(format, data, len, &outline, why);
    if (err)
        return err;

    struct picture *opened = calloc(1, sizeof(*opened));
    if (!opened)
        return APP_NO_MEMORY;
    opened->deadline_ns = deadline_ns;
    struct picture_reader reader = {
        .data = data,
        .len = (gint64)len,
        .piece = outline.scans > ORDINARY_SCANS ? SMALL_PIECE : 0,
        .lacks_end = outline.lacks_end,
        .watch = &watch,
    };
    err = load(format, &reader, opening, opened, why);
    if (err) {
        keep_reserved(opened, 0);
        free(opened);
        return err;
    }
    *picture = opened;
    return APP_OK;
}

enum app_err picture_open(const void *data, size_t len, int64_t deadline_ns,
                          struct picture **picture, struct err_buf *why)
{
    const struct opening whole = {.least_side = 0};
    return open_picture(data, len, &whole, deadline_ns, picture, why);
}

enum app_err picture_open_reduced(const void *data, size_t len, int least_side, int64_t deadline_ns,
                                  struct picture **picture, struct err_buf *why)
{
    assert(least_side > 0);
    const struct opening reduced = {.least_side = least_side};
    return open_picture(data, len, &reduced, deadline_ns, picture, why);
}

void picture_free(struct picture **picture)
{
    if (!*picture)
        return;
    g_object_unref((*picture)->image);
    keep_reserved(*picture, 0);
    free(*picture);
    *picture = NULL;
}

int picture_width(const struct picture *picture)
{
    return vips_image_get_width(picture->image);
}

int picture_height(const struct picture *picture)
{
    return vips_image_get_height(picture->image);
}

bool picture_has_alpha(const struct picture *picture)
{
    return !picture->is_opaque;
}

int picture_full_width(const struct picture *picture)
{
    return picture->full_width;
}

int picture_full_height(const struct picture *picture)
{
    return picture->full_height;
}

const unsigned char *picture_pixels(const struct picture *picture)
{
    return vips_image_get_data(picture->image);
}

VipsImage *picture_image(const struct picture *picture)
{
    return picture->image;
}

bool picture_source_is_plain(const struct picture *picture)
{
    return picture->source_is_plain;
}

bool picture_source_is_jpeg(const struct picture *picture)
{
    return picture->source_is_jpeg;
}
