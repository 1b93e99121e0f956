/* SPDX-License-Identifier: MIT */
/* By OpenSSL's EVP, since libcurl has loaded it anyway. */
#include "lib/base/digest.h"

#include <openssl/evp.h>
#include <pthread.h>
#include <stdbool.h>
#include <string.h>

#define XXH_STATIC_LINKING_ONLY /* the state is on our stack */
#include <xxhash.h>

#include "lib/base/hex.h"

/* Looking it up costs more than the digest of a short text. Kept until the process ends. */
static const EVP_MD *md5;
static pthread_once_t md5_once = PTHREAD_ONCE_INIT;

static void fetch_md5(void)
{
    md5 = EVP_MD_fetch(NULL, "MD5", NULL);
}

enum app_err md5_hex(const void *data, size_t len, char out[MD5_HEX_LEN + 1])
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned int digest_len = 0;
    (void)pthread_once(&md5_once, fetch_md5);
    if (!md5 || !EVP_Digest(data, len, digest, &digest_len, md5, NULL) ||
        digest_len * 2 != MD5_HEX_LEN)
        return APP_INTERNAL;
    hex_write(digest, digest_len, out);
    return APP_OK;
}

enum app_err sha256_hex(const char *prefix, const void *data, size_t len,
                        char out[SHA256_HEX_LEN + 1])
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    if (!context)
        return APP_NO_MEMORY;
    bool done = EVP_DigestInit_ex(context, EVP_sha256(), NULL) &&
                EVP_DigestUpdate(context, prefix, strlen(prefix)) &&
                EVP_DigestUpdate(context, data, len) && EVP_DigestFinal_ex(context, digest, NULL);
    EVP_MD_CTX_free(context);
    if (!done)
        return APP_INTERNAL;
    hex_write(digest, SHA256_HEX_LEN / 2, out);
    return APP_OK;
}

uint64_t xxh3_pieces(const struct iovec *pieces, size_t count)
{
    if (count == 1)
        return XXH3_64bits(pieces[0].iov_base, pieces[0].iov_len);
    XXH3_state_t state;
    (void)XXH3_64bits_reset(&state);
    for (size_t i = 0; i < count; i++)
        (void)XXH3_64bits_update(&state, pieces[i].iov_base, pieces[i].iov_len);
    return XXH3_64bits_digest(&state);
}

uint64_t xxh3_seeded(const void *data, size_t len, uint64_t seed)
{
    return XXH3_64bits_withSeed(data, len, seed);
}
