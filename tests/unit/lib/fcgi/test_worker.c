/* SPDX-License-Identifier: MIT */
#include "lib/fcgi/worker.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/base/clock.h"
#include "lib/base/limits.h"
#include "support/fcgi_peer.h"

enum {
    WAIT_MS = 20000, /* for what must come; only a failure waits so long */
    BODY_MAX = 1 << 20,
    LARGE = 3 * 1024 * 1024,
    HUGE_ANSWER = 16 * 1024 * 1024,
    PROMPT_MS = 2000, /* below the time that a silent peer may hold a thread */
    WORKERS_MAX = 8
};

#define GET(uri)     ((const char *const[]){"REQUEST_METHOD=GET", "REQUEST_URI=" uri, NULL})
#define POST(uri, n) ((const char *const[]){"REQUEST_METHOD=POST", "REQUEST_URI=" uri, n, NULL})

/* --- The program under test --- */

struct app {
    char directory[64];
    char address[96];
    int listen_fd;
    int log_fd; /* a file in memory */
    struct log_sink sink;
    struct log log;
    struct fcgi_server *server;
    char *large;

    atomic_uint started; /* worker_init that went well */
    atomic_uint released;
    atomic_uint fail_from; /* worker_init fails from that one on */
    pthread_t threads[WORKERS_MAX];

    sem_t entered; /* a handler is in /wait */
    sem_t gate;    /* lets one out */
    sem_t finished;
    atomic_int last_error; /* what response_send or request_read_body said */
};

static enum app_err worker_init(void *context, void **worker, struct err_buf *why)
{
    struct app *app = context;
    unsigned number = atomic_fetch_add(&app->started, 1);
    if (number >= atomic_load(&app->fail_from)) {
        atomic_fetch_sub(&app->started, 1);
        return err_set(why, APP_UPSTREAM_FAILED, "no curl handle");
    }
    app->threads[number] = pthread_self();
    *worker = &app->threads[number];
    return APP_OK;
}

/* cmocka's assertions belong to the main thread. */
static void must_be_own_thread(void *worker)
{
    if (!pthread_equal(*(pthread_t *)worker, pthread_self()))
        abort();
}

static void worker_release(void *context, void *worker)
{
    struct app *app = context;
    must_be_own_thread(worker);
    atomic_fetch_add(&app->released, 1);
}

static void echo(struct app *app, struct request *request, struct response *response)
{
    const char *body;
    size_t len;
    enum app_err err = request_read_body(request, BODY_MAX, &body, &len);
    if (err == APP_OK)
        err = response_send(response, 200, "application/octet-stream", body, len);
    else
        (void)response_error(response, err, NULL);
    app->last_error = (int)err;
    sem_post(&app->finished);
}

static void send_large(struct app *app, struct response *response)
{
    static const size_t sizes[] = {1, 65528, 100, 999999, 0, 1234567};
    struct iovec pieces[sizeof(sizes) / sizeof(sizes[0]) + 1];
    size_t at = 0, count = 0;
    for (; count < sizeof(sizes) / sizeof(sizes[0]); count++) {
        pieces[count] = (struct iovec){app->large + at, sizes[count]};
        at += sizes[count];
    }
    pieces[count++] = (struct iovec){app->large + at, LARGE - at};
    (void)response_send_pieces(response, 200, "application/octet-stream", pieces, count);
}

static void handle(void *context, void *worker, struct request *request, struct response *response)
{
    struct app *app = context;
    must_be_own_thread(worker);
    const char *path = request->path;
    if (strcmp(path, "/hello") == 0) {
        (void)response_send(response, 200, "text/plain", "hello\n", 6);
    } else if (strcmp(path, "/echo") == 0) {
        echo(app, request, response);
    } else if (strcmp(path, "/large") == 0) {
        send_large(app, response);
    } else if (strcmp(path, "/huge") == 0) {
        app->last_error =
            (int)response_send(response, 200, "application/octet-stream", app->large, HUGE_ANSWER);
        sem_post(&app->finished);
    } else if (strcmp(path, "/wait") == 0) {
        sem_post(&app->entered);
        while (sem_wait(&app->gate) != 0)
            ;
        app->last_error = (int)response_send(response, 200, "text/plain", "waited\n", 7);
        sem_post(&app->finished);
    } else if (strcmp(path, "/size") == 0) {
        (void)response_send(response, 200, "application/octet-stream", app->large,
                            strtoul(request->query, NULL, 10));
    } else if (strcmp(path, "/silent") != 0) {
        (void)response_error(response, APP_NOT_FOUND, NULL);
    }
}

