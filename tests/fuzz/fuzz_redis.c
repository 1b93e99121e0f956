/* SPDX-License-Identifier: MIT */
/* What a Redis answers to a GET, or, with an odd first byte, to the greeting before it. */
#include "fuzz/input.h"

#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "cache/redis_connection.h"
#include "lib/base/clock.h"

/*
 * A call ends because the thread below answers and hangs up. A deadline that a machine standing
 * still can pass would be a different error, and no finding; a hang is libFuzzer's to report
 * (-timeout).
 */
enum { INPUT_MAX = 64 * 1024, CALL_MS = 24 * 60 * 60 * 1000 };

int LLVMFuzzerInitialize(int *argc, char ***argv);

static int listen_fd;
static struct redis_url url;

/* What the thread says, guarded by `done`. */
static sem_t done;
static bool greets;
static const uint8_t *answer;
static size_t answer_len;

static void say(int fd, const void *data, size_t len)
{
    char command[4096];
    if (TEMP_FAILURE_RETRY(recv(fd, command, sizeof(command), 0)) > 0 && len > 0)
        (void)send(fd, data, len, MSG_NOSIGNAL);
}

/* Greets or has the input greet, answers one command, and hangs up. */
static void *serve(void *argument)
{
    static const char pong[] = "+PONG\r\n";
    (void)argument;
    for (;;) {
        char rest[4096];
        int fd = (int)TEMP_FAILURE_RETRY(accept(listen_fd, NULL, NULL));
        must(fd >= 0);
        if (greets)
            say(fd, pong, sizeof(pong) - 1);
        say(fd, answer, answer_len);
        (void)shutdown(fd, SHUT_WR);
        while (recv(fd, rest, sizeof(rest), 0) > 0)
            ;
        close(fd);
        must(sem_post(&done) == 0);
    }
    return NULL;
}

static void remove_socket(void)
{
    (void)unlink(url.path);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    struct err_buf why;
    char text[64];
    pthread_t thread;
    (void)argc;
    (void)argv;
    (void)snprintf(text, sizeof(text), "unix:///tmp/fuzz-redis-%ld.sock", (long)getpid());
    must(redis_url_parse(text, &url, &why) == APP_OK);
    struct redis_address address = redis_address_of_path(&url);
    listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    (void)unlink(url.path);
    must(bind(listen_fd, (const struct sockaddr *)&address.name, address.len) == 0);
    must(sem_init(&done, 0, 0) == 0);
    must(atexit(remove_socket) == 0);
    must(listen(listen_fd, 1) == 0);
    must(pthread_create(&thread, NULL, serve, NULL) == 0);
    return 0;
}

static void check(const struct redis_reply *reply)
{
    if (reply->type == REDIS_BYTES || reply->type == REDIS_STATUS || reply->type == REDIS_ERROR)
        must(reply->data && reply->data[reply->len] == '\0');
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct redis_word get[] = {REDIS_WORD("GET"), REDIS_WORD("key")};
    struct redis_connection *connection = NULL;
    struct redis_reply reply = {.type = REDIS_NIL};
    struct err_buf why = {.text = ""};
    if (size == 0 || size > INPUT_MAX)
        return 0;
    greets = data[0] % 2 == 0;
    answer = data + 1;
    answer_len = size - 1;
    struct redis_address address = redis_address_of_path(&url);
    enum app_err err =
        redis_connection_new(&address, &url, deadline_in_ms(CALL_MS), &connection, &why);
    if (!err)
        err = redis_connection_call(connection, get, 2, deadline_in_ms(CALL_MS), &reply, &why);
    if (!err)
        check(&reply);
    must(!err || err == APP_UPSTREAM_FAILED);
    redis_reply_release(&reply);
    redis_connection_free(&connection);
    must(TEMP_FAILURE_RETRY(sem_wait(&done)) == 0); /* the thread has done with `data` */
    return 0;
}
