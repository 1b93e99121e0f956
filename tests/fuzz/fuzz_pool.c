/* SPDX-License-Identifier: MIT */
/*
 * What siblings say to one another: as a question that this process is asked, and
 * as the answer to one of its own. A byte tells which.
 */
#include "fuzz/input.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "profiling/pool.h"

enum { INPUT_MAX = 64 * 1024, ASK_MS = 2000 };

int LLVMFuzzerInitialize(int *argc, char ***argv);

static struct pool *pool;
static char run_dir[64];
static char own_name[32];
static int sibling_fd;

/* Says back what it was asked. */
static enum app_err serve(void *context, const char *command, bool (*gone)(void *gone_context),
                          void *gone_context, struct buf *answer, struct err_buf *why)
{
    (void)context;
    (void)gone(gone_context);
    must(strlen(command) < POOL_MAX_COMMAND);
    if (command[0] == '!')
        return err_set(why, APP_NOT_FOUND, "%s", command);
    return buf_append_str(answer, command);
}

static struct sockaddr_un address_of(const char *name)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    (void)snprintf(address.sun_path, sizeof(address.sun_path), "%s/%s", run_dir, name);
    return address;
}

static void clean_up(void)
{
    pool_free(&pool);
    (void)unlink(address_of("1.sock").sun_path);
    (void)unlink(address_of("1.lock").sun_path);
    (void)rmdir(run_dir);
}

/* Another process by its files: a lock that is held, and a socket. */
static void add_sibling(void)
{
    const struct sockaddr_un lock = address_of("1.lock");
    const struct sockaddr_un name = address_of("1.sock");
    int lock_fd = open(lock.sun_path, O_CREAT | O_RDWR | O_CLOEXEC, 0600);
    must(lock_fd >= 0 && flock(lock_fd, LOCK_EX | LOCK_NB) == 0);
    sibling_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    must(sibling_fd >= 0 && bind(sibling_fd, (const struct sockaddr *)&name, sizeof(name)) == 0 &&
         listen(sibling_fd, 1) == 0);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    static struct log_sink sink = {.fd = -1, .level = LOG_OFF};
    static const struct log log = {.sink = &sink, .module = "fuzz"};
    struct err_buf why;
    const struct pool_options options = {.run_dir = run_dir, .log = &log, .serve = serve};
    (void)argc;
    (void)argv;
    (void)snprintf(run_dir, sizeof(run_dir), "/tmp/fuzz-pool-XXXXXX");
    must(mkdtemp(run_dir) != NULL);
    (void)snprintf(own_name, sizeof(own_name), "%ld.sock", (long)getpid());
    must(pool_new(&options, &pool, &why) == APP_OK);
    add_sibling();
    must(atexit(clean_up) == 0);
    return 0;
}

/* As a sibling would. */
static void ask_us(const uint8_t *data, size_t size)
{
    struct sockaddr_un address = address_of(own_name);
    char answer[4096];
    ssize_t len;
    size_t total = 0;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    must(fd >= 0 && connect(fd, (const struct sockaddr *)&address, sizeof(address)) == 0);
    if (size > 0)
        (void)send(fd, data, size, MSG_NOSIGNAL);
    (void)shutdown(fd, SHUT_WR);
    while ((len = recv(fd, answer, sizeof(answer), 0)) > 0)
        total += (size_t)len;
    must(total <= POOL_MAX_COMMAND + ERR_TEXT_MAX + 64);
    close(fd);
}

/* Whatever a sibling's socket holds, each question is answered once. */
static void take_answer(void *context, const struct pool_answer *answer)
{
    int *answers = context;
    (*answers)++;
    must(answer->text != NULL);
    must(answer->err || answer->data || answer->len == 0);
    must(answer->err < APP_ERR__MAX);
}

/* What the other sibling answers next. */
static const uint8_t *answer_data;
static size_t answer_size;

static void *answer_for_sibling(void *argument)
{
    (void)argument;
    char command[POOL_MAX_COMMAND];
    int fd = accept(sibling_fd, NULL, NULL);
    must(fd >= 0);
    (void)recv(fd, command, sizeof(command), 0);
    if (answer_size > 0)
        (void)send(fd, answer_data, answer_size, MSG_NOSIGNAL);
    close(fd);
    return NULL;
}

/* Asks ourselves and the sibling. */
static void answer_us(const uint8_t *data, size_t size)
{
    struct err_buf why;
    pthread_t thread;
    size_t asked = 0;
    int answers = 0;
    answer_data = data;
    answer_size = size;
    must(pthread_create(&thread, NULL, answer_for_sibling, NULL) == 0);
    must(pool_ask(pool, "state", deadline_in_ms(ASK_MS), take_answer, &answers, &asked, &why) ==
         APP_OK);
    must(asked == 2 && answers == 2);
    must(pthread_join(thread, NULL) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0 || size > INPUT_MAX)
        return 0;
    if (data[0] % 2)
        answer_us(data + 1, size - 1);
    else
        ask_us(data + 1, size - 1);
    return 0;
}
