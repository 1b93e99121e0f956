/* SPDX-License-Identifier: MIT */
/*
 * Every ceiling on something whose size a peer decides, in one place. Settings
 * that an operator may change are in the configuration tables instead.
 */
#ifndef LIB_BASE_LIMITS_H
#define LIB_BASE_LIMITS_H

/* A request, as the web server hands it on. */
#define LIMIT_REQUEST_PARAMS (64 * 1024) /* all CGI variables together */
#define LIMIT_REQUEST_PATH   (8 * 1024)  /* REQUEST_URI */
#define LIMIT_REQUEST_URL    (8 * 1024)  /* the URL in the body of POST / */
#define LIMIT_REQUEST_ARENA  (1024 * 1024)
#define LIMIT_REQUEST_ID     64  /* bytes of an X-Request-Id that we take over */
#define LIMIT_ECHO           256 /* bytes of a client's input that an answer repeats */

/* Pictures. */
#define LIMIT_PICTURE_BYTES   (10 * 1000 * 1000) /* encoded, fetched or uploaded */
#define LIMIT_PICTURE_PIXELS  (50 * 1000 * 1000) /* width times height */
#define LIMIT_PICTURE_SIDE    65500              /* width or height: what JPEG can hold */
#define LIMIT_RESULT_BYTES    (16 * 1024 * 1024) /* an emojified picture, encoded */
#define LIMIT_FACES           256                /* drawn on one picture */
#define LIMIT_FETCH_REDIRECTS 5
#define LIMIT_UPSTREAM_JSON   (1024 * 1024) /* an upstream's JSON answer */

/* The cache. */
#define LIMIT_CACHE_ID      200 /* characters of an id, see GET /cache/{file} */
#define LIMIT_CACHE_MESSAGE (LIMIT_RESULT_BYTES + 1024)

/* Logs. One record is one write(2), which a pipe takes whole up to PIPE_BUF. */
#define LIMIT_LOG_RECORD 4096

#endif
