/* SPDX-License-Identifier: MIT */
/* Over a Redis server of the test's own. Skipped where redis-server is not installed. */
#include "cache/store_redis.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/clock.h"
#include "lib/base/limits.h"
#include "support/cmocka.h"
#include "support/process.h"
#include "support/redis_server.h"
#include "support/temp_dir.h"

enum {
    AT_ONCE_MS = 500, /* of a busy machine */
    BACK_MS = 2000,   /* service after Redis's return */
    SLACK_MS = 1000,
};

struct fixture {
    struct temp_dir dir;
    struct redis_server redis;
    char url[300];
    struct log_sink sink;
    struct log log;
    struct store *store;
};

static struct store *make_store(struct fixture *fixture, int64_t max_life_ms)
{
    const struct store_redis_options options = {fixture->url, max_life_ms, &fixture->log};
    struct err_buf why = {.text = ""};
    struct store *store = NULL;
    assert_int_equal(store_redis_new(&options, &store, &why), APP_OK);
    return store;
}

static void open_store(struct fixture *fixture, int64_t max_life_ms)
{
    store_free(&fixture->store);
    fixture->store = make_store(fixture, max_life_ms);
}

static int set_up_without_redis(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    temp_dir_init(&fixture->dir);
    redis_server_init(&fixture->redis, &fixture->dir);
    (void)snprintf(fixture->url, sizeof(fixture->url), "unix://%.200s", fixture->redis.socket);
    fixture->sink.fd = -1;
    atomic_init(&fixture->sink.level, LOG_TRACE); /* so that records are made */
    fixture->log = (struct log){.sink = &fixture->sink, .module = "test"};
    *state = fixture;
    return 0;
}

static int set_up(void **state)
{
    (void)set_up_without_redis(state);
    struct fixture *fixture = *state;
    if (redis_server_is_installed()) {
        redis_server_start(&fixture->redis, NULL);
        open_store(fixture, 0);
    }
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    store_free(&fixture->store);
    redis_server_kill(&fixture->redis);
    temp_dir_release(&fixture->dir);
    free(fixture);
    return 0;
}

/* A test's fixture, if it can run at all. */
static struct fixture *begin(void **state)
{
    if (!redis_server_is_installed())
        skip();
    return *state;
}

static enum app_err put_to(struct store *store, const char *id, const void *data, size_t len)
{
    struct err_buf why = {.text = ""};
    enum app_err err = store_put(store, id, strlen(id), data, len, &why);
    if (err && err != APP_GONE)
        assert_non_null(strstr(why.text, "Redis"));
    return err;
}

static enum app_err put(struct fixture *fixture, const char *id, const char *text)
{
    return put_to(fixture->store, id, text, strlen(text));
}

/* The content, which the caller puts back; NULL with an error. */
static enum app_err get_from(struct store *store, const char *id, struct content **content)
{
    struct err_buf why = {.text = ""};
    struct content junk;
    *content = &junk;
    enum app_err err = store_get(store, id, strlen(id), content, &why);
    if (err) {
        assert_ptr_equal(*content, &junk);
        *content = NULL;
    }
    return err;
}

static enum app_err get(struct fixture *fixture, const char *id)
{
    struct content *content;
    enum app_err err = get_from(fixture->store, id, &content);
    content_put(content);
    return err;
}

static bool exists(struct fixture *fixture, const char *id)
{
    struct err_buf why = {.text = ""};
    bool found = false;
    bool other = true;
    assert_int_equal(store_exists(fixture->store, id, strlen(id), &found, &why), APP_OK);
    assert_int_equal(store_exists(fixture->store, id, strlen(id), &other, &why), APP_OK);
    assert_int_equal(found, other); /* whatever it was preset to */
    return found;
}

static enum app_err check(struct fixture *fixture)
{
    struct err_buf why = {.text = ""};
    enum app_err err = store_check(fixture->store, &why);
    if (err)
        assert_non_null(strstr(why.text, "Redis"));
    return err;
}

static void assert_holds(struct fixture *fixture, const char *id, const void *data, size_t len)
{
    struct content *content;
    if (get_from(fixture->store, id, &content) != APP_OK || !content) {
        fail_msg("%s is not there", id);
        return;
    }
    assert_int_equal(content->len, len);
    assert_memory_equal(content->data, data, len);
    content_put(content);
    assert_true(exists(fixture, id));
}

