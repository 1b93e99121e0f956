/* SPDX-License-Identifier: MIT */
/*
 * Keys of an authentication server, and tokens signed with them: good ones, and
 * ones that lie. Every function fails the running test when it cannot.
 */
#ifndef TESTS_SUPPORT_TOKEN_H
#define TESTS_SUPPORT_TOKEN_H

#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

enum token_key_type { TOKEN_RSA_2048, TOKEN_RSA_1024, TOKEN_P256, TOKEN_P384 };

struct token_key;

struct token_key *token_key_new(enum token_key_type type, const char *id);
/* NULLs the caller's pointer. NULL allowed. */
void token_key_free(struct token_key **key);

/* The public key as a JWK with its id; the caller releases it. */
json_t *token_key_public(const struct token_key *key);

/* A JWKS document of those keys, as text that the caller frees. */
char *token_key_set(const struct token_key *const *keys, size_t count);

/* Claims that a server at `issuer` makes for `audience`, good for so long; free() them. */
char *token_claims(const char *issuer, const char *audience, int64_t lifetime_s);

/* Sign with "alg" and the key's id in the header; free() the token. */
char *token_sign(const struct token_key *key, const char *algorithm, const char *claims);

/* The same with any header, which must have an "alg" that fits the key. */
char *token_sign_header(const struct token_key *key, const char *header, const char *claims);

/* Put a token together from texts and a signature that need not be right; free() it. */
char *token_join(const char *header, const char *claims, const void *signature, size_t len);

/* An HMAC-SHA256 over header and claims with `secret` as its key; free() it. */
char *token_sign_hmac(const char *header, const char *claims, const char *secret);

#endif
