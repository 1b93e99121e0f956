/* SPDX-License-Identifier: MIT */
/*
 * A FastCGI program in the test's own process, with real sockets and threads,
 * whose handler does what the path says:
 *
 *     /hello    answers "hello\n"
 *     /echo     answers the body
 *     /size?N   answers N bytes of `large` in one piece
 *     /large    answers TEST_APP_LARGE bytes of it in several
 *     /huge     answers all of it, TEST_APP_HUGE
 *     /wait     posts `entered`, waits for `gate`, answers "waited\n"
 *     /silent   gives no answer
 *     /watch    reads the body, posts `entered`, waits until the client has gone
 *     others    answer 404
 *
 * /echo, /huge, /wait and /watch keep what came of it in last_error and post `finished`.
 */
#ifndef TESTS_SUPPORT_FCGI_APP_H
#define TESTS_SUPPORT_FCGI_APP_H

#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/err.h"
#include "lib/base/log.h"
#include "lib/fcgi/worker.h"

enum {
    TEST_APP_WAIT_MS = 20000, /* for what must come; only a failure waits so long */
    TEST_APP_BODY_MAX = 1 << 20,
    TEST_APP_LARGE = 3 * 1024 * 1024,
    TEST_APP_HUGE = 16 * 1024 * 1024,
    TEST_APP_WORKERS_MAX = 8
};

#define GET(uri)     ((const char *const[]){"REQUEST_METHOD=GET", "REQUEST_URI=" uri, NULL})
#define POST(uri, n) ((const char *const[]){"REQUEST_METHOD=POST", "REQUEST_URI=" uri, n, NULL})

/* The option of servers that are started from now on; false at first. */
extern bool test_app_quick;

/* Of servers that are started from now on; zeros at first, which are the standard limits. */
extern struct fcgi_limits test_app_limits;

struct test_app {
    char directory[64];
    char address[96];
    int listen_fd;
    bool let_go, is_own; /* the options; false at first */
    int log_fd;          /* a file in memory */
    struct log_sink sink;
    struct log log;
    struct fcgi_server *server;
    char *large;

    atomic_uint started; /* worker_init that went well */
    atomic_uint released;
    atomic_uint fail_from; /* worker_init fails from that one on */
    pthread_t threads[TEST_APP_WORKERS_MAX];

    sem_t entered; /* a handler is in /wait */
    sem_t gate;    /* lets one out */
    sem_t finished;
    atomic_int last_error; /* what response_send or request_read_body said */
};

/* Listen on a Unix socket of its own, or on `address`, host:port. Not started. */
struct test_app *test_app_new(const char *address);

enum app_err test_app_start(struct test_app *app, unsigned workers, struct err_buf *why);

/* New on a Unix socket, and started. */
struct test_app *test_app_serve(unsigned workers);

/* Stop, which must leave nobody busy and release every worker. */
void test_app_stop(struct test_app *app);
void test_app_free(struct test_app *app);

/* Stop and free. */
void test_app_finish(struct test_app *app);

/* Whether the log has that text. */
bool test_app_log_has(const struct test_app *app, const char *text);

/* A connection to it, which must succeed. */
int test_app_connect(const struct test_app *app);

/* GET /hello must be answered. */
void test_app_assert_hello(const struct test_app *app);

/* The other side must close `fd` without an answer; closes it, too. */
void test_app_assert_dropped(int fd);

/* Must be posted within TEST_APP_WAIT_MS. */
void test_app_await(sem_t *semaphore);

int64_t test_app_ms_since(int64_t start_ns);
void test_app_sleep_ms(long ms);

#endif
