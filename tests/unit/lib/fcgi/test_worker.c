/* SPDX-License-Identifier: MIT */
/* run: alone seconds=25 */
#include "lib/fcgi/worker.h"

#include <errno.h>
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

/* --- Answers --- */

static void a_request_is_answered(void **state)
{
    (void)state;
    struct test_app *app = test_app_serve(2);
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
    test_app_finish(app);
}

static void head_gets_the_length_and_no_body(void **state)
{
    (void)state;
    struct test_app *app = test_app_serve(1);
    static const char *const environment[] = {"REQUEST_METHOD=HEAD", "REQUEST_URI=/large", NULL};
    struct fcgi_answer answer = {0};
    int fd = test_app_connect(app);
    assert_true(fcgi_peer_request(fd, 0, environment, NULL, 0));
    assert_true(fcgi_peer_receive(fd, TEST_APP_WAIT_MS, &answer));
    assert_int_equal(answer.body_len, 0);
    assert_true(fcgi_answer_has_line(&answer, "Content-Length: 3145728"));
    fcgi_answer_release(&answer);
    (void)close(fd);
    test_app_finish(app);
}

static void assert_large(const struct test_app *app)
{
    struct fcgi_answer answer = {0};
    assert_true(fcgi_peer_get(app->address, "/large", &answer));
    assert_int_equal(answer.body_len, TEST_APP_LARGE);
    assert_memory_equal(answer.body, app->large, TEST_APP_LARGE);
    assert_true(answer.records < 60);
    fcgi_answer_release(&answer);
}

static void a_large_answer_in_pieces_arrives_intact(void **state)
{
    (void)state;
    struct test_app *app = test_app_serve(1);
    assert_large(app);
    test_app_finish(app);
}

static void everything_works_over_tcp_too(void **state)
{
    (void)state;
    struct test_app *app = test_app_new("127.0.0.1:0");
    assert_int_equal(test_app_start(app, 2, NULL), APP_OK);
    test_app_assert_hello(app);
    assert_large(app);
    test_app_finish(app);
}

static void answers_of_some_kilobytes_arrive(void **state)
{
    (void)state;
    struct test_app *app = test_app_serve(1);
    for (unsigned size = 7800; size <= 8300; size++) {
        char uri[32];
        (void)snprintf(uri, sizeof(uri), "/size?%u", size);
        struct fcgi_answer answer = {0};
        assert_true(fcgi_peer_get(app->address, uri, &answer));
        assert_int_equal(answer.body_len, size);
        assert_memory_equal(answer.body, app->large, size);
        fcgi_answer_release(&answer);
    }
    test_app_finish(app);
}

static void two_hundred_requests_at_once_are_all_answered(void **state)
{
    (void)state;
    enum { COUNT = 200 };
    struct test_app *app = test_app_serve(4);
    int fds[COUNT];
    for (int i = 0; i < COUNT; i++)
        fds[i] = test_app_connect(app);
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
        assert_true(fcgi_peer_receive(fds[i], TEST_APP_WAIT_MS, &answer));
        assert_string_equal(answer.body, body);
        fcgi_answer_release(&answer);
        (void)close(fds[i]);
    }
    test_app_finish(app);
}

static void a_handler_without_an_answer_gets_a_500_and_a_warning(void **state)
{
    (void)state;
    struct test_app *app = test_app_serve(1);
    struct fcgi_answer answer = {0};
    assert_true(fcgi_peer_get(app->address, "/silent", &answer));
    assert_int_equal(fcgi_answer_status(&answer), 500);
    assert_string_equal(answer.body, "internal error\n");
    assert_true(test_app_log_has(app, "[WARN]  api: The handler gave no answer: request_id="));
    fcgi_answer_release(&answer);
    test_app_assert_hello(app);
    test_app_finish(app);
}

/* /wait never yields, as a handler that forgot to would. */
static void one_that_does_not_come_back_keeps_nobody_waiting(void **state)
{
    (void)state;
    struct test_app *app = test_app_serve(3);
    int fds[2];
    for (int i = 0; i < 2; i++) {
        fds[i] = test_app_connect(app);
        assert_true(fcgi_peer_request(fds[i], 0, GET("/wait"), NULL, 0));
        test_app_await(&app->entered);
    }
    test_app_assert_hello(app);
    for (int i = 0; i < 2; i++)
        sem_post(&app->gate); /* which of the two goes on first is not told */
    for (int i = 0; i < 2; i++) {
        struct fcgi_answer answer = {0};
        assert_true(fcgi_peer_receive(fds[i], TEST_APP_WAIT_MS, &answer));
        fcgi_answer_release(&answer);
        (void)close(fds[i]);
    }
    test_app_finish(app);
}

