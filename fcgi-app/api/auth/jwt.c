/* SPDX-License-Identifier: MIT */
/*
 * cjose is handed only what has been looked at here: it asserts on some wrong
 * base64url, leaks a token without "alg", and would check any algorithm that
 * fits the key's type.
 */
#include "api/auth/jwt.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <cjose/cjose.h>
#include <openssl/err.h>

enum {
    RSA_BITS_MIN = 2048,
    RSA_BITS_MAX = 8192,
    RSA_MODULUS_TEXT_MAX = 1368, /* 8192 bits and a leading zero in base64url */
    RSA_EXPONENT_TEXT_MAX = 11,  /* 64 bits */
    P256_TEXT_LEN = 43,          /* 32 bytes */
    ES256_SIGNATURE_TEXT_LEN = 86
};

static const char rs256[] = "RS256";
static const char es256[] = "ES256";

struct jwt_key {
    atomic_uint references;
    const char *algorithm; /* rs256 or es256 */
    cjose_jwk_t *key;
    char id[LIMIT_JWT_KEY_ID + 1];
};

/* The three parts of a compact token. */
struct parts {
    const char *header, *payload, *signature;
    size_t header_len, payload_len, signature_len;
};

/* --- Texts and JSON --- */

/* Unpadded base64url of a length that can be. */
static bool is_base64url(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        char c = text[i];
        if (!((c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
              c == '-' || c == '_'))
            return false;
    }
    return len > 0 && len % 4 != 1;
}

/* A string member; NULL when it is absent or of another type. */
static const char *member(const json_t *object, const char *name)
{
    return json_string_value(json_object_get(object, name));
}

/* The same for one that holds 1 to `max` characters of base64url. */
static const char *base64url_member(const json_t *object, const char *name, size_t max)
{
    const char *text = member(object, name);
    return text && strlen(text) <= max && is_base64url(text, strlen(text)) ? text : NULL;
}

static bool is_string(const json_t *value, const char *wanted)
{
    const char *text = json_string_value(value);
    return text && strcmp(text, wanted) == 0;
}

/* A member that may be absent, but is `wanted` when it is there. */
static bool is_absent_or(const json_t *object, const char *name, const char *wanted)
{
    const json_t *value = json_object_get(object, name);
    return !value || is_string(value, wanted);
}

static bool holds(const json_t *array, const char *wanted)
{
    size_t index;
    const json_t *item;
    json_array_foreach(array, index, item)
    {
        if (is_string(item, wanted))
            return true;
    }
    return false;
}

/* --- Keys --- */

static enum app_err refuse_key(struct err_buf *why, const char *reason)
{
    err_detail(why, "%s", reason);
    return err_set(why, APP_UPSTREAM_FAILED, "%s", app_strerror(APP_UPSTREAM_FAILED));
}

/* The public members alone, and the algorithm that they are for; NULL: not taken. */
static json_t *public_part(const json_t *jwk, const char **algorithm)
{
    const char *type = member(jwk, "kty");
    if (type && strcmp(type, "RSA") == 0) {
        const char *modulus = base64url_member(jwk, "n", RSA_MODULUS_TEXT_MAX);
        const char *exponent = base64url_member(jwk, "e", RSA_EXPONENT_TEXT_MAX);
        *algorithm = rs256;
        return modulus && exponent
                   ? json_pack("{s:s, s:s, s:s}", "kty", "RSA", "n", modulus, "e", exponent)
                   : NULL;
    }
    const char *curve = member(jwk, "crv");
    if (type && strcmp(type, "EC") == 0 && curve && strcmp(curve, "P-256") == 0) {
        const char *x = base64url_member(jwk, "x", P256_TEXT_LEN);
        const char *y = base64url_member(jwk, "y", P256_TEXT_LEN);
        *algorithm = es256;
        return x && y
                   ? json_pack("{s:s, s:s, s:s, s:s}", "kty", "EC", "crv", "P-256", "x", x, "y", y)
                   : NULL;
    }
    return NULL;
}

/* What the key's owner says it is for. */
static bool is_for_checking(const json_t *jwk, const char *algorithm)
{
    const json_t *operations = json_object_get(jwk, "key_ops");
    return is_absent_or(jwk, "use", "sig") && is_absent_or(jwk, "alg", algorithm) &&
           (!operations || holds(operations, "verify"));
}