static struct app *app_new(const char *address)
{
    struct app *app = calloc(1, sizeof(*app));
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
    app->fail_from = WORKERS_MAX;
    app->large = malloc(HUGE_ANSWER);
    assert_non_null(app->large);
    for (size_t i = 0; i < HUGE_ANSWER; i++)
        app->large[i] = (char)(i * 7 + i / 251);
    sem_init(&app->entered, 0, 0);
    sem_init(&app->gate, 0, 0);
    sem_init(&app->finished, 0, 0);
    return app;
}

static enum app_err app_start(struct app *app, unsigned workers, struct err_buf *why)
{
    assert_true(workers <= WORKERS_MAX);
    const struct fcgi_server_options options = {
        .listen_fd = app->listen_fd,
        .workers = workers,
        .log = &app->log,
        .context = app,
        .worker_init = worker_init,
        .worker_release = worker_release,
        .handle = handle,
    };
    return fcgi_server_start(&options, &app->server, why);
}

static struct app *serve(unsigned workers)
{
    struct app *app = app_new(NULL);
    assert_int_equal(app_start(app, workers, NULL), APP_OK);
    return app;
}

static void app_stop(struct app *app)
{
    assert_int_equal(fcgi_server_stop(app->server, WAIT_MS), 0);
    assert_int_equal(app->released, app->started);
    fcgi_server_free(&app->server);
    assert_null(app->server);
}

static void app_free(struct app *app)
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

static void finish(struct app *app)
{
    app_stop(app);
    app_free(app);
}

static bool log_has(const struct app *app, const char *text)
{
    char records[64 * 1024];
    ssize_t len = pread(app->log_fd, records, sizeof(records) - 1, 0);
    assert_true(len >= 0);
    records[len] = '\0';
    return strstr(records, text) != NULL;
}

/* --- The web server's side --- */

static int64_t ms_since(int64_t start_ns)
{
    return (clock_now_ns() - start_ns) / NS_PER_MS;
}

static void sleep_ms(long ms)
{
    (void)nanosleep(&(struct timespec){ms / 1000, ms % 1000 * 1000000}, NULL);
}

static void await_semaphore(sem_t *semaphore)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += WAIT_MS / 1000;
    assert_int_equal(sem_timedwait(semaphore, &until), 0);
}

static int must_connect(const struct app *app)
{
    int fd = fcgi_peer_connect(app->address);
    assert_true(fd >= 0);
    return fd;
}

static void assert_hello(const struct app *app)
{
    struct fcgi_answer answer = {0};
    assert_true(fcgi_peer_get(app->address, "/hello", &answer));
    assert_int_equal(fcgi_answer_status(&answer), 200);
    assert_string_equal(answer.body, "hello\n");
    fcgi_answer_release(&answer);
}

/* The other side closes the connection, without an answer to a request. */
static void assert_dropped(int fd)
{
    struct fcgi_answer answer = {0};
    assert_false(fcgi_peer_receive(fd, WAIT_MS, &answer));
    assert_true(answer.closed);
    assert_int_equal(answer.output_len, 0);
    fcgi_answer_release(&answer);
    (void)close(fd);
}

/* --- Answers --- */

static void a_request_is_answered(void **state)
{
    (void)state;
    struct app *app = serve(2);
    struct fcgi_answer answer = {0};
    assert_true(fcgi_peer_get(app->address, "/hello", &answer));
    assert_int_equal(fcgi_answer_status(&answer), 200);
    assert_true(fcgi_answer_has_line(&answer, "Status: 200 OK"));
    assert_true(fcgi_answer_has_line(&answer, "Content-Length: 6"));
    assert_false(fcgi_answer_has_line(&answer, "Connection: close"));
    assert_string_equal(answer.body, "hello\n");
    assert_int_equal(answer.records, 1);
    assert_int_equal(answer.protocol_status, 0);
    fcgi_answer_release(&answer);
    finish(app);
}

static void head_gets_the_length_and_no_body(void **state)
{
    (void)state;
    struct app *app = serve(1);
    static const char *const environment[] = {"REQUEST_METHOD=HEAD", "REQUEST_URI=/large", NULL};
    struct fcgi_answer answer = {0};
    int fd = must_connect(app);
    assert_true(fcgi_peer_request(fd, 0, environment, NULL, 0));
    assert_true(fcgi_peer_receive(fd, WAIT_MS, &answer));
    assert_int_equal(answer.body_len, 0);
    assert_true(fcgi_answer_has_line(&answer, "Content-Length: 3145728"));
    fcgi_answer_release(&answer);
    (void)close(fd);
    finish(app);
}

static void assert_large(const struct app *app)
{
    struct fcgi_answer answer = {0};
    assert_true(fcgi_peer_get(app->address, "/large", &answer));
    assert_int_equal(answer.body_len, LARGE);
    assert_memory_equal(answer.body, app->large, LARGE);
    assert_true(answer.records < 60);
    fcgi_answer_release(&answer);
}

static void a_large_answer_in_pieces_arrives_intact(void **state)
{
    (void)state;
    struct app *app = serve(1);
    assert_large(app);
    finish(app);
}

