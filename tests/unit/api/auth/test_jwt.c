/* SPDX-License-Identifier: MIT */
#include "api/auth/jwt.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/cmocka.h"
#include "support/token.h"

enum { NOW = 1700000000 };

static const struct jwt_expectation expected = {"https://authn.example", "emojify", NOW};

#define CLAIMS                                                                                     \
    "{\"iss\":\"https://authn.example\",\"aud\":\"emojify\",\"exp\":1700000100,\"sub\":\"7\"}"

/* Making RSA keys takes its time, so all tests share them. */
struct keys {
    struct token_key *rsa, *ec;
    struct jwt_key *rsa_public, *ec_public;
};

static struct jwt_key *import(const struct token_key *key)
{
    struct jwt_key *made = NULL;
    struct err_buf why = {.text = ""};
    json_t *jwk = token_key_public(key);
    assert_int_equal(jwt_key_new(jwk, &made, &why), APP_OK);
    json_decref(jwk);
    return made;
}

static int set_up(void **state)
{
    struct keys *keys = calloc(1, sizeof(*keys));
    assert_non_null(keys);
    keys->rsa = token_key_new(TOKEN_RSA_2048, "rsa-1");
    keys->ec = token_key_new(TOKEN_P256, "ec-1");
    keys->rsa_public = import(keys->rsa);
    keys->ec_public = import(keys->ec);
    *state = keys;
    return 0;
}

static int tear_down(void **state)
{
    struct keys *keys = *state;
    jwt_key_put(&keys->rsa_public);
    jwt_key_put(&keys->ec_public);
    token_key_free(&keys->rsa);
    token_key_free(&keys->ec);
    free(keys);
    return 0;
}

/* In memory of its own, so that reading one byte too far is seen. */
static char *exact_copy(const char *text, size_t len)
{
    char *copy = malloc(len + (len == 0));
    assert_non_null(copy);
    memcpy(copy, text, len);
    return copy;
}

/* Both steps; frees the token. */
static enum app_err check(char *token, const struct jwt_key *key, struct err_buf *why)
{
    struct jwt_header header;
    size_t len = strlen(token);
    char *copy = exact_copy(token, len);
    free(token);
    *why = (struct err_buf){.text = ""};
    enum app_err err = jwt_read_header(copy, len, &header, why);
    if (!err)
        err = jwt_verify(copy, len, &header, key, &expected, why);
    free(copy);
    return err;
}

static void assert_taken(char *token, const struct jwt_key *key)
{
    struct err_buf why;
    enum app_err err = check(token, key, &why);
    if (err)
        print_error("%s\n", why.detail);
    assert_int_equal(err, APP_OK);
}

static void assert_refused(char *token, const struct jwt_key *key, const char *reason)
{
    struct err_buf why;
    enum app_err err = check(token, key, &why);
    if (err != APP_UNAUTHORIZED || !strstr(why.detail, reason))
        print_error("wanted \"%s\", got %s: \"%s\"\n", reason, app_strerror(err), why.detail);
    assert_int_equal(err, APP_UNAUTHORIZED);
    assert_non_null(strstr(why.detail, reason));
}

/* --- Signatures --- */

static void a_token_of_an_rsa_key_is_taken(void **state)
{
    const struct keys *keys = *state;
    assert_taken(token_sign(keys->rsa, "RS256", CLAIMS), keys->rsa_public);
}

static void a_token_of_a_p256_key_is_taken(void **state)
{
    const struct keys *keys = *state;
    assert_taken(token_sign(keys->ec, "ES256", CLAIMS), keys->ec_public);
}

static void the_header_says_algorithm_and_key(void **state)
{
    const struct keys *keys = *state;
    struct jwt_header header;
    struct err_buf why = {.text = ""};
    char *token = token_sign(keys->ec, "ES256", CLAIMS);
    memset(&header, 0x5a, sizeof(header));
    assert_int_equal(jwt_read_header(token, strlen(token), &header, &why), APP_OK);
    assert_string_equal(header.algorithm, "ES256");
    assert_string_equal(header.key_id, "ec-1");
    free(token);
}

static void another_key_of_the_same_kind_does_not_do(void **state)
{
    const struct keys *keys = *state;
    struct token_key *other = token_key_new(TOKEN_P256, "ec-1");
    assert_refused(token_sign(other, "ES256", CLAIMS), keys->ec_public, "signature is wrong");
    token_key_free(&other);
}

