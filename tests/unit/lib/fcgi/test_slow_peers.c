/* SPDX-License-Identifier: MIT */
/* run: alone */
/* Web servers that wait, send slowly or read slowly: none of them holds the only worker. */
#include "lib/fcgi/watch.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/base/clock.h"
#include "support/fcgi_app.h"
#include "support/fcgi_peer.h"

enum { PROMPT_MS = 2000, SHORT_MS = 600, SENT = 100 * 1024 };

static struct test_app *serve_with(const struct fcgi_limits *limits)
{
    test_app_limits = *limits;
    struct test_app *app = test_app_serve(1);
    test_app_limits = (struct fcgi_limits){0};
    return app;
}

static void assert_prompt(const struct test_app *app)
{
    int64_t start = clock_now_ns();
    test_app_assert_hello(app);
    assert_true(test_app_ms_since(start) < PROMPT_MS);
}

/* The answer to the request on `fd`, which stays open. */
static void assert_answer(int fd, int status, const char *body)
{
    struct fcgi_answer answer = {0};
    assert_true(fcgi_peer_receive(fd, TEST_APP_WAIT_MS, &answer));
    assert_int_equal(fcgi_answer_status(&answer), status);
    assert_string_equal(answer.body, body);
    fcgi_answer_release(&answer);
}

/* --- Kept connections --- */

static void a_thousand_idle_connections_are_kept_and_hold_nobody(void **state)
{
    (void)state;
    enum { COUNT = 1000 };
    struct test_app *app = test_app_serve(1);
    int fds[COUNT];
    for (int i = 0; i < COUNT; i++) {
        fds[i] = test_app_connect(app);
        assert_true(fcgi_peer_request(fds[i], FCGI_PEER_KEEP, GET("/hello"), NULL, 0));
        assert_answer(fds[i], 200, "hello\n");
    }
    assert_prompt(app);
    for (int i = 0; i < COUNT; i++) {
        assert_true(fcgi_peer_request(fds[i], 0, GET("/hello"), NULL, 0));
        assert_answer(fds[i], 200, "hello\n");
        (void)close(fds[i]);
    }
    test_app_finish(app);
}

static void an_idle_connection_is_closed_after_its_time(void **state)
{
    (void)state;
    struct test_app *app = serve_with(&(struct fcgi_limits){.keepalive_ms = SHORT_MS});
    int fd = test_app_connect(app);
    int64_t start = clock_now_ns();
    assert_true(fcgi_peer_request(fd, FCGI_PEER_KEEP, GET("/hello"), NULL, 0));
    assert_answer(fd, 200, "hello\n");
    test_app_assert_dropped(fd);
    assert_true(test_app_ms_since(start) >= SHORT_MS);
    test_app_finish(app);
}

/* A socket, and a limit that leaves no descriptor for its connection's other end. */
static int last_socket(struct rlimit *before)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int free_fd = dup(fd);
    assert_true(free_fd >= 0);
    (void)close(free_fd);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, before), 0);
    const struct rlimit low = {(rlim_t)free_fd, before->rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
    return fd;
}

