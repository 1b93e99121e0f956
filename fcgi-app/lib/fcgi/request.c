/* SPDX-License-Identifier: MIT */
#include "lib/fcgi/request.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lib/base/clock.h"
#include "lib/base/digits.h"
#include "lib/base/hex.h"
#include "lib/base/limits.h"
#include "lib/base/random.h"
#include "lib/fcgi/protocol.h"
#include "lib/http/accept.h"
#include "lib/http/uri.h"

enum { ID_BYTES = 16, VARIABLE_NAME_MAX = 128 };

/* --- Variables --- */

/* What is malformed is for the log: the client did not write most of it. */
static enum app_err malformed(struct err_buf *why, const char *what)
{
    err_detail(why, "%s", what);
    return APP_BAD_REQUEST;
}

/* A request without variables has no memory for them, and C knows no NULL + 0. */
static const char *params_end(const struct request_input *input)
{
    return input->params ? input->params + input->params_len : NULL;
}

/* Count the variables and check all of them before anything is written. */
static enum app_err measure(const struct request_input *input, size_t *count, struct err_buf *why)
{
    struct protocol_pair pair;
    enum pair_state state;
    char *at = input->params;
    const char *end = params_end(input);
    size_t bytes = 0;
    if (input->params_cut)
        return APP_HEADERS_TOO_LARGE;
    *count = 0;
    while ((state = protocol_next_pair(&at, end, &pair)) == PAIR_READ) {
        if (memchr(pair.name, '\0', pair.name_len + pair.value_len))
            return malformed(why, "a NUL within a variable");
        bytes += pair.name_len + pair.value_len + 2;
        (*count)++;
    }
    if (state == PAIR_BROKEN)
        return malformed(why, "the variables end within one");
    return bytes > LIMIT_REQUEST_PARAMS ? APP_HEADERS_TOO_LARGE : APP_OK;
}

/*
 * Terminate the variables where they are. A name moves one byte to the left, over the
 * lengths in front of it. A value's NUL lies on the next lengths, so these are read first.
 */
static enum app_err index_params(struct request *request, struct err_buf *why)
{
    const struct request_input *input = &request->input;
    size_t count;
    enum app_err err = measure(input, &count, why);
    if (err)
        return err;
    struct request_param *params = arena_alloc(request->arena, count * sizeof(*params));
    if (!params)
        return APP_NO_MEMORY;

    struct protocol_pair pair;
    char *at = input->params, *value_end = NULL;
    const char *end = params_end(input);
    for (size_t i = 0; protocol_next_pair(&at, end, &pair) == PAIR_READ; i++) {
        char *name = memmove(pair.name - 1, pair.name, pair.name_len);
        name[pair.name_len] = '\0';
        if (value_end)
            *value_end = '\0';
        value_end = at;
        params[i] = (struct request_param){name, pair.name_len, pair.value};
    }
    if (value_end)
        *value_end = '\0';
    request->params = params;
    request->param_count = count;
    return APP_OK;
}

/* From the variable `from` on. Lengths first, for most names have "HTTP_" in common. */
static const struct request_param *find_param(const struct request *request, size_t from,
                                              const char *name, size_t len)
{
    for (size_t i = from; len > 0 && i < request->param_count; i++) {
        const struct request_param *param = &request->params[i];
        if (param->name_len == len && memcmp(param->name, name, len) == 0)
            return param;
    }
    return NULL;
}

const char *request_param(const struct request *request, const char *name)
{
    const struct request_param *param = find_param(request, 0, name, strlen(name));
    return param ? param->value : NULL;
}

/* The variable that a header is handed on as; its length, 0 when the name is too long. */
static size_t header_variable(const char *name, char variable[VARIABLE_NAME_MAX])
{
    size_t prefix = strlen("HTTP_");
    size_t len = strlen(name);
    if (prefix + len >= VARIABLE_NAME_MAX)
        return 0;
    /* RFC 3875, section 4.1.18: these two have variables of their own. */
    if (strcasecmp(name, "Content-Type") == 0 || strcasecmp(name, "Content-Length") == 0)
        prefix = 0;
    for (size_t i = 0; i < prefix; i++)
        variable[i] = "HTTP_"[i];
    for (size_t i = 0; i <= len; i++) {
        char c = name[i];
        variable[prefix + i] = (char)(c == '-' ? '_' : c >= 'a' && c <= 'z' ? c - 'a' + 'A' : c);
    }
    return prefix + len;
}

const char *request_header(const struct request *request, const char *name)
{
    char variable[VARIABLE_NAME_MAX];
    const struct request_param *param =
        find_param(request, 0, variable, header_variable(name, variable));
    return param ? param->value : NULL;
}

const char *request_header_list(const struct request *request, const char *name)
{
    char variable[VARIABLE_NAME_MAX];
    size_t len = header_variable(name, variable);
    const struct request_param *param = find_param(request, 0, variable, len);
    const char *value = param ? param->value : NULL;
    while (value &&
           (param = find_param(request, (size_t)(param - request->params) + 1, variable, len)))
        value = arena_printf(request->arena, "%s, %s", value, param->value);
    return value;
}

/* --- Making a request --- */

/* Characters that need no quoting in a log line, a header or a URL. */
static bool is_sane_id(const char *id)
{
    size_t len = strspn(id, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
                            "._~:/+=@-");
    return len >= 1 && len <= LIMIT_REQUEST_ID && id[len] == '\0';
}

static const char *make_id(struct arena *arena)
{
    unsigned char random[ID_BYTES];
    char *id = arena_alloc(arena, sizeof(random) * 2 + 1);
    if (!id || !random_fill(random, sizeof(random)))
        return "-";
    hex_write(random, sizeof(random), id);
    return id;
}

