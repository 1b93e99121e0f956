/* SPDX-License-Identifier: MIT */
/*
 * What a peer sends over a connection, as it is: the check of a request's
 * beginning, libfcgi, and the answers, over a pair of sockets. The peer has hung up
 * behind its last byte, so nothing waits. An answer's size is what the query says.
 */
#include "fuzz/input.h"

#include <fcgiapp.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/fcgi/connection.h"
#include "lib/fcgi/protocol.h"

enum { ANSWER_MAX = 64 * 1024, BODY_MAX = 4096, INPUT_MAX = 128 * 1024, ROOM = 4 * 1024 * 1024 };

static void handle(void *context, void *worker, struct request *request, struct response *response)
{
    static const char filler[ANSWER_MAX];
    const char *body;
    size_t len = 0;
    (void)context;
    (void)worker;
    if (request->method == HTTP_POST && request_read_body(request, BODY_MAX, &body, &len))
        len = 0;
    (void)request_client_gone(request);
    size_t answer = strtoul(request->query, NULL, 10) % ANSWER_MAX;
    if (answer != 1) /* which gives no answer at all */
        (void)response_send(response, 200, "text/plain", filler, answer + len);
}

/* Whole records of the kinds that an application sends. */
static void check_answer(const unsigned char *data, size_t len)
{
    while (len >= PROTOCOL_HEADER_LEN) {
        size_t content = (size_t)data[4] << 8 | data[5];
        size_t record = PROTOCOL_HEADER_LEN + content + data[6];
        must(data[0] == PROTOCOL_VERSION);
        must(data[1] == RECORD_STDOUT || data[1] == RECORD_STDERR || data[1] == RECORD_END_REQUEST);
        if (record > len)
            return;
        data += record;
        len -= record;
    }
}

/*
 * libfcgi reads management records within the input by itself, and their lengths can
 * end it: a known fault that docs/security.md tells of. It is left out here.
 */
static bool has_management_record(const uint8_t *data, size_t size)
{
    for (size_t at = 0; size - at >= PROTOCOL_HEADER_LEN;) {
        size_t record = PROTOCOL_HEADER_LEN + ((size_t)data[at + 4] << 8 | data[at + 5]);
        record += data[at + 6];
        if (data[at + 2] == 0 && data[at + 3] == 0)
            return true;
        if (record > size - at)
            return false;
        at += record;
    }
    return false;
}

static void check_beginning(const uint8_t *data, size_t size)
{
    struct fuzz_input input = {data, size};
    struct beginning beginning = {.reason = NULL};
    char *scratch = fuzz_text(&input, size);
    enum beginning_state state =
        protocol_check_beginning((unsigned char *)scratch, size, &beginning);
    must(state != BEGINNING_BAD || beginning.reason != NULL);
    (void)protocol_is_abort(data, size, 1);
    free(scratch);
}

static struct connection *the_connection(void)
{
    static struct log_sink sink = {.fd = -1, .level = LOG_OFF};
    static const struct log log = {.sink = &sink, .module = "fuzz"};
    static _Atomic int64_t last_warning_ns;
    static struct connection *connection;
    static int stop_fds[2];
    if (!connection) {
        must(FCGX_Init() == 0 && pipe(stop_fds) == 0);
        const struct connection_options options = {.stop_fd = stop_fds[0],
                                                   .log = &log,
                                                   .last_warning_ns = &last_warning_ns,
                                                   .handle = handle};
        connection = connection_new(&options);
    }
    must(connection != NULL);
    return connection;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static unsigned char answer[ROOM];
    const int room = ROOM;
    int fds[2];
    if (size > INPUT_MAX)
        return 0;
    check_beginning(data, size);
    if (has_management_record(data, size))
        return 0;
    must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) == 0);
    for (int i = 0; i < 2; i++)
        (void)setsockopt(fds[i], SOL_SOCKET, SO_SNDBUF, &room, sizeof(room));
    size_t sent = 0;
    while (sent < size) {
        ssize_t len = send(fds[0], data + sent, size - sent, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (len <= 0)
            break;
        sent += (size_t)len;
    }
    (void)shutdown(fds[0], SHUT_WR);
    connection_serve(the_connection(), fds[1], NULL);
    size_t len = 0;
    ssize_t got;
    while (len < sizeof(answer) &&
           (got = recv(fds[0], answer + len, sizeof(answer) - len, MSG_DONTWAIT)) > 0)
        len += (size_t)got;
    check_answer(answer, len);
    close(fds[0]);
    return 0;
}
