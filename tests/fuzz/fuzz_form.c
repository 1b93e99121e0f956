/* SPDX-License-Identifier: MIT */
/*
 * The body of a request to emojify-facebox, through the real server: a byte for
 * the content type (multipart with the boundary "x", a form, JSON, or one that the
 * first line says), then the body. Its length is told rightly or, with the byte's
 * fourth bit, so that it is cut off.
 */
#include "fuzz/input.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "facebox/check.h"
#include "lib/httpd/httpd.h"

enum { INPUT_MAX = 64 * 1024, OWN_TYPE = 3, CUT_OFF = 4 };

int LLVMFuzzerInitialize(int *argc, char ***argv);

static struct httpd *server;

static void handle(void *context, const struct httpd_request *request,
                   struct httpd_response *response)
{
    struct check_input input;
    struct err_buf why = {.text = ""};
    (void)context;
    enum app_err err = check_read(request, &input, &why);
    must(err == APP_OK || (err == APP_BAD_REQUEST && why.text[0]) || err == APP_TOO_LARGE);
    if (!err)
        must(input.source && (input.picture || input.owned.data));
    check_input_release(&input);
    response->status = app_err_status(err);
    must(buf_append_str(&response->body, "done") == APP_OK);
}

static void stop(void)
{
    httpd_stop(&server);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    static struct log_sink sink = {.fd = -1, .level = LOG_OFF};
    static const struct log log = {.sink = &sink, .module = "fuzz"};
    struct err_buf why;
    const struct httpd_options options = {.address = "127.0.0.1",
                                          .max_connections = 8,
                                          .max_body = INPUT_MAX,
                                          .idle_timeout_s = 2,
                                          .handler = handle,
                                          .log = &log};
    (void)argc;
    (void)argv;
    must(httpd_start(&options, &server, &why) == APP_OK);
    must(atexit(stop) == 0);
    return 0;
}

static int connect_to_server(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(httpd_port(server))};
    const int yes = 1;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    must(fd >= 0 && connect(fd, (const struct sockaddr *)&address, sizeof(address)) == 0);
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
    return fd;
}

static void exchange(const char *head, size_t head_len, const struct fuzz_input *body)
{
    char answer[4096];
    size_t len = 0;
    ssize_t got;
    int fd = connect_to_server();
    (void)send(fd, head, head_len, MSG_NOSIGNAL | MSG_MORE);
    if (body->left > 0)
        (void)send(fd, body->data, body->left, MSG_NOSIGNAL);
    (void)shutdown(fd, SHUT_WR);
    while (len < sizeof(answer) && (got = recv(fd, answer + len, sizeof(answer) - len, 0)) > 0)
        len += (size_t)got;
    must(len == 0 || (len > 9 && memcmp(answer, "HTTP/1.", 7) == 0));
    /* A reset leaves no port in TIME_WAIT: there are not enough of them. */
    const struct linger reset = {1, 0};
    (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
    close(fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const types[] = {"multipart/form-data; boundary=x",
                                        "application/x-www-form-urlencoded", "application/json"};
    struct fuzz_input input = {data, size};
    char head[512];
    if (size > INPUT_MAX / 2)
        return 0;
    unsigned how = fuzz_byte(&input);
    char *own = how % 4 == OWN_TYPE ? fuzz_line(&input) : NULL;
    int len = snprintf(head, sizeof(head),
                       "POST /facebox/check HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
                       "Content-Type: %.200s\r\nContent-Length: %zu\r\n\r\n",
                       own ? own : types[how % 4], input.left + (how & CUT_OFF ? 9 : 0));
    exchange(head, (size_t)len, &input);
    free(own);
    return 0;
}
