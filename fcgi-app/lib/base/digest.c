/* SPDX-License-Identifier: MIT */
/* By OpenSSL's EVP, since libcurl has loaded it anyway. */
#include "lib/base/digest.h"

#include <openssl/evp.h>
#include <pthread.h>

/* Looking it up costs more than the digest of a short text. Kept until the process ends. */
static const EVP_MD *md5;
static pthread_once_t md5_once = PTHREAD_ONCE_INIT;

static void fetch_md5(void)
{
    md5 = EVP_MD_fetch(NULL, "MD5", NULL);
}

enum app_err md5_hex(const void *data, size_t len, char out[MD5_HEX_LEN + 1])
{
    static const char digits[] = "0123456789abcdef";
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned int digest_len = 0;
    (void)pthread_once(&md5_once, fetch_md5);
    if (!md5 || !EVP_Digest(data, len, digest, &digest_len, md5, NULL) ||
        digest_len * 2 != MD5_HEX_LEN)
        return APP_INTERNAL;
    for (unsigned int i = 0; i < digest_len; i++) {
        out[2 * i] = digits[digest[i] >> 4];
        out[2 * i + 1] = digits[digest[i] & 15];
    }
    out[MD5_HEX_LEN] = '\0';
    return APP_OK;
}
