/* SPDX-License-Identifier: MIT */
/* In the worker threads there are no assertions, for cmocka's belong to the main thread. */
#include "support/fcgi_app.h"

#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/base/clock.h"
#include "support/fcgi_peer.h"

static enum app_err worker_init(void *context, void **worker, struct err_buf *why)
{
    struct test_app *app = context;
    unsigned number = atomic_fetch_add(&app->started, 1);
    if (number >= atomic_load(&app->fail_from)) {
        atomic_fetch_sub(&app->started, 1);
        return err_set(why, APP_UPSTREAM_FAILED, "no curl handle");
    }
    app->threads[number] = pthread_self();
    *worker = &app->threads[number];
    return APP_OK;
}

static void must_be_own_thread(void *worker)
{
    if (!pthread_equal(*(pthread_t *)worker, pthread_self()))
        abort();
}

static void worker_release(void *context, void *worker)
{
    struct test_app *app = context;
    must_be_own_thread(worker);
    atomic_fetch_add(&app->released, 1);
}

static void echo(struct test_app *app, struct request *request, struct response *response)
{
    const char *body;
    size_t len;
    enum app_err err = request_body(request, TEST_APP_BODY_MAX, &body, &len);
    if (err == APP_OK)
        err = response_send(response, 200, "application/octet-stream", body, len);
    else
        (void)response_error(response, err, NULL);
    app->last_error = (int)err;
    sem_post(&app->finished);
}

static void watch(struct test_app *app, struct request *request, struct response *response)
{
    const char *body;
    size_t len;
    enum app_err err = request_body(request, TEST_APP_BODY_MAX, &body, &len);
    app->last_error = request_client_gone(request) ? (int)APP_INTERNAL : (int)err;
    sem_post(&app->entered);
    int64_t deadline_ns = deadline_in_ms(TEST_APP_WAIT_MS);
    while (!request_client_gone(request) && deadline_left_ms(deadline_ns) > 0)
        test_app_sleep_ms(1);
    if (request_client_gone(request) && app->last_error == APP_OK)
        app->last_error = APP_CLIENT_GONE;
    (void)response_error(response, APP_CLIENT_GONE, NULL);
    sem_post(&app->finished);
}

static void send_large(struct test_app *app, struct response *response)
{
    static const size_t sizes[] = {1, 65528, 100, 999999, 0, 1234567};
    struct iovec pieces[sizeof(sizes) / sizeof(sizes[0]) + 1];
    size_t at = 0, count = 0;
    for (; count < sizeof(sizes) / sizeof(sizes[0]); count++) {
        pieces[count] = (struct iovec){app->large + at, sizes[count]};
        at += sizes[count];
    }
    pieces[count++] = (struct iovec){app->large + at, TEST_APP_LARGE - at};
    (void)response_send_pieces(response, 200, "application/octet-stream", pieces, count);
}

static void handle(void *context, void *worker, struct request *request, struct response *response)
{
    struct test_app *app = context;
    must_be_own_thread(worker);
    const char *path = request->path;
    if (strcmp(path, "/hello") == 0) {
        (void)response_send(response, 200, "text/plain", "hello\n", 6);
    } else if (strcmp(path, "/echo") == 0) {
        echo(app, request, response);
    } else if (strcmp(path, "/large") == 0) {
        send_large(app, response);
    } else if (strcmp(path, "/huge") == 0) {
        app->last_error = (int)response_send(response, 200, "application/octet-stream", app->large,
                                             TEST_APP_HUGE);
        sem_post(&app->finished);
    } else if (strcmp(path, "/wait") == 0) {
        sem_post(&app->entered);
        while (sem_wait(&app->gate) != 0)
            ;
        app->last_error = (int)response_send(response, 200, "text/plain", "waited\n", 7);
        sem_post(&app->finished);
    } else if (strcmp(path, "/watch") == 0) {
        watch(app, request, response);
    } else if (strcmp(path, "/size") == 0) {
        (void)response_send(response, 200, "application/octet-stream", app->large,
                            strtoul(request->query, NULL, 10));
    } else if (strcmp(path, "/silent") != 0) {
        (void)response_error(response, APP_NOT_FOUND, NULL);
    }
}

