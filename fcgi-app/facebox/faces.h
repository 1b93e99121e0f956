/* SPDX-License-Identifier: MIT */
/*
 * From a picture's bytes, or its URL, to the faces in it. Any thread, several at
 * once; how many are worked on is bounded by the detectors in the pool.
 */
#ifndef FACEBOX_FACES_H
#define FACEBOX_FACES_H

#include <stddef.h>
#include <stdint.h>

#include "facebox/detector.h"
#include "facebox/detector_pool.h"
#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/base/limits.h"
#include "lib/net/address_guard.h"

/* Faces in pixels of the upright picture, the surest first. */
struct faces {
    int width; /* of the picture */
    int height;
    size_t count;
    struct detection found[LIMIT_FACES];
};

/*
 * Wait for a detector, open the picture and search it, all until deadline_ns.
 * APP_BUSY when no detector came free, the errors of picture_open and of
 * detector_find.
 */
enum app_err faces_find(struct detector_pool *pool, const void *picture, size_t len,
                        int64_t deadline_ns, struct faces *faces, struct err_buf *why)
    __attribute__((warn_unused_result));

/*
 * Fetch the picture at `url` into `body`, which the caller initialised and
 * releases. APP_INVALID_URL ("url must be absolute"), the errors of http_client_fetch.
 */
enum app_err faces_fetch(const struct address_guard *guard, const char *url, size_t url_len,
                         const char *request_id, int64_t deadline_ns, struct buf *body,
                         struct err_buf *why) __attribute__((warn_unused_result));

#endif
