/* SPDX-License-Identifier: MIT */
#include "support/cmocka.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/telemetry/statsd.h"

enum { PATIENCE_MS = 5000 };

struct fixture {
    int server_fd;
    char server[64];
    const char *more_tags;
    struct log_sink sink;
    struct log log;
    struct statsd *statsd;
};

static int listen_udp(int family, char *server, size_t size)
{
    struct sockaddr_in6 address = {.sin6_family = (sa_family_t)family};
    socklen_t len = sizeof(address);
    struct sockaddr_in *v4 = (struct sockaddr_in *)&address;
    if (family == AF_INET) {
        len = sizeof(*v4);
        v4->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    } else {
        address.sin6_addr = in6addr_loopback;
    }
    int fd = socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, len) != 0) {
        if (fd >= 0)
            close(fd);
        return -1;
    }
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &len), 0);
    (void)snprintf(server, size, family == AF_INET ? "127.0.0.1:%d" : "[::1]:%d",
                   ntohs(address.sin6_port));
    return fd;
}

static struct statsd *start(const struct fixture *fixture, const char *server)
{
    const struct statsd_options options = {
        .server = server,
        .prefix = "api.service.",
        .tags = "version:1.2",
        .more_tags = fixture->more_tags,
        .log = &fixture->log,
    };
    struct err_buf why = {.text = ""};
    struct statsd *statsd = (struct statsd *)&why;
    assert_int_equal(statsd_new(&options, &statsd, &why), APP_OK);
    return statsd;
}

static int set_up(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    assert_non_null(fixture);
    fixture->sink.fd = -1;
    fixture->more_tags = "";
    fixture->log = (struct log){.sink = &fixture->sink, .module = "test"};
    fixture->server_fd = listen_udp(AF_INET, fixture->server, sizeof(fixture->server));
    assert_true(fixture->server_fd >= 0);
    fixture->statsd = start(fixture, fixture->server);
    *state = fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    statsd_free(&fixture->statsd);
    close(fixture->server_fd);
    free(fixture);
    return 0;
}

/* One datagram as text; returns its length. */
static size_t receive(int fd, char *out, size_t size)
{
    struct pollfd readable = {fd, POLLIN, 0};
    assert_int_equal(poll(&readable, 1, PATIENCE_MS), 1);
    ssize_t len = recv(fd, out, size - 1, 0);
    assert_true(len > 0);
    out[len] = '\0';
    return (size_t)len;
}

static void lines_have_the_form_and_the_tags_of_dogstatsd(void **state)
{
    struct fixture *fixture = *state;
    char text[2 * STATSD_DATAGRAM_MAX];
    statsd_count(fixture->statsd, "started");
    statsd_timing(fixture->statsd, "cache.get", 12300000, 200);
    statsd_timing(fixture->statsd, "health.called", 1, 0);
    statsd_free(&fixture->statsd);
    receive(fixture->server_fd, text, sizeof(text));
    assert_string_equal(text, "api.service.started:1|c|#version:1.2\n"
                              "api.service.cache.get:12.300|ms|#version:1.2,status:200\n"
                              "api.service.health.called:0.000|ms|#version:1.2");
}

static void what_is_there_goes_out_by_itself(void **state)
{
    struct fixture *fixture = *state;
    char text[2 * STATSD_DATAGRAM_MAX];
    int64_t before_ns = clock_now_ns();
    statsd_count(fixture->statsd, "a");
    receive(fixture->server_fd, text, sizeof(text));
    assert_string_equal(text, "api.service.a:1|c|#version:1.2");
    assert_true(clock_now_ns() - before_ns < 20 * STATSD_FLUSH_MS * NS_PER_MS);
    statsd_count(fixture->statsd, "b");
    receive(fixture->server_fd, text, sizeof(text));
    assert_string_equal(text, "api.service.b:1|c|#version:1.2");
}

static void datagrams_are_filled_up_to_their_limit_and_no_line_is_cut(void **state)
{
    enum { LINES = 1000 };
    struct fixture *fixture = *state;
    char text[2 * STATSD_DATAGRAM_MAX];
    int lines = 0, datagrams = 0;
    for (int i = 0; i < LINES; i++)
        statsd_count(fixture->statsd, i % 2 ? "cache.error" : "emojify.invalid_image");
    while (lines < LINES) {
        size_t len = receive(fixture->server_fd, text, sizeof(text));
        assert_in_range(len, 1, STATSD_DATAGRAM_MAX);
        datagrams++;
        char *rest = NULL;
        for (char *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
            if (strcmp(line, "api.service.cache.error:1|c|#version:1.2") != 0 &&
                strcmp(line, "api.service.emojify.invalid_image:1|c|#version:1.2") != 0)
                fail_msg("not a line: \"%s\"", line);
            lines++;
        }
    }
    /* 46 bytes a line on average, so at least 29 in each; the flush may come in between. */
    assert_in_range(datagrams, LINES * 46 / STATSD_DATAGRAM_MAX, LINES / 20);
}

