/* SPDX-License-Identifier: MIT */
/* Against a peer that says what no Redis would; test_store_redis.c has a real one. */
#include "cache/redis_connection.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/limits.h"
#include "support/cmocka.h"
#include "support/process.h"
#include "support/temp_dir.h"

enum { PATIENCE_MS = 20000, ANSWERS_MAX = 4, TRICKLE_MS = 30 };

#define BYTES(text) (text), sizeof(text) - 1

/* What the peer does about one command. */
struct answer {
    const char *bytes;
    size_t len;
    enum { AT_ONCE, BYTE_BY_BYTE, SLOWLY, ENDLESSLY } pace;
};

struct fixture {
    struct temp_dir dir;
    struct redis_url url;
    int listener;
    pthread_t peer;
    bool peer_runs;
    struct answer answers[ANSWERS_MAX]; /* bytes NULL: none, and the connection stays */
    bool closes;                        /* after the last answer */
    _Atomic bool stop;
    char seen[1000]; /* what has come */
    size_t seen_len;
    struct redis_connection *connection;
};

static void send_answer(struct fixture *fixture, int fd, const struct answer *answer)
{
    size_t step = answer->pace == AT_ONCE || answer->pace == ENDLESSLY ? answer->len : 1;
    do {
        for (size_t at = 0; at < answer->len && !fixture->stop; at += step) {
            if (send(fd, answer->bytes + at, step, MSG_NOSIGNAL) < 0)
                return;
            if (answer->pace == SLOWLY)
                sleep_ms(TRICKLE_MS);
        }
    } while (answer->pace == ENDLESSLY && !fixture->stop);
}

static void *run_peer(void *argument)
{
    struct fixture *fixture = argument;
    int fd = accept4(fixture->listener, NULL, NULL, SOCK_CLOEXEC);
    for (size_t i = 0; fd >= 0 && i < ANSWERS_MAX && fixture->answers[i].bytes; i++) {
        ssize_t len = recv(fd, fixture->seen + fixture->seen_len,
                           sizeof(fixture->seen) - fixture->seen_len, 0);
        if (len <= 0)
            break;
        fixture->seen_len += (size_t)len;
        send_answer(fixture, fd, &fixture->answers[i]);
    }
    while (fd >= 0 && !fixture->closes && !fixture->stop)
        sleep_ms(1);
    close(fd);
    return NULL;
}

static int set_up(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    struct redis_address address;
    temp_dir_init(&fixture->dir);
    fixture->url = (struct redis_url){.database = "0"};
    (void)snprintf(fixture->url.path, sizeof(fixture->url.path), "%s/socket", fixture->dir.path);
    address = redis_address_of_path(&fixture->url);
    fixture->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fixture->listener, (const struct sockaddr *)&address.name, address.len),
                     0);
    assert_int_equal(listen(fixture->listener, 1), 0);
    *state = fixture;
    return 0;
}

static void start_peer(struct fixture *fixture)
{
    assert_int_equal(pthread_create(&fixture->peer, NULL, run_peer, fixture), 0);
    fixture->peer_runs = true;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    fixture->stop = true;
    redis_connection_free(&fixture->connection);
    redis_connection_free(&fixture->connection);
    (void)shutdown(fixture->listener, SHUT_RDWR);
    if (fixture->peer_runs)
        pthread_join(fixture->peer, NULL);
    close(fixture->listener);
    temp_dir_release(&fixture->dir);
    free(fixture);
    return 0;
}

static enum app_err open_connection(struct fixture *fixture, int64_t ms, struct err_buf *why)
{
    struct redis_address address = redis_address_of_path(&fixture->url);
    return redis_connection_new(&address, &fixture->url, deadline_in_ms(ms), &fixture->connection,
                                why);
}

static enum app_err call(struct fixture *fixture, int64_t ms, struct redis_reply *reply,
                         struct err_buf *why)
{
    const struct redis_word words[] = {REDIS_WORD("GET"), REDIS_WORD("key")};
    return redis_connection_call(fixture->connection, words, 2, deadline_in_ms(ms), reply, why);
}

