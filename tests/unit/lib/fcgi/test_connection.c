/* SPDX-License-Identifier: MIT */
/* run: alone */
#include "lib/fcgi/connection.h"

#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/base/clock.h"
#include "lib/base/limits.h"
#include "support/fcgi_app.h"
#include "support/fcgi_peer.h"

enum { PROMPT_MS = 2000, SHORT_MS = 600 };

/* --- Requests that are refused --- */

static void assert_answered(const struct test_app *app, const char *const *environment, int status)
{
    struct fcgi_answer answer = {0};
    int fd = test_app_connect(app);
    assert_true(fcgi_peer_request(fd, 0, environment, NULL, 0));
    assert_true(fcgi_peer_receive(fd, TEST_APP_WAIT_MS, &answer));
    assert_int_equal(fcgi_answer_status(&answer), status);
    fcgi_answer_release(&answer);
    (void)close(fd);
}

static void a_malformed_request_is_answered_with_its_error(void **state)
{
    (void)state;
    struct test_app *app = test_app_serve(1);
    assert_answered(app, (const char *const[]){NULL}, 400);
    assert_answered(app, GET("/%2F"), 400);
    assert_answered(app, POST("/echo", "CONTENT_LENGTH=x"), 400);
    assert_true(
        test_app_log_has(app, "error=bad-request detail=\"CONTENT_LENGTH is not a number\""));
    char *uri = calloc(1, 9000);
    assert_non_null(uri);
    (void)snprintf(uri, 9000, "REQUEST_URI=/%08200d", 0);
    assert_answered(app, (const char *const[]){"REQUEST_METHOD=GET", uri, NULL}, 414);
    free(uri);
    test_app_assert_hello(app);
    test_app_finish(app);
}

static void too_many_variables_are_answered_with_431(void **state)
{
    (void)state;
    struct test_app *app = test_app_serve(1);
    char *cookie = malloc(LIMIT_REQUEST_PARAMS + 32);
    assert_non_null(cookie);
    (void)snprintf(cookie, LIMIT_REQUEST_PARAMS + 32, "HTTP_COOKIE=%0*d", LIMIT_REQUEST_PARAMS, 0);
    assert_answered(app, (const char *const[]){"REQUEST_METHOD=GET", "REQUEST_URI=/", cookie, NULL},
                    431);
    free(cookie);
    test_app_finish(app);
}

static void endless_variables_are_cut_off(void **state)
{
    (void)state;
    struct test_app *app = test_app_serve(1);
    char record[60000];
    memset(record, 0, sizeof(record)); /* empty names and values */
    int fd = test_app_connect(app);
    assert_true(fcgi_peer_begin(fd, 1, FCGI_PEER_RESPONDER, 0));
    int sent = 0;
    while (sent < 1000 && fcgi_peer_record(fd, FCGI_PEER_PARAMS, 1, record, sizeof(record), 0))
        sent++;
    assert_true(sent < 40); /* a megabyte, and what the sockets hold */
    (void)close(fd);
    test_app_assert_hello(app);
    test_app_finish(app);
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
        GARBAGE(BEGIN_RECORD BEGIN_RECORD),
        GARBAGE(BEGIN_RECORD "\1\5\0\1\0\0\0\0"),
    };
    struct test_app *app = test_app_serve(1);
    for (size_t i = 0; i < sizeof(garbage) / sizeof(garbage[0]); i++) {
        int fd = test_app_connect(app);
        assert_true(fcgi_peer_send(fd, garbage[i].data, garbage[i].len));
        test_app_assert_dropped(fd);
        test_app_assert_hello(app);
    }
    assert_true(test_app_log_has(app, "[WARN]  api: Connection closed"));
    test_app_finish(app);
}

static void variables_that_end_within_one_are_a_bad_request(void **state)
{
    (void)state;
    static const char request[] = BEGIN_RECORD
        "\1\4\0\1\0\10\0\0\377\377\377\377\377\377\377\377\1\4\0\1\0\0\0\0\1\5\0\1\0\0\0\0";
    struct test_app *app = test_app_serve(1);
    struct fcgi_answer answer = {0};
    int fd = test_app_connect(app);
    assert_true(fcgi_peer_send(fd, request, sizeof(request) - 1));
    assert_true(fcgi_peer_receive(fd, TEST_APP_WAIT_MS, &answer));
    assert_int_equal(fcgi_answer_status(&answer), 400);
    fcgi_answer_release(&answer);
    (void)close(fd);
    test_app_finish(app);
}