static void assert_lacks(struct fixture *fixture, const char *id)
{
    assert_int_equal(get(fixture, id), APP_NOT_FOUND);
    assert_false(exists(fixture, id));
}

static void assert_is_down(struct fixture *fixture, const char *id)
{
    bool found;
    struct err_buf why = {.text = ""};
    assert_int_equal(get(fixture, id), APP_NOT_FOUND);
    assert_int_equal(store_exists(fixture->store, id, strlen(id), &found, &why), APP_GONE);
}

#define ASK(fixture, out, ...)                                                                     \
    redis_server_ask(&(fixture)->redis, (const char *const[]){__VA_ARGS__, NULL}, (out),           \
                     sizeof(out))

static void what_was_put_is_got(void **state)
{
    struct fixture *fixture = begin(state);
    assert_lacks(fixture, "key");
    assert_int_equal(put_to(fixture->store, "key", "a\0b", 3), APP_OK);
    assert_holds(fixture, "key", "a\0b", 3);
    assert_lacks(fixture, "key2");
    assert_int_equal(put(fixture, "key", "new"), APP_OK);
    assert_holds(fixture, "key", "new", 3);
    assert_int_equal(check(fixture), APP_OK);
}

static void entries_up_to_the_limit_are_taken_and_larger_ones_of_others_refused(void **state)
{
    struct fixture *fixture = begin(state);
    char out[100];
    char *data = malloc(LIMIT_RESULT_BYTES);
    assert_non_null(data);
    for (size_t i = 0; i < LIMIT_RESULT_BYTES; i++)
        data[i] = (char)(i * 31 + i / 251);
    assert_int_equal(put_to(fixture->store, "key", data, LIMIT_RESULT_BYTES), APP_OK);
    assert_holds(fixture, "key", data, LIMIT_RESULT_BYTES);
    free(data);
    ASK(fixture, out, "APPEND", "emojify:entry:key", "x");
    assert_int_equal(get(fixture, "key"), APP_TOO_LARGE);
    ASK(fixture, out, "SETRANGE", "emojify:entry:key", "200000000", "x");
    assert_int_equal(get(fixture, "key"), APP_TOO_LARGE);
}

static void an_entry_is_the_value_of_a_key_with_its_id(void **state)
{
    struct fixture *fixture = begin(state);
    char out[100];
    assert_int_equal(put(fixture, "hello", "world"), APP_OK);
    ASK(fixture, out, "GET", "emojify:entry:hello");
    assert_string_equal(out, "world");
    ASK(fixture, out, "DBSIZE");
    assert_string_equal(out, "1");
    ASK(fixture, out, "SET", "emojify:entry:theirs", "bytes");
    assert_holds(fixture, "theirs", "bytes", 5);
}

static void ids_may_be_long_and_have_any_characters(void **state)
{
    struct fixture *fixture = begin(state);
    char id[LIMIT_CACHE_FOREIGN_ID + 1] = "a b\r\n\"*?{}\xc3\xa9";
    assert_int_equal(put(fixture, id, "odd"), APP_OK);
    assert_holds(fixture, id, "odd", 3);
    memset(id, 'i', LIMIT_CACHE_FOREIGN_ID);
    assert_int_equal(put(fixture, id, "long"), APP_OK);
    assert_holds(fixture, id, "long", 4);
}

static void what_is_no_string_is_an_error(void **state)
{
    struct fixture *fixture = begin(state);
    char out[100];
    struct err_buf why = {.text = ""};
    bool found = true;
    ASK(fixture, out, "RPUSH", "emojify:entry:list", "x");
    assert_int_equal(get(fixture, "list"), APP_INTERNAL);
    assert_int_equal(put(fixture, "list", "x"), APP_INTERNAL);
    assert_int_equal(store_exists(fixture->store, "list", 4, &found, &why), APP_INTERNAL);
    assert_true(found);
}

static void redis_lets_an_entry_expire(void **state)
{
    struct fixture *fixture = begin(state);
    char out[100];
    assert_int_equal(put(fixture, "for ever", "x"), APP_OK);
    ASK(fixture, out, "PTTL", "emojify:entry:for ever");
    assert_string_equal(out, "-1");
    open_store(fixture, 3600000);
    assert_int_equal(put(fixture, "an hour", "x"), APP_OK);
    ASK(fixture, out, "PTTL", "emojify:entry:an hour");
    assert_in_range(strtol(out, NULL, 10), 3600000 - 60000, 3600000);
    open_store(fixture, 50);
    assert_int_equal(put(fixture, "a moment", "x"), APP_OK);
    sleep_ms(60);
    assert_lacks(fixture, "a moment");
    assert_holds(fixture, "an hour", "x", 1);
}