/* A character in the middle of each part, so that all its bits count. */
static void a_changed_character_anywhere_is_noticed(void **state)
{
    const struct keys *keys = *state;
    const struct token_key *made_by[] = {keys->rsa, keys->ec};
    const struct jwt_key *checked_by[] = {keys->rsa_public, keys->ec_public};
    static const char *const algorithms[] = {"RS256", "ES256"};
    for (size_t i = 0; i < 2; i++) {
        char *token = token_sign(made_by[i], algorithms[i], CLAIMS);
        size_t len = strlen(token);
        for (size_t at = 0; at < len; at++) {
            bool is_last_of_part = at + 1 == len || token[at + 1] == '.';
            if (token[at] == '.' || is_last_of_part)
                continue;
            char *changed = strdup(token);
            assert_non_null(changed);
            changed[at] = token[at] == 'A' ? 'B' : 'A';
            assert_refused(changed, checked_by[i], "");
        }
        free(token);
    }
}

static void a_signature_of_another_length_is_wrong(void **state)
{
    const struct keys *keys = *state;
    static const size_t lengths[] = {1, 31, 32, 62, 63, 65, 66, 128, 255, 257};
    static const char zeros[257];
    for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
        assert_refused(
            token_join("{\"alg\":\"ES256\",\"kid\":\"ec-1\"}", CLAIMS, zeros, lengths[i]),
            keys->ec_public, "signature is wrong");
        assert_refused(
            token_join("{\"alg\":\"RS256\",\"kid\":\"rsa-1\"}", CLAIMS, zeros, lengths[i]),
            keys->rsa_public, "signature is wrong");
    }
}

static void a_signature_of_zeros_is_wrong(void **state)
{
    const struct keys *keys = *state;
    static const char zeros[64];
    assert_refused(token_join("{\"alg\":\"ES256\",\"kid\":\"ec-1\"}", CLAIMS, zeros, sizeof(zeros)),
                   keys->ec_public, "signature is wrong");
}

/* --- Algorithms --- */

static void no_algorithm_at_all_is_refused(void **state)
{
    const struct keys *keys = *state;
    static const char *const headers[] = {
        "{\"alg\":\"none\",\"kid\":\"rsa-1\"}",
        "{\"alg\":\"None\",\"kid\":\"rsa-1\"}",
        "{\"alg\":\"\",\"kid\":\"rsa-1\"}",
        "{\"alg\":null,\"kid\":\"rsa-1\"}",
        "{\"alg\":256,\"kid\":\"rsa-1\"}",
        "{\"alg\":[\"RS256\"],\"kid\":\"rsa-1\"}",
        "{\"kid\":\"rsa-1\"}",
    };
    for (size_t i = 0; i < sizeof(headers) / sizeof(headers[0]); i++) {
        assert_refused(token_join(headers[i], CLAIMS, "x", 1), keys->rsa_public,
                       "neither RS256 nor ES256");
        assert_refused(token_join(headers[i], CLAIMS, "", 0), keys->rsa_public, "three parts");
    }
}

static void an_hmac_made_with_the_public_key_is_refused(void **state)
{
    const struct keys *keys = *state;
    json_t *jwk = token_key_public(keys->rsa);
    char *public = json_dumps(jwk, JSON_COMPACT);
    const char *modulus = json_string_value(json_object_get(jwk, "n"));
    assert_refused(token_sign_hmac("{\"alg\":\"HS256\",\"kid\":\"rsa-1\"}", CLAIMS, public),
                   keys->rsa_public, "neither RS256 nor ES256");
    assert_refused(token_sign_hmac("{\"alg\":\"RS256\",\"kid\":\"rsa-1\"}", CLAIMS, modulus),
                   keys->rsa_public, "signature is wrong");
    free(public);
    json_decref(jwk);
}

static void other_algorithms_of_the_same_key_are_refused(void **state)
{
    const struct keys *keys = *state;
    static const char *const algorithms[] = {"RS384", "RS512", "PS256", "PS512"};
    for (size_t i = 0; i < sizeof(algorithms) / sizeof(algorithms[0]); i++)
        assert_refused(token_sign(keys->rsa, algorithms[i], CLAIMS), keys->rsa_public,
                       "neither RS256 nor ES256");
}

static void the_header_does_not_choose_the_algorithm_of_a_key(void **state)
{
    const struct keys *keys = *state;
    assert_refused(token_sign(keys->ec, "ES256", CLAIMS), keys->rsa_public, "not its key's");
    assert_refused(token_sign(keys->rsa, "RS256", CLAIMS), keys->ec_public, "not its key's");
}