static enum app_err import_key(struct jwt_key *key, json_t *public, struct err_buf *why)
{
    key->key = cjose_jwk_import_json(public, NULL);
    ERR_clear_error();
    if (!key->key)
        return refuse_key(why, "a key cannot be read");
    size_t bits = cjose_jwk_get_keysize(key->key, NULL);
    if (key->algorithm == rs256 && (bits < RSA_BITS_MIN || bits > RSA_BITS_MAX))
        return refuse_key(why, "an RSA key has fewer than 2048 or more than 8192 bits");
    return APP_OK;
}

enum app_err jwt_key_new(const json_t *jwk, struct jwt_key **key, struct err_buf *why)
{
    const char *algorithm = NULL;
    const char *id = member(jwk, "kid");
    if (!id || !*id || strlen(id) > LIMIT_JWT_KEY_ID)
        return refuse_key(why, "a key has no id, or a very long one");
    json_t *public = public_part(jwk, &algorithm);
    if (!public)
        return refuse_key(why, "a key is neither RSA nor EC on P-256");

    enum app_err err = APP_OK;
    struct jwt_key *made = calloc(1, sizeof(*made));
    if (!made) {
        err = APP_NO_MEMORY;
        goto out;
    }
    atomic_init(&made->references, 1);
    made->algorithm = algorithm;
    memcpy(made->id, id, strlen(id) + 1);
    if (is_for_checking(jwk, algorithm))
        err = import_key(made, public, why);
    else
        err = refuse_key(why, "a key is for another use than checking RS256 or ES256");
    if (!err) {
        *key = made;
        made = NULL;
    }
out:
    jwt_key_put(&made);
    json_decref(public);
    return err;
}

struct jwt_key *jwt_key_get(struct jwt_key *key)
{
    atomic_fetch_add_explicit(&key->references, 1, memory_order_relaxed);
    return key;
}

void jwt_key_put(struct jwt_key **key)
{
    struct jwt_key *old = *key;
    *key = NULL;
    if (!old || atomic_fetch_sub_explicit(&old->references, 1, memory_order_acq_rel) != 1)
        return;
    if (old->key)
        (void)cjose_jwk_release(old->key);
    free(old);
}

const char *jwt_key_id(const struct jwt_key *key)
{
    return key->id;
}

/* --- Tokens --- */

static enum app_err refuse(struct err_buf *why, const char *reason)
{
    err_detail(why, "%s", reason);
    return APP_UNAUTHORIZED;
}

static bool split(const char *token, size_t len, struct parts *parts)
{
    const char *end = token + len;
    const char *first = memchr(token, '.', len);
    const char *second = first ? memchr(first + 1, '.', (size_t)(end - first - 1)) : NULL;
    if (!second)
        return false;
    *parts = (struct parts){
        .header = token,
        .header_len = (size_t)(first - token),
        .payload = first + 1,
        .payload_len = (size_t)(second - first - 1),
        .signature = second + 1,
        .signature_len = (size_t)(end - second - 1),
    };
    return is_base64url(parts->header, parts->header_len) &&
           is_base64url(parts->payload, parts->payload_len) &&
           is_base64url(parts->signature, parts->signature_len);
}

/* An object in JSON, no member twice: readers do not agree on which one counts. */
static json_t *parse_object(const void *text, size_t len)
{
    json_t *value = json_loadb(text, len, JSON_REJECT_DUPLICATES | JSON_DECODE_INT_AS_REAL, NULL);
    if (json_is_object(value))
        return value;
    json_decref(value);
    return NULL;
}

