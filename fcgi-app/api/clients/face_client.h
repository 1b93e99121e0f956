/* SPDX-License-Identifier: MIT */
/*
 * FaceBox's HTTP API (POST /facebox/check with a multipart file, GET /info).
 * An answer with "success": false is an error even with HTTP 200; numbers may
 * be fractions, unknown members are ignored. A face may have "landmarks", the
 * six points of struct face, which emojify-facebox adds to FaceBox's protocol:
 * {"right_eye":{"x":1.5,"y":2},...}. A face whose landmarks are absent, null or
 * malformed is one without points. Any thread with its own client.
 */
#ifndef API_CLIENTS_FACE_CLIENT_H
#define API_CLIENTS_FACE_CLIENT_H

#include <stddef.h>
#include <stdint.h>

#include "lib/base/cancel.h"
#include "lib/base/err.h"

struct arena;
struct breaker;
struct face; /* see api/image/face.h */
struct http_client;
struct http_header;

enum { FACE_CALL_HEADERS_MAX = 8 };

struct face_client {
    const char *base_url; /* FACEBOX, with or without a slash at the end */
    const char *user;     /* "" for no authorization */
    const char *password;
    struct breaker *breaker; /* NULL: none */
};

struct face_call {
    struct http_client *http;
    int64_t deadline_ns;
    int64_t timeout_ms; /* what the box is due, see struct cache_call */
    struct cancel cancel;
    const char *request_id;            /* NULL: none */
    const struct http_header *headers; /* further ones, at most FACE_CALL_HEADERS_MAX */
    size_t header_count;
};

/*
 * The faces of an encoded picture, at most LIMIT_FACES of them; `*faces` lies in
 * `arena`. APP_UPSTREAM_FAILED (also for success: false, with the box's words in
 * why->detail), APP_UPSTREAM_TIMEOUT, APP_NO_MEMORY; APP_UNAVAILABLE at once while
 * the breaker is open, APP_CLIENT_GONE when call->cancel says so. The call that
 * probes whether a box is back asks for /info first, with little patience: a
 * host that is gone must not hold the probe for as long as faces may take.
 */
enum app_err face_client_check(const struct face_client *client, const struct face_call *call,
                               const void *picture, size_t len, struct arena *arena,
                               struct face **faces, size_t *face_count, struct err_buf *why)
    __attribute__((warn_unused_result));

/* The version of the box from /info. Errors as above, but asks whatever the breaker says. */
enum app_err face_client_info(const struct face_client *client, const struct face_call *call,
                              int *version, struct err_buf *why)
    __attribute__((warn_unused_result));

/* Reads the answer of /facebox/check; pure, for tests and fuzzing. Errors as face_client_check. */
enum app_err face_client_parse_check(const char *json, size_t len, struct arena *arena,
                                     struct face **faces, size_t *face_count, struct err_buf *why)
    __attribute__((warn_unused_result));

#endif