static void what_was_taken_down_is_not_found_and_not_taken_again(void **state)
{
    struct fixture *fixture = begin(state);
    char out[100];
    open_store(fixture, 3600000);
    assert_int_equal(put(fixture, "key", "bytes"), APP_OK);
    assert_int_equal(put(fixture, "key", ""), APP_OK);
    assert_is_down(fixture, "key");
    assert_int_equal(put(fixture, "key", "bytes"), APP_GONE);
    assert_int_equal(put(fixture, "never there", ""), APP_OK);
    assert_int_equal(put(fixture, "never there", "bytes"), APP_GONE);
    assert_int_equal(put(fixture, "key", ""), APP_OK);
    assert_is_down(fixture, "key");
    ASK(fixture, out, "PTTL", "emojify:entry:key");
    assert_string_equal(out, "-1"); /* for ever */
    ASK(fixture, out, "DEL", "emojify:entry:key");
    assert_int_equal(put(fixture, "key", "bytes"), APP_OK);
}

static void two_caches_share_a_redis(void **state)
{
    struct fixture *fixture = begin(state);
    struct store *other = make_store(fixture, 0);
    struct content *content;
    assert_int_equal(put(fixture, "key", "x"), APP_OK);
    assert_int_equal(get_from(other, "key", &content), APP_OK);
    content_put(content);
    assert_int_equal(put_to(other, "key", NULL, 0), APP_OK);
    assert_is_down(fixture, "key");
    assert_int_equal(put(fixture, "key", "x"), APP_GONE);
    store_free(&other);
}

struct race {
    struct store *store;
    _Atomic bool down; /* set once the take-down has been answered */
    _Atomic unsigned refused;
    _Atomic(const char *) complaint;
};

static void *put_until_refused(void *argument)
{
    struct race *race = argument;
    struct err_buf why = {.text = ""};
    while (race->refused < 3 && !race->complaint) {
        bool down = race->down;
        enum app_err err = store_put(race->store, "shared", 6, "bytes", 5, &why);
        if (err == APP_GONE)
            race->refused++;
        else if (err || down)
            race->complaint = err ? "put failed" : "put went well after the take-down";
    }
    return NULL;
}

static void no_put_of_any_cache_wins_over_a_take_down(void **state)
{
    struct fixture *fixture = begin(state);
    struct store *other = make_store(fixture, 0);
    char out[100];
    for (int round = 0; round < 20; round++) {
        struct race races[4] = {{.store = fixture->store},
                                {.store = fixture->store},
                                {.store = other},
                                {.store = other}};
        pthread_t threads[4];
        for (int i = 0; i < 4; i++)
            assert_int_equal(pthread_create(&threads[i], NULL, put_until_refused, &races[i]), 0);
        sleep_ms(5);
        enum app_err err = put(fixture, "shared", "");
        for (int i = 0; i < 4; i++)
            races[i].down = true;
        for (int i = 0; i < 4; i++)
            pthread_join(threads[i], NULL);
        assert_int_equal(err, APP_OK);
        for (int i = 0; i < 4; i++) {
            if (races[i].complaint)
                fail_msg("%s", races[i].complaint);
        }
        assert_is_down(fixture, "shared");
        ASK(fixture, out, "DEL", "emojify:entry:shared");
    }
    store_free(&other);
}

/* --- Login --------------------------------------------------------------------- */

static void a_password_and_a_database_are_used_over_tcp(void **state)
{
    struct fixture *fixture = begin(state);
    char out[100];
    redis_server_kill(&fixture->redis);
    redis_server_start(&fixture->redis,
                       (const char *const[]){"--requirepass", "open sesame", "--user", "me", "on",
                                             ">s3cret", "~emojify:*", "+getrange", "+strlen",
                                             "+exists", "+set", "+eval", "+ping", "+select", NULL});
    (void)snprintf(fixture->url, sizeof(fixture->url), "redis://:open%%20sesame@127.0.0.1:%u/5",
                   fixture->redis.port);
    open_store(fixture, 0);
    assert_int_equal(put(fixture, "key", "x"), APP_OK);
    (void)snprintf(fixture->url, sizeof(fixture->url), "redis://me:s3cret@localhost:%u/5",
                   fixture->redis.port);
    open_store(fixture, 0);
    assert_holds(fixture, "key", "x", 1); /* a user that may touch nothing else */
    assert_int_equal(put(fixture, "other", "x"), APP_OK);
    assert_int_equal(check(fixture), APP_OK);
    ASK(fixture, out, "-a", "open sesame", "-n", "5", "DBSIZE");
    assert_non_null(strstr(out, "\n3")); /* and the one that check writes */
}

