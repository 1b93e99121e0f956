/* SPDX-License-Identifier: MIT */
#include "support/pprof_asker.h"

#include <stdio.h>
#include <string.h>

#include "support/cmocka.h"

enum { URI_MAX = 1024, ANSWER_MAX = 64 * 1024 * 1024 };

static struct log_sink silent_sink = {.fd = 2, .level = LOG_OFF};
static const struct log silent = {.sink = &silent_sink, .module = "test"};

static enum app_err read_body(void *context, size_t max, const char **body, size_t *len)
{
    const struct pprof_asker *asker = context;
    const char *posted = asker->posted ? asker->posted : "";
    if (strlen(posted) > max)
        return APP_TOO_LARGE;
    *body = posted;
    *len = strlen(posted);
    return APP_OK;
}

static enum app_err add_header(void *context, const char *name, const char *value)
{
    struct pprof_asker *asker = context;
    assert_int_equal(asker->status, 0);
    return buf_printf(&asker->headers, "%s: %s\n", name, value);
}

static enum app_err send_answer(void *context, int status, const char *content_type,
                                const void *body, size_t len)
{
    struct pprof_asker *asker = context;
    assert_int_equal(asker->status, 0);
    asker->sends++;
    if (asker->send_err)
        return asker->send_err;
    asker->status = status;
    (void)snprintf(asker->content_type, sizeof(asker->content_type), "%s", content_type);
    return len > 0 ? buf_append(&asker->body, body, len) : buf_append_str(&asker->body, "");
}

void pprof_asker_release(struct pprof_asker *asker)
{
    buf_release(&asker->headers);
    buf_release(&asker->body);
}

enum app_err pprof_ask(struct pprof_asker *asker, const char *method, const char *uri,
                       const char *body)
{
    char path[URI_MAX];
    pprof_asker_release(asker);
    buf_init(&asker->headers, ANSWER_MAX);
    buf_init(&asker->body, ANSWER_MAX);
    asker->status = 0;
    asker->sends = 0;
    asker->content_type[0] = '\0';
    asker->why = (struct err_buf){.text = ""};
    asker->posted = body;
    (void)snprintf(path, sizeof(path), "%s", uri);
    char *query = strchr(path, '?');
    if (query)
        *query++ = '\0';
    const struct pprof_request request = {
        .method = method,
        .path = path,
        .query = query ? query : "",
        .log = asker->log ? asker->log : &silent,
        .context = asker,
        .read_body = read_body,
        .header = add_header,
        .send = send_answer,
    };
    return pprof_handle(asker->pprof, &request, &asker->why);
}

const char *pprof_ask_text(struct pprof_asker *asker, const char *uri)
{
    enum app_err err = pprof_ask(asker, "GET", uri, NULL);
    if (err || asker->status != 200)
        fail_msg("%s: %d %s %s", uri, asker->status, app_strerror(err), asker->why.text);
    return asker->body.data;
}
