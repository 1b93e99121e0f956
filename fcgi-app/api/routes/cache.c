/* SPDX-License-Identifier: MIT */
/*
 * GET /cache/{file}: the name of the file in the local tier, for the web server to send, or
 * its bytes from there, or those of the cache straight from gRPC's slices. Other writers
 * share the cache, so the name is checked here and the type is sniffed, never believed.
 * DELETE takes a file down.
 */
#include "api/app.h"
#include "api/clients/cache_client.h"
#include "api/clients/takedown.h"
#include "api/clients/upstream_error.h"
#include "api/faults.h"
#include "api/localcache/local_cache.h"
#include "api/localcache/read_through.h"
#include "api/routes/routes.h"
#include "api/routes/stored_file.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/arena.h"
#include "lib/base/clock.h"
#include "lib/base/limits.h"
#include "lib/fcgi/request.h"
#include "lib/fcgi/response.h"
#include "lib/fcgi/worker.h"
#include "lib/http/header.h"
#include "lib/telemetry/trace.h"

/* 1 to LIMIT_CACHE_ID of these, the first not a dot. */
static bool is_cache_id(const char *name)
{
    static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                                  "0123456789._~=-";
    size_t len = strlen(name);
    return len >= 1 && len <= LIMIT_CACHE_ID && name[0] != '.' && strspn(name, allowed) == len;
}

/*
 * The web server says for each request from which directory it sends files, in a
 * variable that no client can set, for theirs begin with HTTP_. Without it, or with
 * another directory, an X-Sendfile header would be an empty answer or a 403.
 */
static bool web_server_sends_files(const struct exchange *exchange)
{
    const struct local_cache *tier = exchange->app->tier;
    const char *from = request_param(exchange->request, "EMOJIFY_SENDFILE");
    if (!tier || !from)
        return false;
    size_t len = strlen(from);
    while (len > 1 && from[len - 1] == '/')
        len--;
    const char *directory = local_cache_directory(tier);
    return strlen(directory) == len && memcmp(directory, from, len) == 0;
}

/* The bytes of a file of the tier, whose content never changes; NULL: it cannot be read. */
static char *read_file(const struct exchange *exchange, const char *path, size_t len)
{
    char *bytes = malloc(len + 1);
    if (!bytes || !arena_on_reset(exchange->request->arena, free, bytes)) {
        free(bytes);
        return NULL;
    }
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t got = fd >= 0 ? read(fd, bytes, len + 1) : -1;
    if (fd >= 0)
        (void)close(fd);
    return got == (ssize_t)len ? bytes : NULL;
}

/* Find the file, and its bytes where the web server does not send files: `*bytes`, or its item. */
static enum app_err find(struct exchange *exchange, struct read_through_call *call,
                         bool sends_files, struct read_through_file *file, const char **bytes)
{
    struct read_through *reads = exchange->app->reads;
    enum app_err err = read_through_get(reads, call, file, &exchange->why);
    bool has_bytes = !err && file->item && file->item->count > 0;
    *bytes = NULL;
    if (err || has_bytes || sends_files)
        return err;
    *bytes = read_file(exchange, file->path, file->len);
    if (*bytes)
        return APP_OK;
    read_through_release(file);
    call->use_tier = false; /* it has been taken away meanwhile */
    return read_through_get(reads, call, file, &exchange->why);
}

static enum app_err answer(struct exchange *exchange, const struct read_through_file *found,
                           bool sends_files, const char *bytes)
{
    struct stored_file file;
    stored_file_init(&file, found->type, found->hash);
    if (!stored_file_matches(exchange, &file))
        return APP_PRECONDITION_FAILED;
    enum app_err err = stored_file_headers(exchange, &file);
    if (err)
        return err;
    if (found->path && sends_files)
        return stored_file_send_path(exchange, &file, found->path, found->len);
    if (!bytes)
        return stored_file_send(exchange, &file, found->item->pieces, found->item->count);
    union {
        const char *from;
        void *to;
    } base = {.from = bytes};
    const struct iovec piece = {base.to, found->len};
    return stored_file_send(exchange, &file, &piece, 1);
}