static void a_wrong_password_is_said_and_not_told(void **state)
{
    struct fixture *fixture = begin(state);
    struct err_buf why = {.text = ""};
    redis_server_kill(&fixture->redis);
    redis_server_start(&fixture->redis, (const char *const[]){"--requirepass", "right", NULL});
    assert_int_equal(check(fixture), APP_UNAVAILABLE); /* none */
    (void)snprintf(fixture->url, sizeof(fixture->url), "redis://:wrong@127.0.0.1:%u",
                   fixture->redis.port);
    open_store(fixture, 0);
    assert_int_equal(store_check(fixture->store, &why), APP_UNAVAILABLE);
    assert_string_equal(why.text, "Redis refuses to serve");
    assert_non_null(strstr(why.detail, "WRONGPASS"));
    assert_null(strstr(why.detail, "wrong"));
}

/* --- A Redis that is away ------------------------------------------------------- */

static struct store_state look(struct fixture *fixture)
{
    struct store_state state = {.entries = 0};
    store_look(fixture->store, &state);
    return state;
}

/* Every call fails, none later than that. */
static void assert_away(struct fixture *fixture, int64_t within_ms)
{
    struct err_buf why = {.text = ""};
    bool found = true;
    for (int i = 0; i < 4; i++) {
        int64_t started = clock_now_ns();
        assert_int_equal(i == 0   ? get(fixture, "key")
                         : i == 1 ? put(fixture, "key", "x")
                         : i == 2 ? store_exists(fixture->store, "key", 3, &found, &why)
                                  : check(fixture),
                         APP_UNAVAILABLE);
        assert_in_range(clock_now_ns() - started, 0, within_ms * NS_PER_MS);
    }
    assert_true(found);
    assert_true(look(fixture).redis_away);
}

/* How long until it serves again. */
static int64_t wait_for_service(struct fixture *fixture)
{
    int64_t started = clock_now_ns();
    while (check(fixture) != APP_OK) {
        assert_true(clock_now_ns() - started < 20 * NS_PER_S);
        sleep_ms(10);
    }
    return (clock_now_ns() - started) / NS_PER_MS;
}

static void assert_serves_soon(struct fixture *fixture)
{
    int64_t ms = wait_for_service(fixture);
    print_message("service after %d ms\n", (int)ms);
    assert_in_range(ms, 0, BACK_MS);
    assert_int_equal(put(fixture, "key", "x"), APP_OK);
    assert_holds(fixture, "key", "x", 1);
    assert_false(look(fixture).redis_away);
}

static void a_redis_that_comes_later_is_used(void **state)
{
    struct fixture *fixture = begin(state);
    open_store(fixture, 0);
    assert_away(fixture, AT_ONCE_MS);
    redis_server_start(&fixture->redis, NULL);
    assert_serves_soon(fixture);
}

static void a_redis_that_was_killed_is_away_at_once_and_used_when_it_is_back(void **state)
{
    struct fixture *fixture = begin(state);
    for (int round = 0; round < 2; round++) {
        redis_server_kill(&fixture->redis);
        assert_away(fixture, AT_ONCE_MS);
        sleep_ms(1200); /* it is looked for again and again */
        assert_away(fixture, AT_ONCE_MS);
        redis_server_start(&fixture->redis, NULL);
        assert_serves_soon(fixture);
        assert_int_equal(look(fixture).redis_connects, round + 2);
    }
}

static void a_restart_between_two_calls_is_not_noticed(void **state)
{
    struct fixture *fixture = begin(state);
    assert_int_equal(put(fixture, "key", "x"), APP_OK);
    redis_server_kill(&fixture->redis);
    redis_server_start(&fixture->redis, NULL);
    assert_int_equal(get(fixture, "key"), APP_NOT_FOUND);
    assert_int_equal(put(fixture, "key", "x"), APP_OK);
}