static void everything_works_over_tcp_too(void **state)
{
    (void)state;
    struct app *app = app_new("127.0.0.1:0");
    assert_int_equal(app_start(app, 2, NULL), APP_OK);
    assert_hello(app);
    assert_large(app);
    finish(app);
}

static void answers_about_the_size_of_the_library_buffer_arrive(void **state)
{
    (void)state;
    struct app *app = serve(1);
    for (unsigned size = 7800; size <= 8300; size++) {
        char uri[32];
        (void)snprintf(uri, sizeof(uri), "/size?%u", size);
        struct fcgi_answer answer = {0};
        assert_true(fcgi_peer_get(app->address, uri, &answer));
        assert_int_equal(answer.body_len, size);
        assert_memory_equal(answer.body, app->large, size);
        fcgi_answer_release(&answer);
    }
    finish(app);
}

static void two_hundred_requests_at_once_are_all_answered(void **state)
{
    (void)state;
    enum { COUNT = 200 };
    struct app *app = serve(4);
    int fds[COUNT];
    for (int i = 0; i < COUNT; i++)
        fds[i] = must_connect(app);
    for (int i = 0; i < COUNT; i++) {
        char body[32];
        char length[32];
        int len = snprintf(body, sizeof(body), "body %d", i);
        (void)snprintf(length, sizeof(length), "CONTENT_LENGTH=%d", len);
        assert_true(fcgi_peer_request(fds[i], 0, POST("/echo", length), body, (size_t)len));
    }
    for (int i = 0; i < COUNT; i++) {
        char body[32];
        (void)snprintf(body, sizeof(body), "body %d", i);
        struct fcgi_answer answer = {0};
        assert_true(fcgi_peer_receive(fds[i], WAIT_MS, &answer));
        assert_string_equal(answer.body, body);
        fcgi_answer_release(&answer);
        (void)close(fds[i]);
    }
    finish(app);
}

static void a_handler_without_an_answer_gets_a_500_and_a_warning(void **state)
{
    (void)state;
    struct app *app = serve(1);
    struct fcgi_answer answer = {0};
    assert_true(fcgi_peer_get(app->address, "/silent", &answer));
    assert_int_equal(fcgi_answer_status(&answer), 500);
    assert_string_equal(answer.body, "internal error\n");
    assert_true(log_has(app, "[WARN]  api: The handler gave no answer: request_id="));
    fcgi_answer_release(&answer);
    assert_hello(app);
    finish(app);
}

/* --- Requests that are refused --- */

static void assert_answered(const struct app *app, const char *const *environment, int status)
{
    struct fcgi_answer answer = {0};
    int fd = must_connect(app);
    assert_true(fcgi_peer_request(fd, 0, environment, NULL, 0));
    assert_true(fcgi_peer_receive(fd, WAIT_MS, &answer));
    assert_int_equal(fcgi_answer_status(&answer), status);
    fcgi_answer_release(&answer);
    (void)close(fd);
}

static void a_malformed_request_is_answered_with_its_error(void **state)
{
    (void)state;
    struct app *app = serve(1);
    assert_answered(app, (const char *const[]){NULL}, 400);
    assert_answered(app, GET("/%2F"), 400);
    assert_answered(app, POST("/echo", "CONTENT_LENGTH=x"), 400);
    assert_true(log_has(app, "Request refused"));
    char *uri = calloc(1, 9000);
    assert_non_null(uri);
    (void)snprintf(uri, 9000, "REQUEST_URI=/%08200d", 0);
    assert_answered(app, (const char *const[]){"REQUEST_METHOD=GET", uri, NULL}, 414);
    free(uri);
    assert_hello(app);
    finish(app);
}

static void too_many_variables_are_answered_with_431(void **state)
{
    (void)state;
    struct app *app = serve(1);
    char *cookie = malloc(LIMIT_REQUEST_PARAMS + 32);
    assert_non_null(cookie);
    (void)snprintf(cookie, LIMIT_REQUEST_PARAMS + 32, "HTTP_COOKIE=%0*d", LIMIT_REQUEST_PARAMS, 0);
    assert_answered(app, (const char *const[]){"REQUEST_METHOD=GET", "REQUEST_URI=/", cookie, NULL},
                    431);
    free(cookie);
    finish(app);
}

static void endless_variables_are_cut_off(void **state)
{
    (void)state;
    struct app *app = serve(1);
    char record[60000];
    memset(record, 0, sizeof(record)); /* empty names and values */
    int fd = must_connect(app);
    assert_true(fcgi_peer_begin(fd, 1, FCGI_PEER_RESPONDER, 0));
    int sent = 0;
    while (sent < 1000 && fcgi_peer_record(fd, FCGI_PEER_PARAMS, 1, record, sizeof(record), 0))
        sent++;
    assert_true(sent < 20);
    (void)close(fd);
    assert_hello(app);
    finish(app);
}