static enum app_err check_header(const json_t *object, struct jwt_header *header,
                                 struct err_buf *why)
{
    const json_t *algorithm = json_object_get(object, "alg");
    const char *id = member(object, "kid");
    if (!is_string(algorithm, rs256) && !is_string(algorithm, es256))
        return refuse(why, "the token's algorithm is neither RS256 nor ES256");
    if (!id || !*id || strlen(id) > LIMIT_JWT_KEY_ID)
        return refuse(why, "the token names no key");
    /* RFC 7515, 4.1.11; RFC 7797, 6: b64 without crit would be read in two ways. */
    if (json_object_get(object, "crit") || json_object_get(object, "b64"))
        return refuse(why, "the token needs an extension");
    *header = (struct jwt_header){.algorithm = ""};
    memcpy(header->algorithm, is_string(algorithm, rs256) ? rs256 : es256, sizeof(rs256));
    memcpy(header->key_id, id, strlen(id));
    return APP_OK;
}

enum app_err jwt_read_header(const char *token, size_t len, struct jwt_header *header,
                             struct err_buf *why)
{
    struct parts parts;
    uint8_t *text = NULL;
    size_t text_len = 0;
    if (len > LIMIT_JWT)
        return refuse(why, "the token is too long");
    if (!split(token, len, &parts))
        return refuse(why, "the token is not three parts of base64url");
    if (!cjose_base64url_decode(parts.header, parts.header_len, &text, &text_len, NULL))
        return APP_NO_MEMORY; /* the text was checked, so nothing else can be wrong */

    json_t *object = parse_object(text, text_len);
    enum app_err err = object ? check_header(object, header, why)
                              : refuse(why, "the token's header is not a JSON object");
    json_decref(object);
    cjose_get_dealloc()(text);
    return err;
}

static enum app_err check_times(const json_t *claims, int64_t now_s, struct err_buf *why)
{
    const json_t *expires = json_object_get(claims, "exp");
    const json_t *begins = json_object_get(claims, "nbf");
    double now = (double)now_s;
    if (!json_is_number(expires))
        return refuse(why, "the token says no time when it expires");
    if (now - JWT_LEEWAY_S > json_number_value(expires))
        return refuse(why, "the token has expired");
    if (begins && !json_is_number(begins))
        return refuse(why, "the token's begin is not a time");
    if (begins && now + JWT_LEEWAY_S < json_number_value(begins))
        return refuse(why, "the token is not valid yet");
    return APP_OK;
}

static enum app_err check_claims(const json_t *claims, const struct jwt_expectation *expected,
                                 struct err_buf *why)
{
    const json_t *audience = json_object_get(claims, "aud");
    if (!is_string(json_object_get(claims, "iss"), expected->issuer))
        return refuse(why, "the token is from another issuer than AUTHN_SERVER");
    if (!is_string(audience, expected->audience) && !holds(audience, expected->audience))
        return refuse(why, "the token is for another audience than AUTHN_AUDIENCE");
    return check_times(claims, expected->now_s, why);
}

static enum app_err verify_signed(cjose_jws_t *signed_token, const struct jwt_key *key,
                                  const struct jwt_expectation *expected, struct err_buf *why)
{
    uint8_t *payload = NULL;
    size_t len = 0;
    if (!cjose_jws_verify(signed_token, key->key, NULL) ||
        !cjose_jws_get_plaintext(signed_token, &payload, &len, NULL))
        return refuse(why, "the token's signature is wrong");
    json_t *claims = parse_object(payload, len);
    enum app_err err = claims ? check_claims(claims, expected, why)
                              : refuse(why, "the token's payload is not a JSON object");
    json_decref(claims);
    return err;
}

enum app_err jwt_verify(const char *token, size_t len, const struct jwt_header *header,
                        const struct jwt_key *key, const struct jwt_expectation *expected,
                        struct err_buf *why)
{
    struct parts parts;
    if (len > LIMIT_JWT || !split(token, len, &parts))
        return refuse(why, "the token is not three parts of base64url");
    if (strcmp(header->algorithm, key->algorithm) != 0)
        return refuse(why, "the token's algorithm is not its key's");
    if (key->algorithm == es256 && parts.signature_len != ES256_SIGNATURE_TEXT_LEN)
        return refuse(why, "the token's signature is wrong");

    cjose_jws_t *signed_token = cjose_jws_import(token, len, NULL);
    enum app_err err = signed_token ? verify_signed(signed_token, key, expected, why)
                                    : refuse(why, "the token cannot be read");
    cjose_jws_release(signed_token);
    ERR_clear_error(); /* else the thread's next user of OpenSSL would find our failures */
    return err;
}
