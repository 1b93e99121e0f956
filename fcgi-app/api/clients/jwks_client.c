/* SPDX-License-Identifier: MIT */
/* The server is trusted for which keys are its own, not for the size of what it sends. */
#include "api/clients/jwks_client.h"

#include <string.h>

#include "lib/base/buf.h"
#include "lib/base/limits.h"
#include "lib/http/header.h"

enum { URL_MAX = 4096 };

static enum app_err fail(struct err_buf *why, const char *reason)
{
    err_detail(why, "JWKS: %s", reason);
    return APP_UPSTREAM_FAILED;
}

static enum app_err make_url(const char *server, struct buf *url)
{
    size_t len = strlen(server);
    bool has_slash = len > 0 && server[len - 1] == '/';
    return buf_printf(url, "%s%sjwks", server, has_slash ? "" : "/");
}

/* The answer's body is the caller's. */
static enum app_err ask(const char *server, const struct jwks_call *call,
                        struct http_answer *answer, struct err_buf *why)
{
    const struct http_header headers[] = {{"Accept", "application/json"},
                                          {"X-Request-Id", call->request_id}};
    struct buf url;
    buf_init(&url, URL_MAX);
    enum app_err err = make_url(server, &url);
    if (err == APP_TOO_LARGE)
        err = fail(why, "the server's URL is too long");
    if (!err) {
        const struct http_request request = {
            .method = "GET",
            .url = url.data,
            .headers = headers,
            .header_count = call->request_id ? 2 : 1,
            .deadline_ns = call->deadline_ns,
            .max_answer = LIMIT_JWKS_BYTES,
        };
        err = http_client_request(call->http, &request, answer, why);
    }
    buf_release(&url);
    return err;
}

enum app_err jwks_client_parse(const char *json, size_t len, json_t **keys, struct err_buf *why)
{
    json_error_t error;
    json_t *root = json_loadb(len > 0 ? json : "", len, 0, &error);
    if (!root && json_error_code(&error) == json_error_out_of_memory)
        return APP_NO_MEMORY;
    json_t *list = json_object_get(root, "keys");
    size_t count = json_array_size(list);
    enum app_err err = APP_OK;
    if (!root)
        err = fail(why, error.text);
    else if (!json_is_array(list))
        err = fail(why, "there is no array \"keys\"");
    else if (count == 0 || count > LIMIT_JWKS_KEYS)
        err = fail(why, "there are no keys, or very many");
    else
        *keys = json_incref(list);
    json_decref(root);
    return err;
}

enum app_err jwks_client_fetch(const char *server, const struct jwks_call *call, json_t **keys,
                               struct err_buf *why)
{
    struct http_answer answer = {.status = 0};
    enum app_err err = ask(server, call, &answer, why);
    if (!err && answer.status != 200) {
        err_detail(why, "JWKS: the server answered %d", answer.status);
        err = APP_UPSTREAM_FAILED;
    }
    if (!err)
        err = jwks_client_parse(answer.body.data, answer.body.len, keys, why);
    buf_release(&answer.body);
    return err;
}
