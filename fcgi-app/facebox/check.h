/* SPDX-License-Identifier: MIT */
/*
 * What a request to /facebox/check hands over: a picture as the multipart field
 * "file", or as "base64", or the "url" of one; the latter two as a form field or
 * as members of a JSON object. Reading it is pure; any thread.
 */
#ifndef FACEBOX_CHECK_H
#define FACEBOX_CHECK_H

#include <stddef.h>

#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/httpd/httpd.h"

struct check_input {
    const char *source;  /* "file", "url" or "base64", for the log */
    const void *picture; /* in the request or in `owned`; NULL: `owned` is a URL */
    size_t len;
    struct buf owned; /* decoded picture, or a URL as it was given */
};

/*
 * Read the request; check_input_release afterwards, also when it failed. "file"
 * goes before "url" and "base64". Errors with the client's text in `why`:
 * APP_BAD_REQUEST when nothing was handed over or it cannot be read,
 * APP_TOO_LARGE for more than LIMIT_PICTURE_BYTES, APP_NO_MEMORY.
 */
enum app_err check_read(const struct httpd_request *request, struct check_input *input,
                        struct err_buf *why) __attribute__((warn_unused_result));

void check_input_release(struct check_input *input);

#endif
