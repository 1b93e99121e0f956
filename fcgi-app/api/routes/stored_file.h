/* SPDX-License-Identifier: MIT */
/*
 * How a stored file is answered with, by whichever way its bytes go out: its
 * type, entity tag and headers, conditions and ranges.
 */
#ifndef API_ROUTES_STORED_FILE_H
#define API_ROUTES_STORED_FILE_H

#include "api/app.h"
#include "lib/base/digest.h"

/* What the bytes say of themselves. */
struct stored_file {
    const char *type;            /* sniffed; static */
    char etag[XXH3_HEX_LEN + 3]; /* strong, with its quotes */
};

/* Look at all of the bytes. */
void stored_file_look(struct stored_file *file, const struct iovec *pieces, size_t count);

/* The same, of bytes that were looked at before. `type` must be static. */
void stored_file_known(struct stored_file *file, const char *type, uint64_t hash);
/* The tag's hash, for stored_file_known. */
uint64_t stored_file_hash(const struct stored_file *file);

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
