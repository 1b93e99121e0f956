/* SPDX-License-Identifier: MIT */
/*
 * The URL in the body of POST /, read the way the Go service read it, because
 * the key of a stored picture is the MD5 of the normalised URL and clients and
 * caches hold such keys: Go's net/url ParseRequestURI followed by String(), with
 * govalidator's rule that there must be a scheme. In short: the scheme becomes
 * lower case, the host keeps its case, '#' does not begin a fragment (in the
 * path it becomes %23), a space in the path becomes %20, a path that is a valid
 * encoding stays as it is, the query stays raw. On purpose different: only http
 * and https, a host is needed, a port is at most 65535, and user:password is
 * refused. Pure, any thread.
 */
#ifndef LIB_HTTP_URL_H
#define LIB_HTTP_URL_H

#include <stddef.h>

#include "lib/base/buf.h"
#include "lib/base/err.h"

/*
 * Append the normalised form of `text` to `out`. APP_INVALID_URL when it is not
 * a URL, has another scheme, no host or a user; why->text says which, in the
 * Go service's words where it had some ("<text> is not a valid URL", the text
 * made printable and cut at LIMIT_ECHO). APP_TOO_LARGE, APP_NO_MEMORY from `out`.
 */
enum app_err url_normalise(const char *text, size_t len, struct buf *out, struct err_buf *why)
    __attribute__((warn_unused_result));

#endif