static struct read_through_call call_for(const struct exchange *exchange)
{
    struct request *request = exchange->request;
    return (struct read_through_call){
        .name = exchange->parameter,
        .use_tier = exchange->app->tier && exchange->app->config.cache_fault.rate <= 0,
        .caller = exchange->worker->cache,
        .since_ns = request->started_ns,
        .deadline_ns = exchange->deadline_ns,
        .request_id = request->id,
        .trace = &request->trace,
    };
}

enum app_err route_cache(struct exchange *exchange)
{
    struct read_through_file file;
    const char *bytes;
    bool answered, dump, sends_files = web_server_sends_files(exchange);
    if (!is_cache_id(exchange->parameter)) {
        telemetry_count(&exchange->app->telemetry, "cache.missing_parameter");
        return APP_NOT_FOUND;
    }
    struct read_through_call call = call_for(exchange);
    if (!call.use_tier) /* an injected fault may be a delay */
        fcgi_worker_yield();
    enum app_err err = faults_inject(exchange, FAULT_ROUTE_CACHE, &answered, &dump);
    if (err || answered)
        return err;
    err = find(exchange, &call, sends_files, &file, &bytes);
    if (err)
        return err;
    if (dump)
        faults_dump(exchange->parameter, file.item);
    err = answer(exchange, &file, sends_files, bytes);
    read_through_release(&file);
    return err;
}

/* APP_PRECONDITION_FAILED: If-Match is there, and names not the file that is here. */
static enum app_err check_match(struct exchange *exchange)
{
    if (!request_header(exchange->request, "If-Match"))
        return APP_OK;
    struct read_through_call call = call_for(exchange);
    struct read_through_file found;
    enum app_err err = read_through_get(exchange->app->reads, &call, &found, &exchange->why);
    if (err)
        return err == APP_NOT_FOUND || err == APP_GONE ? APP_PRECONDITION_FAILED : err;
    struct stored_file file;
    stored_file_init(&file, found.type, found.hash);
    bool matches = stored_file_matches(exchange, &file);
    read_through_release(&found);
    return matches ? APP_OK : APP_PRECONDITION_FAILED;
}

enum app_err route_cache_delete(struct exchange *exchange)
{
    struct request *request = exchange->request;
    struct http_header headers[TRACE_HEADERS_MAX];
    if (!is_cache_id(exchange->parameter))
        return APP_NOT_FOUND;
    enum app_err err = check_match(exchange);
    if (err)
        return err;
    const struct cache_call call = {
        .deadline_ns = deadline_min(exchange->deadline_ns, deadline_in_ms(CACHE_PUT_TIMEOUT_MS)),
        .timeout_ms = CACHE_PUT_TIMEOUT_MS,
        .request_id = request->id,
        .headers = headers,
        .header_count = trace_headers(&request->trace, headers),
    };
    int64_t started_ns = clock_now_ns();
    struct takedown_marks marks;
    err = takedown_run(exchange->worker->cache, &call, exchange->parameter, &marks, &exchange->why);
    telemetry_upstream(&exchange->app->telemetry, UPSTREAM_CACHE_PUT, started_ns, err);
    /* Also when the call failed, for it may have come through. */
    struct local_cache *tier = exchange->app->tier;
    int64_t gone_ns = deadline_in_ms(local_cache_remove(tier, exchange->parameter));
    if (marks.bytes[0])
        gone_ns = deadline_in_ms(local_cache_remove(tier, marks.bytes));
    if (err)
        return upstream_error(&exchange->why, err, "the cache");
    log_warn(&request->log, "Picture taken down",
             LOG_FIELDS(LOG_STR("file", exchange->parameter),
                        LOG_STR("source", marks.url[0] ? "marked" : "not known"),
                        LOG_STR("remote", request_param(request, "REMOTE_ADDR"))));
    deadline_sleep(gone_ns); /* after a 204 nobody may be sent it any more */
    return response_send(exchange->response, 204, NULL, NULL, 0);
}