/* Connect, then answer the first command so. */
static void connect_to_answer(struct fixture *fixture, struct answer answer)
{
    struct err_buf why = {.text = ""};
    fixture->answers[0] = (struct answer){BYTES("+PONG\r\n"), AT_ONCE};
    fixture->answers[1] = answer;
    start_peer(fixture);
    assert_int_equal(open_connection(fixture, PATIENCE_MS, &why), APP_OK);
}

static void assert_reply(struct fixture *fixture, enum redis_type type, const char *text,
                         int64_t number)
{
    struct err_buf why = {.text = ""};
    struct redis_reply reply;
    memset(&reply, 0x5a, sizeof(reply));
    if (call(fixture, PATIENCE_MS, &reply, &why))
        fail_msg("%s", why.detail);
    assert_int_equal(reply.type, type);
    assert_int_equal(reply.number, number);
    assert_int_equal(reply.len, text ? strlen(text) : 0);
    if (text)
        assert_string_equal(reply.data, text);
    else
        assert_null(reply.data);
    redis_reply_release(&reply);
    redis_reply_release(&reply);
}

static void replies_of_all_kinds_are_read(void **state)
{
    struct fixture *fixture = *state;
    fixture->answers[2] = (struct answer){BYTES(":-42\r\n"), AT_ONCE};
    fixture->answers[3] = (struct answer){BYTES("-ERR no\r\n"), AT_ONCE};
    connect_to_answer(fixture, (struct answer){BYTES("$5\r\nhello\r\n"), AT_ONCE});
    assert_reply(fixture, REDIS_BYTES, "hello", 0);
    assert_reply(fixture, REDIS_NUMBER, NULL, -42);
    assert_reply(fixture, REDIS_ERROR, "ERR no", 0);
    assert_string_equal(fixture->seen, "*1\r\n$4\r\nPING\r\n"
                                       "*2\r\n$3\r\nGET\r\n$3\r\nkey\r\n"
                                       "*2\r\n$3\r\nGET\r\n$3\r\nkey\r\n"
                                       "*2\r\n$3\r\nGET\r\n$3\r\nkey\r\n");
}

static void no_value_is_none_and_an_empty_one_is_empty(void **state)
{
    struct fixture *fixture = *state;
    fixture->answers[2] = (struct answer){BYTES("$0\r\n\r\n"), AT_ONCE};
    connect_to_answer(fixture, (struct answer){BYTES("$-1\r\n"), AT_ONCE});
    assert_reply(fixture, REDIS_NIL, NULL, 0);
    assert_reply(fixture, REDIS_BYTES, "", 0);
}

static void a_reply_may_come_in_pieces(void **state)
{
    struct fixture *fixture = *state;
    connect_to_answer(fixture, (struct answer){BYTES("$5\r\nhello\r\n"), BYTE_BY_BYTE});
    assert_reply(fixture, REDIS_BYTES, "hello", 0);
}

static void assert_call_fails(struct fixture *fixture, int64_t ms, enum app_err expected)
{
    struct err_buf why = {.text = ""};
    struct redis_reply reply;
    struct redis_reply junk;
    memset(&reply, 0x5a, sizeof(reply));
    memcpy(&junk, &reply, sizeof(junk));
    assert_int_equal(call(fixture, ms, &reply, &why), expected);
    assert_memory_equal(&reply, &junk, sizeof(reply));
    assert_non_null(strstr(why.text, "Redis"));
    assert_string_not_equal(why.detail, "");
}

static void check_broken(struct fixture *fixture, const char *bytes, size_t len)
{
    connect_to_answer(fixture, (struct answer){bytes, len, AT_ONCE});
    assert_call_fails(fixture, PATIENCE_MS, APP_UPSTREAM_FAILED);
}

static void words_that_are_no_protocol_are_a_failure(void **state)
{
    check_broken(*state, BYTES("HTTP/1.1 400 Bad Request\r\n\r\n"));
}

