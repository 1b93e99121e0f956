/* SPDX-License-Identifier: MIT */
#include "api/routes/stored_file.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/arena.h"
#include "lib/base/query.h"
#include "lib/fcgi/request.h"
#include "lib/fcgi/response.h"
#include "lib/http/conditional.h"

void stored_file_init(struct stored_file *file, const char *type, uint64_t hash)
{
    static const char digits[] = "0123456789abcdef";
    char *tag = file->etag;
    *tag++ = '"';
    for (int shift = 60; shift >= 0; shift -= 4)
        *tag++ = digits[hash >> shift & 15];
    *tag++ = '"';
    *tag = '\0';
    file->type = type;
}

bool stored_file_matches(const struct exchange *exchange, const struct stored_file *file)
{
    const char *if_match = request_header_list(exchange->request, "If-Match");
    return !if_match || conditional_match(if_match, file->etag);
}

/* --- Headers --------------------------------------------------------------------- */

/* What a downloaded file's name ends in; "" for types that nobody has named. */
static const char *extension_of(const char *type)
{
    static const struct {
        const char *type;
        const char *extension;
    } table[] = {{"image/jpeg", ".jpg"}, {"image/png", ".png"},
                 {"image/gif", ".gif"},  {"image/webp", ".webp"},
                 {"image/bmp", ".bmp"},  {"text/plain; charset=utf-8", ".txt"}};
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        if (strcmp(type, table[i].type) == 0)
            return table[i].extension;
    }
    return "";
}

static bool wants_download(const struct exchange *exchange)
{
    char value[4];
    return query_value(exchange->request->query, "download", value, sizeof(value)) &&
           strcmp(value, "1") == 0;
}

/* RFC 6266. The id's characters need no quoting, which the route has checked. */
static enum app_err add_disposition(struct exchange *exchange, const struct stored_file *file)
{
    const char *id = exchange->parameter;
    const char *extension = extension_of(file->type);
    const char *dot = strrchr(id, '.');
    if (dot && strcmp(dot, extension) == 0)
        extension = "";
    const char *value =
        arena_printf(exchange->request->arena, "attachment; filename=\"%s%s\"", id, extension);
    return value ? response_header(exchange->response, "Content-Disposition", value)
                 : APP_NO_MEMORY;
}

enum app_err stored_file_headers(struct exchange *exchange, const struct stored_file *file)
{
    struct response *response = exchange->response;
    char cache_control[64] = "no-cache";
    int64_t seconds = exchange->app->config.local_cache_ttl_ms / 1000;
    if (seconds > 0)
        (void)snprintf(cache_control, sizeof(cache_control), "public, max-age=%" PRId64, seconds);
    enum app_err err = response_header(response, "Cache-Control", cache_control);
    if (!err)
        err = response_header(response, "ETag", file->etag);
    if (!err && wants_download(exchange))
        err = add_disposition(exchange, file);
    return err;
}

/* --- Sending --------------------------------------------------------------------- */

static size_t total_of(const struct iovec *pieces, size_t count)
{
    size_t total = 0;
    for (size_t i = 0; i < count; i++)
        total += pieces[i].iov_len;
    return total;
}

/* The part's pieces, as many as `out` has room for: `count`. Returns how many there are. */
static size_t cut(const struct iovec *pieces, size_t count, struct range part, struct iovec *out)
{
    size_t used = 0;
    for (size_t i = 0; i < count && part.len > 0; i++) {
        size_t len = pieces[i].iov_len;
        if (part.first >= len) {
            part.first -= len;
            continue;
        }
        len -= part.first;
        if (len > part.len)
            len = part.len;
        out[used++] = (struct iovec){(char *)pieces[i].iov_base + part.first, len};
        part.len -= len;
        part.first = 0;
    }
    return used;
}

static enum app_err send_part(struct exchange *exchange, const struct stored_file *file,
                              const struct iovec *pieces, size_t count, struct range part)
{
    struct arena *arena = exchange->request->arena;
    struct iovec *cut_pieces = arena_alloc(arena, count * sizeof(*cut_pieces));
    const char *content_range = arena_printf(arena, "bytes %zu-%zu/%zu", part.first,
                                             part.first + part.len - 1, total_of(pieces, count));
    if (!cut_pieces || !content_range)
        return APP_NO_MEMORY;
    enum app_err err = response_header(exchange->response, "Content-Range", content_range);
    if (err)
        return err;
    size_t cut_count = cut(pieces, count, part, cut_pieces);
    return response_send_pieces(exchange->response, 206, file->type, cut_pieces, cut_count);
}

/* RFC 9110, 15.5.17 */
static enum app_err send_unsatisfiable(struct exchange *exchange, size_t size)
{
    const char *content_range = arena_printf(exchange->request->arena, "bytes */%zu", size);
    if (!content_range)
        return APP_NO_MEMORY;
    enum app_err err = response_header(exchange->response, "Content-Range", content_range);
    return err ? err : APP_RANGE_UNSATISFIABLE;
}

static const char *or_none(const char *value)
{
    return value ? value : "";
}

static bool is_not_modified(const struct exchange *exchange, const struct stored_file *file)
{
    return conditional_none_match(or_none(request_header_list(exchange->request, "If-None-Match")),
                                  file->etag);
}

static enum range_kind range_of(const struct exchange *exchange, const struct stored_file *file,
                                size_t size, struct range *part)
{
    const struct request *request = exchange->request;
    if (request->method != HTTP_GET) /* RFC 9110, 14.2: for no other method */
        return RANGE_WHOLE;
    return conditional_range(or_none(request_header(request, "Range")),
                             or_none(request_header(request, "If-Range")), file->etag, size, part);
}

enum app_err stored_file_send(struct exchange *exchange, const struct stored_file *file,
                              const struct iovec *pieces, size_t count)
{
    struct response *response = exchange->response;
    struct range part = {0, 0};
    if (is_not_modified(exchange, file))
        return response_send(response, 304, NULL, NULL, 0);

    enum range_kind kind = range_of(exchange, file, total_of(pieces, count), &part);
    if (kind == RANGE_UNSATISFIABLE)
        return send_unsatisfiable(exchange, total_of(pieces, count));
    enum app_err err = response_header(response, "Accept-Ranges", "bytes");
    if (err)
        return err;
    if (kind == RANGE_PART)
        return send_part(exchange, file, pieces, count, part);
    return response_send_pieces(response, 200, file->type, pieces, count);
}

/* Web servers decode the path. */
static char *encode_path(struct arena *arena, const char *path)
{
    static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                                "0123456789/._~=-";
    char *encoded = arena_alloc(arena, strlen(path) * 3 + 1);
    char *out = encoded;
    for (; encoded && *path; path++) {
        if (strchr(plain, *path))
            *out++ = *path;
        else
            out += snprintf(out, 4, "%%%02X", (unsigned char)*path);
    }
    if (encoded)
        *out = '\0';
    return encoded;
}

enum app_err stored_file_send_path(struct exchange *exchange, const struct stored_file *file,
                                   const char *path, size_t size)
{
    struct response *response = exchange->response;
    struct range part;
    if (is_not_modified(exchange, file))
        return response_send(response, 304, NULL, NULL, 0);
    if (range_of(exchange, file, size, &part) == RANGE_UNSATISFIABLE)
        return send_unsatisfiable(exchange, size);
    const char *encoded = encode_path(exchange->request->arena, path);
    enum app_err err = encoded ? response_header(response, "X-Sendfile", encoded) : APP_NO_MEMORY;
    return err ? err : response_send(response, 200, file->type, NULL, 0);
}
