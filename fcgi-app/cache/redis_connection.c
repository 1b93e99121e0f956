/* SPDX-License-Identifier: MIT */
/*
 * A socket that never blocks, with poll in front of each step. hiredis is handed
 * functions of our own to make replies with, so that a value's bytes can be
 * passed on without another copy, and arrays, which nobody asks for here, end
 * the connection instead of taking memory.
 */
#include "cache/redis_connection.h"

#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#include <hiredis/hiredis.h>

#include "lib/base/clock.h"
#include "lib/base/limits.h"

enum { CHUNK = 64 * 1024 };

struct redis_connection {
    int fd;
    redisReader *reader;
    redisReplyObjectFunctions functions; /* the reader's */
};

static enum app_err failed(struct err_buf *why, const char *what, const char *reason)
{
    err_detail(why, "%s: %s", what, reason);
    return err_set(why, APP_UPSTREAM_FAILED, "Redis cannot be reached");
}

/* --- Replies, as hiredis's reader makes them ---------------------------------- */

static struct redis_reply *make_reply(enum redis_type type)
{
    struct redis_reply *reply = calloc(1, sizeof(*reply));
    if (reply)
        reply->type = type;
    return reply;
}

static void free_reply(void *object)
{
    struct redis_reply *reply = object;
    if (reply)
        free(reply->data);
    free(reply);
}

static void *create_string(const redisReadTask *task, char *text, size_t len)
{
    struct redis_reply *reply = make_reply(task->type == REDIS_REPLY_STRING  ? REDIS_BYTES
                                           : task->type == REDIS_REPLY_ERROR ? REDIS_ERROR
                                                                             : REDIS_STATUS);
    char *data = malloc(len + 1);
    if (!reply || !data) {
        free(reply);
        free(data);
        return NULL;
    }
    memcpy(data, text, len);
    data[len] = '\0';
    reply->data = data;
    reply->len = len;
    return reply;
}

static void *create_array(const redisReadTask *task, int elements)
{
    (void)task;
    (void)elements;
    return NULL;
}

static void *create_number(const redisReadTask *task, long long number)
{
    (void)task;
    struct redis_reply *reply = make_reply(REDIS_NUMBER);
    if (reply)
        reply->number = number;
    return reply;
}

static void *create_nil(const redisReadTask *task)
{
    (void)task;
    return make_reply(REDIS_NIL);
}

void redis_reply_release(struct redis_reply *reply)
{
    free(reply->data);
    *reply = (struct redis_reply){.type = REDIS_NIL};
}

/* --- Commands ----------------------------------------------------------------- */

static enum app_err wait_for(const struct redis_connection *connection, short events,
                             int64_t deadline_ns, struct err_buf *why)
{
    struct pollfd ready = {.fd = connection->fd, .events = events};
    int count;
    do {
        count = poll(&ready, 1, (int)deadline_left_ms(deadline_ns));
    } while (count < 0 && errno == EINTR);
    if (count > 0)
        return APP_OK;
    if (count < 0)
        return failed(why, "poll", strerror(errno));
    err_detail(why, "%s in time", events == POLLIN ? "no answer" : "not ready to be written to");
    return err_set(why, APP_UPSTREAM_TIMEOUT, "Redis does not answer in time");
}

