/* SPDX-License-Identifier: MIT */
/* The handles' life, and requests to upstreams that the operator trusts; fetch.c has the others. */
#include "lib/net/http_client.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <curl/curl.h>

#include "lib/base/clock.h"
#include "lib/base/secret.h"
#include "lib/net/http_handle.h"

/* A file on its way out; by callbacks, since curl would copy it otherwise. */
struct file_reader {
    const struct http_file_part *file;
    size_t at;
};

/* What a request holds on to until the transfer is over. */
struct exchange {
    const struct http_request *request;
    CURL *curl;
    struct curl_slist *headers;
    curl_mime *mime;
    struct file_reader reader;
    struct buf body;
    enum app_err body_err;
};

enum app_err http_client_global_init(void)
{
    return curl_global_init_mem(CURL_GLOBAL_DEFAULT, malloc, secret_free, secret_realloc, strdup,
                                calloc) == CURLE_OK
               ? APP_OK
               : APP_INTERNAL;
}

void http_client_global_release(void)
{
    curl_global_cleanup();
}

enum app_err http_client_new(struct http_client **client)
{
    struct http_client *made = calloc(1, sizeof(*made));
    if (!made)
        return APP_NO_MEMORY;
    made->upstream = curl_easy_init();
    made->origin = curl_easy_init();
    made->utf8 = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
    if (!made->upstream || !made->origin) {
        http_client_free(&made);
        return APP_NO_MEMORY;
    }
    *client = made;
    return APP_OK;
}

void http_client_free(struct http_client **client)
{
    struct http_client *old = *client;
    *client = NULL;
    if (!old)
        return;
    curl_easy_cleanup(old->upstream);
    curl_easy_cleanup(old->origin);
    if (old->utf8)
        freelocale(old->utf8);
    free(old);
}

static size_t read_file(char *to, size_t size, size_t count, void *object)
{
    struct file_reader *reader = object;
    size_t room = size * count;
    size_t left = reader->file->len - reader->at;
    size_t len = left < room ? left : room;
    if (len > 0)
        memcpy(to, (const char *)reader->file->data + reader->at, len);
    reader->at += len;
    return len;
}

/* curl rewinds to send once more what a dead connection took. */
static int seek_file(void *object, curl_off_t offset, int origin)
{
    struct file_reader *reader = object;
    if (origin != SEEK_SET || offset < 0 || (uint64_t)offset > reader->file->len)
        return CURL_SEEKFUNC_FAIL;
    reader->at = (size_t)offset;
    return CURL_SEEKFUNC_OK;
}

static size_t take_body(char *data, size_t size, size_t count, void *object)
{
    struct exchange *exchange = object;
    exchange->body_err = buf_append(&exchange->body, data, size * count);
    return exchange->body_err ? CURL_WRITEFUNC_ERROR : size * count;
}

static enum app_err attach_file(struct exchange *exchange, CURL *curl)
{
    const struct http_file_part *file = exchange->request->file;
    exchange->reader = (struct file_reader){.file = file};
    exchange->mime = curl_mime_init(curl);
    curl_mimepart *part = exchange->mime ? curl_mime_addpart(exchange->mime) : NULL;
    if (!part)
        return APP_NO_MEMORY;

    int failed = 0;
    failed |= (int)curl_mime_name(part, file->field);
    failed |= (int)curl_mime_filename(part, file->filename);
    failed |= (int)curl_mime_type(part, file->content_type);
    failed |= (int)curl_mime_data_cb(part, (curl_off_t)file->len, read_file, seek_file, NULL,
                                     &exchange->reader);
    failed |= (int)curl_easy_setopt(curl, CURLOPT_MIMEPOST, exchange->mime);
    return failed ? APP_NO_MEMORY : APP_OK;
}

static enum app_err attach_body(const struct http_request *request, CURL *curl)
{
    const void *body = request->body ? request->body : "";
    curl_off_t len = request->body ? (curl_off_t)request->body_len : 0;
    int failed = 0;
    failed |= (int)curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, len);
    failed |= (int)curl_easy_setopt(curl, CURLOPT_POSTFIELDS, (const char *)body);
    return failed ? APP_NO_MEMORY : APP_OK;
}

static enum app_err set_method_and_content(struct exchange *exchange, CURL *curl)
{
    const struct http_request *request = exchange->request;
    bool get = strcmp(request->method, "GET") == 0;
    enum app_err err = APP_OK;
    if (request->file)
        err = attach_file(exchange, curl);
    else if (!get || request->body)
        err = attach_body(request, curl);
    if (!err && curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, request->method))
        err = APP_NO_MEMORY;
    return err;
}

static enum app_err set_headers(struct exchange *exchange, CURL *curl)
{
    const struct http_request *request = exchange->request;
    /* Else curl waits up to a second for a "100 Continue" before it sends a large body. */
    exchange->headers = curl_slist_append(NULL, "Expect:");
    if (!exchange->headers)
        return APP_NO_MEMORY;
    enum app_err err = APP_OK;
    for (size_t i = 0; i < request->header_count && !err; i++)
        err = http_handle_add_header(&exchange->headers, request->headers[i].name,
                                     request->headers[i].value);
    if (!err && curl_easy_setopt(curl, CURLOPT_HTTPHEADER, exchange->headers))
        err = APP_NO_MEMORY;
    return err;
}