/* A trace_lookup in the request's headers. */
static const char *find_trace_header(const void *source, const char *name)
{
    bool is_list = strcmp(name, "tracestate") == 0;
    return is_list ? request_header_list(source, name) : request_header(source, name);
}

static enum app_err read_method(struct request *request, struct err_buf *why)
{
    const char *name = request_param(request, "REQUEST_METHOD");
    if (!name || name[0] == '\0')
        return malformed(why, "no REQUEST_METHOD");
    request->method_name = name;
    request->method = http_method_parse(name);
    return APP_OK;
}

/* Append what is not a plain character of a path as %XX. */
static char *escape_path(char *to, const char *path)
{
    for (; *path; path++) {
        if (isalnum((unsigned char)*path) || strchr("/-._~!$&'()*+,;=:@", *path))
            *to++ = *path;
        else
            to += sprintf(to, "%%%02X", (unsigned char)*path);
    }
    return to;
}

/* REQUEST_URI, or what it must have been (RFC 3875, sections 4.1.5 and 4.1.13). */
static enum app_err find_uri(struct request *request, const char **uri, struct err_buf *why)
{
    *uri = request_param(request, "REQUEST_URI");
    if (*uri)
        return APP_OK;
    const char *script = request_param(request, "SCRIPT_NAME");
    const char *info = request_param(request, "PATH_INFO");
    const char *query = request_param(request, "QUERY_STRING");
    if (!script && !info)
        return malformed(why, "neither REQUEST_URI nor SCRIPT_NAME and PATH_INFO");
    script = script ? script : "";
    info = info ? info : "";
    query = query ? query : "";
    char *made = arena_alloc(request->arena,
                             3 * (strlen(script) + strlen(info)) + strlen(query) + sizeof("?"));
    if (!made)
        return APP_NO_MEMORY;
    char *end = escape_path(escape_path(made, script), info);
    if (*query)
        *end++ = '?';
    memcpy(end, query, strlen(query) + 1);
    *uri = made;
    return APP_OK;
}

static enum app_err read_target(struct request *request, struct err_buf *why)
{
    const char *uri;
    enum app_err err = find_uri(request, &uri, why);
    if (err)
        return err;
    size_t len = strlen(uri);
    if (len > LIMIT_REQUEST_PATH)
        return APP_URI_TOO_LONG;
    request->uri = uri;

    char *path = arena_alloc(request->arena, len + 1);
    if (!path)
        return APP_NO_MEMORY;
    err = uri_split(uri, path, len + 1, &request->query, NULL);
    if (err == APP_OK)
        request->path = path;
    else if (err == APP_BAD_REQUEST)
        return malformed(why, "a path that cannot be decoded");
    return err;
}

/*
 * Absent and empty are the same: nginx sends an empty one with every GET. Caddy 2.6 sends -1
 * for a body whose length it does not know.
 */
static enum app_err read_content_length(struct request *request, struct err_buf *why)
{
    const char *text = request_param(request, "CONTENT_LENGTH");
    if (!text || text[0] == '\0' || strcmp(text, "-1") == 0)
        return APP_OK;
    if (digits_read(text, strlen(text), &request->content_length))
        return APP_OK;
    return malformed(why, "CONTENT_LENGTH is not a number");
}

enum app_err request_init(struct request *request, struct arena *arena, const struct log *log,
                          const struct request_input *input, struct err_buf *why)
{
    *request = (struct request){
        .method = HTTP_OTHER,
        .method_name = "",
        .uri = "",
        .path = "",
        .query = "",
        .content_length = -1,
        .started_ns = clock_now_ns(),
        .arena = arena,
        .input = *input,
    };
    enum app_err err = index_params(request, why);
    const char *id = request_header(request, "X-Request-Id");
    request->id = id && is_sane_id(id) ? id : make_id(arena);
    trace_begin(&request->trace, find_trace_header, request);
    request->log = log_child(log, request->id, request->trace.trace_id);
    if (err == APP_OK)
        err = read_method(request, why);
    if (err == APP_OK)
        err = read_target(request, why);
    if (err == APP_OK)
        err = read_content_length(request, why);
    return err;
}

/* --- What the headers say --- */

const char *request_media_type(const struct request *request)
{
    const char *value = request_header(request, "Content-Type");
    if (!value)
        return "";
    value += strspn(value, " \t");
    char *type = arena_strndup(request->arena, value, strcspn(value, "; \t,"));
    if (!type)
        return "";
    for (char *c = type; *c; c++)
        *c = (char)tolower((unsigned char)*c);
    return type;
}

bool request_accepts_json(const struct request *request)
{
    return accept_prefers_json(request_header_list(request, "Accept"));
}

/* --- Body --- */

enum app_err request_body(const struct request *request, size_t max, const char **body, size_t *len)
{
    const struct request_input *input = &request->input;
    int64_t announced = request->content_length;
    if (announced > (int64_t)max)
        return APP_TOO_LARGE;
    if (input->body_err)
        return input->body_err;
    /* RFC 3875, section 4.2: what lies behind the announced length is no part of it. */
    size_t here =
        announced >= 0 && input->body_len > (size_t)announced ? (size_t)announced : input->body_len;
    if (announced > (int64_t)here)
        return APP_BAD_REQUEST;
    if (here > max)
        return APP_TOO_LARGE;
    if (input->body)
        input->body[here] = '\0';
    *body = input->body ? input->body : "";
    *len = here;
    return APP_OK;
}

bool request_client_gone(struct request *request)
{
    if (!request->gone && request->input.gone)
        request->gone = request->input.gone(request->input.source);
    return request->gone;
}