/* --- Shape --- */

static void what_is_not_three_parts_of_base64url_is_refused(void **state)
{
    const struct keys *keys = *state;
    static const char *const tokens[] = {
        "",
        ".",
        "..",
        "...",
        "x",
        "a.b",
        "abcd.abcd",
        "ab.ab.",
        ".ab.ab",
        "ab..ab",
        "ab.ab.ab.ab",
        "ab=.ab.ab",
        "ab.ab+.ab",
        "ab.a/.ab",
        "abcde.ab.ab",
        "ab.abcde.ab",
        "ab.ab.abcde",
        "ab.ab.ab=",
        "ab.ab.A===",
        "ab.ab.\xc3\xa4",
        "ab.ab .ab",
    };
    for (size_t i = 0; i < sizeof(tokens) / sizeof(tokens[0]); i++)
        assert_refused(strdup(tokens[i]), keys->rsa_public, "three parts of base64url");
}

static void a_header_that_is_not_an_object_is_refused(void **state)
{
    const struct keys *keys = *state;
    static const char *const headers[] = {
        "[]",
        "null",
        "7",
        "\"alg\"",
        "{",
        "{}x",
        "\xff\xfe",
        "{\"alg\":\"RS256\",\"kid\":\"a\\u0000\"}",
        "{\"alg\":\"RS256\",\"alg\":\"RS256\",\"kid\":\"rsa-1\"}",
    };
    for (size_t i = 0; i < sizeof(headers) / sizeof(headers[0]); i++)
        assert_refused(token_join(headers[i], CLAIMS, "x", 1), keys->rsa_public,
                       "not a JSON object");
}

static void a_token_that_names_no_key_is_refused(void **state)
{
    const struct keys *keys = *state;
    char header[LIMIT_JWT_KEY_ID + 40];
    static const char *const headers[] = {"{\"alg\":\"RS256\"}", "{\"alg\":\"RS256\",\"kid\":\"\"}",
                                          "{\"alg\":\"RS256\",\"kid\":1}"};
    for (size_t i = 0; i < sizeof(headers) / sizeof(headers[0]); i++)
        assert_refused(token_join(headers[i], CLAIMS, "x", 1), keys->rsa_public, "names no key");
    (void)snprintf(header, sizeof(header), "{\"alg\":\"RS256\",\"kid\":\"%0*d\"}",
                   LIMIT_JWT_KEY_ID + 1, 1);
    assert_refused(token_join(header, CLAIMS, "x", 1), keys->rsa_public, "names no key");
    (void)snprintf(header, sizeof(header), "{\"alg\":\"RS256\",\"kid\":\"%0*d\"}", LIMIT_JWT_KEY_ID,
                   1);
    assert_refused(token_join(header, CLAIMS, "x", 1), keys->rsa_public, "signature is wrong");
}

static void an_extension_that_must_be_understood_is_refused(void **state)
{
    const struct keys *keys = *state;
    static const char *const members[] = {"\"crit\":[\"b64\"],\"b64\":false",
                                          "\"crit\":[\"exp\"],\"exp\":1",
                                          "\"crit\":[]",
                                          "\"crit\":null",
                                          "\"crit\":\"x\"",
                                          "\"b64\":false",
                                          "\"b64\":true"};
    for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++) {
        char header[128];
        (void)snprintf(header, sizeof(header), "{\"alg\":\"RS256\",\"kid\":\"rsa-1\",%s}",
                       members[i]);
        assert_refused(token_sign_header(keys->rsa, header, CLAIMS), keys->rsa_public, "extension");
    }
}

static char *padded_token(const struct keys *keys, size_t padding)
{
    char *claims;
    assert_true(asprintf(&claims,
                         "{\"iss\":\"https://authn.example\",\"aud\":\"emojify\","
                         "\"exp\":1700000100,\"pad\":\"%0*d\"}",
                         (int)padding, 1) > 0);
    char *token = token_sign(keys->rsa, "RS256", claims);
    free(claims);
    return token;
}

static void a_token_may_have_8_kib_and_no_more(void **state)
{
    const struct keys *keys = *state;
    size_t padding = LIMIT_JWT / 2;
    char *token = padded_token(keys, padding);
    while (strlen(token) <= LIMIT_JWT) {
        free(token);
        token = padded_token(keys, ++padding);
    }
    assert_true(strlen(token) <= LIMIT_JWT + 2);
    assert_refused(token, keys->rsa_public, "too long");
    token = padded_token(keys, padding - 1);
    assert_true(strlen(token) <= LIMIT_JWT && strlen(token) >= LIMIT_JWT - 2);
    assert_taken(token, keys->rsa_public);
}

