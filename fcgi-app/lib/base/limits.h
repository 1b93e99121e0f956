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
#define LIMIT_TRACESTATE     512 /* bytes of a tracestate that we pass on */

/* Pictures. */
#define LIMIT_PICTURE_BYTES   (10 * 1000 * 1000) /* encoded, fetched or uploaded */
#define LIMIT_PICTURE_PIXELS  (50 * 1000 * 1000) /* width times height */
#define LIMIT_PICTURE_SIDE    65500              /* width or height: what JPEG can hold */
#define LIMIT_PICTURE_FRAMES  1000               /* though only the first is decoded */
#define LIMIT_PICTURE_SCANS   100                /* of a progressive JPEG */
#define LIMIT_PICTURE_TEXTS   32                 /* packed texts and profiles of a PNG */
#define LIMIT_RESULT_BYTES    (16 * 1024 * 1024) /* an emojified picture, encoded */
#define LIMIT_FACES           256                /* drawn on one picture */
#define LIMIT_FETCH_REDIRECTS 10
#define LIMIT_FETCH_HEADERS   (64 * 1024)   /* of one answer of a picture's server, trailers too */
#define LIMIT_FETCH_DROPPED   (16 * 1024)   /* body of a redirect, read to keep the connection */
#define LIMIT_UPSTREAM_JSON   (1024 * 1024) /* an upstream's JSON answer */

/* Jobs in the background that wait: their number in the pool, their pictures in one process. */
#define LIMIT_JOBS_QUEUED 64
#define LIMIT_JOBS_BYTES  (64 * 1024 * 1024)

/* The cache. */
#define LIMIT_CACHE_ID      200 /* characters of an id, see GET /cache/{file} */
#define LIMIT_CACHE_MESSAGE (LIMIT_RESULT_BYTES + 1024)
/* emojify-cache has other users than the api, with ids of their own. */
#define LIMIT_CACHE_FOREIGN_ID 1024
#define LIMIT_CACHE_ANSWERS    (256 * 1024 * 1024) /* all data being sent at one time */
#define LIMIT_REDIS_REPLY      (LIMIT_RESULT_BYTES + 1024)

/* The small HTTP server: parts of a form, and an answer of ours. */
#define LIMIT_HTTPD_FIELDS 16
#define LIMIT_HTTPD_ANSWER (64 * 1024 * 1024)

/* emojify-facebox. A body has room for a picture in base64, percent-encoded. */
#define LIMIT_FACEBOX_BODY        (16 * 1024 * 1024)
#define LIMIT_FACEBOX_CONNECTIONS 64

/* Tokens, and the document with the keys that they are checked with. */
#define LIMIT_JWT        (8 * 1024)
#define LIMIT_JWT_KEY_ID 128
#define LIMIT_JWKS_BYTES (256 * 1024)
#define LIMIT_JWKS_KEYS  64
#define LIMIT_ORIGIN     512 /* characters of an Origin header that is considered */

/* Payments: the card that is posted, and the gateway's answer. */
#define LIMIT_PAYMENT_CARD   (8 * 1024)
#define LIMIT_PAYMENT_ANSWER (64 * 1024)
/* Metrics: processes of one pool that are told apart, and the answer to a scrape. */
#define LIMIT_METRICS_PROCESSES 128
#define LIMIT_METRICS_TEXT      (8 * 1024 * 1024)

/* Logs. One record is one write(2), which a pipe takes whole up to PIPE_BUF. */
#define LIMIT_LOG_RECORD 4096

#endif