static void a_connection_that_redis_closes_is_not_noticed(void **state)
{
    struct fixture *fixture = begin(state);
    char out[100];
    for (int i = 0; i < 3; i++) {
        assert_int_equal(put(fixture, "key", "x"), APP_OK);
        ASK(fixture, out, "CLIENT", "KILL", "TYPE", "normal");
        assert_holds(fixture, "key", "x", 1);
    }
}

static void a_frozen_redis_holds_up_one_call_for_its_time_limit(void **state)
{
    struct fixture *fixture = begin(state);
    assert_int_equal(put(fixture, "key", "x"), APP_OK);
    redis_server_freeze(&fixture->redis);
    int64_t started = clock_now_ns();
    assert_int_equal(get(fixture, "key"), APP_UNAVAILABLE);
    int64_t spent_ms = (clock_now_ns() - started) / NS_PER_MS;
    assert_in_range(spent_ms, STORE_REDIS_TIMEOUT_MS - 1, STORE_REDIS_TIMEOUT_MS + SLACK_MS);
    assert_away(fixture, AT_ONCE_MS);
    sleep_ms(1200);
    assert_away(fixture, AT_ONCE_MS);
    redis_server_thaw(&fixture->redis);
    assert_serves_soon(fixture);
}

static void a_stop_does_not_wait_for_redis(void **state)
{
    struct fixture *fixture = begin(state);
    redis_server_freeze(&fixture->redis);
    assert_int_equal(check(fixture), APP_UNAVAILABLE);
    int64_t started = clock_now_ns();
    store_free(&fixture->store);
    assert_null(fixture->store);
    store_free(&fixture->store);
    assert_in_range(clock_now_ns() - started, 0, 2 * NS_PER_S); /* of one try to connect */
    redis_server_thaw(&fixture->redis);
}

/* --- A Redis that does not take everything -------------------------------------- */

static void a_full_redis_is_said_and_still_read(void **state)
{
    struct fixture *fixture = begin(state);
    char out[100];
    assert_int_equal(put(fixture, "key", "x"), APP_OK);
    ASK(fixture, out, "CONFIG", "SET", "maxmemory", "1");
    assert_int_equal(put(fixture, "other", "x"), APP_TOO_LARGE);
    assert_int_equal(put(fixture, "other", ""), APP_TOO_LARGE);
    assert_holds(fixture, "key", "x", 1);
    assert_int_equal(check(fixture), APP_OK);
    ASK(fixture, out, "CONFIG", "SET", "maxmemory", "0");
    assert_int_equal(put(fixture, "other", "x"), APP_OK);
}

static void a_replica_is_not_good_enough(void **state)
{
    struct fixture *fixture = begin(state);
    char out[100];
    assert_int_equal(put(fixture, "key", "x"), APP_OK);
    ASK(fixture, out, "REPLICAOF", "127.0.0.1", "1");
    assert_int_equal(check(fixture), APP_UNAVAILABLE);
    assert_int_equal(put(fixture, "key", "y"), APP_UNAVAILABLE);
    assert_holds(fixture, "key", "x", 1);
    ASK(fixture, out, "REPLICAOF", "NO", "ONE");
    assert_int_equal(check(fixture), APP_OK);
}

/* --- Many threads ---------------------------------------------------------------- */

enum { THREADS = 16, ROUNDS = 100, SIZE = 50000 };

struct parallel {
    struct fixture *fixture;
    char id[2];
    const char *complaint;
};

static void *put_and_get(void *argument)
{
    struct parallel *parallel = argument;
    struct store *store = parallel->fixture->store;
    struct err_buf why = {.text = ""};
    char data[SIZE];
    memset(data, parallel->id[0], sizeof(data));
    for (int i = 0; i < ROUNDS && !parallel->complaint; i++) {
        struct content *content = NULL;
        if (store_put(store, parallel->id, 1, data, sizeof(data), &why))
            parallel->complaint = "put failed";
        else if (store_get(store, parallel->id, 1, &content, &why))
            parallel->complaint = "get failed";
        else if (content->len != sizeof(data) || memcmp(content->data, data, sizeof(data)) != 0)
            parallel->complaint = "somebody else's entry";
        content_put(content);
    }
    return NULL;
}

static void sixteen_threads_work_in_parallel(void **state)
{
    struct fixture *fixture = begin(state);
    pthread_t threads[THREADS];
    struct parallel parallels[THREADS];
    for (int i = 0; i < THREADS; i++) {
        parallels[i] = (struct parallel){fixture, {(char)('a' + i)}, NULL};
        assert_int_equal(pthread_create(&threads[i], NULL, put_and_get, &parallels[i]), 0);
    }
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    for (int i = 0; i < THREADS; i++) {
        if (parallels[i].complaint)
            fail_msg("%s", parallels[i].complaint);
    }
}