/* --- Claims --- */

struct claims_case {
    const char *claims;
    const char *reason; /* NULL: taken */
};

static void assert_cases(const struct keys *keys, const struct claims_case *cases, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        char *token = token_sign(keys->ec, "ES256", cases[i].claims);
        if (cases[i].reason)
            assert_refused(token, keys->ec_public, cases[i].reason);
        else
            assert_taken(token, keys->ec_public);
    }
}

#define ISS "\"iss\":\"https://authn.example\""
#define AUD "\"aud\":\"emojify\""
#define EXP "\"exp\":1700000100"

static void the_issuer_must_be_the_server_exactly(void **state)
{
    static const struct claims_case cases[] = {
        {"{" ISS "," AUD "," EXP "}", NULL},
        {"{" AUD "," EXP "}", "another issuer"},
        {"{\"iss\":\"https://authn.example/\"," AUD "," EXP "}", "another issuer"},
        {"{\"iss\":\"https://AUTHN.example\"," AUD "," EXP "}", "another issuer"},
        {"{\"iss\":\"https://authn.exampl\"," AUD "," EXP "}", "another issuer"},
        {"{\"iss\":[\"https://authn.example\"]," AUD "," EXP "}", "another issuer"},
        {"{\"iss\":null," AUD "," EXP "}", "another issuer"},
    };
    assert_cases(*state, cases, sizeof(cases) / sizeof(cases[0]));
}

static void the_audience_must_hold_ours_exactly(void **state)
{
    static const struct claims_case cases[] = {
        {"{" ISS ",\"aud\":[\"emojify\"]," EXP "}", NULL},
        {"{" ISS ",\"aud\":[\"a\",7,\"emojify\"]," EXP "}", NULL},
        {"{" ISS "," EXP "}", "another audience"},
        {"{" ISS ",\"aud\":[]," EXP "}", "another audience"},
        {"{" ISS ",\"aud\":\"emojify.example\"," EXP "}", "another audience"},
        {"{" ISS ",\"aud\":\"Emojify\"," EXP "}", "another audience"},
        {"{" ISS ",\"aud\":[\"emojif\",\"mojify\"]," EXP "}", "another audience"},
        {"{" ISS ",\"aud\":{\"emojify\":\"emojify\"}," EXP "}", "another audience"},
        {"{" ISS ",\"aud\":true," EXP "}", "another audience"},
    };
    assert_cases(*state, cases, sizeof(cases) / sizeof(cases[0]));
}

static void a_token_expires_a_minute_after_it_says(void **state)
{
    static const struct claims_case cases[] = {
        {"{" ISS "," AUD ",\"exp\":1699999940}", NULL},
        {"{" ISS "," AUD ",\"exp\":1699999939}", "expired"},
        {"{" ISS "," AUD ",\"exp\":1699999940.5}", NULL},
        {"{" ISS "," AUD ",\"exp\":1699999939.9}", "expired"},
        {"{" ISS "," AUD ",\"exp\":0}", "expired"},
        {"{" ISS "," AUD ",\"exp\":-1e300}", "expired"},
        {"{" ISS "," AUD ",\"exp\":99999999999999999999999}", NULL},
        {"{" ISS "," AUD "}", "no time when it expires"},
        {"{" ISS "," AUD ",\"exp\":\"1700000100\"}", "no time when it expires"},
        {"{" ISS "," AUD ",\"exp\":null}", "no time when it expires"},
    };
    assert_cases(*state, cases, sizeof(cases) / sizeof(cases[0]));
}

static void a_token_begins_a_minute_before_it_says(void **state)
{
    static const struct claims_case cases[] = {
        {"{" ISS "," AUD "," EXP ",\"nbf\":1699999000}", NULL},
        {"{" ISS "," AUD "," EXP ",\"nbf\":1700000060}", NULL},
        {"{" ISS "," AUD "," EXP ",\"nbf\":1700000061}", "not valid yet"},
        {"{" ISS "," AUD "," EXP ",\"nbf\":\"0\"}", "begin is not a time"},
        {"{" ISS "," AUD "," EXP ",\"iat\":1800000000}", NULL},
    };
    assert_cases(*state, cases, sizeof(cases) / sizeof(cases[0]));
}

