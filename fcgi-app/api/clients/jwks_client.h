/* SPDX-License-Identifier: MIT */
/*
 * The JSON Web Key Set (RFC 7517) of an authentication server such as Keratin
 * AuthN: GET {server}/jwks. Any thread with its own HTTP client.
 */
#ifndef API_CLIENTS_JWKS_CLIENT_H
#define API_CLIENTS_JWKS_CLIENT_H

#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include "lib/base/err.h"
#include "lib/net/http_client.h"

struct jwks_call {
    struct http_client *http;
    int64_t deadline_ns;
    const char *request_id; /* NULL: none */
};

/*
 * The set's keys, an array of 1 to LIMIT_JWKS_KEYS JSON values of which nothing
 * is known yet; the caller releases it. `server` may end with a slash. Errors,
 * with the reason in why->detail: APP_UPSTREAM_FAILED, APP_UPSTREAM_TIMEOUT,
 * APP_NO_MEMORY.
 */
enum app_err jwks_client_fetch(const char *server, const struct jwks_call *call, json_t **keys,
                               struct err_buf *why) __attribute__((warn_unused_result));

/* Reads such an answer; pure, for tests and fuzzing. Errors as above. */
enum app_err jwks_client_parse(const char *json, size_t len, json_t **keys, struct err_buf *why)
    __attribute__((warn_unused_result));

#endif
