/* SPDX-License-Identifier: MIT */
/* run: alone */
/* What stands before the calls of cache_client: breaker, budget of waits, cancellation. */
#include "api/clients/cache_client.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/clients/wait_budget.h"
#include "lib/base/clock.h"
#include "support/cmocka.h"
#include "support/fake_cache.h"
#include "support/temp_dir.h"

enum { PATIENCE_MS = 20000, GRPC_RESOURCE_EXHAUSTED = 8, GRPC_UNAVAILABLE = 14, THREADS = 6 };

struct fixture {
    struct temp_dir dir;
    struct log_sink sink;
    struct log log;
    struct breaker breaker;
    struct fake_cache *fake;
    struct cache_client *client;
    struct cache_caller *caller;
};

static int set_up(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    char address[128];
    assert_non_null(fixture);
    temp_dir_init(&fixture->dir);
    (void)snprintf(address, sizeof(address), "unix:%s/socket", fixture->dir.path);
    fixture->sink = (struct log_sink){.fd = -1, .level = LOG_OFF};
    fixture->log = (struct log){.sink = &fixture->sink, .module = "test"};
    breaker_init(&fixture->breaker, "the cache", NULL, NULL);
    const struct cache_client_options options = {
        .address = address, .breaker = &fixture->breaker, .patient = 2, .log = &fixture->log};
    assert_int_equal(cache_client_new(&options, &fixture->client, NULL), APP_OK);
    assert_int_equal(cache_caller_new(fixture->client, &fixture->caller), APP_OK);
    fixture->fake = fake_cache_start(address);
    *state = fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    cache_caller_free(&fixture->caller);
    cache_client_free(&fixture->client);
    fake_cache_stop(&fixture->fake);
    breaker_release(&fixture->breaker);
    temp_dir_release(&fixture->dir);
    free(fixture);
    return 0;
}

static void script(struct fixture *fixture, const char *method, int status, unsigned delay_ms)
{
    const struct fake_cache_answer answer = {.ending = status ? FAKE_CACHE_ANSWER : FAKE_CACHE_ECHO,
                                             .status = status,
                                             .words = "so says the test",
                                             .delay_ms = delay_ms};
    fake_cache_script(fixture->fake, method, &answer, 1);
}

static enum app_err exists_within(struct cache_caller *caller, int64_t deadline_ms,
                                  int64_t timeout_ms)
{
    bool exists;
    struct err_buf why = {.text = ""};
    struct cache_call call = {.deadline_ns = deadline_in_ms(deadline_ms), .timeout_ms = timeout_ms};
    return cache_exists(caller, &call, "key", &exists, &why);
}

static enum app_err exists(struct fixture *fixture)
{
    return exists_within(fixture->caller, PATIENCE_MS, PATIENCE_MS);
}

static enum breaker_state state_of(struct fixture *fixture)
{
    return breaker_state(&fixture->breaker, clock_now_ns());
}

static void a_cache_that_keeps_failing_is_left_alone_and_tried_again(void **state)
{
    struct fixture *fixture = *state;
    script(fixture, "Exists", GRPC_UNAVAILABLE, 0);
    for (int i = 0; i < BREAKER_IN_ROW; i++)
        assert_int_equal(exists(fixture), APP_UPSTREAM_FAILED);
    unsigned calls = fake_cache_calls(fixture->fake, "Exists");
    assert_int_equal(calls, 2 * BREAKER_IN_ROW); /* each was tried again */
    assert_int_equal(exists(fixture), APP_UNAVAILABLE);
    assert_int_equal(fake_cache_calls(fixture->fake, "Exists"), calls);

    script(fixture, "Exists", 0, 0);
    int64_t deadline_ns = deadline_in_ms(2000);
    enum app_err err;
    while ((err = exists(fixture)) == APP_UNAVAILABLE && deadline_left_ms(deadline_ns) > 0)
        (void)nanosleep(&(struct timespec){0, 10 * NS_PER_MS}, NULL);
    assert_int_equal(err, APP_OK);
    assert_int_equal(state_of(fixture), BREAKER_CLOSED);
}

