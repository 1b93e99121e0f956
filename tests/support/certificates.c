/* SPDX-License-Identifier: MIT */
/* ECDSA on P-256, as Consul's own authority does by default; a day is long enough. */
#include "support/certificates.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "support/cmocka.h"

enum { HOUR_S = 3600, DAY_S = 24 * HOUR_S };

struct authority {
    X509 *certificate;
    EVP_PKEY *key;
};

static void add_extension(X509 *certificate, X509 *issuer, int id, const char *value)
{
    X509V3_CTX context;
    X509V3_set_ctx(&context, issuer, certificate, NULL, NULL, 0);
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &context, id, value);
    assert_non_null(extension);
    assert_int_equal(X509_add_ext(certificate, extension, -1), 1);
    X509_EXTENSION_free(extension);
}

/* A certificate without extensions and a signature. */
static X509 *make_certificate(EVP_PKEY *key, const char *common_name, X509 *issuer)
{
    uint64_t serial;
    X509 *certificate = X509_new();
    assert_non_null(certificate);
    assert_int_equal(RAND_bytes((unsigned char *)&serial, sizeof(serial)), 1);
    assert_int_equal(X509_set_version(certificate, X509_VERSION_3), 1);
    assert_int_equal(ASN1_INTEGER_set_uint64(X509_get_serialNumber(certificate), serial), 1);
    assert_non_null(X509_gmtime_adj(X509_getm_notBefore(certificate), -HOUR_S));
    assert_non_null(X509_gmtime_adj(X509_getm_notAfter(certificate), DAY_S));
    assert_int_equal(X509_set_pubkey(certificate, key), 1);
    X509_NAME *name = X509_get_subject_name(certificate);
    if (common_name)
        assert_int_equal(X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8,
                                                    (const unsigned char *)common_name, -1, -1, 0),
                         1);
    assert_int_equal(
        X509_set_issuer_name(certificate, issuer ? X509_get_subject_name(issuer) : name), 1);
    return certificate;
}

struct authority *authority_new(void)
{
    char name[64];
    struct authority *authority = calloc(1, sizeof(*authority));
    assert_non_null(authority);
    authority->key = EVP_EC_gen("P-256");
    assert_non_null(authority->key);
    (void)snprintf(name, sizeof(name), "Test authority %p", (void *)authority);
    authority->certificate = make_certificate(authority->key, name, NULL);
    add_extension(authority->certificate, authority->certificate, NID_basic_constraints,
                  "critical,CA:TRUE");
    add_extension(authority->certificate, authority->certificate, NID_key_usage,
                  "critical,keyCertSign,cRLSign");
    assert_true(X509_sign(authority->certificate, authority->key, EVP_sha256()) > 0);
    return authority;
}

void authority_free(struct authority **authority)
{
    if (!*authority)
        return;
    X509_free((*authority)->certificate);
    EVP_PKEY_free((*authority)->key);
    free(*authority);
    *authority = NULL;
}

/* Begin a file that appears as `path` by end_file. */
static FILE *begin_file(const char *path, char aside[PATH_MAX])
{
    (void)snprintf(aside, PATH_MAX, "%.*s.new", PATH_MAX - 5, path);
    FILE *file = fopen(aside, "we");
    assert_non_null(file);
    return file;
}

static void end_file(FILE *file, const char *aside, const char *path)
{
    assert_int_equal(fclose(file), 0);
    assert_int_equal(rename(aside, path), 0);
}

static void write_certificate(const char *path, X509 *certificate)
{
    char aside[PATH_MAX];
    FILE *file = begin_file(path, aside);
    assert_int_equal(PEM_write_X509(file, certificate), 1);
    end_file(file, aside, path);
}

static void write_key(const char *path, EVP_PKEY *key)
{
    char aside[PATH_MAX];
    FILE *file = begin_file(path, aside);
    assert_int_equal(PEM_write_PrivateKey(file, key, NULL, NULL, 0, NULL, NULL), 1);
    end_file(file, aside, path);
}

void authority_issue(const struct authority *authority, const struct authority *trusted,
                     const char *names, const struct temp_dir *dir, const char *name,
                     struct certificates *certificates)
{
    char file[128];
    EVP_PKEY *key = EVP_EC_gen("P-256");
    assert_non_null(key);
    X509 *certificate = make_certificate(key, NULL, authority->certificate);
    add_extension(certificate, authority->certificate, NID_subject_alt_name, names);
    add_extension(certificate, authority->certificate, NID_ext_key_usage, "serverAuth,clientAuth");
    assert_true(X509_sign(certificate, authority->key, EVP_sha256()) > 0);

    (void)snprintf(file, sizeof(file), "%s.ca", name);
    temp_dir_path(dir, file, certificates->ca);
    (void)snprintf(file, sizeof(file), "%s.cert", name);
    temp_dir_path(dir, file, certificates->certificate);
    (void)snprintf(file, sizeof(file), "%s.key", name);
    temp_dir_path(dir, file, certificates->key);
    write_certificate(certificates->ca, trusted->certificate);
    write_key(certificates->key, key);
    write_certificate(certificates->certificate, certificate);
    certificates->tls =
        (struct rpc_tls){certificates->ca, certificates->certificate, certificates->key};
    X509_free(certificate);
    EVP_PKEY_free(key);
}
