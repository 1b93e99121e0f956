/* SPDX-License-Identifier: MIT */
/*
 * The routes of emojify-facebox: Machine Box's FaceBox API with recognition
 * disabled, and the one of emojify-app/face-detection.
 *
 *   POST /facebox/check   faces in a picture (see check.h)
 *   GET  /info, /healthz, /readyz, /liveness
 *   any  /facebox/teach and the others of recognition: "recognition is disabled"
 *   POST /                faces in the body, a JPEG or PNG file
 *   GET  /health          "ok"
 *   GET  /metrics         for Prometheus
 *
 * Answers are JSON with "success", and "error" when that is false. As with the
 * box, and its client library's tests, what is wrong with the picture that was
 * handed over is said with HTTP status 200; only these have others: 401 without
 * the right Basic authorization, 404, 405, 413 for a body above
 * LIMIT_FACEBOX_BODY, 503 when no detector came free in time. POST / has the
 * statuses of its own model: 400 for another type, 500 for a broken picture.
 *
 * Authorization is asked for when there is a user, but not by /readyz and
 * /liveness. One record is logged for each picture.
 */
#ifndef FACEBOX_SERVER_H
#define FACEBOX_SERVER_H

#include <stdint.h>

#include "facebox/detector_pool.h"
#include "facebox/telemetry.h"
#include "lib/base/log.h"
#include "lib/httpd/httpd.h"
#include "lib/net/address_guard.h"

enum {
    SERVER_HOSTNAME_MAX = 256,
    SERVER_PICTURE_TIME_MS = 25 * 1000, /* clients of the box wait 30 seconds */
};

/* Filled by the program; read-only while requests come in. */
struct server {
    struct detector_pool *pool;
    const char *network; /* name of the detectors' network */
    const struct address_guard *guard;
    const char *user; /* "": no authorization */
    const char *password;
    int64_t picture_time_ms; /* for one picture, waiting for a detector included */
    const struct log *log;
    struct telemetry *telemetry; /* NULL: nothing is counted, and there is no /metrics */
    char hostname[SERVER_HOSTNAME_MAX];
};

/*
 * A name for each row of the routes' table, one for the paths of recognition, one for
 * what is no route; NULL beyond them. For the metrics.
 */
const char *server_route_name(size_t index);

/* An httpd_handler; `context` is a struct server. Any thread, several at once. */
void server_handle(void *context, const struct httpd_request *request,
                   struct httpd_response *response);

#endif
