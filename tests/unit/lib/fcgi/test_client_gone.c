/* SPDX-License-Identifier: MIT */
/* How a handler learns that nobody waits for its answer any more. */
#include "lib/fcgi/request.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/fcgi/protocol.h"
#include "support/cmocka.h"
#include "support/fcgi_app.h"
#include "support/fcgi_peer.h"

/* A request to /watch whose handler is waiting. */
static int begin_watch(struct test_app *app, const void *body, size_t len, const char *length)
{
    int fd = test_app_connect(app);
    const char *const environment[] = {"REQUEST_METHOD=POST", "REQUEST_URI=/watch", length, NULL};
    assert_true(fcgi_peer_request(fd, 0, environment, body, len));
    test_app_await(&app->entered);
    assert_int_equal(app->last_error, APP_OK);
    return fd;
}

static void assert_told(struct test_app *app)
{
    test_app_await(&app->finished);
    assert_int_equal(app->last_error, APP_CLIENT_GONE);
    test_app_assert_hello(app);
    test_app_finish(app);
}

static void a_peer_that_closes_the_connection_is_noticed(void **state)
{
    (void)state;
    struct test_app *app = test_app_serve(1);
    int fd = begin_watch(app, "0123456789", 10, "CONTENT_LENGTH=10");
    (void)close(fd);
    assert_told(app);
}

static void a_peer_that_closes_a_tcp_connection_is_noticed(void **state)
{
    (void)state;
    struct test_app *app = test_app_new("127.0.0.1:0");
    assert_int_equal(test_app_start(app, 1, NULL), APP_OK);
    int fd = begin_watch(app, NULL, 0, "CONTENT_LENGTH=0");
    (void)close(fd);
    assert_told(app);
}

static void an_abort_behind_the_body_is_noticed(void **state)
{
    (void)state;
    static const char *const lengths[] = {"CONTENT_LENGTH=0", "CONTENT_LENGTH=5",
                                          "CONTENT_LENGTH=100000"};
    static const size_t sizes[] = {0, 5, 100000};
    static char body[100000];
    for (size_t i = 0; i < 3; i++) {
        struct test_app *app = test_app_serve(1);
        int fd = begin_watch(app, body, sizes[i], lengths[i]);
        assert_true(fcgi_peer_record(fd, FCGI_PEER_ABORT, 1, NULL, 0, 0));
        assert_told(app);
        (void)close(fd);
    }
}

/* A web server that has no more to send may close its half, and still reads the answer. */
static void a_peer_that_only_ends_its_sending_is_not_gone(void **state)
{
    (void)state;
    struct test_app *app = test_app_serve(1);
    int fd = begin_watch(app, NULL, 0, "CONTENT_LENGTH=0");
    assert_int_equal(shutdown(fd, SHUT_WR), 0);
    test_app_sleep_ms(50);
    assert_int_equal(sem_trywait(&app->finished), -1);
    (void)close(fd);
    assert_told(app);
}

static void what_waits_on_the_socket_is_read_as_records(void **state)
{
    (void)state;
    static const unsigned char abort_record[] = {1, 2, 0, 1, 0, 0, 0, 0};
    static const unsigned char behind_input[] = {1, 5, 0, 1, 0, 0, 2, 0, 9,
                                                 9, 1, 2, 0, 1, 0, 0, 0, 0};
    static const unsigned char of_another[] = {1, 2, 0, 2, 0, 0, 0, 0};
    static const unsigned char next_request[] = {1, 1, 0, 1, 0, 8, 0, 0};
    static const unsigned char more_input[] = {1, 5, 0, 1, 0, 1, 0, 0, 7, 1, 2, 0, 1, 0, 0, 0, 0};
    assert_true(protocol_is_abort(abort_record, sizeof(abort_record), 1));
    assert_true(protocol_is_abort(behind_input, sizeof(behind_input), 1));
    assert_false(protocol_is_abort(of_another, sizeof(of_another), 1));
    assert_false(protocol_is_abort(next_request, sizeof(next_request), 1));
    assert_false(protocol_is_abort(more_input, sizeof(more_input), 1));
    for (size_t len = 0; len < sizeof(behind_input); len++)
        assert_false(protocol_is_abort(behind_input, len, 1));
}

/* --- While it is answered --- */

static void a_peer_that_leaves_within_a_large_answer_is_noticed(void **state)
{
    (void)state;
    struct test_app *app = test_app_serve(1);
    int fd = test_app_connect(app);
    assert_true(fcgi_peer_request(fd, FCGI_PEER_KEEP, GET("/huge"), NULL, 0));
    char some[1000];
    assert_true(recv(fd, some, sizeof(some), MSG_WAITALL) == (ssize_t)sizeof(some));
    (void)close(fd);
    test_app_await(&app->finished);
    assert_int_equal(app->last_error, APP_CLIENT_GONE);
    test_app_assert_hello(app);
    test_app_finish(app);
}

/* Read records until a body of so many bytes is there, and not one byte more. */
static void take_body(int fd, size_t body)
{
    char *content = malloc(65536);
    assert_non_null(content);
    bool in_body = false;
    while (body > 0) {
        unsigned char header[8];
        assert_int_equal(recv(fd, header, sizeof(header), MSG_WAITALL), sizeof(header));
        size_t len = (size_t)header[4] << 8 | header[5];
        assert_int_equal(recv(fd, content, len, MSG_WAITALL), len);
        const char *head_end = in_body ? content : memmem(content, len, "\r\n\r\n", 4);
        assert_non_null(head_end);
        size_t head_len = in_body ? 0 : (size_t)(head_end - content) + 4;
        in_body = true;
        assert_true(len - head_len <= body);
        body -= len - head_len;
    }
    free(content);
}

/* As lighttpd does once it has what Content-Length promised: there may be no end to write to. */
static void a_peer_that_leaves_when_it_has_it_all_was_answered(void **state)
{
    (void)state;
    struct test_app *app = test_app_serve(1);
    for (int i = 0; i < 50; i++) {
        int fd = test_app_connect(app);
        assert_true(fcgi_peer_request(fd, 0, GET("/huge"), NULL, 0));
        take_body(fd, TEST_APP_HUGE);
        (void)close(fd);
        test_app_await(&app->finished);
        assert_int_equal(app->last_error, APP_OK);
    }
    test_app_assert_hello(app);
    test_app_finish(app);
}

static void a_peer_that_leaves_before_a_small_answer_is_noticed(void **state)
{
    (void)state;
    struct test_app *app = test_app_serve(1);
    int fd = test_app_connect(app);
    assert_true(fcgi_peer_request(fd, 0, GET("/wait"), NULL, 0));
    test_app_await(&app->entered);
    (void)close(fd);
    sem_post(&app->gate);
    test_app_await(&app->finished);
    assert_int_equal(app->last_error, APP_CLIENT_GONE);
    test_app_assert_hello(app);
    test_app_finish(app);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_peer_that_closes_the_connection_is_noticed),
        cmocka_unit_test(a_peer_that_closes_a_tcp_connection_is_noticed),
        cmocka_unit_test(an_abort_behind_the_body_is_noticed),
        cmocka_unit_test(a_peer_that_only_ends_its_sending_is_not_gone),
        cmocka_unit_test(what_waits_on_the_socket_is_read_as_records),
        cmocka_unit_test(a_peer_that_leaves_within_a_large_answer_is_noticed),
        cmocka_unit_test(a_peer_that_leaves_when_it_has_it_all_was_answered),
        cmocka_unit_test(a_peer_that_leaves_before_a_small_answer_is_noticed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
