/* SPDX-License-Identifier: MIT */
/*
 * A detector is waited for before the picture is decoded, since a decoded
 * picture may take 150 MB: no more of them exist at once than detectors. The
 * waiting for a stranger's server, on the other hand, needs none.
 */
#include "facebox/faces.h"

#include <math.h>
#include <stdlib.h>

#include "lib/http/url.h"
#include "lib/net/http_client.h"
#include "lib/picture/picture.h"

/* A coordinate of the reduced picture in the full one. */
static int to_full(int value, double scale, int max)
{
    long full = lround(value * scale);
    return full < max ? (int)full : max;
}

static void scale_faces(struct faces *faces, double scale)
{
    for (size_t i = 0; i < faces->count; i++) {
        struct detection *face = &faces->found[i];
        int right = to_full(face->left + face->width, scale, faces->width);
        int bottom = to_full(face->top + face->height, scale, faces->height);
        face->left = to_full(face->left, scale, faces->width);
        face->top = to_full(face->top, scale, faces->height);
        face->width = right - face->left;
        face->height = bottom - face->top;
    }
}

static enum app_err search(struct detector *detector, const void *bytes, size_t len,
                           int64_t deadline_ns, struct faces *faces, struct err_buf *why)
{
    struct picture *picture = NULL;
    unsigned char *pixels = NULL;
    struct detector_picture grey = {0};
    double scale = 1;

    enum app_err err = picture_open(bytes, len, deadline_ns, &picture, why);
    if (err)
        goto out;
    faces->width = picture_width(picture);
    faces->height = picture_height(picture);
    err = picture_to_grey(picture, LIMIT_FACEBOX_SIDE, &pixels, &grey.width, &grey.height, &scale,
                          why);
    if (err)
        goto out;
    picture_free(&picture); /* early, because it may be large */
    grey.pixels = pixels;
    err = detector_find(detector, &grey, faces->found, LIMIT_FACES, &faces->count, why);
    if (!err)
        scale_faces(faces, scale);
out:
    picture_free(&picture);
    free(pixels);
    picture_thread_release();
    return err;
}

enum app_err faces_find(struct detector_pool *pool, const void *picture, size_t len,
                        int64_t deadline_ns, struct faces *faces, struct err_buf *why)
{
    struct detector *detector = NULL;
    enum app_err err = detector_pool_take(pool, deadline_ns, &detector);
    if (err)
        return err_set(why, err, "busy");
    err = search(detector, picture, len, deadline_ns, faces, why);
    detector_pool_return(pool, &detector);
    return err;
}

enum app_err faces_fetch(const struct address_guard *guard, const char *url, size_t url_len,
                         const char *request_id, int64_t deadline_ns, struct buf *body,
                         struct err_buf *why)
{
    struct http_client *client = NULL;
    struct buf normal;
    buf_init(&normal, 3 * LIMIT_REQUEST_URL); /* an escaped byte takes three */
    enum app_err err = url_normalise(url, url_len, &normal, why);
    if (err == APP_INVALID_URL) {
        err_detail(why, "%s", why->text);
        err = err_set(why, err, "url must be absolute");
    }
    if (!err)
        err = http_client_new(&client);
    if (!err) {
        struct http_fetch fetch = {
            .url = normal.data,
            .guard = guard,
            .request_id = request_id,
            .deadline_ns = deadline_ns,
            .max_bytes = LIMIT_PICTURE_BYTES,
        };
        err = http_client_fetch(client, &fetch, body, why);
    }
    http_client_free(&client);
    buf_release(&normal);
    return err;
}
