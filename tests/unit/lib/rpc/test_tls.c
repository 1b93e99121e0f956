/* SPDX-License-Identifier: MIT */
/* The files; connections are in the tests of client and service. */
#include "lib/rpc/tls.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/evp.h>
#include <openssl/pem.h>

#include "support/certificates.h"
#include "support/cmocka.h"
#include "support/temp_dir.h"

struct fixture {
    struct temp_dir dir;
    struct authority *authority;
    struct certificates one;
    struct certificates other;
    char path[PATH_MAX]; /* of a file that is none of these */
};

static int set_up(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    temp_dir_init(&fixture->dir);
    fixture->authority = authority_new();
    authority_issue(fixture->authority, fixture->authority, "DNS:one", &fixture->dir, "one",
                    &fixture->one);
    authority_issue(fixture->authority, fixture->authority, "DNS:other", &fixture->dir, "other",
                    &fixture->other);
    temp_dir_path(&fixture->dir, "file", fixture->path);
    *state = fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    authority_free(&fixture->authority);
    temp_dir_release(&fixture->dir);
    free(fixture);
    return 0;
}

static void assert_refused(const struct rpc_tls *tls, const char *words)
{
    struct err_buf why = {.text = ""};
    assert_int_equal(rpc_tls_check(tls, "X_TLS_", &why), APP_CONFIG);
    if (!strstr(why.text, words))
        fail_msg("no \"%s\" in: %s", words, why.text);
}

static void files_that_belong_together_are_taken(void **state)
{
    struct fixture *fixture = *state;
    struct err_buf why = {.text = ""};
    assert_int_equal(rpc_tls_check(&fixture->one.tls, "", &why), APP_OK);
    assert_true(rpc_tls_is_on(&fixture->one.tls));
}

static void none_at_all_is_no_tls(void **state)
{
    (void)state;
    struct err_buf why = {.text = ""};
    const struct rpc_tls unset = {.ca = NULL};
    const struct rpc_tls empty = {"", "", ""};
    assert_int_equal(rpc_tls_check(&unset, "", &why), APP_OK);
    assert_int_equal(rpc_tls_check(&empty, "", &why), APP_OK);
    assert_false(rpc_tls_is_on(&unset));
    assert_false(rpc_tls_is_on(&empty));
}

static void one_or_two_of_three_are_refused(void **state)
{
    struct fixture *fixture = *state;
    for (int given = 1; given < 7; given++) {
        const struct rpc_tls tls = {given & 1 ? fixture->one.ca : "",
                                    given & 2 ? fixture->one.certificate : NULL,
                                    given & 4 ? fixture->one.key : ""};
        assert_refused(&tls, "X_TLS_CA, X_TLS_CERT and X_TLS_KEY must be given together");
        assert_false(rpc_tls_is_on(&tls));
    }
}

static void files_that_are_missing_or_something_else_are_named(void **state)
{
    struct fixture *fixture = *state;
    struct rpc_tls tls = fixture->one.tls;
    tls.ca = fixture->path;
    assert_refused(&tls, "X_TLS_CA=");
    assert_refused(&tls, "No such file");
    temp_dir_write(&fixture->dir, "file", "-----BEGIN CERTIFICATE-----\nrubbish", 35);
    assert_refused(&tls, "X_TLS_CA=");
    assert_refused(&tls, "no certificate");
    tls = fixture->one.tls;
    tls.certificate = fixture->one.key;
    assert_refused(&tls, "X_TLS_CERT=");
    assert_refused(&tls, "no certificate");
    tls = fixture->one.tls;
    tls.key = fixture->one.certificate;
    assert_refused(&tls, "X_TLS_KEY=");
    assert_refused(&tls, "no private key");
    tls.key = fixture->dir.path;
    assert_refused(&tls, "X_TLS_KEY=");
}

static void a_key_of_another_certificate_is_refused(void **state)
{
    struct fixture *fixture = *state;
    struct rpc_tls tls = fixture->one.tls;
    tls.key = fixture->other.key;
    assert_refused(&tls, "is not the key of the certificate");
}

/* And nobody is asked for the password at the terminal. */
static void an_encrypted_key_is_refused(void **state)
{
    struct fixture *fixture = *state;
    struct rpc_tls tls = fixture->one.tls;
    FILE *file = fopen(fixture->one.key, "re");
    EVP_PKEY *key = PEM_read_PrivateKey(file, NULL, NULL, NULL);
    assert_int_equal(fclose(file), 0);
    file = fopen(fixture->path, "we");
    assert_int_equal(
        PEM_write_PKCS8PrivateKey(file, key, EVP_aes_128_cbc(), "sesame", 6, NULL, NULL), 1);
    assert_int_equal(fclose(file), 0);
    EVP_PKEY_free(key);
    tls.key = fixture->path;
    assert_refused(&tls, "without a password");
}

static void an_identity_is_a_spiffe_uri(void **state)
{
    (void)state;
    struct err_buf why = {.text = ""};
    assert_int_equal(rpc_tls_check_identity("", &why), APP_OK);
    assert_int_equal(rpc_tls_check_identity("spiffe://domain/svc/cache", &why), APP_OK);
    assert_int_equal(rpc_tls_check_identity("cache", &why), APP_CONFIG);
    assert_int_equal(rpc_tls_check_identity("https://domain/svc/cache", &why), APP_CONFIG);
    assert_string_not_equal(why.text, "");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(files_that_belong_together_are_taken),
        TEST(none_at_all_is_no_tls),
        TEST(one_or_two_of_three_are_refused),
        TEST(files_that_are_missing_or_something_else_are_named),
        TEST(a_key_of_another_certificate_is_refused),
        TEST(an_encrypted_key_is_refused),
        TEST(an_identity_is_a_spiffe_uri),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