static void a_line_fits_exactly_or_starts_the_next_datagram(void **state)
{
    struct fixture *fixture = *state;
    char text[2 * STATSD_DATAGRAM_MAX];
    char name[STATSD_DATAGRAM_MAX];
    const size_t around = strlen("api.service.:1|c|#version:1.2");
    /* Four lines of 349 and three line breaks are 1399 bytes; then 350 make it 1400, 1401. */
    for (size_t last = 349; last <= 351; last++) {
        memset(name, 'n', sizeof(name));
        name[349 - around] = '\0';
        for (int i = 0; i < 3; i++)
            statsd_count(fixture->statsd, name);
        memset(name, 'n', sizeof(name));
        name[last - around] = '\0';
        statsd_count(fixture->statsd, name);
        size_t len = receive(fixture->server_fd, text, sizeof(text));
        if (last <= 350) {
            assert_int_equal(len, 3 * 350 + last);
        } else {
            assert_int_equal(len, 3 * 350 - 1);
            assert_int_equal(receive(fixture->server_fd, text, sizeof(text)), last);
        }
    }
}

static void a_line_that_is_too_long_is_dropped(void **state)
{
    struct fixture *fixture = *state;
    char text[2 * STATSD_DATAGRAM_MAX];
    char name[600];
    memset(name, 'n', sizeof(name) - 1);
    name[sizeof(name) - 1] = '\0';
    statsd_count(fixture->statsd, name);
    statsd_count(fixture->statsd, "short");
    receive(fixture->server_fd, text, sizeof(text));
    assert_string_equal(text, "api.service.short:1|c|#version:1.2");
}

static void a_dead_server_costs_nothing(void **state)
{
    struct fixture *fixture = *state;
    close(fixture->server_fd); /* sends are refused from now on */
    fixture->server_fd = -1;
    int64_t before_ns = clock_now_ns();
    for (int i = 0; i < 100000; i++)
        statsd_timing(fixture->statsd, "cache.get", 1000, 200);
    statsd_free(&fixture->statsd);
    assert_true(clock_now_ns() - before_ns < 5 * NS_PER_S);
}

static void without_a_server_there_is_nothing(void **state)
{
    struct fixture *fixture = *state;
    struct statsd *none = start(fixture, "");
    assert_null(none);
    statsd_count(none, "a");
    statsd_timing(none, "a", 1, 200);
    statsd_free(&none);
}

static void a_server_may_have_an_ipv6_address(void **state)
{
    struct fixture *fixture = *state;
    char text[2 * STATSD_DATAGRAM_MAX];
    char server[64];
    int fd = listen_udp(AF_INET6, server, sizeof(server));
    if (fd < 0)
        skip();
    struct statsd *by_address = start(fixture, server);
    statsd_count(by_address, "six");
    statsd_free(&by_address);
    receive(fd, text, sizeof(text));
    assert_string_equal(text, "api.service.six:1|c|#version:1.2");
    close(fd);
}

static void a_name_that_nobody_has_costs_nothing(void **state)
{
    struct fixture *fixture = *state;
    struct statsd *unknown = start(fixture, "no.such.name.invalid:8125");
    for (int i = 0; i < 10000; i++)
        statsd_count(unknown, "a");
    statsd_free(&unknown);
}

static void a_server_is_a_host_and_a_port(void **state)
{
    (void)state;
    static const struct {
        const char *server;
        bool allowed;
    } cases[] = {
        {"", true},
        {"localhost:8125", true},
        {"127.0.0.1:1", true},
        {"[::1]:8125", true},
        {"a:65535", true},
        {"a:65536", false},
        {"a:0", false},
        {"a:", false},
        {":8125", false},
        {"a", false},
        {"a:b", false},
        {"a:123456", false},
        {"::1:8125", false},
        {"[]:8125", false},
        {"a:1 ", false},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct err_buf why = {.text = ""};
        enum app_err err = statsd_check_server(cases[i].server, &why);
        if ((err == APP_OK) != cases[i].allowed)
            fail_msg("\"%s\": %d", cases[i].server, err);
        if (err)
            assert_string_equal(why.text, "must be host:port");
    }
    char long_name[300];
    memset(long_name, 'a', sizeof(long_name));
    memcpy(long_name + 253, ":1", 3);
    struct err_buf why;
    assert_int_equal(statsd_check_server(long_name, &why), APP_OK);
    memcpy(long_name + 253, "a:1", 4);
    assert_int_equal(statsd_check_server(long_name, &why), APP_CONFIG);
}

