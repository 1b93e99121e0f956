/* SPDX-License-Identifier: MIT */
/*
 * An HTTP client for tests that says exactly the bytes it is given, to a server
 * on the loopback address. A test fails in it when the server cannot be reached.
 */
#ifndef TESTS_SUPPORT_RAW_HTTP_H
#define TESTS_SUPPORT_RAW_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/buf.h"

/* A connected socket, on which a read ends after ten seconds. */
int raw_http_connect(uint16_t port);

/* Send all of it; false when the peer takes no more. */
bool raw_http_send(int socket, const void *data, size_t len);
bool raw_http_send_str(int socket, const char *text);

/* Append what comes until the peer closes; false when it did not close in time. */
bool raw_http_read_all(int socket, struct buf *out);

/* Append one answer with a Content-Length, head and body, leaving the connection open. */
bool raw_http_read_answer(int socket, struct buf *out);

/*
 * One request and its whole answer, for which the caller releases `out`; a
 * "Connection: close" must be among what is sent. Returns the status, 0 when
 * there was no answer.
 */
int raw_http_ask(uint16_t port, const void *request, size_t len, struct buf *out);

/* The same for a request without a body, "GET" or "HEAD"; `headers` as "Name: value\r\n..." */
int raw_http_get(uint16_t port, const char *method, const char *path, const char *headers,
                 struct buf *out);

/* The same with a body; `headers` too, without Content-Length. */
int raw_http_post(uint16_t port, const char *path, const char *headers, const void *body,
                  size_t len, struct buf *out);

/* The status in the head of `answer`, 0 when it is none; and where its body begins. */
int raw_http_status(const struct buf *answer);
const char *raw_http_body(const struct buf *answer);

#endif