static void a_payload_that_is_not_an_object_is_refused(void **state)
{
    static const struct claims_case cases[] = {
        {"[]", "payload is not a JSON object"},
        {"x", "payload is not a JSON object"},
        {"{" ISS "," AUD "," EXP "", "payload is not a JSON object"},
        {"{" ISS "," AUD "," EXP "," AUD "}", "payload is not a JSON object"},
        {"{" ISS "," AUD ",\"exp\":1e999}", "payload is not a JSON object"},
    };
    assert_cases(*state, cases, sizeof(cases) / sizeof(cases[0]));
}

/* --- Keys --- */

static struct jwt_key *const junk_key = (struct jwt_key *)16;

static void assert_key_refused(json_t *jwk, const char *reason)
{
    struct jwt_key *key = junk_key;
    struct err_buf why = {.text = ""};
    assert_int_equal(jwt_key_new(jwk, &key, &why), APP_UPSTREAM_FAILED);
    if (!strstr(why.detail, reason))
        print_error("wanted \"%s\", got \"%s\"\n", reason, why.detail);
    assert_non_null(strstr(why.detail, reason));
    assert_ptr_equal(key, junk_key);
}

static json_t *changed(const struct token_key *key, const char *member, json_t *value)
{
    json_t *jwk = token_key_public(key);
    if (value)
        assert_int_equal(json_object_set_new(jwk, member, value), 0);
    else
        assert_int_equal(json_object_del(jwk, member), 0);
    return jwk;
}

static void assert_change_refused(const struct token_key *key, const char *member, json_t *value,
                                  const char *reason)
{
    json_t *jwk = changed(key, member, value);
    assert_key_refused(jwk, reason);
    json_decref(jwk);
}

static void assert_change_taken(const struct token_key *key, const char *member, json_t *value)
{
    struct jwt_key *made = NULL;
    struct err_buf why = {.text = ""};
    json_t *jwk = changed(key, member, value);
    assert_int_equal(jwt_key_new(jwk, &made, &why), APP_OK);
    jwt_key_put(&made);
    assert_null(made);
    json_decref(jwk);
}

static void a_key_of_another_kind_is_refused(void **state)
{
    struct token_key *p384 = token_key_new(TOKEN_P384, "p384");
    const struct keys *keys = *state;
    json_t *jwk = token_key_public(p384);
    assert_key_refused(jwk, "neither RSA nor EC");
    json_decref(jwk);
    jwk = json_pack("{s:s, s:s, s:s}", "kty", "oct", "k", "c2VjcmV0", "kid", "s");
    assert_key_refused(jwk, "neither RSA nor EC");
    json_decref(jwk);
    assert_change_refused(keys->rsa, "kty", NULL, "neither RSA nor EC");
    assert_change_refused(keys->rsa, "kty", json_string("EC"), "neither RSA nor EC");
    assert_change_refused(keys->ec, "kty", json_string("RSA"), "neither RSA nor EC");
    assert_change_refused(keys->ec, "crv", json_integer(256), "neither RSA nor EC");
    assert_key_refused(NULL, "no id");
    token_key_free(&p384);
}

static void a_key_needs_an_id(void **state)
{
    const struct keys *keys = *state;
    char id[LIMIT_JWT_KEY_ID + 2];
    memset(id, 'k', sizeof(id));
    id[LIMIT_JWT_KEY_ID + 1] = '\0';
    assert_change_refused(keys->ec, "kid", NULL, "no id");
    assert_change_refused(keys->ec, "kid", json_string(""), "no id");
    assert_change_refused(keys->ec, "kid", json_integer(1), "no id");
    assert_change_refused(keys->ec, "kid", json_string(id), "no id");
    id[LIMIT_JWT_KEY_ID] = '\0';
    assert_change_taken(keys->ec, "kid", json_string(id));
}

static void an_rsa_key_has_2048_bits_at_least(void **state)
{
    (void)state;
    struct token_key *weak = token_key_new(TOKEN_RSA_1024, "weak");
    json_t *jwk = token_key_public(weak);
    assert_key_refused(jwk, "fewer than 2048");
    json_decref(jwk);
    token_key_free(&weak);
}

