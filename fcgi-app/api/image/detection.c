/* SPDX-License-Identifier: MIT */
/* JPEG at a quality that no detector minds, and quick to make. */
#include "api/image/detection.h"

#include <glib.h>
#include <vips/vips.h>

#include "lib/picture/picture_private.h"

enum { DETECTION_QUALITY = 90 };

enum app_err detection_copy_make(const struct picture *picture, const void *source, size_t len,
                                 int64_t deadline_ns, struct detection_copy *copy,
                                 struct err_buf *why)
{
    if (picture->source_is_plain) {
        *copy = (struct detection_copy){.data = source, .len = len};
        return APP_OK;
    }

    struct picture_watch watch;
    VipsImage *lazy = NULL;
    void *jpeg = NULL;
    size_t jpeg_len = 0;
    int status = -1;
    picture_watch_init(&watch, deadline_ns);
    /* A copy is a new image on the same pixels: other threads may watch the original. */
    if (vips_copy(picture->image, &lazy, NULL) == 0) {
        picture_watch_start(&watch, lazy);
        status = vips_jpegsave_buffer(lazy, &jpeg, &jpeg_len, "Q", DETECTION_QUALITY, "strip", TRUE,
                                      NULL);
        picture_watch_stop(&watch);
    }
    g_clear_object(&lazy);
    if (status)
        return picture_failure(&watch, APP_INTERNAL, "the picture cannot be processed", why);
    *copy = (struct detection_copy){.data = jpeg, .len = jpeg_len, .owned = jpeg};
    return APP_OK;
}

void detection_copy_release(struct detection_copy *copy)
{
    g_free(copy->owned);
    copy->owned = NULL;
}
