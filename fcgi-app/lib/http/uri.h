/* SPDX-License-Identifier: MIT */
/*
 * The target of a request (RFC 9112, section 3.2, origin form) as the client
 * sent it: path and query told apart, the path decoded exactly once. What
 * servers read in different ways is refused, because a check made on one
 * reading is worth nothing on another. Pure, any thread.
 */
#ifndef LIB_HTTP_URI_H
#define LIB_HTTP_URI_H

#include <stddef.h>

#include "lib/base/err.h"

/*
 * Split `target` at the first '?'. The decoded path goes to `path`, which has
 * room for `size` bytes; it begins with '/', is UTF-8 and has no control
 * character. `*query` points behind the '?' in `target`, raw, or is "".
 * "//", "." and ".." stay as they are.
 *
 * APP_BAD_REQUEST: another form ("*", "http://host/"), a control character
 * anywhere, a bad escape, "%2F", "%00", a path that is not UTF-8 when decoded.
 * APP_URI_TOO_LONG: the decoded path does not fit. why->text says which; `why`
 * may be NULL. On an error the content of `path` is undefined.
 */
enum app_err uri_split(const char *target, char *path, size_t size, const char **query,
                       struct err_buf *why) __attribute__((warn_unused_result));

#endif
