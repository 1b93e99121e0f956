/* SPDX-License-Identifier: MIT */
/* JPEG at a quality that no detector minds, and quick to make. */
#include "api/image/detection.h"

#include <glib.h>
#include <limits.h>
#include <math.h>
#include <vips/vips.h>

#include "lib/picture/picture_vips.h"

enum { DETECTION_QUALITY = 90 };

/*
 * Longer side of a reduced copy. emojify-facebox looks at 640 pixels, and where there are small
 * faces at 1216; other detectors in the field reduce what they get to less.
 */
enum { DETECTION_SIDE = 1280 };

/*
 * A picture less than that much larger than needed costs more to reduce than it saves. So
 * does a JPEG of any size: a detector decodes it in the time that reducing and encoding take.
 */
static const double WORTH_REDUCING = 1.25;

/* By how much the picture is to be reduced; 1: not at all. */
static double choose_scale(const struct picture *picture)
{
    if (picture_source_is_plain(picture) && picture_source_is_jpeg(picture))
        return 1;
    int longer = MAX(picture_width(picture), picture_height(picture));
    double scale = (double)longer / DETECTION_SIDE;
    return scale >= WORTH_REDUCING ? scale : 1;
}

enum app_err detection_copy_make(const struct picture *picture, const void *source, size_t len,
                                 int64_t deadline_ns, struct detection_copy *copy,
                                 struct err_buf *why)
{
    double scale = choose_scale(picture);
    if (picture_source_is_plain(picture) && scale <= 1) {
        *copy = (struct detection_copy){.data = source, .len = len, .scale = 1};
        return APP_OK;
    }

    struct picture_watch watch;
    VipsImage *own = NULL, *lazy = NULL;
    void *jpeg = NULL;
    size_t jpeg_len = 0;
    int status = -1;
    picture_watch_init(&watch, deadline_ns);
    /* A copy is a new image on the same pixels: other threads may watch the original. */
    if (vips_copy(picture_image(picture), &own, NULL) == 0 &&
        picture_opaque(own, scale, &lazy) == 0) {
        picture_watch_start(&watch, lazy);
        status = vips_jpegsave_buffer(lazy, &jpeg, &jpeg_len, "Q", DETECTION_QUALITY, "strip", TRUE,
                                      NULL);
        picture_watch_stop(&watch);
    }
    g_clear_object(&lazy);
    g_clear_object(&own);
    if (status)
        return picture_failure(&watch, APP_INTERNAL, "the picture cannot be processed", why);
    *copy = (struct detection_copy){.data = jpeg, .len = jpeg_len, .scale = scale, .owned = jpeg};
    return APP_OK;
}

static int scaled(int value, double scale)
{
    double full = value * scale; /* the detector's word, so it may be anything */
    return full > INT_MAX ? INT_MAX : full < INT_MIN ? INT_MIN : (int)lround(full);
}

void detection_copy_scale(const struct detection_copy *copy, struct face *faces, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct box *box = &faces[i].box;
        box->left = scaled(box->left, copy->scale);
        box->top = scaled(box->top, copy->scale);
        box->width = scaled(box->width, copy->scale);
        box->height = scaled(box->height, copy->scale);
        for (size_t k = 0; k < FACE_POINT__MAX; k++) {
            faces[i].points[k].x *= copy->scale;
            faces[i].points[k].y *= copy->scale;
        }
    }
}

void detection_copy_release(struct detection_copy *copy)
{
    g_free(copy->owned);
    copy->owned = NULL;
}
