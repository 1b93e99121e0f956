/* SPDX-License-Identifier: MIT */
/*
 * What a web server sends over a connection, in pieces whose sizes the first byte chooses:
 * the records, the requests made of them, and the answers, over a pair of sockets. An
 * answer's size is what the query says.
 */
#include "fuzz/input.h"

#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/base/limits.h"
#include "lib/fcgi/connection.h"
#include "lib/fcgi/watch.h"

enum {
    ANSWER_MAX = 64 * 1024,
    BODY_MAX = 4096,
    MEMORY = 16 * 1024,
    INPUT_MAX = 128 * 1024,
    ROOM = 4 * 1024 * 1024
};

static const struct fcgi_limits limits = {
    .keepalive_ms = 1000,
    .beginning_ms = 1000,
    .upload_ms = 1000,
    .upload_grace_ms = 1000,
    .upload_rate = 1000,
    .send_stall_ms = 1000,
    .send_ms = 1000,
    .body_max = BODY_MAX,
    .memory = MEMORY,
    .connections = 10,
};

static void handle(void *context, void *worker, struct request *request, struct response *response)
{
    static const char filler[ANSWER_MAX];
    const char *body;
    size_t len = 0;
    (void)context;
    (void)worker;
    if (request_body(request, BODY_MAX, &body, &len) == APP_OK)
        must(len <= BODY_MAX && body[len] == '\0');
    else
        len = 0;
    (void)request_client_gone(request);
    (void)request_header_list(request, "Accept");
    size_t answer = strtoul(request->query, NULL, 10) % (ANSWER_MAX - BODY_MAX);
    if (answer != 1) /* which gives no answer at all */
        (void)response_send(response, 200, "text/plain", filler, answer + len);
}

/* Whole records of the kinds that an application sends. */
static void check_answer(const unsigned char *data, size_t len)
{
    struct protocol_record record;
    while (len >= FCGI_HEADER_LEN) {
        must(protocol_read_header(data, &record));
        must(record.type == FCGI_STDOUT || record.type == FCGI_END_REQUEST ||
             record.type == FCGI_GET_VALUES_RESULT || record.type == FCGI_UNKNOWN_TYPE);
        size_t whole = FCGI_HEADER_LEN + record.content_len + record.padding_len;
        if (whole > len)
            return;
        data += whole;
        len -= whole;
    }
}

static struct connection_context *the_context(void)
{
    static struct log_sink sink = {.fd = -1, .level = LOG_OFF};
    static const struct log log = {.sink = &sink, .module = "fuzz"};
    static struct connection_context context;
    if (!context.watch) {
        context.limits = &limits;
        context.memory.max = limits.memory;
        context.intake = (struct intake_limits){BODY_MAX, &context.memory, 10};
        context.log = &log;
        context.handle = handle;
        must(watch_new(eventfd(0, EFD_CLOEXEC), &context.watch) == APP_OK);
    }
    return &context;
}

/* What the thread that holds the connection does. */
static enum connection_need go_on(struct connection *connection,
                                  const struct connection_worker *self)
{
    enum connection_need need = connection_go_on(connection, self);
    while (need == NEED_WORKER)
        need = connection_answer(connection, self);
    must(connection_deadline(connection) > 0 && connection_rate(connection) >= 0);
    return need;
}

static void collect(int fd, unsigned char *answer, size_t *len)
{
    ssize_t got;
    while (*len < ROOM && (got = recv(fd, answer + *len, ROOM - *len, MSG_DONTWAIT)) > 0)
        *len += (size_t)got;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static unsigned char answer[ROOM], scratch[CONNECTION_SCRATCH];
    static struct arena *arena;
    struct connection_context *context = the_context();
    int fds[2];
    if (size < 1 || size > INPUT_MAX)
        return 0;
    if (!arena)
        arena = arena_new(LIMIT_REQUEST_ARENA);
    must(arena && socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds) == 0);
    const struct connection_worker self = {NULL, arena, scratch};
    struct connection *connection = connection_new(fds[1], true, context);
    must(connection != NULL);
    size_t step = data[0] ? data[0] : size, len = 0;
    enum connection_need need = NEED_INPUT;
    for (size_t sent = 1; sent < size && need != NEED_CLOSE; sent += step) {
        size_t some = size - sent < step ? size - sent : step;
        must(send(fds[0], data + sent, some, MSG_NOSIGNAL) == (ssize_t)some);
        need = go_on(connection, &self);
        collect(fds[0], answer, &len);
    }
    if (need != NEED_CLOSE && (size & 1)) {
        need = connection_give_up(connection);
        if (need == NEED_WORKER)
            (void)connection_answer(connection, &self);
    }
    collect(fds[0], answer, &len);
    connection_free(&connection);
    check_answer(answer, len);
    must(context->memory.used == 0 && context->alive == 0);
    close(fds[0]);
    return 0;
}
