/* SPDX-License-Identifier: MIT */
/*
 * Digests that name things. MD5 names a picture that was posted as a URL, and the file that a
 * cache keeps an entry in: both are contracts with the Go service and its caches. SHA-256 names a
 * picture that was posted as bytes, since anybody can have two pictures of one MD5. XXH3 is the
 * entity tag of what is served. Pure, any thread.
 */
#ifndef LIB_BASE_DIGEST_H
#define LIB_BASE_DIGEST_H

#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "lib/base/err.h"

enum { MD5_HEX_LEN = 32, SHA256_HEX_LEN = 32 };

/* MD5 of `len` bytes as 32 lower-case hex digits and a NUL. APP_INTERNAL, APP_NO_MEMORY. */
enum app_err md5_hex(const void *data, size_t len, char out[MD5_HEX_LEN + 1])
    __attribute__((warn_unused_result));

/*
 * The first 128 bits of the SHA-256 of `prefix` and then `len` bytes, written as md5_hex does.
 * A prefix for each kind of thing keeps their names apart. APP_INTERNAL, APP_NO_MEMORY.
 */
enum app_err sha256_hex(const char *prefix, const void *data, size_t len,
                        char out[SHA256_HEX_LEN + 1]) __attribute__((warn_unused_result));

/* XXH3 (64 bits) of the pieces in a row. */
uint64_t xxh3_pieces(const struct iovec *pieces, size_t count);

/* XXH3 with a seed, for tables in memory whose keys come from outside. */
uint64_t xxh3_seeded(const void *data, size_t len, uint64_t seed);

#endif
