/* SPDX-License-Identifier: MIT */
/*
 * FNV-1a, 64 bits: a checksum against accidents and a spreader of keys. It
 * protects nothing. http://www.isthe.com/chongo/tech/comp/fnv/
 */
#ifndef LIB_BASE_FNV1A_H
#define LIB_BASE_FNV1A_H

#include <stddef.h>
#include <stdint.h>

#define FNV1A_START UINT64_C(0xcbf29ce484222325)

/* Go on hashing from `hash`, which is FNV1A_START at the beginning. */
static inline uint64_t fnv1a(uint64_t hash, const void *data, size_t len)
{
    const unsigned char *bytes = data;
    for (size_t i = 0; i < len; i++)
        hash = (hash ^ bytes[i]) * UINT64_C(0x100000001b3);
    return hash;
}

#endif