static void assert_replied(struct test_app *app, const char *asked, size_t asked_len,
                           const char *expected, size_t expected_len)
{
    char reply[64];
    int fd = test_app_connect(app);
    assert_true(fcgi_peer_send(fd, asked, asked_len));
    assert_true(expected_len <= sizeof(reply));
    assert_int_equal(recv(fd, reply, expected_len, MSG_WAITALL), expected_len);
    assert_memory_equal(reply, expected, expected_len);
    (void)close(fd);
}

/* FastCGI specification 1.0, sections 4.1, 4.2 and 5.5. */
static void what_cannot_be_served_is_told(void **state)
{
    (void)state;
#define ASSERT_REPLIED(asked, expected)                                                            \
    assert_replied(app, asked, sizeof(asked) - 1, expected, sizeof(expected) - 1)
    struct test_app *app = test_app_serve(1);
    ASSERT_REPLIED("\1\11\0\0\0\21\0\0\17\0FCGI_MPXS_CONNS",
                   "\1\12\0\0\0\22\0\0\17\1FCGI_MPXS_CONNS0");
    ASSERT_REPLIED("\1\14\0\0\0\0\0\0", "\1\13\0\0\0\10\0\0\14\0\0\0\0\0\0\0");
    ASSERT_REPLIED("\1\1\0\1\0\10\0\0\0\2\0\0\0\0\0\0", "\1\3\0\1\0\10\0\0\0\0\0\0\3\0\0\0");
    ASSERT_REPLIED(BEGIN_RECORD "\1\1\0\2\0\10\0\0\0\1\0\0\0\0\0\0",
                   "\1\3\0\2\0\10\0\0\0\0\0\0\1\0\0\0");
    ASSERT_REPLIED(BEGIN_RECORD "\1\2\0\1\0\0\0\0", "\1\3\0\1\0\10\0\0\0\0\0\0\0\0\0\0");
    test_app_finish(app);
}

/* The second one waits in the connection until the first is answered. */
static void requests_in_one_write_are_answered_one_after_the_other(void **state)
{
    (void)state;
    struct test_app *app = test_app_serve(2);
    size_t len, second_len;
    char *first = fcgi_peer_encode(FCGI_PEER_KEEP, GET("/hello"), NULL, 0, &len);
    char *second =
        fcgi_peer_encode(FCGI_PEER_KEEP, POST("/echo", "CONTENT_LENGTH=4"), "body", 4, &second_len);
    char *both = malloc(len + second_len);
    assert_non_null(both);
    memcpy(both, first, len);
    memcpy(both + len, second, second_len);
    for (size_t cut = 0; cut < second_len; cut++) {
        struct fcgi_answer answer = {0};
        int fd = test_app_connect(app);
        assert_true(fcgi_peer_send(fd, both, len + cut));
        assert_true(fcgi_peer_receive(fd, TEST_APP_WAIT_MS, &answer));
        assert_string_equal(answer.body, "hello\n");
        assert_true(fcgi_peer_send(fd, both + len + cut, second_len - cut));
        assert_true(fcgi_peer_receive(fd, TEST_APP_WAIT_MS, &answer));
        assert_string_equal(answer.body, "body");
        fcgi_answer_release(&answer);
        (void)close(fd);
    }
    free(both);
    free(second);
    free(first);
    test_app_finish(app);
}

static void garbage_in_place_of_the_body_closes_the_connection(void **state)
{
    (void)state;
    struct test_app *app = test_app_serve(1);
    int fd = test_app_connect(app);
    assert_true(fcgi_peer_begin(fd, 1, FCGI_PEER_RESPONDER, FCGI_PEER_KEEP));
    assert_true(fcgi_peer_params(fd, 1, POST("/echo", "CONTENT_LENGTH=4")));
    assert_true(fcgi_peer_send(fd, "\7garbage", 8));
    test_app_assert_dropped(fd);
    assert_int_equal(sem_trywait(&app->finished), -1);
    test_app_assert_hello(app);
    test_app_finish(app);
}