static void a_list_that_nobody_asked_for_is_a_failure(void **state)
{
    check_broken(*state, BYTES("*1000000000\r\n"));
}

static void a_length_below_nothing_is_a_failure(void **state)
{
    check_broken(*state, BYTES("$-2\r\n"));
}

static void a_length_beyond_all_is_a_failure(void **state)
{
    check_broken(*state, BYTES("$99999999999999999999\r\n"));
}

static void a_connection_closed_in_the_middle_is_a_failure(void **state)
{
    struct fixture *fixture = *state;
    fixture->closes = true;
    check_broken(fixture, BYTES("$5\r\nhel"));
}

static void a_reply_beyond_the_limit_is_a_failure(void **state)
{
    struct fixture *fixture = *state;
    static char much[1 << 20];
    memcpy(much, BYTES("$500000000\r\n"));
    connect_to_answer(fixture, (struct answer){much, sizeof(much), ENDLESSLY});
    assert_call_fails(fixture, PATIENCE_MS, APP_UPSTREAM_FAILED);
}

static void a_reply_that_is_not_asked_for_is_not_taken_for_the_next(void **state)
{
    struct fixture *fixture = *state;
    connect_to_answer(fixture, (struct answer){BYTES("+first\r\n+second\r\n"), AT_ONCE});
    assert_reply(fixture, REDIS_STATUS, "first", 0);
    assert_call_fails(fixture, PATIENCE_MS, APP_UPSTREAM_FAILED);
}

static void a_connection_that_was_closed_idle_is_a_failure_before_anything_is_sent(void **state)
{
    struct fixture *fixture = *state;
    struct err_buf why = {.text = ""};
    fixture->answers[0] = (struct answer){BYTES("+PONG\r\n"), AT_ONCE};
    fixture->closes = true;
    start_peer(fixture);
    assert_int_equal(open_connection(fixture, PATIENCE_MS, &why), APP_OK);
    pthread_join(fixture->peer, NULL);
    fixture->peer_runs = false;
    assert_call_fails(fixture, PATIENCE_MS, APP_UPSTREAM_FAILED);
}

/* Not before and not much after. */
static void assert_times_out(struct fixture *fixture, int64_t ms)
{
    int64_t started = clock_now_ns();
    assert_call_fails(fixture, ms, APP_UPSTREAM_TIMEOUT);
    int64_t spent_ms = (clock_now_ns() - started) / NS_PER_MS;
    assert_in_range(spent_ms, ms - 1, ms + 2000);
}

static void silence_is_a_timeout(void **state)
{
    struct fixture *fixture = *state;
    connect_to_answer(fixture, (struct answer){NULL, 0, AT_ONCE});
    assert_times_out(fixture, 100);
}

static void a_reply_that_comes_drop_by_drop_does_not_stretch_the_deadline(void **state)
{
    struct fixture *fixture = *state;
    static char drops[1000];
    memcpy(drops, BYTES("$900\r\n"));
    connect_to_answer(fixture, (struct answer){drops, sizeof(drops), SLOWLY});
    assert_times_out(fixture, 300);
}

static void a_peer_that_does_not_read_is_a_timeout(void **state)
{
    struct fixture *fixture = *state;
    connect_to_answer(fixture, (struct answer){NULL, 0, AT_ONCE});
    char *much = calloc(1, LIMIT_RESULT_BYTES);
    assert_non_null(much);
    const struct redis_word words[] = {
        REDIS_WORD("SET"), REDIS_WORD("key"), {much, LIMIT_RESULT_BYTES}};
    struct err_buf why = {.text = ""};
    struct redis_reply reply;
    assert_int_equal(
        redis_connection_call(fixture->connection, words, 3, deadline_in_ms(200), &reply, &why),
        APP_UPSTREAM_TIMEOUT);
    free(much);
}

