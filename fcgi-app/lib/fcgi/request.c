/* SPDX-License-Identifier: MIT */
/*
 * The variables are copied and split once, because the FastCGI library frees
 * its own when the request ends and searches them anew for every look-up.
 */
#include "lib/fcgi/request.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lib/base/clock.h"
#include "lib/base/hex.h"
#include "lib/base/limits.h"
#include "lib/base/random.h"
#include "lib/http/accept.h"
#include "lib/http/uri.h"

enum { ID_BYTES = 16, VARIABLE_NAME_MAX = 128, BODY_FIRST_CAPACITY = 16 * 1024 };

/* A body is malloc'ed apart, for it may be larger than the arena's ceiling. */
struct body {
    char *data;
    size_t len;
    size_t capacity; /* without the NUL */
};

/* --- Variables --- */

/* How many strings there are and their bytes, NULs included; false: too many. */
static bool measure(char *const *environment, size_t *count, size_t *bytes)
{
    *count = 0;
    *bytes = 0;
    for (; environment[*count]; (*count)++) {
        *bytes += strlen(environment[*count]) + 1;
        if (*bytes > LIMIT_REQUEST_PARAMS)
            return false;
    }
    return true;
}

static enum app_err copy_params(struct request *request, char *const *environment)
{
    size_t count, bytes;
    if (!measure(environment, &count, &bytes))
        return APP_HEADERS_TOO_LARGE;
    char *text = arena_alloc(request->arena, bytes);
    struct request_param *params = arena_alloc(request->arena, count * sizeof(*params));
    if (!text || !params)
        return APP_NO_MEMORY;

    size_t used = 0;
    for (size_t i = 0; i < count; i++) {
        size_t len = strlen(environment[i]);
        memcpy(text, environment[i], len + 1);
        char *equals = memchr(text, '=', len);
        if (equals) {
            *equals = '\0';
            params[used++] = (struct request_param){text, (size_t)(equals - text), equals + 1};
        }
        text += len + 1;
    }
    request->params = params;
    request->param_count = used;
    return APP_OK;
}

/* Lengths first, for most names have "HTTP_" in common. */
static const char *find_param(const struct request *request, const char *name, size_t len)
{
    for (size_t i = 0; i < request->param_count; i++) {
        const struct request_param *param = &request->params[i];
        if (param->name_len == len && memcmp(param->name, name, len) == 0)
            return param->value;
    }
    return NULL;
}

const char *request_param(const struct request *request, const char *name)
{
    return find_param(request, name, strlen(name));
}

const char *request_header(const struct request *request, const char *name)
{
    char variable[VARIABLE_NAME_MAX] = "HTTP_";
    size_t prefix = strlen(variable);
    size_t len = strlen(name);
    if (len >= sizeof(variable) - prefix)
        return NULL;
    for (size_t i = 0; i <= len; i++) {
        char c = name[i];
        variable[prefix + i] = (char)(c == '-' ? '_' : c >= 'a' && c <= 'z' ? c - 'a' + 'A' : c);
    }
    /* RFC 3875, section 4.1.18: these two have variables of their own. */
    const char *bare = variable + prefix;
    if (strcmp(bare, "CONTENT_TYPE") == 0 || strcmp(bare, "CONTENT_LENGTH") == 0)
        return request_param(request, bare);
    return find_param(request, variable, prefix + len);
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
    return request_header(source, name);
}

static enum app_err read_method(struct request *request)
{
    const char *name = request_param(request, "REQUEST_METHOD");
    if (!name || name[0] == '\0')
        return APP_BAD_REQUEST;
    request->method_name = name;
    request->method = http_method_parse(name);
    return APP_OK;
}

static enum app_err read_target(struct request *request)
{
    const char *uri = request_param(request, "REQUEST_URI");
    if (!uri)
        return APP_BAD_REQUEST;
    size_t len = strlen(uri);
    if (len > LIMIT_REQUEST_PATH)
        return APP_URI_TOO_LONG;
    request->uri = uri;