static void a_request_in_two_parts_at_every_byte_is_answered(void **state)
{
    (void)state;
    struct test_app *app = test_app_serve(2);
    size_t len;
    char *request = fcgi_peer_encode(0, POST("/echo", "CONTENT_LENGTH=4"), "body", 4, &len);
    for (size_t cut = 1; cut < len; cut++) {
        struct fcgi_answer answer = {0};
        int fd = test_app_connect(app);
        assert_true(fcgi_peer_send(fd, request, cut));
        test_app_sleep_ms(2);
        assert_true(fcgi_peer_send(fd, request + cut, len - cut));
        assert_true(fcgi_peer_receive(fd, TEST_APP_WAIT_MS, &answer));
        assert_string_equal(answer.body, "body");
        fcgi_answer_release(&answer);
        (void)close(fd);
    }
    free(request);
    test_app_finish(app);
}

static void silent_peers_hold_up_nobody(void **state)
{
    (void)state;
    struct test_app *app = test_app_serve(1);
    int silent = test_app_connect(app);
    int half = test_app_connect(app);
    assert_true(fcgi_peer_send(half, "\1", 1));
    test_app_sleep_ms(100);
    int64_t start = clock_now_ns();
    for (int i = 0; i < 20; i++)
        test_app_assert_hello(app);
    assert_true(test_app_ms_since(start) < PROMPT_MS);
    (void)close(silent);
    (void)close(half);
    test_app_finish(app);
}

static void silent_peers_are_dropped_after_the_limits(void **state)
{
    (void)state;
    test_app_limits = (struct fcgi_limits){.keepalive_ms = SHORT_MS, .beginning_ms = SHORT_MS};
    struct test_app *app = test_app_serve(1);
    test_app_limits = (struct fcgi_limits){0};
    int silent = test_app_connect(app);
    int half = test_app_connect(app);
    assert_true(fcgi_peer_send(half, "\1", 1));
    int64_t start = clock_now_ns();
    test_app_assert_hello(app);
    assert_true(test_app_ms_since(start) < SHORT_MS);
    test_app_assert_dropped(silent);
    test_app_assert_dropped(half);
    assert_true(test_app_ms_since(start) >= SHORT_MS / 2);
    assert_true(test_app_log_has(app, "no request within the time limit"));
    test_app_finish(app);
}

/* Each byte comes soon after the last, all of them never. */
static void a_peer_that_drips_is_dropped_after_the_same_limit(void **state)
{
    (void)state;
    test_app_limits = (struct fcgi_limits){.beginning_ms = SHORT_MS};
    struct test_app *app = test_app_serve(1);
    test_app_limits = (struct fcgi_limits){0};
    size_t len;
    char *request = fcgi_peer_encode(0, GET("/hello"), NULL, 0, &len);
    int fd = test_app_connect(app);
    size_t sent = 0;
    while (sent < len - 8 && fcgi_peer_send(fd, request + sent, 1)) {
        sent++;
        test_app_sleep_ms(100);
    }
    assert_true(sent < len - 8);
    free(request);
    (void)close(fd);
    test_app_assert_hello(app);
    test_app_finish(app);
}

static void peers_that_connect_and_leave_are_forgotten(void **state)
{
    (void)state;
    struct test_app *app = test_app_serve(1);
    for (int i = 0; i < 50; i++)
        (void)close(test_app_connect(app));
    int fd = test_app_connect(app);
    assert_true(fcgi_peer_send(fd, "\1\1\0", 3));
    (void)close(fd);
    int64_t start = clock_now_ns();
    test_app_assert_hello(app);
    assert_true(test_app_ms_since(start) < PROMPT_MS);
    assert_false(test_app_log_has(app, "Connection closed"));
    test_app_finish(app);
}