static enum app_err set_target(struct exchange *exchange, CURL *curl)
{
    const struct http_request *request = exchange->request;
    int failed = 0;
    failed |= (int)curl_easy_setopt(curl, CURLOPT_URL, request->url);
    failed |= (int)curl_easy_setopt(curl, CURLOPT_FRESH_CONNECT, request->once ? 1L : 0L);
    failed |=
        (int)curl_easy_setopt(curl, CURLOPT_MAXFILESIZE_LARGE, (curl_off_t)request->max_answer);
    failed |= (int)curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_body);
    failed |= (int)curl_easy_setopt(curl, CURLOPT_WRITEDATA, exchange);
    if (request->user) {
        failed |= (int)curl_easy_setopt(curl, CURLOPT_HTTPAUTH, (long)CURLAUTH_BASIC);
        failed |= (int)curl_easy_setopt(curl, CURLOPT_USERNAME, request->user);
        failed |= (int)curl_easy_setopt(curl, CURLOPT_PASSWORD,
                                        request->password ? request->password : "");
    }
    return failed ? APP_NO_MEMORY : APP_OK;
}

static enum app_err explain(const struct exchange *exchange, const struct http_client *client,
                            CURLcode code, struct err_buf *why)
{
    enum app_err err = APP_UPSTREAM_FAILED;
    if (code == CURLE_OPERATION_TIMEDOUT)
        err = APP_UPSTREAM_TIMEOUT;
    else if (code == CURLE_ABORTED_BY_CALLBACK)
        err = APP_CLIENT_GONE;
    else if (code == CURLE_OUT_OF_MEMORY || exchange->body_err == APP_NO_MEMORY)
        err = APP_NO_MEMORY;
    if (code == CURLE_FILESIZE_EXCEEDED || exchange->body_err == APP_TOO_LARGE)
        err_detail(why, "the answer has more than %zu bytes", exchange->request->max_answer);
    else
        err_detail(why, "%s", http_handle_error(client, code));
    return err_set(why, err, "%s", app_strerror(err));
}

/*
 * A kept connection that the other side has closed meanwhile: curl itself makes
 * a new one when it finds out by reading, but not when it is by writing.
 */
static bool died_of_age(CURL *curl, CURLcode code)
{
    long connects = 0;
    long header_bytes = 0;
    (void)curl_easy_getinfo(curl, CURLINFO_NUM_CONNECTS, &connects);
    (void)curl_easy_getinfo(curl, CURLINFO_HEADER_SIZE, &header_bytes);
    return code == CURLE_SEND_ERROR && connects == 0 && header_bytes == 0;
}

static void fill_answer(struct exchange *exchange, CURL *curl, struct http_answer *answer)
{
    long status = 0;
    const char *type = NULL;
    (void)curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    (void)curl_easy_getinfo(curl, CURLINFO_CONTENT_TYPE, &type);
    *answer = (struct http_answer){.status = (int)status, .body = exchange->body};
    (void)snprintf(answer->content_type, sizeof(answer->content_type), "%s", type ? type : "");
    buf_init(&exchange->body, 0);
}

static enum app_err run_exchange(struct exchange *exchange, struct http_client *client,
                                 struct http_answer *answer, struct err_buf *why)
{
    CURL *curl = exchange->curl;
    const struct http_request *request = exchange->request;
    int64_t left_ms = deadline_left_ms(request->deadline_ns);
    client->error[0] = '\0';
    if (left_ms == 0)
        return explain(exchange, client, CURLE_OPERATION_TIMEDOUT, why);

    enum app_err err = http_handle_prepare(client, curl, left_ms);
    if (!err)
        err = set_target(exchange, curl);
    if (!err)
        err = set_headers(exchange, curl);
    if (!err)
        err = set_method_and_content(exchange, curl);
    if (!err)
        err = http_handle_set_cancel(curl, &request->cancel);
    if (err)
        return err_set(why, err, "%s", app_strerror(err));

    CURLcode code = http_handle_perform(client, curl);
    if (died_of_age(curl, code) && (left_ms = deadline_left_ms(request->deadline_ns)) > 0) {
        (void)curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)left_ms);
        (void)curl_easy_setopt(curl, CURLOPT_FRESH_CONNECT, 1L);
        code = http_handle_perform(client, curl);
    }
    if (code != CURLE_OK)
        return explain(exchange, client, code, why);
    fill_answer(exchange, curl, answer);
    return APP_OK;
}

enum app_err http_client_request(struct http_client *client, const struct http_request *request,
                                 struct http_answer *answer, struct err_buf *why)
{
    struct exchange exchange = {.request = request, .curl = client->upstream};
    buf_init(&exchange.body, request->max_answer);
    /* A handle keeps what it has sent in its buffer, and is no use to the next such request. */
    if (request->once)
        exchange.curl = curl_easy_init();
    enum app_err err = exchange.curl ? run_exchange(&exchange, client, answer, why) : APP_NO_MEMORY;

    /* The handle must not keep pointers to what ends here. */
    curl_easy_reset(client->upstream);
    curl_mime_free(exchange.mime);
    curl_slist_free_all(exchange.headers);
    buf_release(&exchange.body);
    if (request->once)
        curl_easy_cleanup(exchange.curl);
    return err;
}