/* --- Peers that misbehave --- */

static void garbage_closes_the_connection_and_nothing_else(void **state)
{
    (void)state;
#define GARBAGE(literal)                                                                           \
    {                                                                                              \
        literal, sizeof(literal) - 1                                                               \
    }
#define BEGIN_RECORD "\1\1\0\1\0\10\0\0\0\1\0\0\0\0\0\0"
    static const struct {
        const char *data;
        size_t len;
    } garbage[] = {
        GARBAGE("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"),
        GARBAGE("\0\0\0\0\0\0\0\0"),
        GARBAGE("\377\377\377\377\377\377\377\377"),
        GARBAGE("\1\11\0\0\0\0\0\0"),
        GARBAGE("\1\4\0\1\0\0\0\0"),
        GARBAGE("\1\1\0\1\0\10\0\0\0\3\0\0\0\0\0\0"),
        GARBAGE(BEGIN_RECORD BEGIN_RECORD),
        GARBAGE(BEGIN_RECORD "\1\2\0\1\0\0\0\0"),
        GARBAGE(BEGIN_RECORD "\1\4\0\1\0\10\0\0\377\377\377\377\377\377\377\377\1\4\0\1\0\0\0\0"),
    };
    struct app *app = serve(1);
    for (size_t i = 0; i < sizeof(garbage) / sizeof(garbage[0]); i++) {
        int fd = must_connect(app);
        assert_true(fcgi_peer_send(fd, garbage[i].data, garbage[i].len));
        assert_dropped(fd);
        assert_hello(app);
    }
    assert_true(log_has(app, "[WARN]  api: Connection closed"));
    finish(app);
}

static void garbage_in_place_of_the_body_is_an_error_for_the_handler(void **state)
{
    (void)state;
    struct app *app = serve(1);
    int fd = must_connect(app);
    assert_true(fcgi_peer_begin(fd, 1, FCGI_PEER_RESPONDER, FCGI_PEER_KEEP));
    assert_true(fcgi_peer_params(fd, 1, POST("/echo", "CONTENT_LENGTH=4")));
    assert_true(fcgi_peer_send(fd, "\7garbage", 8));
    assert_dropped(fd);
    assert_int_equal(app->last_error, APP_CLIENT_GONE);
    assert_hello(app);
    finish(app);
}

static void a_request_in_two_parts_at_every_byte_is_answered(void **state)
{
    (void)state;
    struct app *app = serve(2);
    size_t len;
    char *request = fcgi_peer_encode(0, POST("/echo", "CONTENT_LENGTH=4"), "body", 4, &len);
    for (size_t cut = 1; cut < len; cut++) {
        struct fcgi_answer answer = {0};
        int fd = must_connect(app);
        assert_true(fcgi_peer_send(fd, request, cut));
        sleep_ms(2);
        assert_true(fcgi_peer_send(fd, request + cut, len - cut));
        assert_true(fcgi_peer_receive(fd, WAIT_MS, &answer));
        assert_string_equal(answer.body, "body");
        fcgi_answer_release(&answer);
        (void)close(fd);
    }
    free(request);
    finish(app);
}

static void silent_peers_hold_up_nobody_while_a_thread_is_left(void **state)
{
    (void)state;
    struct app *app = serve(3);
    int silent = must_connect(app);
    int half = must_connect(app);
    assert_true(fcgi_peer_send(half, "\1", 1));
    sleep_ms(100);
    int64_t start = clock_now_ns();
    for (int i = 0; i < 20; i++)
        assert_hello(app);
    assert_true(ms_since(start) < PROMPT_MS);
    assert_dropped(silent);
    assert_dropped(half);
    finish(app);
}

static void silent_peers_on_every_thread_are_dropped_after_the_limit(void **state)
{
    (void)state;
    struct app *app = serve(2);
    int silent = must_connect(app);
    int half = must_connect(app);
    assert_true(fcgi_peer_send(half, "\1", 1));
    sleep_ms(100);
    int64_t start = clock_now_ns();
    assert_hello(app);
    assert_true(ms_since(start) >= 2000);
    assert_dropped(silent);
    assert_dropped(half);
    assert_true(log_has(app, "no request within the time limit"));
    finish(app);
}

/* Each byte comes soon after the last, all of them never. */
static void a_peer_that_drips_is_dropped_after_the_same_limit(void **state)
{
    (void)state;
    struct app *app = serve(1);
    size_t len;
    char *request = fcgi_peer_encode(0, GET("/hello"), NULL, 0, &len);
    int fd = must_connect(app);
    int64_t start = clock_now_ns();
    size_t sent = 0;
    while (sent < len - 8 && fcgi_peer_send(fd, request + sent, 1)) {
        sent++;
        sleep_ms(200);
    }
    assert_true(sent < len - 8);
    assert_true(ms_since(start) < WAIT_MS / 2);
    free(request);
    (void)close(fd);
    assert_hello(app);
    finish(app);
}