static void a_put_that_fails_counts_and_is_refused_as_well(void **state)
{
    struct fixture *fixture = *state;
    struct cache_call call = {.deadline_ns = deadline_in_ms(PATIENCE_MS)};
    script(fixture, "Put", GRPC_UNAVAILABLE, 0);
    for (int i = 0; i < BREAKER_IN_ROW; i++)
        assert_int_equal(cache_put(fixture->caller, &call, "key", "x", 1, NULL),
                         APP_UPSTREAM_FAILED);
    assert_int_equal(cache_put(fixture->caller, &call, "key", "x", 1, NULL), APP_UNAVAILABLE);
    assert_int_equal(fake_cache_calls(fixture->fake, "Put"), BREAKER_IN_ROW); /* once each */
}

static void what_concerns_one_picture_does_not_open_the_breaker(void **state)
{
    struct fixture *fixture = *state;
    struct cache_call call = {.deadline_ns = deadline_in_ms(PATIENCE_MS)};
    struct cache_item item;
    script(fixture, "Get", GRPC_RESOURCE_EXHAUSTED, 0);
    for (int i = 0; i < 3 * BREAKER_IN_ROW; i++)
        assert_int_equal(cache_get(fixture->caller, &call, "key", &item, NULL),
                         APP_UPSTREAM_FAILED);
    script(fixture, "Get", 0, 0);
    for (int i = 0; i < 3 * BREAKER_IN_ROW; i++)
        assert_int_equal(cache_get(fixture->caller, &call, "key", &item, NULL), APP_NOT_FOUND);
    assert_int_equal(state_of(fixture), BREAKER_CLOSED);
}

static void only_a_deadline_that_gave_the_cache_its_due_counts(void **state)
{
    struct fixture *fixture = *state;
    script(fixture, "Exists", 0, 400);
    for (int i = 0; i < 2 * BREAKER_IN_ROW; i++)
        assert_int_equal(exists_within(fixture->caller, 5, 2000), APP_UPSTREAM_TIMEOUT);
    assert_int_equal(state_of(fixture), BREAKER_CLOSED);
    for (int i = 0; i < BREAKER_IN_ROW; i++)
        assert_int_equal(exists_within(fixture->caller, 6, 5), APP_UPSTREAM_TIMEOUT);
    assert_int_not_equal(state_of(fixture), BREAKER_CLOSED);
}

static void the_breaker_does_not_keep_a_check_from_asking(void **state)
{
    struct fixture *fixture = *state;
    struct cache_call call = {.deadline_ns = deadline_in_ms(PATIENCE_MS)};
    int status = 0;
    script(fixture, "Exists", GRPC_UNAVAILABLE, 0);
    for (int i = 0; i < BREAKER_IN_ROW; i++)
        assert_int_equal(exists(fixture), APP_UPSTREAM_FAILED);
    assert_int_equal(cache_check(fixture->caller, &call, &status, NULL), APP_OK);
    assert_int_equal(status, 1);
    assert_int_not_equal(state_of(fixture), BREAKER_CLOSED);
}

struct waiter {
    struct fixture *fixture;
    pthread_t thread;
    enum app_err err;
    int64_t spent_ms;
    int64_t ended_ns;
};

static void *wait_for_answer(void *argument)
{
    struct waiter *waiter = argument;
    struct cache_caller *caller;
    if (cache_caller_new(waiter->fixture->client, &caller))
        return NULL;
    int64_t started_ns = clock_now_ns();
    waiter->err = exists_within(caller, 1500, 1500);
    waiter->ended_ns = clock_now_ns();
    waiter->spent_ms = (waiter->ended_ns - started_ns) / NS_PER_MS;
    cache_caller_free(&caller);
    return NULL;
}