static void a_silent_connection_keeps_nobody_waiting(void **state)
{
    (void)state;
    struct test_app *app = test_app_serve(2);
    int silent = test_app_connect(app);
    test_app_assert_hello(app);
    test_app_assert_hello(app);
    (void)close(silent);
    test_app_finish(app);
}

/* --- Start and stop --- */

static void a_stop_while_idle_is_quick(void **state)
{
    (void)state;
    struct test_app *app = test_app_serve(4);
    test_app_assert_hello(app);
    int64_t start = clock_now_ns();
    test_app_stop(app);
    assert_true(test_app_ms_since(start) < 1000);
    test_app_free(app);
}

static void a_stop_closes_kept_and_silent_connections_soon(void **state)
{
    (void)state;
    struct test_app *app = test_app_serve(2);
    int kept = test_app_connect(app);
    struct fcgi_answer answer = {0};
    assert_true(fcgi_peer_request(kept, FCGI_PEER_KEEP, GET("/hello"), NULL, 0));
    assert_true(fcgi_peer_receive(kept, TEST_APP_WAIT_MS, &answer));
    fcgi_answer_release(&answer);
    int silent = test_app_connect(app);
    test_app_sleep_ms(50);
    int64_t start = clock_now_ns();
    test_app_stop(app);
    assert_true(test_app_ms_since(start) < 1500);
    test_app_assert_dropped(kept);
    test_app_assert_dropped(silent);
    test_app_free(app);
}

static void *stop_server(void *argument)
{
    struct test_app *app = argument;
    return (void *)(uintptr_t)fcgi_server_stop(app->server, TEST_APP_WAIT_MS);
}

static void a_stop_finishes_the_request_in_hand(void **state)
{
    (void)state;
    struct test_app *app = test_app_serve(2);
    int fd = test_app_connect(app);
    assert_true(fcgi_peer_request(fd, FCGI_PEER_KEEP, GET("/wait"), NULL, 0));
    test_app_await(&app->entered);
    pthread_t stopper;
    assert_int_equal(pthread_create(&stopper, NULL, stop_server, app), 0);
    test_app_sleep_ms(100);
    sem_post(&app->gate);
    struct fcgi_answer answer = {0};
    assert_true(fcgi_peer_receive(fd, TEST_APP_WAIT_MS, &answer));
    assert_string_equal(answer.body, "waited\n");
    fcgi_answer_release(&answer);
    void *busy = &busy;
    assert_int_equal(pthread_join(stopper, &busy), 0);
    assert_null(busy);
    test_app_assert_dropped(fd);
    test_app_stop(app);
    test_app_free(app);
}

static void a_stop_beyond_its_grace_says_how_many_are_busy(void **state)
{
    (void)state;
    struct test_app *app = test_app_serve(4);
    int fds[2];
    for (int i = 0; i < 2; i++) {
        fds[i] = test_app_connect(app);
        assert_true(fcgi_peer_request(fds[i], 0, GET("/wait"), NULL, 0));
        test_app_await(&app->entered);
    }
    assert_int_equal(fcgi_server_stop(app->server, 200), 2);
    sem_post(&app->gate);
    sem_post(&app->gate);
    test_app_stop(app);
    for (int i = 0; i < 2; i++) {
        struct fcgi_answer answer = {0};
        assert_true(fcgi_peer_receive(fds[i], TEST_APP_WAIT_MS, &answer));
        fcgi_answer_release(&answer);
        (void)close(fds[i]);
    }
    test_app_free(app);
}

