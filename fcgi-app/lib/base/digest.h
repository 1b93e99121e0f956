/* SPDX-License-Identifier: MIT */
/*
 * Digests that name things; they do not protect anything. MD5 names a picture
 * and the file that a cache keeps an entry in: both are contracts with the Go
 * service and its caches. XXH3 is the entity tag of what is served. Pure, any
 * thread.
 */
#ifndef LIB_BASE_DIGEST_H
#define LIB_BASE_DIGEST_H

#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "lib/base/err.h"

enum { MD5_HEX_LEN = 32 };

/* MD5 of `len` bytes as 32 lower-case hex digits and a NUL. APP_INTERNAL, APP_NO_MEMORY. */
enum app_err md5_hex(const void *data, size_t len, char out[MD5_HEX_LEN + 1])
    __attribute__((warn_unused_result));

/* XXH3 (64 bits) of the pieces in a row. */
uint64_t xxh3_pieces(const struct iovec *pieces, size_t count);

/* XXH3 with a seed, for tables in memory whose keys come from outside. */
uint64_t xxh3_seeded(const void *data, size_t len, uint64_t seed);

#endif
