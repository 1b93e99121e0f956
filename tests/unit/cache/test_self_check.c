/* SPDX-License-Identifier: MIT */
/* Against sockets that speak, keep silent, or are not there. */
#include "cache/self_check.h"

#include <netinet/in.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/base/clock.h"

/* A listener that accepts, unless it is silent, and then says one byte to each. */
struct listener {
    int fd;
    pthread_t thread;
    char address[64];
};

static void *say_hello(void *argument)
{
    const struct listener *listener = argument;
    int fd;
    while ((fd = accept(listener->fd, NULL, NULL)) >= 0) {
        (void)!write(fd, "x", 1);
        close(fd);
    }
    return NULL;
}

static void listener_open(struct listener *listener, bool speaks)
{
    struct sockaddr_in name = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(name);
    listener->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(listener->fd, (struct sockaddr *)&name, len), 0);
    assert_int_equal(listen(listener->fd, 16), 0);
    assert_int_equal(getsockname(listener->fd, (struct sockaddr *)&name, &len), 0);
    (void)snprintf(listener->address, sizeof(listener->address), "127.0.0.1:%d",
                   ntohs(name.sin_port));
    if (speaks)
        assert_int_equal(pthread_create(&listener->thread, NULL, say_hello, listener), 0);
}

static void listener_close(struct listener *listener, bool speaks)
{
    (void)shutdown(listener->fd, SHUT_RDWR);
    if (speaks)
        pthread_join(listener->thread, NULL);
    close(listener->fd);
}

static bool answers(const char *address, int64_t timeout_ms)
{
    const struct self_check_options options = {.address = address, .interval_ms = timeout_ms};
    return self_check_answers(&options);
}

static void a_server_that_speaks_answers(void **state)
{
    (void)state;
    struct listener listener;
    listener_open(&listener, true);
    assert_true(answers(listener.address, 5000));
    char bracketed[64];
    (void)snprintf(bracketed, sizeof(bracketed), "[127.0.0.1]%s", strchr(listener.address, ':'));
    assert_true(answers(bracketed, 5000));
    listener_close(&listener, true);
}

static void a_listener_that_nobody_serves_does_not_answer(void **state)
{
    (void)state;
    struct listener listener;
    listener_open(&listener, false);
    int64_t started = clock_now_ns();
    assert_false(answers(listener.address, 200));
    assert_true(clock_now_ns() - started < 3 * NS_PER_S);
    listener_close(&listener, false);
    assert_false(answers(listener.address, 200)); /* and none at all */
}

static void addresses_that_are_none_do_not_answer(void **state)
{
    (void)state;
    assert_false(answers("", 100));
    assert_false(answers("127.0.0.1", 100));
    assert_false(answers("[]:1", 100));
    assert_false(answers("unix:", 100));
    assert_false(answers("unix:/no/such/socket", 100));
}

static struct log silent_log(struct log_sink *sink)
{
    sink->fd = -1;
    sink->format = LOG_FORMAT_TEXT;
    atomic_init(&sink->level, LOG_OFF);
    return (struct log){.sink = sink, .module = "test"};
}

/* Whether SIGTERM comes within `ms`. It is blocked. */
static bool sigterm_comes(int64_t ms)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    const struct timespec limit = {ms / 1000, ms % 1000 * NS_PER_MS};
    return sigtimedwait(&set, NULL, &limit) == SIGTERM;
}

static void three_failures_in_a_row_stop_the_program(void **state)
{
    (void)state;
    struct log_sink sink;
    struct log log = silent_log(&sink);
    struct listener listener;
    struct self_check *check = NULL;
    struct err_buf why = {.text = ""};
    listener_open(&listener, true);
    const struct self_check_options options = {listener.address, 50, false, &log};
    assert_int_equal(self_check_start(&options, &check, &why), APP_OK);
    assert_false(sigterm_comes(400));
    listener_close(&listener, true);
    assert_true(sigterm_comes(10000));
    assert_true(self_check_stop(&check));
    assert_null(check);
}

static void a_stop_ends_it_at_once(void **state)
{
    (void)state;
    struct log_sink sink;
    struct log log = silent_log(&sink);
    struct self_check *check = NULL;
    struct err_buf why = {.text = ""};
    const struct self_check_options options = {"127.0.0.1:1", 60000, false, &log};
    int64_t started = clock_now_ns();
    assert_int_equal(self_check_start(&options, &check, &why), APP_OK);
    assert_false(self_check_stop(&check));
    assert_false(self_check_stop(&check));
    assert_true(clock_now_ns() - started < 5 * NS_PER_S);
}

int main(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_server_that_speaks_answers),
        cmocka_unit_test(a_listener_that_nobody_serves_does_not_answer),
        cmocka_unit_test(addresses_that_are_none_do_not_answer),
        cmocka_unit_test(three_failures_in_a_row_stop_the_program),
        cmocka_unit_test(a_stop_ends_it_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
