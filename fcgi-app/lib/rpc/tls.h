/* SPDX-License-Identifier: MIT */
/*
 * Mutual TLS for gRPC from three files in PEM, which are read again every few
 * seconds, so that whoever issues certificates (Consul, SPIRE, cert-manager) may
 * replace them under a running program. Connections that exist stay; new ones
 * use the new files. While certificate and key do not belong together new
 * connections fail, so replace both quickly, and each by rename.
 *
 * Each end shows a certificate and takes only one that the authority in `ca` has
 * issued. A client also looks at whose it is, see rpc_tls_client; a server does
 * not: who may connect is decided by issuing certificates.
 *
 * rpc_tls_check: any time. The rest: after rpc_up.
 */
#ifndef LIB_RPC_TLS_H
#define LIB_RPC_TLS_H

#include <stdbool.h>

#include "lib/base/err.h"

/* Paths, which are copied where they are needed for longer; all "" or NULL: no TLS. */
struct rpc_tls {
    const char *ca;          /* certificates of the authorities */
    const char *certificate; /* ours, and those between it and the authority */
    const char *key;         /* its private key, not encrypted */
};

/* Whether there is one. */
bool rpc_tls_is_on(const struct rpc_tls *tls);

/*
 * Whether all three files or none are given, can be read and belong together.
 * APP_CONFIG with the reason in why->text, which names a file by the setting it
 * comes from: `prefix` and CA, CERT or KEY.
 */
enum app_err rpc_tls_check(const struct rpc_tls *tls, const char *prefix, struct err_buf *why)
    __attribute__((warn_unused_result));

/* Whether a setting may be the `identity` below: "" or spiffe://...; APP_CONFIG with why->text. */
enum app_err rpc_tls_check_identity(const char *value, struct err_buf *why);

/* gRPC's; the caller releases them. Without TLS they are those of a plain connection. */
struct grpc_server_credentials *rpc_tls_server(const struct rpc_tls *tls);

/*
 * The same for a client. `identity` is the SPIFFE URI that the server's
 * certificate must have. NULL or "": the host name or address that is connected
 * to, or any SPIFFE URI, which is all that Consul's certificates have: then
 * every service that the authority knows may stand in for the server.
 */
struct grpc_channel_credentials *rpc_tls_client(const struct rpc_tls *tls, const char *identity);

#endif