static void peers_that_connect_and_leave_are_forgotten(void **state)
{
    (void)state;
    struct app *app = serve(1);
    for (int i = 0; i < 50; i++)
        (void)close(must_connect(app));
    int fd = must_connect(app);
    assert_true(fcgi_peer_send(fd, "\1\1\0", 3));
    (void)close(fd);
    int64_t start = clock_now_ns();
    assert_hello(app);
    assert_true(ms_since(start) < PROMPT_MS);
    assert_false(log_has(app, "Connection closed"));
    finish(app);
}

static void an_aborted_upload_is_an_error_for_the_handler(void **state)
{
    (void)state;
    struct app *app = serve(1);
    int fd = must_connect(app);
    assert_true(fcgi_peer_begin(fd, 1, FCGI_PEER_RESPONDER, FCGI_PEER_KEEP));
    assert_true(fcgi_peer_params(fd, 1, POST("/echo", "CONTENT_LENGTH=10")));
    assert_true(fcgi_peer_record(fd, FCGI_PEER_STDIN, 1, "half", 4, 4));
    assert_true(fcgi_peer_record(fd, FCGI_PEER_ABORT, 1, NULL, 0, 0));
    assert_dropped(fd);
    assert_int_equal(app->last_error, APP_CLIENT_GONE);
    assert_hello(app);
    finish(app);
}

static void an_upload_whose_peer_leaves_is_an_error_for_the_handler(void **state)
{
    (void)state;
    struct app *app = serve(1);
    int fd = must_connect(app);
    assert_true(fcgi_peer_begin(fd, 1, FCGI_PEER_RESPONDER, 0));
    assert_true(fcgi_peer_params(fd, 1, POST("/echo", "CONTENT_LENGTH=10")));
    assert_true(fcgi_peer_record(fd, FCGI_PEER_STDIN, 1, "half", 4, 4));
    (void)close(fd);
    await_semaphore(&app->finished);
    assert_int_equal(app->last_error, APP_CLIENT_GONE);
    assert_hello(app);
    finish(app);
}

static void a_peer_that_leaves_within_a_large_answer_is_noticed(void **state)
{
    (void)state;
    struct app *app = serve(1);
    /* FCGX_Init has put a handler there; without it the process must live, too. */
    void (*before)(int) = signal(SIGPIPE, SIG_DFL);
    int fd = must_connect(app);
    assert_true(fcgi_peer_request(fd, FCGI_PEER_KEEP, GET("/huge"), NULL, 0));
    char some[1000];
    assert_true(recv(fd, some, sizeof(some), MSG_WAITALL) == (ssize_t)sizeof(some));
    (void)close(fd);
    await_semaphore(&app->finished);
    assert_int_equal(app->last_error, APP_CLIENT_GONE);
    assert_hello(app);
    (void)signal(SIGPIPE, before);
    finish(app);
}

static void a_peer_that_leaves_before_a_small_answer_is_noticed(void **state)
{
    (void)state;
    struct app *app = serve(1);
    void (*before)(int) = signal(SIGPIPE, SIG_DFL);
    int fd = must_connect(app);
    assert_true(fcgi_peer_request(fd, 0, GET("/wait"), NULL, 0));
    await_semaphore(&app->entered);
    (void)close(fd);
    sem_post(&app->gate);
    await_semaphore(&app->finished);
    assert_int_equal(app->last_error, APP_CLIENT_GONE);
    assert_hello(app);
    (void)signal(SIGPIPE, before);
    finish(app);
}

/* --- Bodies and kept connections --- */

static void ignore_signal(int number)
{
    (void)number;
}

/* As the profiler's timer would, while the thread sleeps in the library's read. */
static void an_upload_survives_signals(void **state)
{
    (void)state;
    struct app *app = serve(1);
    struct sigaction action = {.sa_handler = ignore_signal};
    struct sigaction before;
    assert_int_equal(sigaction(SIGPROF, &action, &before), 0);
    int fd = must_connect(app);
    assert_true(fcgi_peer_begin(fd, 1, FCGI_PEER_RESPONDER, 0));
    assert_true(fcgi_peer_params(fd, 1, POST("/echo", "CONTENT_LENGTH=30")));
    for (int i = 0; i < 30; i++) {
        sleep_ms(5);
        assert_int_equal(pthread_kill(app->threads[0], SIGPROF), 0);
        assert_true(fcgi_peer_record(fd, FCGI_PEER_STDIN, 1, "x", 1, 0));
    }
    assert_true(fcgi_peer_record(fd, FCGI_PEER_STDIN, 1, NULL, 0, 0));
    struct fcgi_answer answer = {0};
    assert_true(fcgi_peer_receive(fd, WAIT_MS, &answer));
    assert_string_equal(answer.body, "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxx");
    fcgi_answer_release(&answer);
    (void)close(fd);
    app_stop(app);
    assert_int_equal(sigaction(SIGPROF, &before, NULL), 0);
    app_free(app);
}