    char *path = arena_alloc(request->arena, len + 1);
    if (!path)
        return APP_NO_MEMORY;
    enum app_err err = uri_split(uri, path, len + 1, &request->query, NULL);
    if (err == APP_OK)
        request->path = path;
    return err;
}

/* Absent and empty are the same: nginx sends an empty one with every GET. */
static enum app_err read_content_length(struct request *request)
{
    const char *text = request_param(request, "CONTENT_LENGTH");
    if (!text || text[0] == '\0')
        return APP_OK;
    int64_t length = 0;
    for (; *text; text++) {
        if (*text < '0' || *text > '9' || __builtin_mul_overflow(length, 10, &length) ||
            __builtin_add_overflow(length, *text - '0', &length))
            return APP_BAD_REQUEST;
    }
    request->content_length = length;
    return APP_OK;
}

enum app_err request_init(struct request *request, struct arena *arena, const struct log *log,
                          char *const *environment, struct request_input input)
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
        .input = input,
    };
    enum app_err err = copy_params(request, environment);
    const char *id = request_header(request, "X-Request-Id");
    request->id = id && is_sane_id(id) ? id : make_id(arena);
    trace_begin(&request->trace, find_trace_header, request);
    request->log = log_child(log, request->id, request->trace.trace_id);
    if (err == APP_OK)
        err = read_method(request);
    if (err == APP_OK)
        err = read_target(request);
    if (err == APP_OK)
        err = read_content_length(request);
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
    return accept_prefers_json(request_header(request, "Accept"));
}

/* --- Body --- */

static void release_body(void *object)
{
    struct body *body = object;
    free(body->data);
}

static enum app_err grow(struct body *body, size_t capacity)
{
    char *data = realloc(body->data, capacity + 1);
    if (!data)
        return APP_NO_MEMORY;
    body->data = data;
    body->capacity = capacity;
    return APP_OK;
}

/* Fill what room there is; returns early at the end of the input. */
static enum app_err fill(struct request *request, struct body *body, bool *ended)
{
    while (body->len < body->capacity) {
        ptrdiff_t got = request->input.read(request->input.source, body->data + body->len,
                                            body->capacity - body->len);
        if (got < 0)
            return APP_CLIENT_GONE;
        if (got == 0) {
            *ended = true;
            return APP_OK;
        }
        body->len += (size_t)got;
        request->body_read += (size_t)got;
    }
    return APP_OK;
}

static enum app_err read_known(struct request *request, struct body *body)
{
    bool ended = false;
    enum app_err err = grow(body, (size_t)request->content_length);
    if (err == APP_OK)
        err = fill(request, body, &ended);
    return err == APP_OK && ended ? APP_BAD_REQUEST : err;
}

static enum app_err read_unknown(struct request *request, struct body *body, size_t max)
{
    bool ended = false;
    size_t capacity = BODY_FIRST_CAPACITY;
    while (!ended) {
        /* One byte beyond the ceiling, to tell "just fits" from "too large". */
        if (capacity > max)
            capacity = max + 1;
        enum app_err err = grow(body, capacity);
        if (err == APP_OK)
            err = fill(request, body, &ended);
        if (err != APP_OK)
            return err;
        if (body->len > max)
            return APP_TOO_LARGE;
        capacity *= 2;
    }
    return APP_OK;
}

enum app_err request_read_body(struct request *request, size_t max, const char **body, size_t *len)
{
    bool known = request->content_length >= 0;
    if (known && (uint64_t)request->content_length > max)
        return APP_TOO_LARGE;
    struct body *read = arena_alloc(request->arena, sizeof(*read));
    if (!read)
        return APP_NO_MEMORY;
    *read = (struct body){0};
    if (!arena_on_reset(request->arena, release_body, read))
        return APP_NO_MEMORY;

    enum app_err err = known ? read_known(request, read) : read_unknown(request, read, max);
    if (err != APP_OK)
        return err;
    read->data[read->len] = '\0';
    *body = read->data;
    *len = read->len;
    return APP_OK;
}

bool request_client_gone(struct request *request)
{
    if (!request->gone && request->input.gone)
        request->gone = request->input.gone(request->input.source);
    return request->gone;
}
