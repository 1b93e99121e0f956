/* SPDX-License-Identifier: MIT */
/*
 * The JSON that is answered. Each function appends one whole object to `out` and
 * returns APP_TOO_LARGE or APP_NO_MEMORY as buf_append does. Pure, any thread.
 */
#ifndef FACEBOX_REPLY_H
#define FACEBOX_REPLY_H

#include "facebox/faces.h"
#include "lib/base/buf.h"
#include "lib/base/err.h"

enum { REPLY_FACEBOX_VERSION = 14 }; /* of the last box that there was */

/*
 * FaceBox's answer to a check: {"success":true,"facesCount":N,"faces":[...]}. Each face has,
 * beside the box's own members, "landmarks": six named points in pixels of the picture.
 */
enum app_err reply_check(const struct faces *faces, struct buf *out)
    __attribute__((warn_unused_result));

/* emojify-app/face-detection's answer: Go image.Rectangles "Faces" and "Bounds". */
enum app_err reply_rectangles(const struct faces *faces, struct buf *out)
    __attribute__((warn_unused_result));

/* {"success":true}. */
enum app_err reply_success(struct buf *out) __attribute__((warn_unused_result));

/* {"success":false,"error":text}; what of the text is not printable becomes '?'. */
enum app_err reply_failure(const char *text, struct buf *out) __attribute__((warn_unused_result));

/* What /info and /healthz say; `network` is the name of the network in use. */
enum app_err reply_info(const char *network, struct buf *out) __attribute__((warn_unused_result));
enum app_err reply_healthz(const char *hostname, struct buf *out)
    __attribute__((warn_unused_result));

#endif
