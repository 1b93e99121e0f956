/* SPDX-License-Identifier: MIT */
/* Encodes into memory first, so that a request leaves in one write as from a real server. */
#include "support/fcgi_peer.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "support/fcgi_params.h"

enum { HEADER_LEN = 8, CONTENT_MAX = 65535, GET_TIMEOUT_MS = 20000 };

struct bytes {
    unsigned char *data;
    size_t len;
};

static void put(struct bytes *bytes, const void *data, size_t len)
{
    bytes->data = realloc(bytes->data, bytes->len + len + 1);
    if (!bytes->data)
        abort();
    if (len > 0)
        memcpy(bytes->data + bytes->len, data, len);
    bytes->len += len;
    bytes->data[bytes->len] = '\0';
}

static void put_record(struct bytes *bytes, int type, int id, const void *data, size_t len,
                       unsigned padding)
{
    static const unsigned char zeros[255];
    const unsigned char header[HEADER_LEN] = {
        1,
        (unsigned char)type,
        (unsigned char)(id >> 8),
        (unsigned char)id,
        (unsigned char)(len >> 8),
        (unsigned char)len,
        (unsigned char)padding,
        0,
    };
    put(bytes, header, sizeof(header));
    put(bytes, data, len);
    put(bytes, zeros, padding);
}

/* In records of at most 65535 bytes, then the empty one. */
static void put_stream(struct bytes *bytes, int type, int id, const void *data, size_t len)
{
    const char *at = data;
    while (len > 0) {
        size_t part = len < CONTENT_MAX ? len : CONTENT_MAX;
        put_record(bytes, type, id, at, part, (unsigned)(-part & 7));
        at += part;
        len -= part;
    }
    put_record(bytes, type, id, NULL, 0, 0);
}

static void put_begin(struct bytes *bytes, int id, int role, int flags)
{
    const unsigned char body[8] = {(unsigned char)(role >> 8), (unsigned char)role,
                                   (unsigned char)flags};
    put_record(bytes, FCGI_PEER_BEGIN, id, body, sizeof(body), 0);
}

static void put_params(struct bytes *bytes, int id, const char *const *environment)
{
    size_t len;
    char *pairs = fcgi_params_encode(environment, &len);
    put_stream(bytes, FCGI_PEER_PARAMS, id, pairs, len);
    free(pairs);
}

char *fcgi_peer_encode(int flags, const char *const *environment, const void *body, size_t len,
                       size_t *encoded_len)
{
    struct bytes bytes = {0};
    put_begin(&bytes, 1, FCGI_PEER_RESPONDER, flags);
    put_params(&bytes, 1, environment);
    put_stream(&bytes, FCGI_PEER_STDIN, 1, body, len);
    *encoded_len = bytes.len;
    return (char *)bytes.data;
}

static bool send_bytes(int fd, struct bytes *bytes)
{
    bool ok = fcgi_peer_send(fd, bytes->data, bytes->len);
    free(bytes->data);
    return ok;
}

bool fcgi_peer_send(int fd, const void *data, size_t len)
{
    const char *at = data;
    while (len > 0) {
        ssize_t sent = send(fd, at, len, MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR)
            continue;
        if (sent <= 0)
            return false;
        at += sent;
        len -= (size_t)sent;
    }
    return true;
}

bool fcgi_peer_record(int fd, int type, int id, const void *data, size_t len, unsigned padding)
{
    struct bytes bytes = {0};
    put_record(&bytes, type, id, data, len, padding);
    return send_bytes(fd, &bytes);
}

bool fcgi_peer_begin(int fd, int id, int role, int flags)
{
    struct bytes bytes = {0};
    put_begin(&bytes, id, role, flags);
    return send_bytes(fd, &bytes);
}

bool fcgi_peer_params(int fd, int id, const char *const *environment)
{
    struct bytes bytes = {0};
    put_params(&bytes, id, environment);
    return send_bytes(fd, &bytes);
}

bool fcgi_peer_stdin(int fd, int id, const void *body, size_t len)
{
    struct bytes bytes = {0};
    put_stream(&bytes, FCGI_PEER_STDIN, id, body, len);
    return send_bytes(fd, &bytes);
}

bool fcgi_peer_request(int fd, int flags, const char *const *environment, const void *body,
                       size_t len)
{
    struct bytes bytes = {0};
    bytes.data = (unsigned char *)fcgi_peer_encode(flags, environment, body, len, &bytes.len);
    return send_bytes(fd, &bytes);
}

