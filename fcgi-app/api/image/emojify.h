/* SPDX-License-Identifier: MIT */
/*
 * Draws an emoji over each face of a picture in one pass and encodes the result
 * without any metadata of the source. Any thread, one picture a call.
 */
#ifndef API_IMAGE_EMOJIFY_H
#define API_IMAGE_EMOJIFY_H

#include <stddef.h>
#include <stdint.h>

#include "api/image/artwork.h"
#include "api/image/face.h"
#include "lib/base/err.h"
#include "lib/picture/picture.h"

/*
 * Order of EMOJIFY_FORMAT's choices. AUTO: PNG where the source has alpha, else
 * JPEG; also for a picture too large for WebP, which ends at 16383 pixels a side.
 */
enum emojify_format { EMOJIFY_AUTO, EMOJIFY_JPEG, EMOJIFY_PNG, EMOJIFY_WEBP, EMOJIFY_FORMAT__MAX };

struct emojify_options {
    const struct artwork *artwork;
    enum emojify_format format;
    const char *key; /* chooses the emoji */
    int64_t deadline_ns;
};

struct emojify_result {
    void *data; /* malloc'ed; the caller frees it */
    size_t len;
    const char *content_type; /* static */
    size_t drawn;             /* faces that lay inside the picture */
};

/*
 * The transparent parts of a picture become white where the format has no alpha.
 * The WebP encoder cannot be stopped once all pixels are drawn: it may overrun
 * the deadline, and the refusal then comes late.
 *
 * `faces` are in the pixels of `picture`; those beyond LIMIT_FACES are not
 * drawn. APP_PICTURE_REFUSED when it takes too long or the result is above
 * LIMIT_RESULT_BYTES, APP_INTERNAL, APP_NO_MEMORY.
 */
enum app_err emojify_draw(const struct picture *picture, const struct face *faces,
                          size_t face_count, const struct emojify_options *options,
                          struct emojify_result *result, struct err_buf *why)
    __attribute__((warn_unused_result));

#endif