static void an_aborted_upload_reaches_no_handler(void **state)
{
    (void)state;
    struct test_app *app = test_app_serve(1);
    struct fcgi_answer answer = {0};
    int fd = test_app_connect(app);
    assert_true(fcgi_peer_begin(fd, 1, FCGI_PEER_RESPONDER, 0));
    assert_true(fcgi_peer_params(fd, 1, POST("/echo", "CONTENT_LENGTH=10")));
    assert_true(fcgi_peer_record(fd, FCGI_PEER_STDIN, 1, "half", 4, 4));
    assert_true(fcgi_peer_record(fd, FCGI_PEER_ABORT, 1, NULL, 0, 0));
    assert_true(fcgi_peer_receive(fd, TEST_APP_WAIT_MS, &answer));
    assert_int_equal(answer.output_len, 0);
    fcgi_answer_release(&answer);
    test_app_assert_dropped(fd);
    assert_int_equal(sem_trywait(&app->finished), -1);
    test_app_assert_hello(app);
    test_app_finish(app);
}

static void an_upload_whose_peer_leaves_is_forgotten(void **state)
{
    (void)state;
    struct test_app *app = test_app_serve(1);
    int fd = test_app_connect(app);
    assert_true(fcgi_peer_begin(fd, 1, FCGI_PEER_RESPONDER, 0));
    assert_true(fcgi_peer_params(fd, 1, POST("/echo", "CONTENT_LENGTH=10")));
    assert_true(fcgi_peer_record(fd, FCGI_PEER_STDIN, 1, "half", 4, 4));
    (void)close(fd);
    test_app_assert_hello(app);
    assert_int_equal(sem_trywait(&app->finished), -1);
    test_app_finish(app);
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
    struct test_app *app = test_app_serve(1);
    struct sigaction action = {.sa_handler = ignore_signal};
    struct sigaction before;
    assert_int_equal(sigaction(SIGPROF, &action, &before), 0);
    int fd = test_app_connect(app);
    assert_true(fcgi_peer_begin(fd, 1, FCGI_PEER_RESPONDER, 0));
    assert_true(fcgi_peer_params(fd, 1, POST("/echo", "CONTENT_LENGTH=30")));
    for (int i = 0; i < 30; i++) {
        test_app_sleep_ms(5);
        assert_int_equal(pthread_kill(app->threads[0], SIGPROF), 0);
        assert_true(fcgi_peer_record(fd, FCGI_PEER_STDIN, 1, "x", 1, 0));
    }
    assert_true(fcgi_peer_record(fd, FCGI_PEER_STDIN, 1, NULL, 0, 0));
    struct fcgi_answer answer = {0};
    assert_true(fcgi_peer_receive(fd, TEST_APP_WAIT_MS, &answer));
    assert_string_equal(answer.body, "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxx");
    fcgi_answer_release(&answer);
    (void)close(fd);
    test_app_stop(app);
    assert_int_equal(sigaction(SIGPROF, &before, NULL), 0);
    test_app_free(app);
}

static void a_body_of_a_megabyte_is_read_whole(void **state)
{
    (void)state;
    struct test_app *app = test_app_serve(1);
    struct fcgi_answer answer = {0};
    int fd = test_app_connect(app);
    assert_true(fcgi_peer_request(fd, 0, POST("/echo", "CONTENT_LENGTH=1048576"), app->large,
                                  TEST_APP_BODY_MAX));
    assert_true(fcgi_peer_receive(fd, TEST_APP_WAIT_MS, &answer));
    assert_int_equal(answer.body_len, TEST_APP_BODY_MAX);
    assert_memory_equal(answer.body, app->large, TEST_APP_BODY_MAX);
    fcgi_answer_release(&answer);
    (void)close(fd);
    test_app_finish(app);
}

static void a_kept_connection_serves_one_request_after_the_other(void **state)
{
    (void)state;
    struct test_app *app = test_app_serve(1);
    int fd = test_app_connect(app);
    for (int i = 0; i < 20; i++) {
        struct fcgi_answer answer = {0};
        assert_true(
            fcgi_peer_request(fd, FCGI_PEER_KEEP, POST("/echo", "CONTENT_LENGTH=4"), "body", 4));
        assert_true(fcgi_peer_receive(fd, TEST_APP_WAIT_MS, &answer));
        assert_string_equal(answer.body, "body");
        assert_true(fcgi_peer_request(fd, FCGI_PEER_KEEP, GET("/large"), NULL, 0));
        assert_true(fcgi_peer_receive(fd, TEST_APP_WAIT_MS, &answer));
        assert_int_equal(answer.body_len, TEST_APP_LARGE);
        fcgi_answer_release(&answer);
    }
    (void)close(fd);
    test_app_finish(app);
}

