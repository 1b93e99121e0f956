/* SPDX-License-Identifier: MIT */
/*
 * Four lines: the list of origins that is allowed, the Origin of a request, the
 * method and the headers that a preflight asks for.
 */
#include "fuzz/input.h"

#include "lib/http/cors.h"

static const char *const headers[] = {"Authorization", "Content-Type", "X-Request-Id", NULL};

static void check(const struct cors_grant *grant, const char *origin)
{
    if (!grant->origin)
        return;
    must(strcmp(grant->origin, "*") == 0 || strcmp(grant->origin, origin) == 0);
    must(!grant->credentials || strcmp(grant->origin, "*") != 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input input = {data, size};
    char *origins = fuzz_line(&input);
    char *origin = fuzz_line(&input);
    char *method = fuzz_line(&input);
    char *asked = fuzz_text(&input, input.left);
    struct err_buf why;
    struct cors_grant grant;
    const struct cors_policy policy = {
        origins, HTTP_METHOD_BIT(HTTP_GET) | HTTP_METHOD_BIT(HTTP_POST), headers};
    if (cors_check_origins(origins, &why) == APP_OK) {
        cors_decide(&policy, origin, http_method_parse(method), &grant);
        check(&grant, origin);
        const struct cors_preflight preflight = {origin, method, asked};
        cors_decide_preflight(&policy, &preflight, &grant);
        check(&grant, origin);
        must(!grant.origin || (grant.method && strlen(grant.headers) < CORS_HEADERS_TEXT_MAX));
    }
    free(asked);
    free(method);
    free(origin);
    free(origins);
    return 0;
}