static enum app_err send_all(struct redis_connection *connection, const char *data, size_t len,
                             int64_t deadline_ns, struct err_buf *why)
{
    while (len > 0) {
        ssize_t step = send(connection->fd, data, len, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (step >= 0) {
            data += step;
            len -= (size_t)step;
        } else if (errno == EAGAIN) {
            enum app_err err = wait_for(connection, POLLOUT, deadline_ns, why);
            if (err)
                return err;
        } else if (errno != EINTR) {
            return failed(why, "send", strerror(errno));
        }
    }
    return APP_OK;
}

/*
 * Nothing may have come unasked, or it would be taken for the answer of this
 * command. What usually has come is the end of a connection that lay idle.
 */
static enum app_err assert_quiet(const struct redis_connection *connection, struct err_buf *why)
{
    char byte;
    ssize_t len = connection->reader->pos < connection->reader->len
                      ? 1
                      : recv(connection->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    if (len < 0)
        return errno == EAGAIN || errno == EINTR ? APP_OK : failed(why, "receive", strerror(errno));
    return failed(why, "receive", len == 0 ? "closed by Redis" : "an answer that is not asked for");
}

static enum app_err send_command(struct redis_connection *connection,
                                 const struct redis_word *words, size_t count, int64_t deadline_ns,
                                 struct err_buf *why)
{
    const char *texts[REDIS_WORDS_MAX];
    size_t lens[REDIS_WORDS_MAX];
    assert(count > 0 && count <= REDIS_WORDS_MAX);
    for (size_t i = 0; i < count; i++) {
        texts[i] = words[i].data;
        lens[i] = words[i].len;
    }
    char *command = NULL;
    int len = redisFormatCommandArgv(&command, (int)count, texts, lens);
    if (len < 0)
        return APP_NO_MEMORY;
    enum app_err err = send_all(connection, command, (size_t)len, deadline_ns, why);
    redisFreeCommand(command);
    return err;
}

/* Feed the reader with what has come. */
static enum app_err read_some(struct redis_connection *connection, int64_t deadline_ns,
                              struct err_buf *why)
{
    char chunk[CHUNK];
    enum app_err err = wait_for(connection, POLLIN, deadline_ns, why);
    if (err)
        return err;
    ssize_t len = recv(connection->fd, chunk, sizeof(chunk), MSG_DONTWAIT);
    if (len == 0)
        return failed(why, "receive", "closed by Redis");
    if (len < 0)
        return errno == EAGAIN || errno == EINTR ? APP_OK : failed(why, "receive", strerror(errno));
    if (connection->reader->len + (size_t)len > LIMIT_REDIS_REPLY)
        return failed(why, "receive", "the answer is too large");
    if (redisReaderFeed(connection->reader, chunk, (size_t)len) != REDIS_OK)
        return APP_NO_MEMORY;
    return APP_OK;
}

enum app_err redis_connection_call(struct redis_connection *connection,
                                   const struct redis_word *words, size_t count,
                                   int64_t deadline_ns, struct redis_reply *reply,
                                   struct err_buf *why)
{
    void *found = NULL;
    enum app_err err = assert_quiet(connection, why);
    if (!err)
        err = send_command(connection, words, count, deadline_ns, why);
    while (!err && !found) {
        err = read_some(connection, deadline_ns, why);
        if (!err && redisReaderGetReply(connection->reader, &found) != REDIS_OK)
            err = failed(why, "not Redis's protocol", connection->reader->errstr);
    }
    if (err)
        return err;
    *reply = *(struct redis_reply *)found;
    free(found);
    return APP_OK;
}

/* --- Connecting --------------------------------------------------------------- */

struct redis_address redis_address_of_path(const struct redis_url *url)
{
    struct redis_address address = {.len = sizeof(struct sockaddr_un)};
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    (void)snprintf(name.sun_path, sizeof(name.sun_path), "%s", url->path);
    memcpy(&address.name, &name, sizeof(name));
    return address;
}

static enum app_err open_socket(struct redis_connection *connection,
                                const struct redis_address *address, int64_t deadline_ns,
                                struct err_buf *why)
{
    const int yes = 1;
    int error = 0;
    socklen_t error_len = sizeof(error);
    int family = address->name.ss_family;
    connection->fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (connection->fd < 0)
        return failed(why, "socket", strerror(errno));
    if (family != AF_UNIX)
        (void)setsockopt(connection->fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
    if (connect(connection->fd, (const struct sockaddr *)&address->name, address->len) == 0)
        return APP_OK;
    if (errno != EINPROGRESS)
        return failed(why, "connect", strerror(errno));
    enum app_err err = wait_for(connection, POLLOUT, deadline_ns, why);
    if (err)
        return err;
    if (getsockopt(connection->fd, SOL_SOCKET, SO_ERROR, &error, &error_len) != 0)
        error = errno;
    return error ? failed(why, "connect", strerror(error)) : APP_OK;
}

/* A command of the greeting, which Redis must not refuse. */
static enum app_err greet(struct redis_connection *connection, const struct redis_word *words,
                          size_t count, int64_t deadline_ns, struct err_buf *why)
{
    struct redis_reply reply;
    enum app_err err = redis_connection_call(connection, words, count, deadline_ns, &reply, why);
    if (err)
        return err;
    if (reply.type != REDIS_STATUS) {
        err_detail(why, "%s: %s", (const char *)words[0].data,
                   reply.type == REDIS_ERROR ? reply.data : "not the answer of a Redis");
        err = err_set(why, APP_UPSTREAM_FAILED, "Redis refuses to serve");
    }
    redis_reply_release(&reply);
    return err;
}

static enum app_err log_in(struct redis_connection *connection, const struct redis_url *url,
                           int64_t deadline_ns, struct err_buf *why)
{
    const struct redis_word auth[] = {REDIS_WORD("AUTH"), REDIS_WORD(url->user),
                                      REDIS_WORD(url->password)};
    const struct redis_word short_auth[] = {auth[0], auth[2]};
    const struct redis_word select[] = {REDIS_WORD("SELECT"), REDIS_WORD(url->database)};
    const struct redis_word ping[] = {REDIS_WORD("PING")};
    enum app_err err = APP_OK;
    if (url->user[0])
        err = greet(connection, auth, 3, deadline_ns, why);
    else if (url->password[0])
        err = greet(connection, short_auth, 2, deadline_ns, why);
    if (!err && strcmp(url->database, "0") != 0)
        err = greet(connection, select, 2, deadline_ns, why);
    return err ? err : greet(connection, ping, 1, deadline_ns, why);
}

enum app_err redis_connection_new(const struct redis_address *address, const struct redis_url *url,
                                  int64_t deadline_ns, struct redis_connection **connection,
                                  struct err_buf *why)
{
    struct redis_connection *made = calloc(1, sizeof(*made));
    if (!made)
        return APP_NO_MEMORY;
    made->fd = -1;
    made->functions = (redisReplyObjectFunctions){create_string, create_array, create_number,
                                                  create_nil, free_reply};
    made->reader = redisReaderCreateWithFunctions(&made->functions);
    enum app_err err = APP_NO_MEMORY;
    if (made->reader)
        err = open_socket(made, address, deadline_ns, why);
    if (!err)
        err = log_in(made, url, deadline_ns, why);
    if (err) {
        redis_connection_free(&made);
        return err;
    }
    *connection = made;
    return APP_OK;
}

void redis_connection_free(struct redis_connection **connection)
{
    struct redis_connection *self = *connection;
    *connection = NULL;
    if (!self)
        return;
    if (self->fd >= 0)
        close(self->fd);
    if (self->reader)
        redisReaderFree(self->reader);
    free(self);
}