static void a_body_of_a_megabyte_is_read_whole(void **state)
{
    (void)state;
    struct app *app = serve(1);
    struct fcgi_answer answer = {0};
    int fd = must_connect(app);
    assert_true(
        fcgi_peer_request(fd, 0, POST("/echo", "CONTENT_LENGTH=1048576"), app->large, BODY_MAX));
    assert_true(fcgi_peer_receive(fd, WAIT_MS, &answer));
    assert_int_equal(answer.body_len, BODY_MAX);
    assert_memory_equal(answer.body, app->large, BODY_MAX);
    fcgi_answer_release(&answer);
    (void)close(fd);
    finish(app);
}

static void a_kept_connection_serves_one_request_after_the_other(void **state)
{
    (void)state;
    struct app *app = serve(1);
    int fd = must_connect(app);
    for (int i = 0; i < 20; i++) {
        struct fcgi_answer answer = {0};
        assert_true(
            fcgi_peer_request(fd, FCGI_PEER_KEEP, POST("/echo", "CONTENT_LENGTH=4"), "body", 4));
        assert_true(fcgi_peer_receive(fd, WAIT_MS, &answer));
        assert_string_equal(answer.body, "body");
        assert_true(fcgi_peer_request(fd, FCGI_PEER_KEEP, GET("/large"), NULL, 0));
        assert_true(fcgi_peer_receive(fd, WAIT_MS, &answer));
        assert_int_equal(answer.body_len, LARGE);
        fcgi_answer_release(&answer);
    }
    (void)close(fd);
    finish(app);
}

/* The body spells a request of its own, which must never be taken for one. */
static void an_unread_body_does_not_poison_the_next_request(void **state)
{
    (void)state;
    struct app *app = serve(1);
    size_t forged_len;
    char *forged = fcgi_peer_encode(FCGI_PEER_KEEP, GET("/forged"), NULL, 0, &forged_len);
    static const size_t sizes[] = {10, 8000, 8192, 9000, 70000, 500000};
    int fd = must_connect(app);
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        char *body = malloc(sizes[i]);
        assert_non_null(body);
        for (size_t at = 0; at < sizes[i]; at++)
            body[at] = forged[at % forged_len];
        struct fcgi_answer answer = {0};
        assert_true(
            fcgi_peer_request(fd, FCGI_PEER_KEEP, POST("/hello", "HTTP_A=b"), body, sizes[i]));
        assert_true(fcgi_peer_receive(fd, WAIT_MS, &answer));
        assert_string_equal(answer.body, "hello\n");
        fcgi_answer_release(&answer);
        free(body);
    }
    free(forged);
    (void)close(fd);
    finish(app);
}

static void an_unread_body_that_is_too_large_closes_the_connection(void **state)
{
    (void)state;
    struct app *app = serve(1);
    int fd = must_connect(app);
    assert_true(fcgi_peer_begin(fd, 1, FCGI_PEER_RESPONDER, FCGI_PEER_KEEP));
    assert_true(fcgi_peer_params(fd, 1, POST("/echo", "CONTENT_LENGTH=16777216")));
    struct fcgi_answer answer = {0};
    assert_true(fcgi_peer_receive(fd, WAIT_MS, &answer));
    assert_int_equal(fcgi_answer_status(&answer), 413);
    fcgi_answer_release(&answer);
    /* All of it may still be thrown away on the other side, but that is the end. */
    if (fcgi_peer_stdin(fd, 1, app->large, HUGE_ANSWER))
        (void)fcgi_peer_request(fd, FCGI_PEER_KEEP, GET("/hello"), NULL, 0);
    assert_dropped(fd);
    assert_hello(app);
    finish(app);
}

static void an_unread_body_that_never_comes_closes_the_connection(void **state)
{
    (void)state;
    struct app *app = serve(1);
    int fd = must_connect(app);
    assert_true(fcgi_peer_begin(fd, 1, FCGI_PEER_RESPONDER, FCGI_PEER_KEEP));
    assert_true(fcgi_peer_params(fd, 1, POST("/hello", "CONTENT_LENGTH=10")));
    struct fcgi_answer answer = {0};
    assert_true(fcgi_peer_receive(fd, WAIT_MS, &answer));
    assert_string_equal(answer.body, "hello\n");
    fcgi_answer_release(&answer);
    assert_dropped(fd);
    assert_hello(app);
    finish(app);
}

