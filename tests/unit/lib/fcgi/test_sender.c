/* SPDX-License-Identifier: MIT */
#include "lib/fcgi/sender.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <threads.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/base/clock.h"
#include "lib/fcgi/protocol.h"
#include "support/fcgi_peer.h"

/* END_REQUEST of request 1, which the sender leaves to the library. */
static const char end_request[] = "\1\3\0\1\0\10\0\0\0\0\0\0\0\0\0";
enum { END_LEN = sizeof(end_request) };

static const struct sender_limits patient = {10000, 60000};

struct reader {
    int fd;
    struct fcgi_answer answer;
    thrd_t thread;
};

static int read_answer(void *argument)
{
    struct reader *reader = argument;
    return fcgi_peer_receive(reader->fd, 20000, &reader->answer) ? 0 : 1;
}

static char *pattern(size_t len)
{
    char *bytes = malloc(len);
    assert_non_null(bytes);
    for (size_t i = 0; i < len; i++)
        bytes[i] = (char)(i * 7 + i / 251 + i / 65528);
    return bytes;
}

/* Send pieces of the given sizes; what arrives must be head and pieces; returns the records. */
static size_t assert_arrives(size_t head_len, const size_t *sizes, size_t count)
{
    size_t len = head_len;
    for (size_t i = 0; i < count; i++)
        len += sizes[i];
    char *bytes = pattern(len);
    struct iovec *pieces = calloc(count + 1, sizeof(*pieces));
    assert_non_null(pieces);
    size_t at = head_len;
    for (size_t i = 0; i < count; i++) {
        pieces[i] = (struct iovec){bytes + at, sizes[i]};
        at += sizes[i];
    }

    int pair[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    struct reader reader = {.fd = pair[1]};
    assert_int_equal(thrd_create(&reader.thread, read_answer, &reader), thrd_success);
    assert_true(sender_send_stdout(pair[0], 1, &patient, bytes, head_len, pieces, count));
    assert_true(fcgi_peer_send(pair[0], end_request, END_LEN));
    int status;
    thrd_join(reader.thread, &status);
    assert_int_equal(status, 0);
    assert_int_equal(reader.answer.output_len, len);
    assert_memory_equal(reader.answer.output, bytes, len);
    size_t records = reader.answer.records;
    fcgi_answer_release(&reader.answer);
    (void)close(pair[0]);
    (void)close(pair[1]);
    free(pieces);
    free(bytes);
    return records;
}

static void head_and_body_arrive_in_full_records(void **state)
{
    (void)state;
    const size_t sizes[] = {3 * 1024 * 1024};
    assert_int_equal(assert_arrives(200, sizes, 1), 49);
}

static void the_ends_of_records_are_exact(void **state)
{
    (void)state;
    const size_t fits[] = {PROTOCOL_CONTENT_MAX - 100};
    assert_int_equal(assert_arrives(100, fits, 1), 1);
    const size_t beyond[] = {PROTOCOL_CONTENT_MAX - 99};
    assert_int_equal(assert_arrives(100, beyond, 1), 2);
    const size_t before[] = {PROTOCOL_CONTENT_MAX - 101};
    assert_int_equal(assert_arrives(100, before, 1), 1);
    const size_t two[] = {PROTOCOL_CONTENT_MAX - 100, PROTOCOL_CONTENT_MAX};
    assert_int_equal(assert_arrives(100, two, 2), 2);
}

static void pieces_of_odd_sizes_and_empty_ones_arrive(void **state)
{
    (void)state;
    const size_t sizes[] = {0, 1, 0, 65527, 65528, 65529, 7, 0, 131072, 3, 0};
    assert_arrives(77, sizes, sizeof(sizes) / sizeof(sizes[0]));
    assert_arrives(70000, sizes, sizeof(sizes) / sizeof(sizes[0]));
    assert_int_equal(assert_arrives(12, NULL, 0), 1);
}

static void more_pieces_than_one_call_takes_arrive(void **state)
{
    (void)state;
    size_t sizes[1000];
    for (size_t i = 0; i < 1000; i++)
        sizes[i] = i % 13;
    assert_arrives(50, sizes, 1000);
}

static void a_peer_that_has_closed_is_noticed_without_a_signal(void **state)
{
    (void)state;
    int pair[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    (void)close(pair[1]);
    char *bytes = pattern(100000);
    assert_false(sender_send_stdout(pair[0], 1, &patient, bytes, 100000, NULL, 0));
    free(bytes);
    (void)close(pair[0]);
}

static void a_peer_that_reads_nothing_is_given_up(void **state)
{
    (void)state;
    int pair[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    const struct sender_limits limits = {100, 60000};
    char *bytes = pattern(4000000);
    int64_t start = clock_now_ns();
    assert_false(sender_send_stdout(pair[0], 1, &limits, bytes, 4000000, NULL, 0));
    assert_true(clock_now_ns() - start >= 100 * NS_PER_MS);
    free(bytes);
    (void)close(pair[0]);
    (void)close(pair[1]);
}

static int read_slowly(void *argument)
{
    struct reader *reader = argument;
    char trash[8192];
    while (recv(reader->fd, trash, sizeof(trash), 0) > 0)
        thrd_sleep(&(struct timespec){.tv_nsec = 20 * NS_PER_MS}, NULL);
    return 0;
}

static void a_peer_that_reads_too_slowly_is_given_up(void **state)
{
    (void)state;
    int pair[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    struct reader reader = {.fd = pair[1]};
    assert_int_equal(thrd_create(&reader.thread, read_slowly, &reader), thrd_success);
    const struct sender_limits limits = {10000, 300};
    char *bytes = pattern(4000000);
    assert_false(sender_send_stdout(pair[0], 1, &limits, bytes, 4000000, NULL, 0));
    free(bytes);
    assert_int_equal(shutdown(pair[0], SHUT_RDWR), 0);
    thrd_join(reader.thread, NULL);
    (void)close(pair[0]);
    (void)close(pair[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(head_and_body_arrive_in_full_records),
        cmocka_unit_test(the_ends_of_records_are_exact),
        cmocka_unit_test(pieces_of_odd_sizes_and_empty_ones_arrive),
        cmocka_unit_test(more_pieces_than_one_call_takes_arrive),
        cmocka_unit_test(a_peer_that_has_closed_is_noticed_without_a_signal),
        cmocka_unit_test(a_peer_that_reads_nothing_is_given_up),
        cmocka_unit_test(a_peer_that_reads_too_slowly_is_given_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
