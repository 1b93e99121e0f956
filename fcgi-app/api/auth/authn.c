/* SPDX-License-Identifier: MIT */
/* The header is read as the Go service read it: split at each space, the second part counts. */
#include "api/auth/authn.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "api/auth/jwks.h"
#include "api/auth/jwt.h"

struct authn {
    const char *server;
    const char *audience;
    struct jwks *jwks;
};

enum app_err authn_new(const struct authn_options *options, struct authn **authn)
{
    struct authn *made = calloc(1, sizeof(*made));
    if (!made)
        return APP_NO_MEMORY;
    *made = (struct authn){.server = options->server, .audience = options->audience};
    enum app_err err =
        jwks_new(&(struct jwks_options){.server = options->server, .patient = options->patient},
                 &made->jwks);
    if (err) {
        free(made);
        return err;
    }
    *authn = made;
    return APP_OK;
}

void authn_free(struct authn **authn)
{
    struct authn *old = *authn;
    *authn = NULL;
    if (!old)
        return;
    jwks_free(&old->jwks);
    free(old);
}

/* "jwt" exactly, "Bearer" in any case, and a space. */
static bool find_token(const char *authorization, const char **token, size_t *len)
{
    size_t scheme_len = strcspn(authorization, " ");
    if (authorization[scheme_len] == '\0')
        return false;
    bool is_jwt = scheme_len == 3 && memcmp(authorization, "jwt", 3) == 0;
    bool is_bearer = scheme_len == 6 && strncasecmp(authorization, "Bearer", 6) == 0;
    *token = authorization + scheme_len + 1;
    *len = strcspn(*token, " ");
    return is_jwt || is_bearer;
}

static enum app_err check_token(const struct authn *authn, const struct jwks_call *call,
                                const char *token, size_t len, struct err_buf *reason)
{
    struct jwt_header header;
    struct jwt_key *key = NULL;
    enum app_err err = jwt_read_header(token, len, &header, reason);
    if (err)
        return err;
    err = jwks_get(authn->jwks, call, header.key_id, &key, reason);
    if (err == APP_NOT_FOUND) {
        err_detail(reason, "the token is signed with a key that the server does not have");
        return APP_UNAUTHORIZED;
    }
    if (err)
        return err;
    struct jwt_expectation expected = {authn->server, authn->audience, (int64_t)time(NULL)};
    err = jwt_verify(token, len, &header, key, &expected, reason);
    jwt_key_put(&key);
    return err;
}

enum app_err authn_check(struct authn *authn, const struct jwks_call *call,
                         const char *authorization, struct err_buf *why)
{
    const char *token;
    size_t len;
    struct err_buf reason = {.detail = ""}; /* also has what turned out not to matter */
    if (!authorization || !*authorization)
        return err_set(why, APP_UNAUTHORIZED, "No auth header");
    if (!find_token(authorization, &token, &len))
        return err_set(why, APP_UNAUTHORIZED, "No auth token");

    enum app_err err = check_token(authn, call, token, len, &reason);
    if (!err || err == APP_NO_MEMORY)
        return err;
    err_detail(why, "%s", reason.detail);
    return err_set(why, err, "%s",
                   err == APP_UNAVAILABLE ? "the authentication server cannot be asked now"
                                          : "Invalid jwt");
}