struct test_app *test_app_new(const char *address)
{
    struct test_app *app = calloc(1, sizeof(*app));
    assert_non_null(app);
    (void)snprintf(app->directory, sizeof(app->directory), "/tmp/fcgi-worker-XXXXXX");
    assert_non_null(mkdtemp(app->directory));
    (void)snprintf(app->address, sizeof(app->address), "%s/api.sock", app->directory);
    assert_int_equal(fcgi_listen(address ? address : app->address, &app->listen_fd, NULL), APP_OK);
    if (address) {
        struct sockaddr_in bound = {0};
        socklen_t len = sizeof(bound);
        assert_int_equal(getsockname(app->listen_fd, (struct sockaddr *)&bound, &len), 0);
        (void)snprintf(app->address, sizeof(app->address), "127.0.0.1:%u", ntohs(bound.sin_port));
    }
    app->log_fd = memfd_create("log", MFD_CLOEXEC);
    assert_true(app->log_fd >= 0);
    app->sink.fd = app->log_fd;
    app->sink.level = LOG_INFO;
    app->log = (struct log){.sink = &app->sink, .module = "api"};
    app->fail_from = TEST_APP_WORKERS_MAX;
    app->large = malloc(TEST_APP_HUGE);
    assert_non_null(app->large);
    for (size_t i = 0; i < TEST_APP_HUGE; i++)
        app->large[i] = (char)(i * 7 + i / 251);
    sem_init(&app->entered, 0, 0);
    sem_init(&app->gate, 0, 0);
    sem_init(&app->finished, 0, 0);
    return app;
}

bool test_app_quick;
struct fcgi_limits test_app_limits;

enum app_err test_app_start(struct test_app *app, unsigned workers, struct err_buf *why)
{
    assert_true(workers <= TEST_APP_WORKERS_MAX);
    const struct fcgi_server_options options = {
        .listen_fd = app->listen_fd,
        .let_go = app->let_go,
        .is_own = app->is_own,
        .quick = test_app_quick,
        .limits = test_app_limits,
        .workers = workers,
        .log = &app->log,
        .context = app,
        .worker_init = worker_init,
        .worker_release = worker_release,
        .handle = handle,
    };
    return fcgi_server_start(&options, &app->server, why);
}

struct test_app *test_app_serve(unsigned workers)
{
    struct test_app *app = test_app_new(NULL);
    assert_int_equal(test_app_start(app, workers, NULL), APP_OK);
    return app;
}

void test_app_stop(struct test_app *app)
{
    assert_int_equal(fcgi_server_stop(app->server, TEST_APP_WAIT_MS), 0);
    assert_int_equal(app->released, app->started);
    fcgi_server_free(&app->server);
    assert_null(app->server);
}

void test_app_free(struct test_app *app)
{
    fcgi_listen_release(app->address, app->listen_fd);
    assert_int_equal(rmdir(app->directory), 0);
    (void)close(app->log_fd);
    free(app->large);
    sem_destroy(&app->entered);
    sem_destroy(&app->gate);
    sem_destroy(&app->finished);
    free(app);
}

void test_app_finish(struct test_app *app)
{
    test_app_stop(app);
    test_app_free(app);
}

bool test_app_log_has(const struct test_app *app, const char *text)
{
    char records[64 * 1024];
    ssize_t len = pread(app->log_fd, records, sizeof(records) - 1, 0);
    assert_true(len >= 0);
    records[len] = '\0';
    return strstr(records, text) != NULL;
}

int64_t test_app_ms_since(int64_t start_ns)
{
    return (clock_now_ns() - start_ns) / NS_PER_MS;
}

void test_app_sleep_ms(long ms)
{
    (void)nanosleep(&(struct timespec){ms / 1000, ms % 1000 * 1000000}, NULL);
}

void test_app_await(sem_t *semaphore)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += TEST_APP_WAIT_MS / 1000;
    assert_int_equal(sem_timedwait(semaphore, &until), 0);
}

int test_app_connect(const struct test_app *app)
{
    int fd = fcgi_peer_connect(app->address);
    assert_true(fd >= 0);
    return fd;
}

void test_app_assert_hello(const struct test_app *app)
{
    struct fcgi_answer answer = {0};
    assert_true(fcgi_peer_get(app->address, "/hello", &answer));
    assert_int_equal(fcgi_answer_status(&answer), 200);
    assert_string_equal(answer.body, "hello\n");
    fcgi_answer_release(&answer);
}

/* The other side closes the connection, without an answer to a request. */
void test_app_assert_dropped(int fd)
{
    struct fcgi_answer answer = {0};
    assert_false(fcgi_peer_receive(fd, TEST_APP_WAIT_MS, &answer));
    assert_true(answer.closed);
    assert_int_equal(answer.output_len, 0);
    fcgi_answer_release(&answer);
    (void)close(fd);
}
