/* SPDX-License-Identifier: MIT */
/*
 * A token, checked with two keys. Their private halves exist no more: only the
 * seeds in the corpus are signed, and what they say is fixed.
 */
#include "fuzz/input.h"

#include "api/auth/jwt.h"

enum { NOW = 1700000000 };

static const char rsa_jwk[] =
    "{\"kty\":\"RSA\",\"kid\":\"rsa\",\"use\":\"sig\",\"alg\":\"RS256\",\"n\":\"uHqjYqlpQq-"
    "NEjJKuFKr4ZPDcbV3jkK3LMC5sucV9O3a5TG4q667vYm7aMB7G-tR2XixdPQ8CBTh7688E7aoJ9Su71x_"
    "G7tvUov3K6dnz0-6HvDVhqGo1WJOtoHCz8w8RXXa-NYC5o6x4FmROf7yl3g3FVRB-eux6PSnNMF7K-s1ePoYM3m_-"
    "sXh5AC28Y8kMv6GGere8Y_"
    "1bGplkbBlapesF8Rxi1SWgasF2Uwc52WHNic9VQoiApSpMaoWNQ11rhOAi6QlFYLvsFBH26Jck0LNjZunKhcJH5qegJQ9j"
    "0iVcyVC9_ngdXSKC5z1sQ2SmuqY0EJ5Ff91K9PVbUM9lQ\",\"e\":\"AQAB\"}";
static const char ec_jwk[] =
    "{\"kty\":\"EC\",\"kid\":\"ec\",\"crv\":\"P-256\",\"x\":\"sOwv1V8N8UzpJxWfcbErMZVFdU0pP2j_"
    "6D1AJKsL7h4\",\"y\":\"zCw0DrOp2dCS6BVT2z-fwm5Vx1UIK0YUNqhC-ofRAHY\"}";

static struct jwt_key *key_of(const char *jwk)
{
    struct err_buf why;
    struct jwt_key *key = NULL;
    json_t *object = json_loads(jwk, 0, NULL);
    must(object && jwt_key_new(object, &key, &why) == APP_OK);
    json_decref(object);
    return key;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct jwt_expectation expected = {"https://authn.example", "emojify", NOW};
    static struct jwt_key *keys[2];
    struct fuzz_input input = {data, size};
    struct err_buf why = {.text = ""};
    struct jwt_header header;
    if (!keys[0]) {
        keys[0] = key_of(rsa_jwk);
        keys[1] = key_of(ec_jwk);
    }
    char *token = fuzz_text(&input, size);
    enum app_err err = jwt_read_header(token, size, &header, &why);
    must(err == APP_OK || (err == APP_UNAUTHORIZED && why.detail[0]));
    for (size_t i = 0; !err && i < 2; i++) {
        enum app_err verified = jwt_verify(token, size, &header, keys[i], &expected, &why);
        must(verified == APP_OK || verified == APP_UNAUTHORIZED);
    }
    free(token);
    return 0;
}
