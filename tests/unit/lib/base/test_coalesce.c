/* SPDX-License-Identifier: MIT */
#include "support/cmocka.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lib/base/clock.h"
#include "lib/base/coalesce.h"

enum { THREADS = 8, ROUNDS = 2000, LONG_MS = 30 * 1000 };

static struct coalescer *coalescer;
static atomic_int released;

static int make_coalescer(void **state)
{
    (void)state;
    atomic_store(&released, 0);
    return coalescer_new(sizeof(int), &coalescer) ? -1 : 0;
}

static int free_coalescer(void **state)
{
    (void)state;
    coalescer_free(&coalescer);
    return coalescer ? -1 : 0;
}

static void release(void *result)
{
    atomic_fetch_add(&released, 1);
    free(result);
}

static void wait_a_moment(void)
{
    (void)nanosleep(&(struct timespec){0, 20 * NS_PER_MS}, NULL);
}

/* One who asks in a thread of its own, and what became of it. */
struct asker {
    const char *key;
    int64_t wait_ms;
    pthread_t thread;
    enum app_err joined;
    bool led;
    enum app_err err;
    char result[32];
    char text[32];
};

static void *ask(void *argument)
{
    struct asker *asker = argument;
    struct coalesce_member member;
    asker->joined = coalesce_join(coalescer, asker->key, deadline_in_ms(asker->wait_ms), &member);
    if (asker->joined)
        return NULL;
    asker->led = member.leads;
    if (member.leads)
        coalesce_share(&member, APP_OK, "", strdup("the second call's"), release);
    asker->err = member.err;
    (void)snprintf(asker->result, sizeof(asker->result), "%s",
                   member.result ? (const char *)member.result : "");
    (void)snprintf(asker->text, sizeof(asker->text), "%s", member.text);
    coalesce_leave(&member);
    return NULL;
}

static void start(struct asker *asker)
{
    assert_int_equal(pthread_create(&asker->thread, NULL, ask, asker), 0);
}

static void who_comes_alone_leads_and_has_its_own_result(void **state)
{
    (void)state;
    struct coalesce_member member;
    assert_int_equal(coalesce_join(coalescer, "key", deadline_in_ms(LONG_MS), &member), APP_OK);
    assert_true(member.leads);
    coalesce_share(&member, APP_NOT_FOUND, "nothing there", NULL, NULL);
    assert_int_equal(member.err, APP_NOT_FOUND);
    assert_null(member.result);
    assert_string_equal(member.text, "nothing there");
    coalesce_leave(&member);
}

static void who_comes_during_a_call_shares_the_next_one_and_never_this_one(void **state)
{
    (void)state;
    struct asker askers[3] = {{.key = "key", .wait_ms = LONG_MS},
                              {.key = "key", .wait_ms = LONG_MS},
                              {.key = "key", .wait_ms = LONG_MS}};
    struct coalesce_member first;
    assert_int_equal(coalesce_join(coalescer, "key", deadline_in_ms(LONG_MS), &first), APP_OK);
    for (size_t i = 0; i < 3; i++)
        start(&askers[i]);
    wait_a_moment();
    coalesce_share(&first, APP_OK, "", strdup("the first call's"), release);
    assert_string_equal(first.result, "the first call's");
    coalesce_leave(&first);

    int led = 0;
    for (size_t i = 0; i < 3; i++) {
        pthread_join(askers[i].thread, NULL);
        assert_int_equal(askers[i].joined, APP_OK);
        assert_string_equal(askers[i].result, "the second call's");
        led += askers[i].led;
    }
    assert_in_range(led, 1, 3); /* 1 unless a thread was very late */
    assert_int_equal(released, 1 + led);
}

static void other_keys_do_not_wait(void **state)
{
    (void)state;
    struct coalesce_member first;
    struct asker other = {.key = "another", .wait_ms = LONG_MS};
    assert_int_equal(coalesce_join(coalescer, "key", deadline_in_ms(LONG_MS), &first), APP_OK);
    start(&other);
    pthread_join(other.thread, NULL);
    assert_true(other.led);
    coalesce_share(&first, APP_OK, "", NULL, NULL);
    coalesce_leave(&first);
}

static void nobody_waits_beyond_his_deadline(void **state)
{
    (void)state;
    struct coalesce_member first;
    struct asker late = {.key = "key", .wait_ms = 10};
    assert_int_equal(coalesce_join(coalescer, "key", deadline_in_ms(LONG_MS), &first), APP_OK);
    start(&late);
    pthread_join(late.thread, NULL);
    assert_int_equal(late.joined, APP_UPSTREAM_TIMEOUT);
    coalesce_share(&first, APP_OK, "", NULL, NULL);
    coalesce_leave(&first);

    struct asker next = {.key = "key", .wait_ms = LONG_MS}; /* nothing of it is left */
    start(&next);
    pthread_join(next.thread, NULL);
    assert_true(next.led);
}