/* The body spells a request of its own, which must never be taken for one. */
static void an_unread_body_does_not_poison_the_next_request(void **state)
{
    (void)state;
    struct test_app *app = test_app_serve(1);
    size_t forged_len;
    char *forged = fcgi_peer_encode(FCGI_PEER_KEEP, GET("/forged"), NULL, 0, &forged_len);
    static const size_t sizes[] = {10, 8000, 8192, 9000, 70000, 500000};
    int fd = test_app_connect(app);
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        char *body = malloc(sizes[i]);
        assert_non_null(body);
        for (size_t at = 0; at < sizes[i]; at++)
            body[at] = forged[at % forged_len];
        struct fcgi_answer answer = {0};
        assert_true(
            fcgi_peer_request(fd, FCGI_PEER_KEEP, POST("/hello", "HTTP_A=b"), body, sizes[i]));
        assert_true(fcgi_peer_receive(fd, TEST_APP_WAIT_MS, &answer));
        assert_string_equal(answer.body, "hello\n");
        fcgi_answer_release(&answer);
        free(body);
    }
    free(forged);
    (void)close(fd);
    test_app_finish(app);
}

static void an_unread_body_that_is_too_large_closes_the_connection(void **state)
{
    (void)state;
    struct test_app *app = test_app_serve(1);
    int fd = test_app_connect(app);
    assert_true(fcgi_peer_begin(fd, 1, FCGI_PEER_RESPONDER, FCGI_PEER_KEEP));
    assert_true(fcgi_peer_params(fd, 1, POST("/echo", "CONTENT_LENGTH=16777216")));
    struct fcgi_answer answer = {0};
    assert_true(fcgi_peer_receive(fd, TEST_APP_WAIT_MS, &answer));
    assert_int_equal(fcgi_answer_status(&answer), 413);
    fcgi_answer_release(&answer);
    /* All of it may still be thrown away on the other side, but that is the end. */
    if (fcgi_peer_stdin(fd, 1, app->large, TEST_APP_HUGE))
        (void)fcgi_peer_request(fd, FCGI_PEER_KEEP, GET("/hello"), NULL, 0);
    test_app_assert_dropped(fd);
    test_app_assert_hello(app);
    test_app_finish(app);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_malformed_request_is_answered_with_its_error),
        cmocka_unit_test(too_many_variables_are_answered_with_431),
        cmocka_unit_test(endless_variables_are_cut_off),
        cmocka_unit_test(garbage_closes_the_connection_and_nothing_else),
        cmocka_unit_test(variables_that_end_within_one_are_a_bad_request),
        cmocka_unit_test(what_cannot_be_served_is_told),
        cmocka_unit_test(requests_in_one_write_are_answered_one_after_the_other),
        cmocka_unit_test(garbage_in_place_of_the_body_closes_the_connection),
        cmocka_unit_test(a_request_in_two_parts_at_every_byte_is_answered),
        cmocka_unit_test(silent_peers_hold_up_nobody),
        cmocka_unit_test(silent_peers_are_dropped_after_the_limits),
        cmocka_unit_test(a_peer_that_drips_is_dropped_after_the_same_limit),
        cmocka_unit_test(peers_that_connect_and_leave_are_forgotten),
        cmocka_unit_test(an_aborted_upload_reaches_no_handler),
        cmocka_unit_test(an_upload_whose_peer_leaves_is_forgotten),
        cmocka_unit_test(an_upload_survives_signals),
        cmocka_unit_test(a_body_of_a_megabyte_is_read_whole),
        cmocka_unit_test(a_kept_connection_serves_one_request_after_the_other),
        cmocka_unit_test(an_unread_body_does_not_poison_the_next_request),
        cmocka_unit_test(an_unread_body_that_is_too_large_closes_the_connection),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
