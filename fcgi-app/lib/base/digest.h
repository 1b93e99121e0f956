/* SPDX-License-Identifier: MIT */
/*
 * The MD5 that names things: the key of a picture, and the file that a cache
 * keeps an entry in. Both are contracts with the Go service and its caches; it
 * names, it does not protect. Pure, any thread.
 */
#ifndef LIB_BASE_DIGEST_H
#define LIB_BASE_DIGEST_H

#include <stddef.h>

#include "lib/base/err.h"

enum { MD5_HEX_LEN = 32 };

/* MD5 of `len` bytes as 32 lower-case hex digits and a NUL. APP_INTERNAL, APP_NO_MEMORY. */
enum app_err md5_hex(const void *data, size_t len, char out[MD5_HEX_LEN + 1])
    __attribute__((warn_unused_result));

#endif
