/* SPDX-License-Identifier: MIT */
#include "support/token.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cjose/cjose.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "support/cmocka.h"

struct token_key {
    cjose_jwk_t *key;
};

struct token_key *token_key_new(enum token_key_type type, const char *id)
{
    struct token_key *made = calloc(1, sizeof(*made));
    assert_non_null(made);
    if (type == TOKEN_RSA_2048 || type == TOKEN_RSA_1024)
        made->key =
            cjose_jwk_create_RSA_random(type == TOKEN_RSA_2048 ? 2048 : 1024, NULL, 0, NULL);
    else
        made->key = cjose_jwk_create_EC_random(
            type == TOKEN_P256 ? CJOSE_JWK_EC_P_256 : CJOSE_JWK_EC_P_384, NULL);
    assert_non_null(made->key);
    assert_true(cjose_jwk_set_kid(made->key, id, strlen(id), NULL));
    return made;
}

void token_key_free(struct token_key **key)
{
    struct token_key *old = *key;
    *key = NULL;
    if (!old)
        return;
    (void)cjose_jwk_release(old->key);
    free(old);
}

json_t *token_key_public(const struct token_key *key)
{
    char *text = cjose_jwk_to_json(key->key, false, NULL);
    assert_non_null(text);
    json_t *jwk = json_loads(text, 0, NULL);
    assert_non_null(jwk);
    free(text);
    return jwk;
}

char *token_key_set(const struct token_key *const *keys, size_t count)
{
    json_t *list = json_array();
    for (size_t i = 0; i < count; i++)
        assert_int_equal(json_array_append_new(list, token_key_public(keys[i])), 0);
    json_t *set = json_pack("{s:o}", "keys", list);
    assert_non_null(set);
    char *text = json_dumps(set, JSON_COMPACT);
    assert_non_null(text);
    json_decref(set);
    return text;
}

char *token_claims(const char *issuer, const char *audience, int64_t lifetime_s)
{
    json_int_t now = (json_int_t)time(NULL);
    json_t *claims = json_pack("{s:s, s:[s], s:I, s:I, s:s}", "iss", issuer, "aud", audience, "exp",
                               now + (json_int_t)lifetime_s, "iat", now, "sub", "42");
    assert_non_null(claims);
    char *text = json_dumps(claims, JSON_COMPACT);
    assert_non_null(text);
    json_decref(claims);
    return text;
}

char *token_sign_header(const struct token_key *key, const char *header, const char *claims)
{
    const char *compact = NULL;
    json_t *object = json_loads(header, 0, NULL);
    assert_non_null(object);
    cjose_jws_t *jws =
        cjose_jws_sign(key->key, object, (const uint8_t *)claims, strlen(claims), NULL);
    assert_non_null(jws);
    assert_true(cjose_jws_export(jws, &compact, NULL));
    char *token = strdup(compact);
    assert_non_null(token);
    cjose_jws_release(jws);
    json_decref(object);
    return token;
}

char *token_sign(const struct token_key *key, const char *algorithm, const char *claims)
{
    json_t *object = json_pack("{s:s, s:s, s:s}", "typ", "JWT", "alg", algorithm, "kid",
                               cjose_jwk_get_kid(key->key, NULL));
    char *header = json_dumps(object, JSON_COMPACT);
    assert_non_null(header);
    char *token = token_sign_header(key, header, claims);
    free(header);
    json_decref(object);
    return token;
}

static char *encode(const void *data, size_t len)
{
    char *text = NULL;
    size_t text_len;
    assert_true(cjose_base64url_encode(data, len, &text, &text_len, NULL));
    return text;
}

char *token_join(const char *header, const char *claims, const void *signature, size_t len)
{
    char *token;
    char *parts[] = {encode(header, strlen(header)), encode(claims, strlen(claims)),
                     encode(signature, len)};
    assert_true(asprintf(&token, "%s.%s.%s", parts[0], parts[1], parts[2]) > 0);
    for (size_t i = 0; i < 3; i++)
        free(parts[i]);
    return token;
}

char *token_sign_hmac(const char *header, const char *claims, const char *secret)
{
    unsigned char signature[EVP_MAX_MD_SIZE];
    unsigned int len = 0;
    char *signed_part = token_join(header, claims, "", 0);
    size_t signed_len = strlen(signed_part) - 1; /* without the last dot */
    assert_non_null(HMAC(EVP_sha256(), secret, (int)strlen(secret),
                         (const unsigned char *)signed_part, signed_len, signature, &len));
    free(signed_part);
    return token_join(header, claims, signature, len);
}
