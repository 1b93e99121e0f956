/* SPDX-License-Identifier: MIT */
/*
 * JSON Web Tokens: signed, compact (RFC 7515), checked against a public key
 * (RFC 7517) and for the claims that say who made it, for whom and until when
 * (RFC 7519, with the advice of RFC 8725). The only module that includes cjose.
 *
 * The key decides the algorithm, never the token: an RSA key checks RS256, a
 * P-256 key ES256, and the token's "alg" must say the same. So neither "none"
 * nor an HS256 made with a public key can get through.
 *
 * jwt_read_header, find the key that it names, jwt_verify. No function here
 * writes any part of a token into an error's text or detail. Pure but for the
 * keys, which are immutable and counted: any thread.
 */
#ifndef API_AUTH_JWT_H
#define API_AUTH_JWT_H

#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include "lib/base/err.h"
#include "lib/base/limits.h"

/* Clocks differ: so much is granted to exp and nbf. */
enum { JWT_LEEWAY_S = 60 };

struct jwt_key;

/*
 * A key from a JSON Web Key. Taken are RSA of 2048 to 8192 bits and EC on
 * P-256, with an id, not marked for another use or algorithm. Only the public
 * part is read. The caller gets one reference. APP_UPSTREAM_FAILED when it is
 * not such a key, why->detail says what is wrong; APP_NO_MEMORY.
 */
enum app_err jwt_key_new(const json_t *jwk, struct jwt_key **key, struct err_buf *why)
    __attribute__((warn_unused_result));

/* One more reference. */
struct jwt_key *jwt_key_get(struct jwt_key *key);
/* Give one back; NULLs the caller's pointer. NULL allowed. */
void jwt_key_put(struct jwt_key **key);

/* Its "kid"; lives as long as the key. */
const char *jwt_key_id(const struct jwt_key *key);

/* What a token says of itself. Nothing of it is believed before jwt_verify. */
struct jwt_header {
    char algorithm[8];
    char key_id[LIMIT_JWT_KEY_ID + 1];
};

/*
 * Read the header of a compact token. APP_UNAUTHORIZED with the reason in
 * why->detail: longer than LIMIT_JWT, not three parts of base64url, not JSON,
 * no "kid", an algorithm that is not taken, an extension that must be understood
 * ("crit"). APP_NO_MEMORY.
 */
enum app_err jwt_read_header(const char *token, size_t len, struct jwt_header *header,
                             struct err_buf *why) __attribute__((warn_unused_result));

/* What a token must say. */
struct jwt_expectation {
    const char *issuer;   /* "iss", exactly */
    const char *audience; /* "aud", or one of its strings, exactly */
    int64_t now_s;        /* since 1970 */
};

/*
 * Check a token whose header jwt_read_header has taken: signature, then claims.
 * "exp" is required, "nbf" is not, "iat" is not looked at. APP_UNAUTHORIZED with
 * the reason in why->detail; APP_NO_MEMORY.
 */
enum app_err jwt_verify(const char *token, size_t len, const struct jwt_header *header,
                        const struct jwt_key *key, const struct jwt_expectation *expected,
                        struct err_buf *why) __attribute__((warn_unused_result));

#endif
