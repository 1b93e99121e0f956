/* SPDX-License-Identifier: MIT */
#include "lib/base/condition.h"

#include "support/cmocka.h"

enum { PATIENCE_MS = 20000 };

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t condition = PTHREAD_COND_INITIALIZER;
static bool done; /* guarded by the mutex */

static void a_wait_ends_at_its_deadline_and_not_before(void **state)
{
    (void)state;
    int64_t deadline_ns = deadline_in_ms(50);
    pthread_mutex_lock(&mutex);
    while (condition_wait(&condition, &mutex, deadline_ns))
        continue;
    pthread_mutex_unlock(&mutex);
    assert_true(clock_now_ns() >= deadline_ns);
    assert_true(clock_now_ns() < deadline_ns + PATIENCE_MS * NS_PER_MS);
}

static void a_deadline_that_has_passed_is_not_waited_for(void **state)
{
    (void)state;
    pthread_mutex_lock(&mutex);
    assert_false(condition_wait(&condition, &mutex, clock_now_ns() - 1));
    assert_false(condition_wait(&condition, &mutex, 0));
    pthread_mutex_unlock(&mutex);
}

static void *signal_it(void *unused)
{
    (void)unused;
    pthread_mutex_lock(&mutex); /* had only while the other one waits */
    done = true;
    pthread_cond_signal(&condition);
    pthread_mutex_unlock(&mutex);
    return NULL;
}

static void a_signal_ends_the_wait(void **state)
{
    (void)state;
    pthread_t thread;
    int64_t deadline_ns = deadline_in_ms(PATIENCE_MS);
    bool in_time = true;
    pthread_mutex_lock(&mutex);
    assert_int_equal(pthread_create(&thread, NULL, signal_it, NULL), 0);
    while (!done && in_time)
        in_time = condition_wait(&condition, &mutex, deadline_ns);
    pthread_mutex_unlock(&mutex);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_true(in_time);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_wait_ends_at_its_deadline_and_not_before),
        cmocka_unit_test(a_deadline_that_has_passed_is_not_waited_for),
        cmocka_unit_test(a_signal_ends_the_wait),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
