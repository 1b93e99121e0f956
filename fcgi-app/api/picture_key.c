/* SPDX-License-Identifier: MIT */
#include "api/picture_key.h"

#include <assert.h>

#include "lib/base/digest.h"

#define BYTES_PREFIX "picture\n" /* part of the keys that clients hold */

static_assert(PICTURE_KEY_LEN == (int)MD5_HEX_LEN && PICTURE_KEY_LEN == (int)SHA256_HEX_LEN,
              "keys of all kinds look alike");

enum app_err picture_key_of_url(const char *url, size_t len, char key[PICTURE_KEY_LEN + 1])
{
    return md5_hex(url, len, key);
}

enum app_err picture_key_of_bytes(const void *bytes, size_t len, char key[PICTURE_KEY_LEN + 1])
{
    return sha256_hex(BYTES_PREFIX, bytes, len, key);
}