/* The handler of the first one keeps the only worker until the stop has begun. */
static void assert_a_stop_answers_who_waits(const char *address, bool is_own)
{
    struct test_app *app = test_app_new(address);
    int fds[4];
    app->let_go = true;
    app->is_own = is_own;
    assert_int_equal(test_app_start(app, 1, NULL), APP_OK);
    for (int i = 0; i < 4; i++) {
        fds[i] = test_app_connect(app);
        assert_true(i > 0 ? fcgi_peer_request(fds[i], FCGI_PEER_KEEP, GET("/hello"), NULL, 0)
                          : fcgi_peer_request(fds[i], 0, GET("/wait"), NULL, 0));
        if (i == 0)
            test_app_await(&app->entered);
    }
    pthread_t stopper;
    assert_int_equal(pthread_create(&stopper, NULL, stop_server, app), 0);
    test_app_sleep_ms(100);
    sem_post(&app->gate);
    void *busy = &busy;
    assert_int_equal(pthread_join(stopper, &busy), 0);
    assert_null(busy);
    for (int i = 0; i < 4; i++) {
        struct fcgi_answer answer = {0};
        assert_true(fcgi_peer_receive(fds[i], TEST_APP_WAIT_MS, &answer));
        assert_string_equal(answer.body, i == 0 ? "waited\n" : "hello\n");
        fcgi_answer_release(&answer);
        (void)close(fds[i]);
    }
    assert_int_equal(fcgi_peer_connect(app->address), -1);
    assert_int_equal(errno, ECONNREFUSED);
    test_app_stop(app);
    test_app_free(app);
}

static void a_stop_answers_those_who_wait_to_be_accepted_and_refuses_others(void **state)
{
    (void)state;
    assert_a_stop_answers_who_waits(NULL, false);
    assert_a_stop_answers_who_waits(NULL, true);
    assert_a_stop_answers_who_waits("127.0.0.1:0", true);
}

/* One of several web servers that ask until they are refused. */
struct asker {
    pthread_t thread;
    const char *address;
    unsigned answered;
    unsigned lost; /* let in, and not answered */
};

enum { ASKERS = 4, SENT_IN_TIME_MS = 100 /* a server that stops waits somewhat longer */ };

static void *ask_until_refused(void *argument)
{
    struct asker *asker = argument;
    int fd;
    int64_t began_ns = clock_now_ns();
    while ((fd = fcgi_peer_connect(asker->address)) >= 0) {
        struct fcgi_answer answer = {0};
        bool sent = fcgi_peer_request(fd, 0, GET("/hello"), NULL, 0);
        bool in_time = test_app_ms_since(began_ns) < SENT_IN_TIME_MS;
        if (sent && fcgi_peer_receive(fd, TEST_APP_WAIT_MS, &answer))
            asker->answered++;
        else if (in_time)
            asker->lost++;
        fcgi_answer_release(&answer);
        (void)close(fd);
        began_ns = clock_now_ns();
    }
    return NULL;
}

static void stop_under_load(const char *address)
{
    struct test_app *app = test_app_new(address);
    struct asker askers[ASKERS];
    app->let_go = true;
    app->is_own = true;
    assert_int_equal(test_app_start(app, 2, NULL), APP_OK);
    for (size_t i = 0; i < ASKERS; i++) {
        askers[i] = (struct asker){.address = app->address};
        assert_int_equal(pthread_create(&askers[i].thread, NULL, ask_until_refused, &askers[i]), 0);
    }
    test_app_sleep_ms(20);
    assert_int_equal(fcgi_server_stop(app->server, TEST_APP_WAIT_MS), 0);
    for (size_t i = 0; i < ASKERS; i++) {
        assert_int_equal(pthread_join(askers[i].thread, NULL), 0);
        assert_int_equal(askers[i].lost, 0);
    }
    test_app_stop(app);
    test_app_free(app);
}

static void a_stop_loses_nobody_who_comes_meanwhile(void **state)
{
    (void)state;
    for (int i = 0; i < 100; i++)
        stop_under_load(NULL);
    for (int i = 0; i < 5; i++) /* a second each, for those whose handshakes were dropped */
        stop_under_load("127.0.0.1:0");
}

static void a_server_can_be_started_again(void **state)
{
    (void)state;
    struct test_app *app = test_app_new(NULL);
    for (int i = 0; i < 3; i++) {
        app->started = app->released = 0;
        assert_int_equal(test_app_start(app, 3, NULL), APP_OK);
        assert_int_equal(app->started, 3);
        test_app_assert_hello(app);
        test_app_stop(app);
    }
    test_app_free(app);
}

static void a_request_that_came_between_two_servers_is_answered(void **state)
{
    (void)state;
    struct test_app *app = test_app_serve(1);
    test_app_stop(app);
    int fd = test_app_connect(app);
    assert_true(fcgi_peer_request(fd, 0, GET("/hello"), NULL, 0));
    app->started = app->released = 0;
    assert_int_equal(test_app_start(app, 1, NULL), APP_OK);
    struct fcgi_answer answer = {0};
    assert_true(fcgi_peer_receive(fd, TEST_APP_WAIT_MS, &answer));
    assert_string_equal(answer.body, "hello\n");
    fcgi_answer_release(&answer);
    (void)close(fd);
    test_app_finish(app);
}

