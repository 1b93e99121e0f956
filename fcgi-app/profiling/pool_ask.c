/* SPDX-License-Identifier: MIT */
/*
 * Asking all siblings at once: one poll loop over their sockets, so that the
 * slowest or a stopped one costs its own answer only.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "profiling/pool_private.h"

enum { READ_CHUNK = 64 * 1024, HEAD_MAX = ERR_TEXT_MAX + 64 };

struct question {
    pid_t pid;
    int fd; /* -1: done */
    struct buf received;
};

struct questions {
    struct question *all;
    size_t count;
    void (*answer)(void *context, const struct pool_answer *answer);
    void *context;
};

static enum app_err err_of_slug(const char *slug, size_t len)
{
    for (int err = APP_OK + 1; err < APP_ERR__MAX; err++) {
        const char *known = app_err_slug((enum app_err)err);
        if (strlen(known) == len && memcmp(known, slug, len) == 0)
            return (enum app_err)err;
    }
    return APP_UPSTREAM_FAILED;
}

/* Hand one answer on and close its question. */
static void close_question(struct questions *questions, struct question *question,
                           const struct pool_answer *answer)
{
    close(question->fd);
    question->fd = -1;
    questions->answer(questions->context, answer);
    buf_release(&question->received);
}

static void fail_question(struct questions *questions, struct question *question, enum app_err err,
                          const char *text)
{
    struct pool_answer answer = {.pid = question->pid, .err = err, .text = text};
    close_question(questions, question, &answer);
}

/* The sibling closed the connection: what it said is whole, or it died. */
static void read_answer(struct questions *questions, struct question *question)
{
    struct buf *received = &question->received;
    char *newline = received->len > 0 ? memchr(received->data, '\n', received->len) : NULL;
    if (!newline) {
        fail_question(questions, question, APP_UPSTREAM_FAILED, "it ended");
        return;
    }
    *newline = '\0';
    struct pool_answer answer = {.pid = question->pid, .text = ""};
    if (strncmp(received->data, "OK ", 3) == 0) {
        answer.data = newline + 1;
        answer.len = received->len - (size_t)(newline + 1 - received->data);
        if (strtoull(received->data + 3, NULL, 10) != answer.len) {
            answer.err = APP_UPSTREAM_FAILED;
            answer.text = "it ended in the middle of its answer";
        }
    } else if (strncmp(received->data, "ERR ", 4) == 0) {
        const char *slug = received->data + 4;
        size_t slug_len = strcspn(slug, " ");
        answer.err = err_of_slug(slug, slug_len);
        answer.text = slug[slug_len] ? slug + slug_len + 1 : "";
    } else {
        answer.err = APP_UPSTREAM_FAILED;
        answer.text = "it answered something else";
    }
    close_question(questions, question, &answer);
}

static void receive(struct questions *questions, struct question *question)
{
    char chunk[READ_CHUNK];
    ssize_t got = recv(question->fd, chunk, sizeof(chunk), MSG_DONTWAIT);
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (got <= 0) {
        read_answer(questions, question);
        return;
    }
    enum app_err err = buf_append(&question->received, chunk, (size_t)got);
    if (err)
        fail_question(questions, question, err, "its answer is too large");
}

/* Connect to a sibling and send the command; -1 when it cannot be reached. */
static int send_question(int dir_fd, pid_t pid, const char *command)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    char name[POOL_NAME_MAX];
    char line[POOL_MAX_COMMAND + 2];
    (void)snprintf(name, sizeof(name), "%ld.sock", (long)pid);
    pool_path(dir_fd, name, address.sun_path);
    int len = snprintf(line, sizeof(line), "%s\n", command);
    if (len <= 0 || len > POOL_MAX_COMMAND)
        return -1;

    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd >= 0 && connect(fd, (const struct sockaddr *)&address, sizeof(address)) == 0 &&
        pool_peer_is_ours(fd) && send(fd, line, (size_t)len, MSG_NOSIGNAL) == len)
        return fd;
    if (fd >= 0)
        close(fd);
    return -1;
}

