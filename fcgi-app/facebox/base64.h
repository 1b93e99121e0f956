/* SPDX-License-Identifier: MIT */
/* Reading base64 (RFC 4648, section 4). Pure, any thread. */
#ifndef FACEBOX_BASE64_H
#define FACEBOX_BASE64_H

#include <stddef.h>

#include "lib/base/buf.h"
#include "lib/base/err.h"

/*
 * Append what `text` encodes to `out`. Spaces, tabs and line ends are skipped;
 * padding is needed, and bits that it leaves unused must be zero. APP_BAD_REQUEST
 * when it is not base64, APP_TOO_LARGE and APP_NO_MEMORY from `out`; `out` may
 * then hold a part.
 */
enum app_err base64_decode(const char *text, size_t len, struct buf *out)
    __attribute__((warn_unused_result));

#endif