static void a_worker_that_cannot_start_fails_the_start(void **state)
{
    (void)state;
    struct test_app *app = test_app_new(NULL);
    app->fail_from = 2;
    struct err_buf why = {0};
    app->server = NULL;
    assert_int_equal(test_app_start(app, 4, &why), APP_UPSTREAM_FAILED);
    assert_string_equal(why.text, "no curl handle");
    assert_null(app->server);
    assert_int_equal(app->started, 2);
    assert_int_equal(app->released, 2);
    test_app_free(app);
}

static void a_descriptor_that_is_no_socket_fails_the_start(void **state)
{
    (void)state;
    struct test_app *app = test_app_new(NULL);
    int right = app->listen_fd;
    struct err_buf why = {0};
    app->listen_fd = app->log_fd;
    assert_int_equal(test_app_start(app, 1, &why), APP_CONFIG);
    assert_string_not_equal(why.text, "");
    assert_null(app->server);
    app->listen_fd = right;
    test_app_free(app);
}

static void a_full_descriptor_table_delays_requests_and_loses_no_thread(void **state)
{
    (void)state;
    enum { COUNT = 4 };
    struct test_app *app = test_app_serve(2);
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    (void)snprintf(address.sun_path, sizeof(address.sun_path), "%s", app->address);
    int fds[COUNT];
    for (int i = 0; i < COUNT; i++)
        fds[i] = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    /* What is open stays open, and nothing new can be; poll needs the number of its entries. */
    struct rlimit before;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    struct rlimit low = before;
    low.rlim_cur = 3;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
    for (int i = 0; i < COUNT; i++) {
        assert_int_equal(connect(fds[i], (const struct sockaddr *)&address, sizeof(address)), 0);
        assert_true(fcgi_peer_request(fds[i], 0, GET("/hello"), NULL, 0));
    }
    test_app_sleep_ms(300);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    for (int i = 0; i < COUNT; i++) {
        struct fcgi_answer answer = {0};
        assert_true(fcgi_peer_receive(fds[i], TEST_APP_WAIT_MS, &answer));
        assert_string_equal(answer.body, "hello\n");
        fcgi_answer_release(&answer);
        (void)close(fds[i]);
    }
    assert_true(test_app_log_has(app, "Cannot accept a connection: error=\"Too many open files\""));
    test_app_finish(app);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_request_is_answered),
        cmocka_unit_test(head_gets_the_length_and_no_body),
        cmocka_unit_test(a_large_answer_in_pieces_arrives_intact),
        cmocka_unit_test(everything_works_over_tcp_too),
        cmocka_unit_test(answers_of_some_kilobytes_arrive),
        cmocka_unit_test(two_hundred_requests_at_once_are_all_answered),
        cmocka_unit_test(a_handler_without_an_answer_gets_a_500_and_a_warning),
        cmocka_unit_test(one_that_does_not_come_back_keeps_nobody_waiting),
        cmocka_unit_test(a_silent_connection_keeps_nobody_waiting),
        cmocka_unit_test(a_stop_while_idle_is_quick),
        cmocka_unit_test(a_stop_closes_kept_and_silent_connections_soon),
        cmocka_unit_test(a_stop_finishes_the_request_in_hand),
        cmocka_unit_test(a_stop_beyond_its_grace_says_how_many_are_busy),
        cmocka_unit_test(a_stop_answers_those_who_wait_to_be_accepted_and_refuses_others),
        cmocka_unit_test(a_stop_loses_nobody_who_comes_meanwhile),
        cmocka_unit_test(a_server_can_be_started_again),
        cmocka_unit_test(a_request_that_came_between_two_servers_is_answered),
        cmocka_unit_test(a_worker_that_cannot_start_fails_the_start),
        cmocka_unit_test(a_descriptor_that_is_no_socket_fails_the_start),
        cmocka_unit_test(a_full_descriptor_table_delays_requests_and_loses_no_thread),
    };
    int failed = cmocka_run_group_tests_name("all threads look out", tests, NULL, NULL);
    test_app_quick = true;
    return failed + cmocka_run_group_tests_name("one thread looks out", tests, NULL, NULL);
}
