/* SPDX-License-Identifier: MIT */
/*
 * The one list of things that can go wrong.
 *
 * A function that can fail returns enum app_err and writes its results through
 * out-pointers, which it sets only on success. The list below gives each code
 * its HTTP status, its stable slug (RFC 9457 "code") and a default text; only
 * the response layer turns a code into HTTP.
 *
 * Where a human needs more than the code, the caller passes a struct err_buf.
 * It has two texts, because they have two readers: `text` may be shown to the
 * client, `detail` goes to the log only (an upstream's own words, an address,
 * an errno). Libraries never print.
 *
 * Any thread; nothing here has state.
 */
#ifndef LIB_BASE_ERR_H
#define LIB_BASE_ERR_H

#include <stdbool.h>

/* X(name, HTTP status, slug, default text) */
#define APP_ERR_LIST(X)                                                                            \
    X(OK, 200, "ok", "ok")                                                                         \
    /* what the client did */                                                                      \
    X(BAD_REQUEST, 400, "bad-request", "the request is malformed")                                 \
    X(INVALID_URL, 400, "invalid-url", "not a valid URL")                                          \
    X(UNAUTHORIZED, 401, "unauthorized", "authorization is needed")                                \
    X(FORBIDDEN_ADDRESS, 403, "forbidden-address", "this address may not be fetched")              \
    X(FORBIDDEN, 403, "forbidden", "not allowed")                                                  \
    X(NOT_FOUND, 404, "not-found", "not found")                                                    \
    X(METHOD_NOT_ALLOWED, 405, "method-not-allowed", "method not allowed")                         \
    X(REQUEST_TIMEOUT, 408, "request-timeout", "the request's body came too slowly")               \
    X(GONE, 410, "gone", "this picture was taken down")                                            \
    X(PRECONDITION_FAILED, 412, "precondition-failed", "If-Match names none of what is here")      \
    X(TOO_LARGE, 413, "too-large", "too large")                                                    \
    X(URI_TOO_LONG, 414, "uri-too-long", "the request's path is too long")                         \
    X(NOT_A_PICTURE, 415, "not-a-picture", "not a picture of a kind that is taken here")           \
    X(RANGE_UNSATISFIABLE, 416, "range-not-satisfiable", "the range begins behind the file's end") \
    X(PICTURE_REFUSED, 422, "picture-refused", "the picture cannot be processed")                  \
    X(HEADERS_TOO_LARGE, 431, "headers-too-large", "the request's headers are too large")          \
    X(CLIENT_GONE, 499, "client-gone", "the client closed the connection")                         \
    /* what the picture's own server did */                                                        \
    X(FETCH_FAILED, 422, "fetch-failed", "the picture could not be fetched")                       \
    X(ORIGIN_FAILED, 502, "origin-failed", "the picture's server failed")                          \
    X(ORIGIN_TIMEOUT, 504, "origin-timeout", "the picture's server took too long")                 \
    /* what we or our upstreams did */                                                             \
    X(INTERNAL, 500, "internal", "internal error")                                                 \
    X(NO_MEMORY, 503, "no-memory", "out of memory")                                                \
    X(NOT_IMPLEMENTED, 501, "not-implemented", "not implemented")                                  \
    X(BUSY, 429, "busy", "too much work at once, try again later")                                 \
    X(UPSTREAM_FAILED, 502, "upstream-failed", "an upstream service failed")                       \
    X(UNAVAILABLE, 503, "unavailable", "the service is not available now")                         \
    X(UPSTREAM_TIMEOUT, 504, "upstream-timeout", "an upstream service took too long")              \
    /* start-up: never reaches a client */                                                         \
    X(CONFIG, 500, "config", "bad configuration")

enum app_err {
#define X(name, status, slug, text) APP_##name,
    APP_ERR_LIST(X)
#undef X
        APP_ERR__MAX
};

#define ERR_TEXT_MAX 320 /* bytes of one text, with its NUL; longer ones are cut */

/* Why something failed. Zero-initialise it; both texts may stay empty. */
struct err_buf {
    char text[ERR_TEXT_MAX];   /* for the client */
    char detail[ERR_TEXT_MAX]; /* for the log */
};

/* The default text of `err`. Never NULL. */
const char *app_strerror(enum app_err err);

/* The HTTP status of `err`. CLIENT_GONE is 499, which is only ever logged. */
int app_err_status(enum app_err err);

/* The stable slug of `err`, for machines. Never NULL. */
const char *app_err_slug(enum app_err err);

/*
 * Write the client's text into `why` and return `err`, so that a failing
 * function can `return err_set(why, APP_..., "...")`. `why` may be NULL.
 */
enum app_err err_set(struct err_buf *why, enum app_err err, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Write the log's text into `why`, leaving the client's as it is. NULL allowed. */
void err_detail(struct err_buf *why, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
