/* SPDX-License-Identifier: MIT */
/* The document with an authentication server's keys. */
#include "fuzz/input.h"

#include "api/auth/jwt.h"
#include "api/clients/jwks_client.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input input = {data, size};
    struct err_buf why = {.text = ""};
    json_t *keys = NULL;
    json_t *jwk;
    size_t index;
    char *json = fuzz_text(&input, size);
    enum app_err err = jwks_client_parse(json, size, &keys, &why);
    must(err == APP_OK || (err == APP_UPSTREAM_FAILED && why.detail[0]));
    must(!keys || json_array_size(keys) <= LIMIT_JWKS_KEYS);
    json_array_foreach(keys, index, jwk)
    {
        struct jwt_key *key = NULL;
        err = jwt_key_new(jwk, &key, &why);
        must(err == APP_OK || err == APP_UPSTREAM_FAILED);
        must(err || strlen(jwt_key_id(key)) <= LIMIT_JWT_KEY_ID);
        jwt_key_put(&key);
    }
    json_decref(keys);
    free(json);
    return 0;
}