static void an_idle_connection_gives_way_when_descriptors_run_out(void **state)
{
    (void)state;
    struct test_app *app = test_app_serve(1);
    struct rlimit before;
    int idle = test_app_connect(app);
    assert_true(fcgi_peer_request(idle, FCGI_PEER_KEEP, GET("/hello"), NULL, 0));
    assert_answer(idle, 200, "hello\n");
    int fd = last_socket(&before);
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    (void)snprintf(address.sun_path, sizeof(address.sun_path), "%s", app->address);
    assert_int_equal(connect(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
    assert_true(fcgi_peer_request(fd, 0, GET("/hello"), NULL, 0));
    assert_answer(fd, 200, "hello\n");
    test_app_assert_dropped(idle);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    (void)close(fd);
    test_app_finish(app);
}

static void more_connections_than_allowed_displace_the_idle_ones(void **state)
{
    (void)state;
    struct test_app *app = serve_with(&(struct fcgi_limits){.connections = 3});
    int fds[4];
    for (int i = 0; i < 4; i++) {
        fds[i] = test_app_connect(app);
        assert_true(fcgi_peer_request(fds[i], FCGI_PEER_KEEP, GET("/hello"), NULL, 0));
        assert_answer(fds[i], 200, "hello\n");
        test_app_sleep_ms(2);
    }
    test_app_assert_dropped(fds[0]);
    for (int i = 1; i < 4; i++) {
        assert_true(fcgi_peer_request(fds[i], 0, GET("/hello"), NULL, 0));
        assert_answer(fds[i], 200, "hello\n");
        (void)close(fds[i]);
    }
    test_app_finish(app);
}

/* --- Slow bodies --- */

/* A POST that announces `length` bytes and sends `len` of them. */
static int begin_upload(const struct test_app *app, unsigned length, size_t len)
{
    char variable[32];
    int fd = test_app_connect(app);
    (void)snprintf(variable, sizeof(variable), "CONTENT_LENGTH=%u", length);
    assert_true(fcgi_peer_begin(fd, 1, FCGI_PEER_RESPONDER, 0));
    assert_true(fcgi_peer_params(fd, 1, POST("/echo", variable)));
    for (size_t sent = 0; sent < len; sent += 10 * 1024)
        assert_true(fcgi_peer_record(fd, FCGI_PEER_STDIN, 1, app->large, 10 * 1024, 0));
    return fd;
}

static void slow_uploads_hold_nobody_and_succeed(void **state)
{
    (void)state;
    enum { COUNT = 50 };
    struct test_app *app = test_app_serve(1);
    int fds[COUNT];
    for (int i = 0; i < COUNT; i++)
        fds[i] = begin_upload(app, 20, 0);
    for (int round = 0; round < 2; round++) {
        assert_prompt(app);
        for (int i = 0; i < COUNT; i++)
            assert_true(fcgi_peer_record(fds[i], FCGI_PEER_STDIN, 1, "0123456789", 10, 6));
    }
    for (int i = 0; i < COUNT; i++) {
        assert_true(fcgi_peer_record(fds[i], FCGI_PEER_STDIN, 1, NULL, 0, 0));
        assert_answer(fds[i], 200, "01234567890123456789");
        (void)close(fds[i]);
    }
    test_app_finish(app);
}

static void an_upload_below_the_lowest_rate_is_answered_with_408(void **state)
{
    (void)state;
    struct test_app *app =
        serve_with(&(struct fcgi_limits){.upload_grace_ms = SHORT_MS, .upload_rate = 1000 * 1000});
    int64_t start = clock_now_ns();
    int fd = begin_upload(app, 20, 0);
    assert_answer(fd, 408, "the request's body came too slowly\n");
    assert_true(test_app_ms_since(start) >= SHORT_MS);
    test_app_assert_dropped(fd);
    test_app_finish(app);
}

/* What has come earns time: this one is longer than the first grace, and slow enough to end. */
static void an_upload_at_the_lowest_rate_is_waited_for(void **state)
{
    (void)state;
    struct test_app *app =
        serve_with(&(struct fcgi_limits){.upload_grace_ms = SHORT_MS, .upload_rate = SENT / 2});
    int fd = begin_upload(app, SENT + 1, SENT);
    test_app_sleep_ms(SHORT_MS * 2);
    assert_true(fcgi_peer_record(fd, FCGI_PEER_STDIN, 1, "x", 1, 0));
    struct fcgi_answer answer = {0};
    assert_true(fcgi_peer_receive(fd, TEST_APP_WAIT_MS, &answer));
    assert_int_equal(answer.body_len, SENT + 1);
    fcgi_answer_release(&answer);
    (void)close(fd);
    fd = begin_upload(app, SENT + 1, SENT);
    assert_true(fcgi_peer_receive(fd, TEST_APP_WAIT_MS, &answer));
    assert_int_equal(fcgi_answer_status(&answer), 408);
    fcgi_answer_release(&answer);
    (void)close(fd);
    test_app_finish(app);
}

static void the_slowest_upload_gives_way_when_memory_runs_out(void **state)
{
    (void)state;
    struct test_app *app = serve_with(&(struct fcgi_limits){.memory = 1024 * 1024});
    int slow = begin_upload(app, 900 * 1024, 600 * 1024);
    test_app_sleep_ms(1500);
    struct fcgi_answer answer = {0};
    int fast = test_app_connect(app);
    assert_true(
        fcgi_peer_request(fast, 0, POST("/echo", "CONTENT_LENGTH=614400"), app->large, 600 * 1024));
    assert_true(fcgi_peer_receive(fast, TEST_APP_WAIT_MS, &answer));
    assert_int_equal(answer.body_len, 600 * 1024);
    fcgi_answer_release(&answer);
    assert_answer(slow, 503, "the service is not available now\n");
    (void)close(fast);
    (void)close(slow);
    test_app_finish(app);
}

static void a_body_beyond_all_memory_is_refused(void **state)
{
    (void)state;
    struct test_app *app = serve_with(&(struct fcgi_limits){.memory = 100 * 1024});
    int fd = test_app_connect(app);
    (void)fcgi_peer_request(fd, 0, POST("/echo", "CONTENT_LENGTH=614400"), app->large, 600 * 1024);
    assert_answer(fd, 503, "the service is not available now\n");
    (void)close(fd);
    test_app_assert_hello(app);
    test_app_finish(app);
}

/* --- Slow readers --- */

static int ask_for_huge(const struct test_app *app)
{
    int fd = test_app_connect(app);
    assert_true(fcgi_peer_request(fd, FCGI_PEER_KEEP, GET("/huge"), NULL, 0));
    return fd;
}

static void assert_huge(const struct test_app *app, int fd)
{
    struct fcgi_answer answer = {0};
    assert_true(fcgi_peer_receive(fd, TEST_APP_WAIT_MS, &answer));
    assert_int_equal(answer.body_len, TEST_APP_HUGE);
    assert_memory_equal(answer.body, app->large, TEST_APP_HUGE);
    fcgi_answer_release(&answer);
}

static void slow_readers_hold_nobody_and_get_all(void **state)
{
    (void)state;
    struct test_app *app = test_app_serve(1);
    int fds[3];
    for (int i = 0; i < 3; i++) {
        fds[i] = ask_for_huge(app);
        test_app_await(&app->finished);
        assert_int_equal(app->last_error, APP_OK);
    }
    assert_prompt(app);
    for (int i = 0; i < 3; i++) {
        assert_huge(app, fds[i]);
        assert_true(fcgi_peer_request(fds[i], 0, GET("/hello"), NULL, 0));
        assert_answer(fds[i], 200, "hello\n");
        (void)close(fds[i]);
    }
    test_app_finish(app);
}

static void an_answer_that_nobody_reads_is_cut(void **state)
{
    (void)state;
    struct test_app *app = serve_with(&(struct fcgi_limits){.send_stall_ms = SHORT_MS});
    int fd = ask_for_huge(app);
    test_app_sleep_ms(SHORT_MS * 3);
    struct fcgi_answer answer = {0};
    assert_false(fcgi_peer_receive(fd, TEST_APP_WAIT_MS, &answer));
    assert_true(answer.closed);
    assert_true(answer.output_len < TEST_APP_HUGE);
    fcgi_answer_release(&answer);
    (void)close(fd);
    assert_true(test_app_log_has(app, "Answer cut: why=\"it was not read\""));
    test_app_finish(app);
}

static void the_slowest_reader_gives_way_when_memory_runs_out(void **state)
{
    (void)state;
    struct test_app *app = serve_with(&(struct fcgi_limits){.memory = TEST_APP_HUGE * 3 / 2});
    int slow = ask_for_huge(app);
    test_app_await(&app->finished);
    test_app_sleep_ms(1500);
    int next = ask_for_huge(app);
    test_app_await(&app->finished);
    assert_huge(app, next);
    struct fcgi_answer answer = {0};
    assert_false(fcgi_peer_receive(slow, TEST_APP_WAIT_MS, &answer));
    assert_true(answer.closed);
    fcgi_answer_release(&answer);
    assert_true(test_app_log_has(app, "Answer cut: why=\"others need the memory\""));
    (void)close(slow);
    (void)close(next);
    test_app_finish(app);
}

/* --- While stopping --- */

static void *stop_server(void *argument)
{
    struct test_app *app = argument;
    return (void *)(uintptr_t)fcgi_server_stop(app->server, TEST_APP_WAIT_MS);
}

static void a_stop_waits_for_slow_uploads_and_readers(void **state)
{
    (void)state;
    struct test_app *app = test_app_serve(1);
    int upload = begin_upload(app, 4, 0);
    int reader = ask_for_huge(app);
    test_app_await(&app->finished);
    pthread_t stopper;
    assert_int_equal(pthread_create(&stopper, NULL, stop_server, app), 0);
    test_app_sleep_ms(500);
    assert_true(fcgi_peer_stdin(upload, 1, "body", 4));
    assert_answer(upload, 200, "body");
    assert_huge(app, reader);
    void *busy = &busy;
    assert_int_equal(pthread_join(stopper, &busy), 0);
    assert_null(busy);
    (void)close(upload);
    (void)close(reader);
    test_app_stop(app);
    test_app_free(app);
}

static void a_stop_beyond_its_grace_leaves_slow_peers_behind(void **state)
{
    (void)state;
    struct test_app *app = test_app_serve(2);
    int upload = begin_upload(app, 4, 0);
    int reader = ask_for_huge(app);
    test_app_await(&app->finished);
    int64_t start = clock_now_ns();
    assert_int_equal(fcgi_server_stop(app->server, 300), 0);
    assert_true(test_app_ms_since(start) < PROMPT_MS);
    test_app_assert_dropped(upload);
    (void)close(reader);
    test_app_stop(app);
    test_app_free(app);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_thousand_idle_connections_are_kept_and_hold_nobody),
        cmocka_unit_test(an_idle_connection_is_closed_after_its_time),
        cmocka_unit_test(an_idle_connection_gives_way_when_descriptors_run_out),
        cmocka_unit_test(more_connections_than_allowed_displace_the_idle_ones),
        cmocka_unit_test(slow_uploads_hold_nobody_and_succeed),
        cmocka_unit_test(an_upload_below_the_lowest_rate_is_answered_with_408),
        cmocka_unit_test(an_upload_at_the_lowest_rate_is_waited_for),
        cmocka_unit_test(the_slowest_upload_gives_way_when_memory_runs_out),
        cmocka_unit_test(a_body_beyond_all_memory_is_refused),
        cmocka_unit_test(slow_readers_hold_nobody_and_get_all),
        cmocka_unit_test(an_answer_that_nobody_reads_is_cut),
        cmocka_unit_test(the_slowest_reader_gives_way_when_memory_runs_out),
        cmocka_unit_test(a_stop_waits_for_slow_uploads_and_readers),
        cmocka_unit_test(a_stop_beyond_its_grace_leaves_slow_peers_behind),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