static void numbers_that_are_none_are_refused(void **state)
{
    const struct keys *keys = *state;
    char huge[2000];
    memset(huge, 'x', sizeof(huge));
    huge[sizeof(huge) - 1] = '\0';
    static const char *const wrong[] = {"", "A===", "AQAB=", "a b", "+/==", "AAAAA"};
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        assert_change_refused(keys->rsa, "n", json_string(wrong[i]), "");
        assert_change_refused(keys->rsa, "e", json_string(wrong[i]), "");
        assert_change_refused(keys->ec, "x", json_string(wrong[i]), "");
        assert_change_refused(keys->ec, "y", json_string(wrong[i]), "");
    }
    assert_change_refused(keys->rsa, "n", json_string(huge), "");
    assert_change_refused(keys->rsa, "e", json_string(huge), "");
    assert_change_refused(keys->ec, "x", json_string("AAAA"), "");
}

static void a_point_that_is_not_on_the_curve_is_refused(void **state)
{
    const struct keys *keys = *state;
    assert_change_refused(keys->ec, "x", json_string("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAE"),
                          "cannot be read");
}

static void a_key_for_another_use_is_refused(void **state)
{
    const struct keys *keys = *state;
    assert_change_refused(keys->rsa, "use", json_string("enc"), "another use");
    assert_change_refused(keys->rsa, "use", json_null(), "another use");
    assert_change_refused(keys->rsa, "alg", json_string("PS256"), "another use");
    assert_change_refused(keys->ec, "alg", json_string("RS256"), "another use");
    assert_change_refused(keys->ec, "key_ops", json_pack("[s]", "sign"), "another use");
    assert_change_refused(keys->ec, "key_ops", json_string("verify"), "another use");
    assert_change_taken(keys->rsa, "use", json_string("sig"));
    assert_change_taken(keys->rsa, "alg", json_string("RS256"));
    assert_change_taken(keys->ec, "alg", json_string("ES256"));
    assert_change_taken(keys->ec, "key_ops", json_pack("[s,s]", "sign", "verify"));
}

static void a_key_lives_until_its_last_reference_is_given_back(void **state)
{
    const struct keys *keys = *state;
    struct jwt_key *first = import(keys->ec);
    struct jwt_key *second = jwt_key_get(first);
    jwt_key_put(&first);
    assert_null(first);
    assert_string_equal(jwt_key_id(second), "ec-1");
    assert_taken(token_sign(keys->ec, "ES256", CLAIMS), second);
    jwt_key_put(&second);
    jwt_key_put(&second); /* NULL now */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_token_of_an_rsa_key_is_taken),
        cmocka_unit_test(a_token_of_a_p256_key_is_taken),
        cmocka_unit_test(the_header_says_algorithm_and_key),
        cmocka_unit_test(another_key_of_the_same_kind_does_not_do),
        cmocka_unit_test(a_changed_character_anywhere_is_noticed),
        cmocka_unit_test(a_signature_of_another_length_is_wrong),
        cmocka_unit_test(a_signature_of_zeros_is_wrong),
        cmocka_unit_test(no_algorithm_at_all_is_refused),
        cmocka_unit_test(an_hmac_made_with_the_public_key_is_refused),
        cmocka_unit_test(other_algorithms_of_the_same_key_are_refused),
        cmocka_unit_test(the_header_does_not_choose_the_algorithm_of_a_key),
        cmocka_unit_test(what_is_not_three_parts_of_base64url_is_refused),
        cmocka_unit_test(a_header_that_is_not_an_object_is_refused),
        cmocka_unit_test(a_token_that_names_no_key_is_refused),
        cmocka_unit_test(an_extension_that_must_be_understood_is_refused),
        cmocka_unit_test(a_token_may_have_8_kib_and_no_more),
        cmocka_unit_test(the_issuer_must_be_the_server_exactly),
        cmocka_unit_test(the_audience_must_hold_ours_exactly),
        cmocka_unit_test(a_token_expires_a_minute_after_it_says),
        cmocka_unit_test(a_token_begins_a_minute_before_it_says),
        cmocka_unit_test(a_payload_that_is_not_an_object_is_refused),
        cmocka_unit_test(a_key_of_another_kind_is_refused),
        cmocka_unit_test(a_key_needs_an_id),
        cmocka_unit_test(an_rsa_key_has_2048_bits_at_least),
        cmocka_unit_test(numbers_that_are_none_are_refused),
        cmocka_unit_test(a_point_that_is_not_on_the_curve_is_refused),
        cmocka_unit_test(a_key_for_another_use_is_refused),
        cmocka_unit_test(a_key_lives_until_its_last_reference_is_given_back),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
