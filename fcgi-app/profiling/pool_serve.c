/* SPDX-License-Identifier: MIT */
/*
 * Answering a sibling: one line comes in, "OK <length>\n" and the bytes or
 * "ERR <slug> <text>\n" go out. A thread a command, for a profile takes seconds
 * and the control thread must not.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "profiling/pool_private.h"

enum { RECEIVE_S = 2, SEND_S = 10 };

struct command {
    struct pool *pool;
    int fd;
};

bool pool_peer_is_ours(int fd)
{
    struct ucred peer;
    socklen_t len = sizeof(peer);
    return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) == 0 && peer.uid == geteuid();
}

/* The asker hung up, or this process is stopping. */
static bool is_gone(void *context)
{
    const struct command *command = context;
    struct pollfd fds[] = {{command->fd, POLLRDHUP, 0}, {command->pool->stop_fd, POLLIN, 0}};
    return poll(fds, 2, 0) > 0;
}

static bool read_line(int fd, char line[POOL_MAX_COMMAND + 1])
{
    size_t len = 0;
    while (len < POOL_MAX_COMMAND) {
        ssize_t got = recv(fd, line + len, POOL_MAX_COMMAND - len, 0);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return false;
        len += (size_t)got;
        if (line[len - 1] == '\n') {
            line[len - 1] = '\0';
            return true;
        }
    }
    return false;
}

static void send_all(int fd, const char *data, size_t len)
{
    while (len > 0) {
        ssize_t sent = send(fd, data, len, MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR)
            continue;
        if (sent <= 0)
            return; /* the asker sees the connection end early */
        data += sent;
        len -= (size_t)sent;
    }
}

static void answer_command(struct command *command, const char *line)
{
    struct pool *pool = command->pool;
    struct buf answer;
    struct err_buf why = {.text = ""};
    char head[ERR_TEXT_MAX + 64];

    buf_init(&answer, POOL_MAX_ANSWER);
    enum app_err err =
        pool->options.serve(pool->options.context, line, is_gone, command, &answer, &why);
    if (err)
        (void)snprintf(head, sizeof(head), "ERR %s %s\n", app_err_slug(err), why.text);
    else
        (void)snprintf(head, sizeof(head), "OK %zu\n", answer.len);
    send_all(command->fd, head, strlen(head));
    if (!err)
        send_all(command->fd, answer.data, answer.len);
    buf_release(&answer);
}

static void finish(struct command *command)
{
    struct pool *pool = command->pool;
    close(command->fd);
    free(command);
    pthread_mutex_lock(&pool->lock);
    if (--pool->commands == 0)
        pthread_cond_signal(&pool->idle);
    pthread_mutex_unlock(&pool->lock);
}

static void *command_thread(void *argument)
{
    struct command *command = argument;
    char line[POOL_MAX_COMMAND + 1];
    if (read_line(command->fd, line))
        answer_command(command, line);
    finish(command);
    return NULL;
}

void pool_serve_connection(struct pool *pool, int fd)
{
    static const char busy[] = "ERR busy too many commands at once\n";
    const struct timeval receive = {RECEIVE_S, 0}, transmit = {SEND_S, 0};
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &receive, sizeof(receive));
    (void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &transmit, sizeof(transmit));

    pthread_mutex_lock(&pool->lock);
    bool room = pool->commands < POOL_MAX_COMMANDS;
    if (room)
        pool->commands++;
    pthread_mutex_unlock(&pool->lock);
    struct command *command = room ? malloc(sizeof(*command)) : NULL;
    if (!room) {
        send_all(fd, busy, sizeof(busy) - 1);
        close(fd);
        return;
    }

    pthread_t thread;
    pthread_attr_t detached;
    pthread_attr_init(&detached);
    pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED);
    if (command)
        *command = (struct command){pool, fd};
    if (!command || pthread_create(&thread, &detached, command_thread, command) != 0) {
        pthread_mutex_lock(&pool->lock);
        pool->commands--;
        pthread_mutex_unlock(&pool->lock);
        free(command);
        close(fd);
    }
    pthread_attr_destroy(&detached);
}
