/* SPDX-License-Identifier: MIT */
/* By OpenSSL's EVP, since libcurl has loaded it anyway. */
#include "lib/base/digest.h"

#include <openssl/evp.h>

enum app_err md5_hex(const void *data, size_t len, char out[MD5_HEX_LEN + 1])
{
    static const char digits[] = "0123456789abcdef";
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned int digest_len = 0;
    if (!EVP_Digest(data, len, digest, &digest_len, EVP_md5(), NULL) ||
        digest_len * 2 != MD5_HEX_LEN)
        return APP_INTERNAL;
    for (unsigned int i = 0; i < digest_len; i++) {
        out[2 * i] = digits[digest[i] >> 4];
        out[2 * i + 1] = digits[digest[i] & 15];
    }
    out[MD5_HEX_LEN] = '\0';
    return APP_OK;
}