static void wait_for_answers(struct questions *questions, int stop_fd, int64_t deadline_ns)
{
    struct pollfd fds[POOL_MAX_SIBLINGS + 1];
    size_t index_of[POOL_MAX_SIBLINGS];
    for (;;) {
        nfds_t open_count = 0;
        for (size_t i = 0; i < questions->count; i++) {
            if (questions->all[i].fd >= 0) {
                fds[open_count] = (struct pollfd){questions->all[i].fd, POLLIN, 0};
                index_of[open_count++] = i;
            }
        }
        int64_t left_ms = deadline_left_ms(deadline_ns);
        if (open_count == 0 || left_ms == 0)
            break;
        fds[open_count] = (struct pollfd){stop_fd, POLLIN, 0};
        (void)poll(fds, open_count + 1, left_ms > INT32_MAX ? INT32_MAX : (int)left_ms);
        if (fds[open_count].revents)
            break;
        for (nfds_t i = 0; i < open_count; i++)
            if (fds[i].revents)
                receive(questions, &questions->all[index_of[i]]);
    }
    for (size_t i = 0; i < questions->count; i++)
        if (questions->all[i].fd >= 0)
            fail_question(questions, &questions->all[i], APP_UPSTREAM_TIMEOUT, "no answer in time");
}

/* Alone, without RUN_DIR: there is only this process to ask. */
static bool is_stopping(void *context)
{
    const struct pool *pool = context;
    return poll(&(struct pollfd){pool->stop_fd, POLLIN, 0}, 1, 0) > 0;
}

static void ask_self(struct pool *pool, const char *command, const struct questions *questions)
{
    struct buf bytes;
    struct err_buf why = {.text = ""};
    buf_init(&bytes, POOL_MAX_ANSWER);
    struct pool_answer answer = {.pid = getpid(), .text = why.text};
    answer.err =
        pool->options.serve(pool->options.context, command, is_stopping, pool, &bytes, &why);
    answer.data = bytes.data;
    answer.len = bytes.len;
    questions->answer(questions->context, &answer);
    buf_release(&bytes);
}

enum app_err pool_ask(struct pool *pool, const char *command, int64_t deadline_ns,
                      void (*answer)(void *context, const struct pool_answer *answer),
                      void *context, size_t *asked, struct err_buf *why)
{
    pid_t pids[POOL_MAX_SIBLINGS];
    struct questions questions = {.answer = answer, .context = context};
    questions.count = pool_siblings(pool, pids);
    if (asked)
        *asked = questions.count > 0 ? questions.count : 1;
    if (questions.count == 0) {
        ask_self(pool, command, &questions);
        return APP_OK;
    }

    pthread_mutex_lock(&pool->lock);
    int dir_fd = fcntl(pool->dir_fd, F_DUPFD_CLOEXEC, 0);
    pthread_mutex_unlock(&pool->lock);
    questions.all = calloc(questions.count, sizeof(*questions.all));
    if (dir_fd < 0 || !questions.all) {
        if (dir_fd >= 0)
            close(dir_fd);
        free(questions.all);
        return err_set(why, APP_INTERNAL, "the pool cannot be asked");
    }
    for (size_t i = 0; i < questions.count; i++) {
        struct question *question = &questions.all[i];
        question->pid = pids[i];
        buf_init(&question->received, POOL_MAX_ANSWER + HEAD_MAX);
        question->fd = send_question(dir_fd, pids[i], command);
        if (question->fd < 0) {
            struct pool_answer missing = {
                .pid = pids[i], .err = APP_UPSTREAM_FAILED, .text = "it cannot be reached"};
            answer(context, &missing);
        }
    }
    wait_for_answers(&questions, pool->stop_fd, deadline_ns);
    free(questions.all);
    close(dir_fd);
    return APP_OK;
}
