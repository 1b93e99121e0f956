/* SPDX-License-Identifier: MIT */
/* Stands in for lib/fcgi/connection.c with the same two functions on memory. */
#include "support/loopback.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <cmocka.h>

#include "lib/base/limits.h"
#include "support/fcgi_params.h"

enum { CAPTURE_MAX = 64 * 1024 * 1024 };

static bool write_answer(void *sink, const char *head, size_t head_len, const struct iovec *pieces,
                         size_t count)
{
    struct loopback *loopback = sink;
    if (loopback->peer_gone)
        return false;
    loopback->writes++;
    assert_int_equal(buf_append(&loopback->head, head, head_len), APP_OK);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(buf_append(&loopback->body, pieces[i].iov_base, pieces[i].iov_len),
                         APP_OK);
    return true;
}

static bool has_left(void *source)
{
    const struct loopback *loopback = source;
    return loopback->left;
}

void loopback_init(struct loopback *loopback, const char *const *environment, const void *body,
                   size_t len)
{
    *loopback = (struct loopback){.peer_gone = false};
    buf_init(&loopback->head, CAPTURE_MAX);
    buf_init(&loopback->body, CAPTURE_MAX);
    assert_int_equal(buf_append(&loopback->head, "", 0), APP_OK);
    assert_int_equal(buf_append(&loopback->body, "", 0), APP_OK);
    loopback->arena = arena_new(LIMIT_REQUEST_ARENA);
    assert_non_null(loopback->arena);
    loopback->sink.fd = -1;
    loopback->sink.level = LOG_OFF;
    loopback->log = (struct log){.sink = &loopback->sink, .module = "test"};

    struct request_input input = {.body_len = len, .gone = has_left, .source = loopback};
    input.params = fcgi_params_encode(environment, &input.params_len);
    loopback->params = input.params;
    if (body) {
        loopback->sent = malloc(len + 1);
        assert_non_null(loopback->sent);
        memcpy(loopback->sent, body, len);
        input.body = loopback->sent;
    }
    struct err_buf why = {.text = ""};
    loopback->init_err =
        request_init(&loopback->request, loopback->arena, &loopback->log, &input, &why);
    loopback->why = why;
    response_init(&loopback->response, &loopback->request,
                  (struct response_output){write_answer, loopback});
}

void loopback_release(struct loopback *loopback)
{
    buf_release(&loopback->head);
    buf_release(&loopback->body);
    arena_free(&loopback->arena);
    free(loopback->params);
    free(loopback->sent);
}

/* The next line of that name from `line` on, or NULL. */
static const char *find_line(const char *line, const char *name)
{
    size_t len = strlen(name);
    while (*line) {
        if (strncasecmp(line, name, len) == 0 && line[len] == ':')
            return line;
        const char *newline = strchr(line, '\n');
        line = newline ? newline + 1 : line + strlen(line);
    }
    return NULL;
}

const char *loopback_header(struct loopback *loopback, const char *name)
{
    const char *line = find_line(loopback->head.data, name);
    if (!line)
        return NULL;
    const char *value = line + strlen(name) + 1;
    value += strspn(value, " ");
    size_t len = strcspn(value, "\r\n");
    assert_true(len < sizeof(loopback->value));
    memcpy(loopback->value, value, len);
    loopback->value[len] = '\0';
    return loopback->value;
}

unsigned loopback_header_count(const struct loopback *loopback, const char *name)
{
    unsigned count = 0;
    const char *line = loopback->head.data;
    while ((line = find_line(line, name))) {
        count++;
        line += strlen(name);
    }
    return count;
}