static void an_idle_kept_connection_gives_its_thread_back(void **state)
{
    (void)state;
    struct app *app = serve(1);
    int fd = must_connect(app);
    struct fcgi_answer answer = {0};
    assert_true(fcgi_peer_request(fd, FCGI_PEER_KEEP, GET("/hello"), NULL, 0));
    assert_true(fcgi_peer_receive(fd, WAIT_MS, &answer));
    fcgi_answer_release(&answer);
    assert_hello(app);
    assert_dropped(fd);
    finish(app);
}

/* --- Start and stop --- */

static void a_stop_while_idle_is_quick(void **state)
{
    (void)state;
    struct app *app = serve(4);
    assert_hello(app);
    int64_t start = clock_now_ns();
    app_stop(app);
    assert_true(ms_since(start) < 1000);
    app_free(app);
}

static void a_stop_closes_kept_and_silent_connections_soon(void **state)
{
    (void)state;
    struct app *app = serve(2);
    int kept = must_connect(app);
    struct fcgi_answer answer = {0};
    assert_true(fcgi_peer_request(kept, FCGI_PEER_KEEP, GET("/hello"), NULL, 0));
    assert_true(fcgi_peer_receive(kept, WAIT_MS, &answer));
    fcgi_answer_release(&answer);
    int silent = must_connect(app);
    sleep_ms(50);
    int64_t start = clock_now_ns();
    app_stop(app);
    assert_true(ms_since(start) < 1500);
    assert_dropped(kept);
    assert_dropped(silent);
    app_free(app);
}

static void *stop_server(void *argument)
{
    struct app *app = argument;
    return (void *)(uintptr_t)fcgi_server_stop(app->server, WAIT_MS);
}

static void a_stop_finishes_the_request_in_hand(void **state)
{
    (void)state;
    struct app *app = serve(2);
    int fd = must_connect(app);
    assert_true(fcgi_peer_request(fd, FCGI_PEER_KEEP, GET("/wait"), NULL, 0));
    await_semaphore(&app->entered);
    pthread_t stopper;
    assert_int_equal(pthread_create(&stopper, NULL, stop_server, app), 0);
    sleep_ms(100);
    sem_post(&app->gate);
    struct fcgi_answer answer = {0};
    assert_true(fcgi_peer_receive(fd, WAIT_MS, &answer));
    assert_string_equal(answer.body, "waited\n");
    fcgi_answer_release(&answer);
    void *busy = &busy;
    assert_int_equal(pthread_join(stopper, &busy), 0);
    assert_null(busy);
    assert_dropped(fd);
    app_stop(app);
    app_free(app);
}

static void a_stop_beyond_its_grace_says_how_many_are_busy(void **state)
{
    (void)state;
    struct app *app = serve(4);
    int fds[2];
    for (int i = 0; i < 2; i++) {
        fds[i] = must_connect(app);
        assert_true(fcgi_peer_request(fds[i], 0, GET("/wait"), NULL, 0));
        await_semaphore(&app->entered);
    }
    assert_int_equal(fcgi_server_stop(app->server, 200), 2);
    sem_post(&app->gate);
    sem_post(&app->gate);
    app_stop(app);
    for (int i = 0; i < 2; i++) {
        struct fcgi_answer answer = {0};
        assert_true(fcgi_peer_receive(fds[i], WAIT_MS, &answer));
        fcgi_answer_release(&answer);
        (void)close(fds[i]);
    }
    app_free(app);
}

static void a_server_can_be_started_again(void **state)
{
    (void)state;
    struct app *app = app_new(NULL);
    for (int i = 0; i < 3; i++) {
        app->started = app->released = 0;
        assert_int_equal(app_start(app, 3, NULL), APP_OK);
        assert_int_equal(app->started, 3);
        assert_hello(app);
        app_stop(app);
    }
    app_free(app);
}

static void a_request_that_came_between_two_servers_is_answered(void **state)
{
    (void)state;
    struct app *app = serve(1);
    app_stop(app);
    int fd = must_connect(app);
    assert_true(fcgi_peer_request(fd, 0, GET("/hello"), NULL, 0));
    app->started = app->released = 0;
    assert_int_equal(app_start(app, 1, NULL), APP_OK);
    struct fcgi_answer answer = {0};
    assert_true(fcgi_peer_receive(fd, WAIT_MS, &answer));
    assert_string_equal(answer.body, "hello\n");
    fcgi_answer_release(&answer);
    (void)close(fd);
    finish(app);
}

static void a_worker_that_cannot_start_fails_the_start(void **state)
{
    (void)state;
    struct app *app = app_new(NULL);
    app->fail_from = 2;
    struct err_buf why = {0};
    app->server = NULL;
    assert_int_equal(app_start(app, 4, &why), APP_UPSTREAM_FAILED);
    assert_string_equal(why.text, "no curl handle");
    assert_null(app->server);
    assert_int_equal(app->started, 2);
    assert_int_equal(app->released, 2);
    app_free(app);
}