static void run_waiters(struct fixture *fixture, struct waiter waiters[THREADS])
{
    for (int i = 0; i < THREADS; i++) {
        waiters[i] = (struct waiter){.fixture = fixture, .err = APP_INTERNAL};
        assert_int_equal(pthread_create(&waiters[i].thread, NULL, wait_for_answer, &waiters[i]), 0);
    }
    for (int i = 0; i < THREADS; i++)
        (void)pthread_join(waiters[i].thread, NULL);
}

static void a_hung_cache_holds_as_many_threads_as_may_be_patient(void **state)
{
    struct fixture *fixture = *state;
    struct waiter waiters[THREADS];
    unsigned patient = 0, refused = 0;
    script(fixture, "Exists", 0, 5000);
    run_waiters(fixture, waiters);
    for (int i = 0; i < THREADS; i++) {
        if (waiters[i].err == APP_UPSTREAM_TIMEOUT && waiters[i].spent_ms >= 1400)
            patient++;
        else if (waiters[i].err == APP_UNAVAILABLE && waiters[i].spent_ms < 1000)
            refused++;
        else
            fail_msg("%s after %d ms", app_strerror(waiters[i].err), (int)waiters[i].spent_ms);
    }
    assert_int_equal(patient, 2);
    assert_int_equal(refused, THREADS - 2);
    assert_int_equal(state_of(fixture), BREAKER_CLOSED); /* the brief waits do not count */
}

static void a_burst_on_a_healthy_cache_is_never_refused(void **state)
{
    struct fixture *fixture = *state;
    struct waiter waiters[THREADS];
    for (int round = 0; round < 20; round++) {
        run_waiters(fixture, waiters);
        for (int i = 0; i < THREADS; i++)
            assert_int_equal(waiters[i].err, APP_OK);
    }
}

/* Longer than who finds no place waits in any case, shorter than the silence that is borne. */
static void a_cache_that_stands_still_for_a_moment_turns_nobody_away(void **state)
{
    struct fixture *fixture = *state;
    struct waiter waiters[THREADS];
    script(fixture, "Exists", 0, 3 * WAIT_BUDGET_SHORT_MS);
    run_waiters(fixture, waiters);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(waiters[i].err, APP_OK);
}

static void a_silence_is_sat_out_once_and_ends_with_an_answer(void **state)
{
    enum { HANG_MS = 1800 }; /* longer than a waiter's deadline */
    struct fixture *fixture = *state;
    struct waiter waiters[THREADS];
    script(fixture, "Exists", 0, HANG_MS);
    int64_t deadline_ns = deadline_in_ms(PATIENCE_MS);
    int64_t begun_ns = clock_now_ns();
    assert_true(cache_wait_begin(fixture->client, &deadline_ns)); /* one who waits all the time */
    for (int round = 0; round < 2; round++) {
        unsigned refused = 0;
        run_waiters(fixture, waiters);
        for (int i = 0; i < THREADS; i++) {
            if (waiters[i].err != APP_UNAVAILABLE)
                continue;
            refused++;
            if (round == 0)
                assert_true(waiters[i].ended_ns - begun_ns >= WAIT_BUDGET_SILENCE_MS * NS_PER_MS);
            else
                assert_true(waiters[i].spent_ms < WAIT_BUDGET_SILENCE_MS - 50);
        }
        assert_int_equal(refused, THREADS - 1); /* one has the other place */
    }
    cache_wait_end(fixture->client, true, false);
    /* Until the threads of the fake have done with the calls that were given up. */
    (void)nanosleep(&(struct timespec){HANG_MS / 1000, HANG_MS % 1000 * NS_PER_MS}, NULL);
    script(fixture, "Exists", 0, 0);
    assert_int_equal(exists(fixture), APP_OK);
    script(fixture, "Exists", 0, 3 * WAIT_BUDGET_SHORT_MS);
    run_waiters(fixture, waiters);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(waiters[i].err, APP_OK);
}

