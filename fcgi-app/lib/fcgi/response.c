/* SPDX-License-Identifier: MIT */
/*
 * The head is collected in the request's arena and written together with the
 * body, so that nothing has left when something turns out to be wrong.
 */
#include "lib/fcgi/response.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <jansson.h>

#include "lib/base/utf8.h"
#include "lib/http/status.h"

enum { HEAD_FIRST_CAPACITY = 512, STATUS_CLIENT_GONE = 499 };

void response_init(struct response *response, const struct request *request,
                   struct response_output output)
{
    *response = (struct response){.request = request, .output = output};
}

/* --- Head --- */

static enum app_err head_append(struct response *response, const char *text, size_t len)
{
    if (len > response->head_capacity - response->head_len) {
        size_t needed = response->head_len + len;
        size_t capacity = needed < HEAD_FIRST_CAPACITY ? HEAD_FIRST_CAPACITY : needed * 2;
        char *head = arena_alloc(response->request->arena, capacity);
        if (!head)
            return APP_NO_MEMORY;
        if (response->head_len > 0)
            memcpy(head, response->head, response->head_len);
        response->head = head;
        response->head_capacity = capacity;
    }
    memcpy(response->head + response->head_len, text, len);
    response->head_len += len;
    return APP_OK;
}

static bool is_sane_value(const char *value)
{
    for (; *value; value++) {
        unsigned char byte = (unsigned char)*value;
        if (byte < 0x20 || byte == 0x7f)
            return false;
    }
    return true;
}

enum app_err response_header(struct response *response, const char *name, const char *value)
{
    if (response->state != RESPONSE_HEADERS || !is_sane_value(value))
        return APP_INTERNAL;
    size_t before = response->head_len;
    enum app_err err = head_append(response, name, strlen(name));
    if (err == APP_OK)
        err = head_append(response, ": ", 2);
    if (err == APP_OK)
        err = head_append(response, value, strlen(value));
    if (err == APP_OK)
        err = head_append(response, "\r\n", 2);
    if (err != APP_OK)
        response->head_len = before;
    return err;
}

/* The line of a header, and the start of the next; NULL when there is none. */
static char *find_header(const struct response *response, const char *name, char **next)
{
    if (!response->head)
        return NULL;
    size_t name_len = strlen(name);
    char *line = response->head;
    char *end = line + response->head_len;
    while (line < end) {
        size_t left = (size_t)(end - line);
        char *newline = memchr(line, '\n', left);
        *next = newline ? newline + 1 : end;
        if (left > name_len && line[name_len] == ':' && strncasecmp(line, name, name_len) == 0)
            return line;
        line = *next;
    }
    return NULL;
}

static bool has_header(const struct response *response, const char *name)
{
    char *next;
    return find_header(response, name, &next) != NULL;
}

static void drop_header(struct response *response, const char *name)
{
    char *next;
    char *line = find_header(response, name, &next);
    if (!line)
        return;
    memmove(line, next, (size_t)(response->head + response->head_len - next));
    response->head_len -= (size_t)(next - line);
}

/* RFC 9110, section 8.6: no length where the status means that there is no content. */
static enum app_err add_length(struct response *response, int status, size_t len)
{
    char number[24];
    if (status == 204 || status == 304)
        return APP_OK;
    (void)snprintf(number, sizeof(number), "%zu", len);
    return response_header(response, "Content-Length", number);
}

/* The headers that every answer has, then the empty line. */
static enum app_err finish_head(struct response *response, const char *content_type, int status,
                                size_t len)
{
    enum app_err err = APP_OK;
    if (content_type)
        err = response_header(response, "Content-Type", content_type);
    if (err == APP_OK && !has_header(response, "Cache-Control"))
        err = response_header(response, "Cache-Control", "no-store");
    if (err == APP_OK)
        err = add_length(response, status, len);
    if (err == APP_OK)
        err = response_header(response, "X-Request-Id", response->request->id);
    if (err == APP_OK)
        err = response_header(response, "X-Content-Type-Options", "nosniff");
    if (err == APP_OK)
        err = head_append(response, "\r\n", 2);
    return err;
}

/* --- Sending --- */

static enum app_err write_out(struct response *response, int status, const struct iovec *pieces,
                              size_t count, size_t len)
{
    if (!response->output.write(response->output.sink, response->head, response->head_len, pieces,
                                count)) {
        response->state = RESPONSE_BROKEN;
        response->status = STATUS_CLIENT_GONE;
        return APP_CLIENT_GONE;
    }
    response->state = RESPONSE_SENT;
    response->status = status;
    response->body_len = count > 0 ? len : 0;
    return APP_OK;
}