static void *get_through_restarts(void *argument)
{
    struct parallel *parallel = argument;
    struct err_buf why = {.text = ""};
    int64_t until = deadline_in_ms(2500);
    while (clock_now_ns() < until) {
        struct content *content;
        int64_t started = clock_now_ns();
        enum app_err err = store_get(parallel->fixture->store, "key", 3, &content, &why);
        if (!err)
            content_put(content);
        else if (err != APP_UNAVAILABLE && err != APP_NOT_FOUND)
            parallel->complaint = "an error that is none of a Redis that is away";
        if (clock_now_ns() - started > (STORE_REDIS_TIMEOUT_MS + SLACK_MS) * NS_PER_MS)
            parallel->complaint = "a call took too long";
    }
    return NULL;
}

static void threads_live_through_restarts(void **state)
{
    struct fixture *fixture = begin(state);
    pthread_t threads[THREADS];
    struct parallel parallels[THREADS];
    for (int i = 0; i < THREADS; i++) {
        parallels[i] = (struct parallel){fixture, "", NULL};
        assert_int_equal(pthread_create(&threads[i], NULL, get_through_restarts, &parallels[i]), 0);
    }
    for (int i = 0; i < 5; i++) {
        sleep_ms(200);
        redis_server_kill(&fixture->redis);
        sleep_ms(100);
        redis_server_start(&fixture->redis, NULL);
    }
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    for (int i = 0; i < THREADS; i++) {
        if (parallels[i].complaint)
            fail_msg("%s", parallels[i].complaint);
    }
    (void)wait_for_service(fixture);
}

static void what_is_no_url_is_refused(void **state)
{
    struct fixture *fixture = *state;
    struct store *store = (struct store *)(void *)fixture;
    struct err_buf why = {.text = ""};
    const struct store_redis_options options = {"http://127.0.0.1", 0, &fixture->log};
    assert_int_equal(store_redis_new(&options, &store, &why), APP_CONFIG);
    assert_ptr_equal(store, fixture);
    assert_string_not_equal(why.text, "");
}

static void a_name_that_is_none_is_away(void **state)
{
    struct fixture *fixture = *state;
    struct err_buf why = {.text = ""};
    (void)snprintf(fixture->url, sizeof(fixture->url), "redis://not..a.name");
    open_store(fixture, 0);
    assert_int_equal(store_check(fixture->store, &why), APP_UNAVAILABLE);
    assert_string_equal(why.text, "Redis cannot be reached");
    assert_non_null(strstr(why.detail, "not..a.name"));
}

int main(void)
{
#define TEST(name)       cmocka_unit_test_setup_teardown(name, set_up, tear_down)
#define TEST_ALONE(name) cmocka_unit_test_setup_teardown(name, set_up_without_redis, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(what_was_put_is_got),
        TEST(entries_up_to_the_limit_are_taken_and_larger_ones_of_others_refused),
        TEST(an_entry_is_the_value_of_a_key_with_its_id),
        TEST(ids_may_be_long_and_have_any_characters),
        TEST(what_is_no_string_is_an_error),
        TEST(redis_lets_an_entry_expire),
        TEST(what_was_taken_down_is_not_found_and_not_taken_again),
        TEST(two_caches_share_a_redis),
        TEST(no_put_of_any_cache_wins_over_a_take_down),
        TEST(a_password_and_a_database_are_used_over_tcp),
        TEST(a_wrong_password_is_said_and_not_told),
        TEST_ALONE(a_redis_that_comes_later_is_used),
        TEST(a_redis_that_was_killed_is_away_at_once_and_used_when_it_is_back),
        TEST(a_restart_between_two_calls_is_not_noticed),
        TEST(a_connection_that_redis_closes_is_not_noticed),
        TEST(a_frozen_redis_holds_up_one_call_for_its_time_limit),
        TEST(a_stop_does_not_wait_for_redis),
        TEST(a_full_redis_is_said_and_still_read),
        TEST(a_replica_is_not_good_enough),
        TEST(sixteen_threads_work_in_parallel),
        TEST(threads_live_through_restarts),
        TEST_ALONE(what_is_no_url_is_refused),
        TEST_ALONE(a_name_that_is_none_is_away),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
