/* SPDX-License-Identifier: MIT */
/*
 * gRPC's file watcher says nothing when a file is wrong but an error in its log
 * and lets connections fail, so the files are looked at before, with libcrypto.
 */
#include "lib/rpc/tls.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <grpc/grpc.h>
#include <grpc/grpc_security.h>
#include <grpc/support/alloc.h>
#include <grpc/support/string_util.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

enum { REFRESH_S = 2 };

static bool is_given(const char *path)
{
    return path && path[0];
}

bool rpc_tls_is_on(const struct rpc_tls *tls)
{
    return is_given(tls->ca) && is_given(tls->certificate) && is_given(tls->key);
}

/* --- Checking the files -------------------------------------------------------- */

/* Instead of OpenSSL's, which would ask at the terminal. */
static int no_password(char *out, int size, int writing, void *context)
{
    (void)out;
    (void)size;
    (void)writing;
    (void)context;
    return -1;
}

static enum app_err open_file(const char *path, const char *setting, FILE **file,
                              struct err_buf *why)
{
    *file = fopen(path, "re");
    return *file ? APP_OK : err_set(why, APP_CONFIG, "%s=%s: %s", setting, path, strerror(errno));
}

/* The first certificate in a file. */
static enum app_err read_certificate(const char *path, const char *setting, X509 **certificate,
                                     struct err_buf *why)
{
    FILE *file;
    enum app_err err = open_file(path, setting, &file, why);
    if (err)
        return err;
    *certificate = PEM_read_X509(file, NULL, no_password, NULL);
    (void)fclose(file);
    ERR_clear_error();
    return *certificate
               ? APP_OK
               : err_set(why, APP_CONFIG, "%s=%s: holds no certificate in PEM", setting, path);
}

static enum app_err read_key(const char *path, const char *setting, EVP_PKEY **key,
                             struct err_buf *why)
{
    FILE *file;
    enum app_err err = open_file(path, setting, &file, why);
    if (err)
        return err;
    *key = PEM_read_PrivateKey(file, NULL, no_password, NULL);
    (void)fclose(file);
    ERR_clear_error();
    return *key ? APP_OK
                : err_set(why, APP_CONFIG, "%s=%s: holds no private key in PEM without a password",
                          setting, path);
}

enum app_err rpc_tls_check(const struct rpc_tls *tls, const char *prefix, struct err_buf *why)
{
    X509 *authority = NULL;
    X509 *certificate = NULL;
    EVP_PKEY *key = NULL;
    char setting[64];
    if (!is_given(tls->ca) && !is_given(tls->certificate) && !is_given(tls->key))
        return APP_OK;
    if (!rpc_tls_is_on(tls))
        return err_set(why, APP_CONFIG, "%sCA, %sCERT and %sKEY must be given together", prefix,
                       prefix, prefix);

    (void)snprintf(setting, sizeof(setting), "%sCA", prefix);
    enum app_err err = read_certificate(tls->ca, setting, &authority, why);
    (void)snprintf(setting, sizeof(setting), "%sCERT", prefix);
    if (!err)
        err = read_certificate(tls->certificate, setting, &certificate, why);
    (void)snprintf(setting, sizeof(setting), "%sKEY", prefix);
    if (!err)
        err = read_key(tls->key, setting, &key, why);
    if (!err && X509_check_private_key(certificate, key) != 1)
        err =
            err_set(why, APP_CONFIG, "%s=%s: is not the key of the certificate", setting, tls->key);
    ERR_clear_error();
    X509_free(authority);
    X509_free(certificate);
    EVP_PKEY_free(key);
    return err;
}

/* --- Whose the server's certificate is ------------------------------------------ */

/* Lives as long as gRPC uses it; read by gRPC's threads. */
struct verifier {
    grpc_tls_certificate_verifier_external external;
    grpc_tls_certificate_verifier *host_name; /* gRPC's own */
    char *identity;                           /* "": see rpc_tls_client */
};

static bool is_spiffe(const char *uri)
{
    static const char scheme[] = "spiffe://";
    return strncmp(uri, scheme, strlen(scheme)) == 0;
}