static int64_t latest_of(int64_t now_ns, int64_t silent_ns)
{
    int64_t shortly_ns = now_ns + WAIT_BUDGET_SHORT_MS * NS_PER_MS;
    int64_t silence_ns = silent_ns + WAIT_BUDGET_SILENCE_MS * NS_PER_MS;
    return shortly_ns > silence_ns ? shortly_ns : silence_ns;
}

/* As when another process of the pool has asked: no call of this one was answered. */
static void an_answer_that_another_had_ends_a_silence_too(void **state)
{
    static const bool heard[] = {false, true, false};
    struct fixture *fixture = *state;
    int64_t deadline_ns = deadline_in_ms(PATIENCE_MS);
    int64_t silent_from_ns = clock_now_ns();
    assert_true(cache_wait_begin(fixture->client, &deadline_ns));
    int64_t silent_to_ns = clock_now_ns();
    assert_true(cache_wait_begin(fixture->client, &deadline_ns));
    for (size_t i = 0; i < sizeof(heard) / sizeof(heard[0]); i++) {
        deadline_ns = deadline_in_ms(PATIENCE_MS);
        int64_t before_ns = clock_now_ns();
        assert_false(cache_wait_begin(fixture->client, &deadline_ns));
        int64_t after_ns = clock_now_ns();
        if (i > 0 && heard[i - 1]) {
            silent_from_ns = before_ns;
            silent_to_ns = after_ns;
        }
        assert_in_range(deadline_ns, latest_of(before_ns, silent_from_ns),
                        latest_of(after_ns, silent_to_ns));
        cache_wait_end(fixture->client, false, heard[i]);
        (void)nanosleep(&(struct timespec){0, 50 * NS_PER_MS}, NULL);
    }
    for (int i = 0; i < 2; i++)
        cache_wait_end(fixture->client, true, false);
}

static bool after_a_while(void *context)
{
    return clock_now_ns() > *(int64_t *)context;
}

static void a_call_that_nobody_wants_any_more_ends_soon(void **state)
{
    struct fixture *fixture = *state;
    bool found;
    struct err_buf why = {.text = ""};
    int64_t until_ns = deadline_in_ms(100);
    int64_t started_ns = clock_now_ns();
    struct cache_call call = {.deadline_ns = deadline_in_ms(PATIENCE_MS),
                              .cancel = {after_a_while, &until_ns}};
    script(fixture, "Exists", 0, 5000);
    assert_int_equal(cache_exists(fixture->caller, &call, "key", &found, &why), APP_CLIENT_GONE);
    assert_true(clock_now_ns() - started_ns < 2 * NS_PER_S);
    assert_int_equal(fake_cache_calls(fixture->fake, "Exists"), 1); /* and is not tried again */

    script(fixture, "Exists", 0, 300); /* longer than one look */
    until_ns = INT64_MAX;
    assert_int_equal(cache_exists(fixture->caller, &call, "key", &found, &why), APP_OK);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_cache_that_keeps_failing_is_left_alone_and_tried_again),
        TEST(a_put_that_fails_counts_and_is_refused_as_well),
        TEST(what_concerns_one_picture_does_not_open_the_breaker),
        TEST(only_a_deadline_that_gave_the_cache_its_due_counts),
        TEST(the_breaker_does_not_keep_a_check_from_asking),
        TEST(a_hung_cache_holds_as_many_threads_as_may_be_patient),
        TEST(a_burst_on_a_healthy_cache_is_never_refused),
        TEST(a_cache_that_stands_still_for_a_moment_turns_nobody_away),
        TEST(a_silence_is_sat_out_once_and_ends_with_an_answer),
        TEST(an_answer_that_another_had_ends_a_silence_too),
        TEST(a_call_that_nobody_wants_any_more_ends_soon),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
