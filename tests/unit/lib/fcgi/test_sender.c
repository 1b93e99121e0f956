/* SPDX-License-Identifier: MIT */
#include "lib/fcgi/sender.h"

#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/fcgi/protocol.h"
#include "support/fcgi_peer.h"

/* Send it all, waiting as long as it takes. */
static enum sender_result send_all(struct sender *sender, int fd)
{
    struct pollfd writable = {fd, POLLOUT, 0};
    enum sender_result result;
    while ((result = sender_push(sender, fd)) == SENDER_BLOCKED)
        assert_int_equal(poll(&writable, 1, 20000), 1);
    return result;
}

struct reader {
    int fd;
    struct fcgi_answer answer;
    pthread_t thread;
};

static void *read_answer(void *argument)
{
    struct reader *reader = argument;
    (void)fcgi_peer_receive(reader->fd, 20000, &reader->answer);
    return NULL;
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
    assert_int_equal(pthread_create(&reader.thread, NULL, read_answer, &reader), 0);
    struct sender sender;
    sender_init(&sender, 1, bytes, head_len, pieces, count);
    assert_int_equal(send_all(&sender, pair[0]), SENDER_DONE);
    assert_int_equal(pthread_join(reader.thread, NULL), 0);
    assert_true(reader.answer.ended);
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
    struct sender sender;
    sender_init(&sender, 1, bytes, 100000, NULL, 0);
    assert_int_equal(sender_push(&sender, pair[0]), SENDER_GONE);
    free(bytes);
    (void)close(pair[0]);
}

/* What is copied goes on exactly where the socket took no more. */
static void the_rest_of_an_answer_can_be_copied(void **state)
{
    (void)state;
    enum { HEAD = 100, BODY = 4000000 };
    int pair[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    char *bytes = pattern(HEAD + BODY);
    const struct iovec pieces[] = {{bytes + HEAD, 1000000}, {bytes + HEAD + 1000000, 3000000}};
    struct sender sender;
    sender_init(&sender, 1, bytes, HEAD, pieces, 2);
    assert_int_equal(sender_push(&sender, pair[0]), SENDER_BLOCKED);
    size_t left = sender_left(&sender);
    assert_true(left > BODY / 2);
    char *copy = malloc(left);
    assert_non_null(copy);
    sender_copy_left(&sender, copy);
    assert_int_equal(sender_left(&sender), 0);
    assert_int_equal(sender_push(&sender, pair[0]), SENDER_DONE);

    struct reader reader = {.fd = pair[1]};
    assert_int_equal(pthread_create(&reader.thread, NULL, read_answer, &reader), 0);
    assert_true(fcgi_peer_send(pair[0], copy, left));
    assert_int_equal(pthread_join(reader.thread, NULL), 0);
    assert_true(reader.answer.ended);
    assert_int_equal(reader.answer.output_len, HEAD + BODY);
    assert_memory_equal(reader.answer.output, bytes, HEAD + BODY);
    fcgi_answer_release(&reader.answer);
    (void)close(pair[0]);
    (void)close(pair[1]);
    free(copy);
    free(bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(head_and_body_arrive_in_full_records),
        cmocka_unit_test(the_ends_of_records_are_exact),
        cmocka_unit_test(pieces_of_odd_sizes_and_empty_ones_arrive),
        cmocka_unit_test(more_pieces_than_one_call_takes_arrive),
        cmocka_unit_test(a_peer_that_has_closed_is_noticed_without_a_signal),
        cmocka_unit_test(the_rest_of_an_answer_can_be_copied),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