static void a_descriptor_that_is_no_socket_fails_the_start(void **state)
{
    (void)state;
    struct app *app = app_new(NULL);
    int right = app->listen_fd;
    struct err_buf why = {0};
    app->listen_fd = app->log_fd;
    assert_int_equal(app_start(app, 1, &why), APP_CONFIG);
    assert_string_not_equal(why.text, "");
    assert_null(app->server);
    app->listen_fd = right;
    app_free(app);
}

static void a_full_descriptor_table_delays_requests_and_loses_no_thread(void **state)
{
    (void)state;
    struct app *app = serve(2);
    int fds[4];
    for (int i = 0; i < 4; i++)
        fds[i] = must_connect(app);
    sleep_ms(100); /* until the two threads hold a connection each */

    /* What is open stays open, and nothing new can be; poll needs the number of its entries. */
    struct rlimit before;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    struct rlimit low = before;
    low.rlim_cur = 3;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
    for (int i = 0; i < 4; i++)
        assert_true(fcgi_peer_request(fds[i], 0, GET("/hello"), NULL, 0));
    struct fcgi_answer answer = {0};
    for (int i = 0; i < 2; i++)
        assert_true(fcgi_peer_receive(fds[i], WAIT_MS, &answer));
    sleep_ms(300);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    for (int i = 2; i < 4; i++) {
        assert_true(fcgi_peer_receive(fds[i], WAIT_MS, &answer));
        assert_string_equal(answer.body, "hello\n");
    }
    fcgi_answer_release(&answer);
    for (int i = 0; i < 4; i++)
        (void)close(fds[i]);
    assert_true(log_has(app, "Cannot accept a connection: error=\"Too many open files\""));
    finish(app);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_request_is_answered),
        cmocka_unit_test(head_gets_the_length_and_no_body),
        cmocka_unit_test(a_large_answer_in_pieces_arrives_intact),
        cmocka_unit_test(everything_works_over_tcp_too),
        cmocka_unit_test(answers_about_the_size_of_the_library_buffer_arrive),
        cmocka_unit_test(two_hundred_requests_at_once_are_all_answered),
        cmocka_unit_test(a_handler_without_an_answer_gets_a_500_and_a_warning),
        cmocka_unit_test(a_malformed_request_is_answered_with_its_error),
        cmocka_unit_test(too_many_variables_are_answered_with_431),
        cmocka_unit_test(endless_variables_are_cut_off),
        cmocka_unit_test(garbage_closes_the_connection_and_nothing_else),
        cmocka_unit_test(garbage_in_place_of_the_body_is_an_error_for_the_handler),
        cmocka_unit_test(a_request_in_two_parts_at_every_byte_is_answered),
        cmocka_unit_test(silent_peers_hold_up_nobody_while_a_thread_is_left),
        cmocka_unit_test(silent_peers_on_every_thread_are_dropped_after_the_limit),
        cmocka_unit_test(a_peer_that_drips_is_dropped_after_the_same_limit),
        cmocka_unit_test(peers_that_connect_and_leave_are_forgotten),
        cmocka_unit_test(an_aborted_upload_is_an_error_for_the_handler),
        cmocka_unit_test(an_upload_whose_peer_leaves_is_an_error_for_the_handler),
        cmocka_unit_test(a_peer_that_leaves_within_a_large_answer_is_noticed),
        cmocka_unit_test(a_peer_that_leaves_before_a_small_answer_is_noticed),
        cmocka_unit_test(an_upload_survives_signals),
        cmocka_unit_test(a_body_of_a_megabyte_is_read_whole),
        cmocka_unit_test(a_kept_connection_serves_one_request_after_the_other),
        cmocka_unit_test(an_unread_body_does_not_poison_the_next_request),
        cmocka_unit_test(an_unread_body_that_is_too_large_closes_the_connection),
        cmocka_unit_test(an_unread_body_that_never_comes_closes_the_connection),
        cmocka_unit_test(an_idle_kept_connection_gives_its_thread_back),
        cmocka_unit_test(a_stop_while_idle_is_quick),
        cmocka_unit_test(a_stop_closes_kept_and_silent_connections_soon),
        cmocka_unit_test(a_stop_finishes_the_request_in_hand),
        cmocka_unit_test(a_stop_beyond_its_grace_says_how_many_are_busy),
        cmocka_unit_test(a_server_can_be_started_again),
        cmocka_unit_test(a_request_that_came_between_two_servers_is_answered),
        cmocka_unit_test(a_worker_that_cannot_start_fails_the_start),
        cmocka_unit_test(a_descriptor_that_is_no_socket_fails_the_start),
        cmocka_unit_test(a_full_descriptor_table_delays_requests_and_loses_no_thread),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
