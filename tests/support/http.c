/* SPDX-License-Identifier: MIT */
/* A handle a call: a test wants no connection left over from the one before. */
#include "support/http.h"

#include <assert.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <curl/curl.h>

enum { HEADERS_MAX = 128 * 1024, BODY_MAX = 64 * 1024 * 1024, TIMEOUT_MS = 30000 };

static size_t take_body(char *data, size_t size, size_t count, void *context)
{
    struct http_reply *reply = context;
    return buf_append(&reply->body, data, size * count) == APP_OK ? size * count : 0;
}

/* Keeps the last header block only: a "100 Continue" may come before it. */
static size_t take_header(char *data, size_t size, size_t count, void *context)
{
    struct http_reply *reply = context;
    size_t len = size * count;
    if (len >= 5 && strncmp(data, "HTTP/", 5) == 0)
        buf_reset(&reply->headers);
    size_t line = len;
    while (line > 0 && (data[line - 1] == '\r' || data[line - 1] == '\n'))
        line--;
    if (buf_append(&reply->headers, data, line) || buf_append(&reply->headers, "", 1))
        return 0;
    return len;
}

static void set_request(CURL *curl, const struct http_call *call)
{
    curl_easy_setopt(curl, CURLOPT_URL, call->url);
    curl_easy_setopt(curl, CURLOPT_PATH_AS_IS, 1L);
    curl_easy_setopt(curl, CURLOPT_NOPROXY, "*");
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, call->timeout_ms ? call->timeout_ms : TIMEOUT_MS);
    if (call->from)
        curl_easy_setopt(curl, CURLOPT_INTERFACE, call->from);
    if (call->body) {
        curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)call->body_len);
        curl_easy_setopt(curl, CURLOPT_POSTFIELDS, call->body);
    }
    if (call->method && strcmp(call->method, "HEAD") == 0)
        curl_easy_setopt(curl, CURLOPT_NOBODY, 1L);
    else if (call->method)
        curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, call->method);
}

static struct curl_slist *header_list(const struct http_call *call)
{
    struct curl_slist *list = NULL;
    for (size_t i = 0; call->headers && call->headers[i]; i++)
        list = curl_slist_append(list, call->headers[i]);
    return list;
}

bool http_perform(const struct http_call *call, struct http_reply *reply)
{
    char error[CURL_ERROR_SIZE] = "";
    long status = 0;
    *reply = (struct http_reply){.status = 0};
    buf_init(&reply->headers, HEADERS_MAX);
    buf_init(&reply->body, BODY_MAX);

    CURL *curl = curl_easy_init();
    if (!curl)
        return false;
    struct curl_slist *headers = header_list(call);
    set_request(curl, call);
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, error);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_body);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, reply);
    curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, take_header);
    curl_easy_setopt(curl, CURLOPT_HEADERDATA, reply);

    CURLcode code = curl_easy_perform(curl);
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_getinfo(curl, CURLINFO_TOTAL_TIME, &reply->seconds);
    reply->status = (int)status;
    if (code)
        (void)snprintf(reply->error, sizeof(reply->error), "%.60s: %.90s", curl_easy_strerror(code),
                       error);
    curl_slist_free_all(headers);
    curl_easy_cleanup(curl);
    return code == CURLE_OK;
}

struct http_job {
    pthread_t thread;
    struct http_call call;
    struct http_reply reply;
    bool answered;
};

static void *run_job(void *object)
{
    struct http_job *job = object;
    job->answered = http_perform(&job->call, &job->reply);
    return NULL;
}

struct http_job *http_job_start(const struct http_call *call)
{
    struct http_job *job = calloc(1, sizeof(*job));
    assert(job);
    job->call = *call;
    int failed = pthread_create(&job->thread, NULL, run_job, job);
    assert(!failed);
    return job;
}

bool http_job_wait(struct http_job **job, struct http_reply *reply)
{
    pthread_join((*job)->thread, NULL);
    bool answered = (*job)->answered;
    *reply = (*job)->reply;
    free(*job);
    *job = NULL;
    return answered;
}

void http_reply_release(struct http_reply *reply)
{
    buf_release(&reply->headers);
    buf_release(&reply->body);
}

const char *http_reply_header(const struct http_reply *reply, const char *name)
{
    size_t name_len = strlen(name);
    const char *line = reply->headers.data;
    const char *end = line + reply->headers.len;
    for (; line && line < end; line += strlen(line) + 1) {
        if (strncasecmp(line, name, name_len) == 0 && line[name_len] == ':')
            return line + name_len + 1 + strspn(line + name_len + 1, " \t");
    }
    return NULL;
}

const char *http_reply_text(const struct http_reply *reply)
{
    return reply->body.data ? reply->body.data : "";
}