/* --- Connecting --- */

static int connect_unix(const char *path)
{
    struct sockaddr_un sun = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof(sun.sun_path)) {
        errno = ENAMETOOLONG;
        return -1;
    }
    memcpy(sun.sun_path, path, strlen(path) + 1);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, (const struct sockaddr *)&sun, sizeof(sun)) != 0) {
        int saved = errno;
        (void)close(fd);
        errno = saved;
        return -1;
    }
    return fd;
}

static int connect_tcp(const char *address)
{
    struct sockaddr_in sin = {.sin_family = AF_INET};
    char host[64];
    unsigned port;
    if (sscanf(address, "%63[0-9.]:%5u", host, &port) != 2 ||
        inet_pton(AF_INET, host, &sin.sin_addr) != 1) {
        errno = EINVAL;
        return -1;
    }
    sin.sin_port = htons((uint16_t)port);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, (const struct sockaddr *)&sin, sizeof(sin)) != 0) {
        int saved = errno;
        (void)close(fd);
        errno = saved;
        return -1;
    }
    return fd;
}

int fcgi_peer_connect(const char *address)
{
    if (strncmp(address, "unix:", 5) == 0)
        return connect_unix(address + 5);
    return address[0] == '/' ? connect_unix(address) : connect_tcp(address);
}

/* --- Reading --- */

static bool read_exactly(int fd, int timeout_ms, void *out, size_t len, struct fcgi_answer *answer)
{
    char *at = out;
    while (len > 0) {
        struct pollfd readable = {fd, POLLIN, 0};
        if (poll(&readable, 1, timeout_ms) <= 0)
            return false;
        ssize_t got = recv(fd, at, len, 0);
        if (got <= 0) {
            answer->closed = true;
            return false;
        }
        at += got;
        len -= (size_t)got;
    }
    return true;
}

static void find_body(struct fcgi_answer *answer, struct bytes *output)
{
    put(output, "", 0);
    answer->output = (char *)output->data;
    answer->output_len = output->len;
    char *blank = strstr(answer->output, "\r\n\r\n");
    answer->body = blank ? blank + 4 : answer->output + output->len;
    answer->body_len = output->len - (size_t)(answer->body - answer->output);
}

bool fcgi_peer_receive(int fd, int timeout_ms, struct fcgi_answer *answer)
{
    fcgi_answer_release(answer);
    struct bytes output = {0};
    unsigned char header[HEADER_LEN];
    static _Thread_local unsigned char content[CONTENT_MAX + 255];
    while (!answer->ended && read_exactly(fd, timeout_ms, header, sizeof(header), answer)) {
        size_t len = (size_t)(header[4] << 8 | header[5]);
        if (!read_exactly(fd, timeout_ms, content, len + header[6], answer))
            break;
        if (header[1] == FCGI_PEER_STDOUT && len > 0) {
            put(&output, content, len);
            answer->records++;
        } else if (header[1] == FCGI_PEER_END) {
            answer->ended = true;
            answer->protocol_status = content[4];
        }
    }
    find_body(answer, &output);
    return answer->ended;
}

int fcgi_answer_status(const struct fcgi_answer *answer)
{
    int status = 0;
    return answer->output && sscanf(answer->output, "Status: %d", &status) == 1 ? status : 0;
}

bool fcgi_answer_has_line(const struct fcgi_answer *answer, const char *line)
{
    size_t len = strlen(line);
    for (const char *at = answer->output; at && at < answer->body;) {
        if (strncmp(at, line, len) == 0 && strncmp(at + len, "\r\n", 2) == 0)
            return true;
        const char *newline = strchr(at, '\n');
        at = newline ? newline + 1 : NULL;
    }
    return false;
}

void fcgi_answer_release(struct fcgi_answer *answer)
{
    free(answer->output);
    *answer = (struct fcgi_answer){0};
}

bool fcgi_peer_get(const char *address, const char *uri, struct fcgi_answer *answer)
{
    char uri_variable[9000];
    (void)snprintf(uri_variable, sizeof(uri_variable), "REQUEST_URI=%s", uri);
    const char *const environment[] = {"REQUEST_METHOD=GET", uri_variable, NULL};
    int fd = fcgi_peer_connect(address);
    if (fd < 0)
        return false;
    bool ok = fcgi_peer_request(fd, 0, environment, NULL, 0) &&
              fcgi_peer_receive(fd, GET_TIMEOUT_MS, answer);
    (void)close(fd);
    return ok;
}
