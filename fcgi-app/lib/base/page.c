/* SPDX-License-Identifier: MIT */
#include "lib/base/page.h"

#include <assert.h>
#include <string.h>

#include <openssl/evp.h>

enum { SHA256_BYTES = 32, SHA256_BASE64 = 45 };

enum app_err page_put_until(struct page_text *rest, const char *marker, struct buf *out)
{
    const char *at = memmem(rest->data, rest->len, marker, strlen(marker));
    assert(at);
    size_t len = (size_t)(at - rest->data);
    enum app_err err = buf_append(out, rest->data, len);
    rest->data += len + strlen(marker);
    rest->len -= len + strlen(marker);
    return err;
}

enum app_err page_put_hash(struct page_text content, struct buf *out)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned char base64[SHA256_BASE64];
    unsigned int len = 0;
    if (!EVP_Digest(content.data, content.len, digest, &len, EVP_sha256(), NULL) ||
        len != SHA256_BYTES)
        return APP_INTERNAL;
    (void)EVP_EncodeBlock(base64, digest, SHA256_BYTES);
    return buf_printf(out, "'sha256-%s'", (const char *)base64);
}