static void a_failure_reaches_those_who_asked_before_it(void **state)
{
    (void)state;
    struct coalesce_member first, second;
    assert_int_equal(coalesce_join(coalescer, "key", deadline_in_ms(LONG_MS), &first), APP_OK);
    coalesce_share(&first, APP_UPSTREAM_FAILED, "the cache failed", NULL, NULL);
    assert_int_equal(coalesce_join(coalescer, "key", deadline_in_ms(LONG_MS), &second), APP_OK);
    assert_true(second.leads); /* it came later, and tries anew */
    coalesce_share(&second, APP_OK, "", NULL, NULL);
    assert_int_equal(first.err, APP_UPSTREAM_FAILED);
    coalesce_leave(&first);
    coalesce_leave(&second);
}

static void count_release(void *result)
{
    (void)result;
    atomic_fetch_add(&released, 1);
}

static void each_call_has_room_for_its_result_and_its_memory_is_used_again(void **state)
{
    (void)state;
    struct coalesce_member first, second;
    assert_int_equal(coalesce_join(coalescer, "key", deadline_in_ms(LONG_MS), &first), APP_OK);
    assert_int_equal(coalesce_join(coalescer, "other", deadline_in_ms(LONG_MS), &second), APP_OK);
    int *room = coalesce_room(&first), *other_room = coalesce_room(&second);
    assert_ptr_not_equal(room, other_room);
    *room = 1;
    *other_room = 2;
    coalesce_share(&first, APP_OK, "", room, count_release);
    coalesce_share(&second, APP_OK, "", other_room, count_release);
    assert_int_equal(*(const int *)first.result, 1);
    assert_int_equal(*(const int *)second.result, 2);
    coalesce_leave(&second);
    coalesce_leave(&first);
    assert_int_equal(released, 2);
#ifndef ARENA_MALLOC
    assert_int_equal(coalesce_join(coalescer, "third", deadline_in_ms(LONG_MS), &second), APP_OK);
    assert_ptr_equal(coalesce_room(&second), room);
    coalesce_share(&second, APP_NOT_FOUND, "", NULL, NULL);
    coalesce_leave(&second);
    assert_int_equal(released, 2); /* what was released before is not again */
#endif
}

static void the_longest_key_is_told_apart_by_its_last_letter(void **state)
{
    (void)state;
    char key[COALESCE_KEY_MAX + 1], other[COALESCE_KEY_MAX + 1];
    struct coalesce_member first, second;
    memset(key, 'k', sizeof(key) - 1);
    key[COALESCE_KEY_MAX] = '\0';
    memcpy(other, key, sizeof(key));
    other[COALESCE_KEY_MAX - 1] = 'o';
    assert_int_equal(coalesce_join(coalescer, key, deadline_in_ms(LONG_MS), &first), APP_OK);
    assert_int_equal(coalesce_join(coalescer, other, deadline_in_ms(LONG_MS), &second), APP_OK);
    assert_true(first.leads && second.leads);
    coalesce_share(&first, APP_OK, "", NULL, NULL);
    coalesce_share(&second, APP_OK, "", NULL, NULL);
    coalesce_leave(&first);
    coalesce_leave(&second);
}

/* A result is a number that only grows; a member's must have been made after it asked. */
static atomic_int clock_of_results;
static atomic_int calls;

static void *ask_often(void *argument)
{
    atomic_int *wrong = argument;
    for (int i = 0; i < ROUNDS; i++) {
        struct coalesce_member member;
        int before = atomic_load(&clock_of_results);
        if (coalesce_join(coalescer, i % 3 ? "key" : "other", deadline_in_ms(LONG_MS), &member)) {
            atomic_fetch_add(wrong, 1);
            continue;
        }
        if (member.leads) {
            int *made = malloc(sizeof(*made));
            *made = atomic_fetch_add(&clock_of_results, 1) + 1;
            atomic_fetch_add(&calls, 1);
            coalesce_share(&member, APP_OK, "", made, release);
        }
        if (*(const int *)member.result <= before)
            atomic_fetch_add(wrong, 1);
        coalesce_leave(&member);
    }
    return NULL;
}

static void no_answer_is_older_than_its_question_under_load(void **state)
{
    (void)state;
    atomic_int wrong = 0;
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, ask_often, &wrong), 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(wrong, 0);
    assert_int_equal(released, calls);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, make_coalescer, free_coalescer)
    const struct CMUnitTest tests[] = {
        TEST(who_comes_alone_leads_and_has_its_own_result),
        TEST(who_comes_during_a_call_shares_the_next_one_and_never_this_one),
        TEST(other_keys_do_not_wait),
        TEST(nobody_waits_beyond_his_deadline),
        TEST(a_failure_reaches_those_who_asked_before_it),
        TEST(each_call_has_room_for_its_result_and_its_memory_is_used_again),
        TEST(the_longest_key_is_told_apart_by_its_last_letter),
        TEST(no_answer_is_older_than_its_question_under_load),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