static void the_operators_tags_stand_on_every_line(void **state)
{
    struct fixture *fixture = *state;
    char text[2 * STATSD_DATAGRAM_MAX];
    fixture->more_tags = "env:prod,region:eu";
    statsd_free(&fixture->statsd);
    fixture->statsd = start(fixture, fixture->server);
    statsd_count(fixture->statsd, "started");
    statsd_timing(fixture->statsd, "cache.get", 12300000, 200);
    statsd_free(&fixture->statsd);
    receive(fixture->server_fd, text, sizeof(text));
    assert_string_equal(
        text, "api.service.started:1|c|#version:1.2,env:prod,region:eu\n"
              "api.service.cache.get:12.300|ms|#version:1.2,env:prod,region:eu,status:200");
}

/* Else a name of 128 characters, twice as long as ours, would not be told of. */
static void tags_of_the_most_bytes_leave_room_for_a_line(void **state)
{
    struct fixture *fixture = *state;
    char text[2 * STATSD_DATAGRAM_MAX], name[129], tags[STATSD_TAGS_MAX + 1];
    memset(name, 'n', sizeof(name) - 1);
    memset(tags, 't', sizeof(tags) - 1);
    name[sizeof(name) - 1] = tags[sizeof(tags) - 1] = '\0';
    fixture->more_tags = tags;
    statsd_free(&fixture->statsd);
    fixture->statsd = start(fixture, fixture->server);
    statsd_timing(fixture->statsd, name, INT64_MAX / 1000, 599);
    statsd_free(&fixture->statsd);
    receive(fixture->server_fd, text, sizeof(text));
    assert_non_null(strstr(text, tags));
    assert_string_equal(strrchr(text, ','), ",status:599");
}

static void tags_are_what_a_line_can_have(void **state)
{
    static const char *const good[] = {"",    "a",       "env:prod", "env:prod,region:eu",
                                       "a b", "\xc3\xa4"};
    static const char *const bad[] = {"a|b", "#a", "a\nb", "a\rb", "a\tb", "\x7f", "a,b\n"};
    struct err_buf why;
    char tags[STATSD_TAGS_MAX + 2];
    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
        assert_int_equal(statsd_check_tags(good[i], &why), APP_OK);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(statsd_check_tags(bad[i], &why), APP_CONFIG);
        assert_string_equal(why.text, "must have no control characters, | or #");
    }
    memset(tags, 'a', sizeof(tags));
    tags[STATSD_TAGS_MAX] = '\0';
    assert_int_equal(statsd_check_tags(tags, &why), APP_OK);
    tags[STATSD_TAGS_MAX] = 'a';
    tags[STATSD_TAGS_MAX + 1] = '\0';
    assert_int_equal(statsd_check_tags(tags, &why), APP_CONFIG);
    assert_string_equal(why.text, "must have at most 256 bytes");
}

static void *count_a_lot(void *argument)
{
    for (int i = 0; i < 1000; i++)
        statsd_timing(argument, "cache.called", i, 200);
    return NULL;
}

static void threads_do_not_mix_their_lines(void **state)
{
    enum { THREADS = 4 };
    struct fixture *fixture = *state;
    pthread_t threads[THREADS];
    int size = 1 << 20;
    (void)setsockopt(fixture->server_fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, count_a_lot, fixture->statsd), 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    statsd_free(&fixture->statsd);

    char text[2 * STATSD_DATAGRAM_MAX];
    ssize_t len;
    int lines = 0;
    while ((len = recv(fixture->server_fd, text, sizeof(text) - 1, MSG_DONTWAIT)) > 0) {
        text[len] = '\0';
        char *rest = NULL;
        for (char *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
            const char *end = strchr(line, '|');
            if (strncmp(line, "api.service.cache.called:0.00", 29) != 0 || !end ||
                strcmp(end, "|ms|#version:1.2,status:200") != 0)
                fail_msg("not a line: \"%s\"", line);
            lines++;
        }
    }
    assert_in_range(lines, 1, THREADS * 1000); /* the kernel may drop some */
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(lines_have_the_form_and_the_tags_of_dogstatsd),
        TEST(what_is_there_goes_out_by_itself),
        TEST(datagrams_are_filled_up_to_their_limit_and_no_line_is_cut),
        TEST(a_line_fits_exactly_or_starts_the_next_datagram),
        TEST(a_line_that_is_too_long_is_dropped),
        TEST(a_dead_server_costs_nothing),
        TEST(without_a_server_there_is_nothing),
        TEST(a_server_may_have_an_ipv6_address),
        TEST(a_name_that_nobody_has_costs_nothing),
        TEST(a_server_is_a_host_and_a_port),
        TEST(the_operators_tags_stand_on_every_line),
        TEST(tags_of_the_most_bytes_leave_room_for_a_line),
        TEST(tags_are_what_a_line_can_have),
        TEST(threads_do_not_mix_their_lines),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
