/* SPDX-License-Identifier: MIT */
/*
 * A detector is taken before the picture is decoded, so that no more pictures are
 * in memory than there are detectors. Fetching a picture needs none.
 */
#include "facebox/faces.h"

#include <stdbool.h>
#include <string.h>

#include "lib/base/clock.h"
#include "lib/http/url.h"
#include "lib/net/http_client.h"
#include "lib/picture/picture.h"

/* At most this long for small faces, whose search is the only part that can be cut short. */
enum { SMALL_FACES_MS = 1500 };

/* Of a picture that is not so much larger than DETECTOR_SIDE, the small faces were found already.
 */
static const double WORTH_ENLARGING = 1.3;

struct search {
    struct detector *detector;
    const void *bytes;
    size_t len;
    int64_t deadline_ns;
    struct err_buf *why;
};

/* Open the picture with about `side` pixels at its longer side. */
static enum app_err open_for(const struct search *search, int side, struct picture **picture,
                             struct detector_picture *view)
{
    enum app_err err = picture_open_reduced(search->bytes, search->len, side, search->deadline_ns,
                                            picture, search->why);
    if (err)
        return err;
    *view = (struct detector_picture){
        .pixels = picture_pixels(*picture),
        .width = picture_width(*picture),
        .height = picture_height(*picture),
        .full_width = picture_full_width(*picture),
        .full_height = picture_full_height(*picture),
    };
    return APP_OK;
}

static int longer_side(int width, int height)
{
    return width > height ? width : height;
}

/* Whether the picture, of which `view` was made, has details that detector_find did not see. */
static bool has_more_detail(const struct detector_picture *view)
{
    return longer_side(view->full_width, view->full_height) > WORTH_ENLARGING * DETECTOR_SIDE;
}

/*
 * A second look at the picture when there are small faces in it. It is decoded again
 * only when the first time it was reduced too far.
 */
static enum app_err find_small(const struct search *search, struct picture **picture,
                               struct detector_picture *view, struct detections *found)
{
    enum app_err err = APP_OK;
    bool is_reduced = view->width < view->full_width || view->height < view->full_height;
    if (is_reduced && longer_side(view->width, view->height) < DETECTOR_SMALL_SIDE) {
        picture_free(picture);
        err = open_for(search, DETECTOR_SMALL_SIDE, picture, view);
    }
    if (err)
        return err;
    int64_t deadline_ns = deadline_min(search->deadline_ns, deadline_in_ms(SMALL_FACES_MS));
    return detector_find_small(search->detector, view, deadline_ns, found, search->why);
}

static enum app_err search(const struct search *search, struct faces *faces)
{
    struct picture *picture = NULL;
    struct detector_picture view;
    struct detections found = {.count = 0};
    enum app_err err = open_for(search, DETECTOR_SIDE, &picture, &view);
    if (!err)
        err = detector_find(search->detector, &view, &found, search->why);
    if (!err && found.has_small && has_more_detail(&view))
        err = find_small(search, &picture, &view, &found);
    if (!err) {
        faces->width = view.full_width;
        faces->height = view.full_height;
        faces->count = found.count;
        memcpy(faces->found, found.list, found.count * sizeof(found.list[0]));
    }
    picture_free(&picture);
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
    const struct search wanted = {
        .detector = detector,
        .bytes = picture,
        .len = len,
        .deadline_ns = deadline_ns,
        .why = why,
    };
    err = search(&wanted, faces);
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