enum app_err response_send_pieces(struct response *response, int status, const char *content_type,
                                  const struct iovec *pieces, size_t count)
{
    if (response->state != RESPONSE_HEADERS)
        return APP_INTERNAL;
    if (!content_type)
        count = 0;
    size_t len = 0;
    for (size_t i = 0; i < count; i++) {
        if (__builtin_add_overflow(len, pieces[i].iov_len, &len))
            return APP_INTERNAL;
    }

    /* The status comes first, for it is what some web servers look for first. */
    char line[64];
    int line_len =
        snprintf(line, sizeof(line), "Status: %d %s\r\n", status, http_status_reason(status));
    assert(line_len > 0 && (size_t)line_len < sizeof(line));
    struct response final = *response;
    final.head = NULL;
    final.head_len = final.head_capacity = 0;
    enum app_err err = head_append(&final, line, (size_t)line_len);
    if (err == APP_OK && response->head_len > 0)
        err = head_append(&final, response->head, response->head_len);
    if (err == APP_OK)
        err = finish_head(&final, content_type, status, len);
    if (err != APP_OK)
        return err;

    *response = final;
    if (response->request->method == HTTP_HEAD)
        count = 0;
    return write_out(response, status, pieces, count, len);
}

enum app_err response_send(struct response *response, int status, const char *content_type,
                           const void *body, size_t len)
{
    /* struct iovec has no const, and the output only reads. */
    union {
        const void *from;
        void *to;
    } base = {.from = body};
    struct iovec piece = {base.to, len};
    return response_send_pieces(response, status, content_type, &piece, len > 0 ? 1 : 0);
}

/* --- Errors --- */

/* RFC 9457. NULL when there is no memory; else the caller frees it. */
static char *problem_json(const struct response *response, enum app_err err, const char *text)
{
    int status = app_err_status(err);
    json_t *problem = json_pack("{s:s, s:s, s:i, s:s, s:s, s:s}", "type", "about:blank", "title",
                                http_status_reason(status), "status", status, "detail", text,
                                "code", app_err_slug(err), "request_id", response->request->id);
    char *json = problem ? json_dumps(problem, JSON_COMPACT) : NULL;
    json_decref(problem);
    return json;
}

static enum app_err send_problem(struct response *response, enum app_err err, const char *text)
{
    char *json = problem_json(response, err, text);
    if (!json)
        return APP_NO_MEMORY;
    enum app_err sent = response_send(response, app_err_status(err), "application/problem+json",
                                      json, strlen(json));
    free(json);
    return sent;
}

static enum app_err send_text(struct response *response, enum app_err err, const char *text)
{
    char line[ERR_TEXT_MAX + 1];
    int len = snprintf(line, sizeof(line), "%s\n", text);
    return response_send(response, app_err_status(err), "text/plain; charset=utf-8", line,
                         (size_t)len);
}

/* An answer for when the arena is full, without which the client would get none. */
static enum app_err send_without_memory(struct response *response)
{
    char body[] = "out of memory\n";
    char head[512];
    int len = snprintf(
        head, sizeof(head),
        "Status: 503 Service Unavailable\r\nRetry-After: 1\r\n"
        "Content-Type: text/plain; charset=utf-8\r\nContent-Length: %zu\r\n"
        "Cache-Control: no-store\r\nX-Request-Id: %s\r\nX-Content-Type-Options: nosniff\r\n\r\n",
        strlen(body), response->request->id);
    assert(len > 0 && (size_t)len < sizeof(head));
    response->head = head;
    response->head_len = (size_t)len;
    struct iovec piece = {body, strlen(body)};
    size_t count = response->request->method == HTTP_HEAD ? 0 : 1;
    enum app_err err = write_out(response, 503, &piece, count, strlen(body));
    response->head = NULL;
    response->head_len = response->head_capacity = 0;
    return err;
}

static enum app_err send_error(struct response *response, enum app_err err, const char *text)
{
    int status = app_err_status(err);
    enum app_err sent = APP_OK;
    /* A cache that kept an error under a picture's terms would hide the picture. */
    drop_header(response, "Cache-Control");
    drop_header(response, "ETag");
    drop_header(response, "Content-Disposition");
    if ((status == 429 || status == 503) && !has_header(response, "Retry-After"))
        sent = response_header(response, "Retry-After", "1");
    if (sent != APP_OK)
        return sent;
    return request_accepts_json(response->request) ? send_problem(response, err, text)
                                                   : send_text(response, err, text);
}

enum app_err response_error(struct response *response, enum app_err err, const char *text)
{
    if (response->state != RESPONSE_HEADERS)
        return APP_INTERNAL;
    if (err == APP_CLIENT_GONE) {
        response->state = RESPONSE_BROKEN;
        response->status = STATUS_CLIENT_GONE;
        return APP_CLIENT_GONE;
    }
    if (!text || text[0] == '\0')
        text = app_strerror(err);
    char line[ERR_TEXT_MAX];
    utf8_copy_printable(line, sizeof(line) - 1, text, strlen(text));
    enum app_err sent = send_error(response, err, line);
    return sent == APP_NO_MEMORY ? send_without_memory(response) : sent;
}