static void a_peer_that_refuses_the_greeting_is_a_failure(void **state)
{
    struct fixture *fixture = *state;
    struct err_buf why = {.text = ""};
    fixture->answers[0] = (struct answer){BYTES("-LOADING it takes a while\r\n"), AT_ONCE};
    start_peer(fixture);
    assert_int_equal(open_connection(fixture, PATIENCE_MS, &why), APP_UPSTREAM_FAILED);
    assert_string_equal(why.text, "Redis refuses to serve");
    assert_string_equal(why.detail, "PING: LOADING it takes a while");
    assert_null(fixture->connection);
}

static void a_greeting_that_is_not_answered_is_a_timeout(void **state)
{
    struct fixture *fixture = *state;
    struct err_buf why = {.text = ""};
    assert_int_equal(open_connection(fixture, 100, &why), APP_UPSTREAM_TIMEOUT);
    assert_null(fixture->connection);
}

static void a_password_and_a_database_are_sent_first(void **state)
{
    struct fixture *fixture = *state;
    struct err_buf why = {.text = ""};
    (void)snprintf(fixture->url.user, sizeof(fixture->url.user), "me");
    (void)snprintf(fixture->url.password, sizeof(fixture->url.password), "open sesame");
    (void)snprintf(fixture->url.database, sizeof(fixture->url.database), "3");
    for (int i = 0; i < 3; i++)
        fixture->answers[i] = (struct answer){BYTES("+OK\r\n"), AT_ONCE};
    start_peer(fixture);
    assert_int_equal(open_connection(fixture, PATIENCE_MS, &why), APP_OK);
    assert_string_equal(fixture->seen, "*3\r\n$4\r\nAUTH\r\n$2\r\nme\r\n$11\r\nopen sesame\r\n"
                                       "*2\r\n$6\r\nSELECT\r\n$1\r\n3\r\n*1\r\n$4\r\nPING\r\n");
}

static void a_password_that_is_refused_is_not_told(void **state)
{
    struct fixture *fixture = *state;
    struct err_buf why = {.text = ""};
    (void)snprintf(fixture->url.password, sizeof(fixture->url.password), "sesame");
    fixture->answers[0] = (struct answer){BYTES("-WRONGPASS invalid\r\n"), AT_ONCE};
    start_peer(fixture);
    assert_int_equal(open_connection(fixture, PATIENCE_MS, &why), APP_UPSTREAM_FAILED);
    assert_string_equal(why.detail, "AUTH: WRONGPASS invalid");
    assert_null(strstr(why.text, "sesame"));
}

static void nobody_there_is_a_failure(void **state)
{
    struct fixture *fixture = *state;
    struct err_buf why = {.text = ""};
    fixture->url.path[strlen(fixture->url.path) - 1] = 'x';
    assert_int_equal(open_connection(fixture, PATIENCE_MS, &why), APP_UPSTREAM_FAILED);
    assert_string_equal(why.text, "Redis cannot be reached");
    assert_string_equal(why.detail, "connect: No such file or directory");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(replies_of_all_kinds_are_read),
        TEST(no_value_is_none_and_an_empty_one_is_empty),
        TEST(a_reply_may_come_in_pieces),
        TEST(words_that_are_no_protocol_are_a_failure),
        TEST(a_list_that_nobody_asked_for_is_a_failure),
        TEST(a_length_below_nothing_is_a_failure),
        TEST(a_length_beyond_all_is_a_failure),
        TEST(a_connection_closed_in_the_middle_is_a_failure),
        TEST(a_reply_beyond_the_limit_is_a_failure),
        TEST(a_reply_that_is_not_asked_for_is_not_taken_for_the_next),
        TEST(a_connection_that_was_closed_idle_is_a_failure_before_anything_is_sent),
        TEST(silence_is_a_timeout),
        TEST(a_reply_that_comes_drop_by_drop_does_not_stretch_the_deadline),
        TEST(a_peer_that_does_not_read_is_a_timeout),
        TEST(a_peer_that_refuses_the_greeting_is_a_failure),
        TEST(a_greeting_that_is_not_answered_is_a_timeout),
        TEST(a_password_and_a_database_are_sent_first),
        TEST(a_password_that_is_refused_is_not_told),
        TEST(nobody_there_is_a_failure),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
