/* SPDX-License-Identifier: MIT */
/* Plain sockets, so that malformed and half-sent requests can be tried as well. */
#include "support/raw_http.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <cmocka.h>

enum { ANSWER_MAX = 32 * 1024 * 1024, READ_TIMEOUT_S = 10 };

int raw_http_connect(uint16_t port)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    struct timeval timeout = {.tv_sec = READ_TIMEOUT_S};
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout)), 0);
    struct sockaddr_in address = {
        .sin_family = AF_INET,
        .sin_port = htons(port),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };
    assert_int_equal(connect(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
    return fd;
}

bool raw_http_send(int socket, const void *data, size_t len)
{
    const char *at = data;
    while (len > 0) {
        ssize_t sent = send(socket, at, len, MSG_NOSIGNAL);
        if (sent <= 0)
            return false;
        at += sent;
        len -= (size_t)sent;
    }
    return true;
}

bool raw_http_send_str(int socket, const char *text)
{
    return raw_http_send(socket, text, strlen(text));
}

/* Append what one read gives: its size, 0 at the end, -1 when nothing came in time. */
static ssize_t read_some(int socket, struct buf *out)
{
    char piece[16384];
    ssize_t got = recv(socket, piece, sizeof(piece), 0);
    if (got < 0)
        return errno == ECONNRESET ? 0 : -1;
    assert_int_equal(buf_append(out, piece, (size_t)got), APP_OK);
    return got;
}

bool raw_http_read_all(int socket, struct buf *out)
{
    ssize_t got;
    do
        got = read_some(socket, out);
    while (got > 0);
    return got == 0;
}

bool raw_http_read_answer(int socket, struct buf *out)
{
    size_t start = out->len;
    for (;;) {
        const char *head = out->data ? out->data + start : "";
        const char *end = strstr(head, "\r\n\r\n");
        const char *length = strcasestr(head, "\r\nContent-Length: ");
        if (end && length && length < end) {
            size_t body = strtoul(length + strlen("\r\nContent-Length: "), NULL, 10);
            if (out->len >= (size_t)(end + 4 - out->data) + body)
                return true;
        }
        if (read_some(socket, out) <= 0)
            return false;
    }
}

int raw_http_ask(uint16_t port, const void *request, size_t len, struct buf *out)
{
    buf_init(out, ANSWER_MAX);
    int fd = raw_http_connect(port);
    (void)raw_http_send(fd, request, len); /* a server may refuse before it has read all */
    bool closed = raw_http_read_all(fd, out);
    close(fd);
    return closed ? raw_http_status(out) : 0;
}

int raw_http_get(uint16_t port, const char *method, const char *path, const char *headers,
                 struct buf *out)
{
    struct buf request;
    buf_init(&request, ANSWER_MAX);
    assert_int_equal(buf_printf(&request,
                                "%s %s HTTP/1.1\r\nHost: test\r\nConnection: close\r\n%s\r\n",
                                method, path, headers),
                     APP_OK);
    int status = raw_http_ask(port, request.data, request.len, out);
    buf_release(&request);
    return status;
}

int raw_http_post(uint16_t port, const char *path, const char *headers, const void *body,
                  size_t len, struct buf *out)
{
    struct buf request;
    buf_init(&request, ANSWER_MAX);
    assert_int_equal(buf_printf(&request,
                                "POST %s HTTP/1.1\r\nHost: test\r\nConnection: close\r\n"
                                "Content-Length: %zu\r\n%s\r\n",
                                path, len, headers),
                     APP_OK);
    assert_int_equal(buf_append(&request, body, len), APP_OK);
    int status = raw_http_ask(port, request.data, request.len, out);
    buf_release(&request);
    return status;
}

int raw_http_status(const struct buf *answer)
{
    static const char start[] = "HTTP/1.1 ";
    if (answer->len < sizeof(start) || strncmp(answer->data, start, sizeof(start) - 1) != 0)
        return 0;
    return (int)strtol(answer->data + sizeof(start) - 1, NULL, 10);
}

const char *raw_http_body(const struct buf *answer)
{
    const char *end = answer->data ? strstr(answer->data, "\r\n\r\n") : NULL;
    return end ? end + 4 : "";
}
