/* SPDX-License-Identifier: MIT */
/*
 * May this request pass? Its Authorization header must hold a token of the
 * authentication server: "jwt TOKEN", as clients of the Go service send it, or
 * "Bearer TOKEN" (RFC 6750). The token itself is never logged and never repeated.
 *
 * authn_new at start, authn_check from any thread, authn_free.
 */
#ifndef API_AUTH_AUTHN_H
#define API_AUTH_AUTHN_H

#include "api/clients/jwks_client.h"
#include "lib/base/err.h"

struct authn;

struct authn_options {
    const char *server;   /* AUTHN_SERVER: where the keys are, and the tokens' "iss" */
    const char *audience; /* AUTHN_AUDIENCE: the tokens' "aud" */
    unsigned patient;     /* see struct jwks_options */
};

/* The texts must outlive the object. APP_NO_MEMORY. */
enum app_err authn_new(const struct authn_options *options, struct authn **authn)
    __attribute__((warn_unused_result));
/* NULLs the caller's pointer. NULL allowed. */
void authn_free(struct authn **authn);

/*
 * Check the value of an Authorization header, NULL when there is none. In
 * why->text are the Go service's words, in why->detail the reason:
 *
 * APP_UNAUTHORIZED "No auth header"; "No auth token" for another scheme or none;
 * "Invalid jwt" for a token that is not taken.
 * APP_UNAVAILABLE (503) when the authentication server cannot be asked for a key
 * that is not known yet: nothing is wrong with the token, so that 401, on which
 * clients throw theirs away and sign in anew, would be a lie.
 * APP_NO_MEMORY.
 */
enum app_err authn_check(struct authn *authn, const struct jwks_call *call,
                         const char *authorization, struct err_buf *why)
    __attribute__((warn_unused_result));

#endif