enum app_err rpc_tls_check_identity(const char *value, struct err_buf *why)
{
    return !value[0] || is_spiffe(value)
               ? APP_OK
               : err_set(why, APP_CONFIG, "must be a URI that begins with spiffe://");
}

/* Whether the certificate has the URI that is asked for, or any when none is. */
static bool has_identity(const struct verifier *verifier,
                         const grpc_tls_custom_verification_check_request *request)
{
    for (size_t i = 0; i < request->peer_info.san_names.uri_names_size; i++) {
        const char *uri = request->peer_info.san_names.uri_names[i];
        if (verifier->identity[0] ? strcmp(uri, verifier->identity) == 0 : is_spiffe(uri))
            return true;
    }
    return false;
}

/* Called by gRPC after it has seen that the authority has issued the certificate. */
static int verify(void *context, grpc_tls_custom_verification_check_request *request,
                  grpc_tls_on_custom_verification_check_done_cb callback, void *callback_context,
                  grpc_status_code *status, char **details)
{
    const struct verifier *verifier = context;
    if (has_identity(verifier, request)) {
        *status = GRPC_STATUS_OK;
        return 1;
    }
    if (!verifier->identity[0])
        return grpc_tls_certificate_verifier_verify(verifier->host_name, request, callback,
                                                    callback_context, status, details);
    *status = GRPC_STATUS_UNAUTHENTICATED;
    *details = gpr_strdup("the server's certificate has another identity");
    return 1;
}

static void cancel(void *context, grpc_tls_custom_verification_check_request *request)
{
    (void)context;
    (void)request;
}

static void destruct(void *context)
{
    struct verifier *verifier = context;
    grpc_tls_certificate_verifier_release(verifier->host_name);
    gpr_free(verifier->identity);
    gpr_free(verifier);
}

static grpc_tls_certificate_verifier *make_verifier(const char *identity)
{
    struct verifier *verifier = gpr_zalloc(sizeof(*verifier));
    verifier->identity = gpr_strdup(identity ? identity : "");
    verifier->host_name = grpc_tls_certificate_verifier_host_name_create();
    verifier->external =
        (grpc_tls_certificate_verifier_external){verifier, verify, cancel, destruct};
    return grpc_tls_certificate_verifier_external_create(&verifier->external);
}

/* --- Credentials ---------------------------------------------------------------- */

static grpc_tls_credentials_options *make_options(const struct rpc_tls *tls)
{
    grpc_tls_credentials_options *options = grpc_tls_credentials_options_create();
    grpc_tls_certificate_provider *files = grpc_tls_certificate_provider_file_watcher_create(
        tls->key, tls->certificate, tls->ca, REFRESH_S);
    grpc_tls_credentials_options_set_certificate_provider(options, files);
    grpc_tls_certificate_provider_release(files);
    grpc_tls_credentials_options_watch_root_certs(options);
    grpc_tls_credentials_options_watch_identity_key_cert_pairs(options);
    return options;
}

struct grpc_server_credentials *rpc_tls_server(const struct rpc_tls *tls)
{
    if (!rpc_tls_is_on(tls))
        return grpc_insecure_server_credentials_create();
    grpc_tls_credentials_options *options = make_options(tls);
    grpc_tls_credentials_options_set_cert_request_type(
        options, GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY);
    return grpc_tls_server_credentials_create(options);
}

struct grpc_channel_credentials *rpc_tls_client(const struct rpc_tls *tls, const char *identity)
{
    if (!rpc_tls_is_on(tls))
        return grpc_insecure_credentials_create();
    grpc_tls_credentials_options *options = make_options(tls);
    grpc_tls_certificate_verifier *verifier = make_verifier(identity);
    grpc_tls_credentials_options_set_certificate_verifier(options, verifier);
    grpc_tls_certificate_verifier_release(verifier);
    /* The verifier looks at the whole connection's name; calls have no other. */
    grpc_tls_credentials_options_set_check_call_host(options, 0);
    return grpc_tls_credentials_create(options);
}
