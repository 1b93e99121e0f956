/* SPDX-License-Identifier: MIT */
/*
 * How a stored file is answered with, by whichever way its bytes go out: its
 * type, entity tag and headers, conditions and ranges.
 */
#ifndef API_ROUTES_STORED_FILE_H
#define API_ROUTES_STORED_FILE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "api/app.h"

enum { STORED_FILE_ETAG_MAX = 1 + 16 + 1 + 1 };

/* What is known of it from its bytes. */
struct stored_file {
    const char *type;
    char etag[STORED_FILE_ETAG_MAX]; /* strong, with its quotes */
};

/* `type` must be static; `hash` is the bytes' XXH3. */
void stored_file_init(struct stored_file *file, const char *type, uint64_t hash);

/* Does the request's If-Match, if it has one, name the file? Else the answer is 412. */
bool stored_file_matches(const struct exchange *exchange, const struct stored_file *file);

/*
 * Add what every answer with the file carries: Cache-Control, ETag, and
 * Content-Disposition for ?download=1. Errors as response_header.
 */
enum app_err stored_file_headers(struct exchange *exchange, const struct stored_file *file)
    __attribute__((warn_unused_result));

/*
 * Send the file, after stored_file_headers: 200, or what the request's
 * conditions and range make of it: 304, 206. APP_RANGE_UNSATISFIABLE, with
 * Content-Range added; other errors as response_send.
 */
enum app_err stored_file_send(struct exchange *exchange, const struct stored_file *file,
                              const struct iovec *pieces, size_t count)
    __attribute__((warn_unused_result));

/*
 * The same by X-Sendfile, the web server then sends the file at `path`, of `size` bytes,
 * whole or the range of it. What needs no bytes, 304 and 416, is answered here, so
 * that it does not depend on the web server.
 */
enum app_err stored_file_send_path(struct exchange *exchange, const struct stored_file *file,
                                   const char *path, size_t size)
    __attribute__((warn_unused_result));

#endif
