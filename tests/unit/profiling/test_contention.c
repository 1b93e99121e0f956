/* SPDX-License-Identifier: MIT */
/* run: alone */
#include "profiling/contention.h"

#include <pthread.h>
#include <time.h>

#include "lib/base/clock.h"
#include "support/cmocka.h"
#include "support/profile_share.h"

static const struct route_table no_routes = {NULL, 0};

static void sleep_ns(int64_t duration_ns)
{
    struct timespec duration = {duration_ns / NS_PER_S, duration_ns % NS_PER_S};
    while (nanosleep(&duration, &duration) != 0)
        continue;
}

__attribute__((noinline)) static void wait_for_answer(struct contention *contention,
                                                      int64_t duration_ns)
{
    sleep_ns(duration_ns);
    contention_waited(contention, CONTENTION_BLOCK, duration_ns, NULL);
}

__attribute__((noinline)) static void wait_for_lock(struct contention *contention,
                                                    int64_t duration_ns)
{
    sleep_ns(duration_ns);
    contention_waited(contention, CONTENTION_MUTEX, duration_ns, NULL);
}

/* As if it had waited so long, in no time. */
__attribute__((noinline)) static void claim_wait(struct contention *contention,
                                                 enum contention_kind kind, int64_t duration_ns)
{
    contention_waited(contention, kind, duration_ns, NULL);
}

/* Tells of its caller's wait. */
__attribute__((noinline)) static void tell(struct contention *contention)
{
    contention_waited(contention, CONTENTION_BLOCK, NS_PER_MS, __builtin_return_address(0));
}

__attribute__((noinline)) static void wait_and_have_it_told(struct contention *contention)
{
    tell(contention);
}

static struct profile *profile_of(struct contention *contention, enum contention_kind kind)
{
    struct profile *profile = NULL;
    assert_int_equal(contention_profile(contention, kind, &profile), APP_OK);
    return profile;
}

static void waits_are_counted_by_who_waits(void **state)
{
    (void)state;
    struct contention *contention = NULL;
    assert_int_equal(contention_new(&no_routes, &contention), APP_OK);
    for (int i = 0; i < 5; i++)
        wait_for_answer(contention, 4 * NS_PER_MS);
    wait_for_lock(contention, 10 * NS_PER_MS);

    struct profile *block = profile_of(contention, CONTENTION_BLOCK);
    struct profile *mutex = profile_of(contention, CONTENTION_MUTEX);
    profile_name_all(block);
    profile_name_all(mutex);
    assert_int_equal(profile_total(block, 0), 5);
    assert_int_equal(profile_sum_in(block, "wait_for_answer", NULL, 0), 5);
    assert_true(profile_sum_in(block, "wait_for_answer", NULL, 1) >= 20 * NS_PER_MS);
    assert_int_equal(profile_sum_in(block, "wait_for_lock", NULL, 0), 0);
    assert_int_equal(profile_total(mutex, 0), 1);
    assert_int_equal(profile_sum_in(mutex, "wait_for_lock", NULL, 0), 1);
    assert_true(profile_total(mutex, 1) >= 10 * NS_PER_MS);
    assert_true(profile_kind_of(block) == &profile_kind_contention);
    assert_true(profile_duration_ns(block) >= 30 * NS_PER_MS);
    profile_free(&block);
    profile_free(&mutex);
    contention_free(&contention);
}

static void assert_begins_with(const struct profile *profile, const char *function)
{
    const struct profile_line *lines;
    size_t count = profile_frame_lines(profile, 0, 0, &lines, NULL);
    assert_true(count > 0);
    assert_string_equal(lines[count - 1].function, function);
}

static void the_stack_begins_where_the_return_address_lies_or_with_the_caller(void **state)
{
    (void)state;
    struct contention *contention = NULL;
    assert_int_equal(contention_new(&no_routes, &contention), APP_OK);
    wait_for_lock(contention, NS_PER_MS);
    wait_and_have_it_told(contention);
    struct profile *mutex = profile_of(contention, CONTENTION_MUTEX);
    struct profile *block = profile_of(contention, CONTENTION_BLOCK);
    profile_name_all(mutex);
    profile_name_all(block);
    assert_begins_with(mutex, "wait_for_lock");
    assert_begins_with(block, "wait_and_have_it_told");
    profile_free(&mutex);
    profile_free(&block);
    contention_free(&contention);
    assert_null(contention);
}

static void a_wait_has_its_route_as_label(void **state)
{
    (void)state;
    const struct pprof_route routes[] = {{"/answered", (uintptr_t)wait_for_answer}};
    const struct route_table table = {routes, 1};
    struct contention *contention = NULL;
    assert_int_equal(contention_new(&table, &contention), APP_OK);
    wait_for_answer(contention, NS_PER_MS);
    struct profile *profile = profile_of(contention, CONTENTION_BLOCK);
    struct profile_sample_view view;
    profile_sample_at(profile, 0, &view);
    assert_string_equal(view.labels->route, "/answered");
    profile_free(&profile);
    contention_free(&contention);
}

enum { MANY = 400000 };

static void *claim_many(void *argument)
{
    for (int i = 0; i < MANY; i++)
        claim_wait(argument, CONTENTION_BLOCK, 50 * 1000);
    return NULL;
}

static void totals_are_right_though_few_are_recorded(void **state)
{
    (void)state;
    struct contention *contention = NULL;
    pthread_t threads[2];
    assert_int_equal(contention_new(&no_routes, &contention), APP_OK);
    int64_t start_ns = clock_now_ns();
    for (size_t i = 0; i < 2; i++)
        pthread_create(&threads[i], NULL, claim_many, contention);
    for (size_t i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    print_message("%.0f ns of wall clock a reported wait, two threads\n",
                  (double)(clock_now_ns() - start_ns) / MANY);
    struct profile *profile = profile_of(contention, CONTENTION_BLOCK);
    assert_in_range(profile_total(profile, 0), 2 * MANY - 10, 2 * MANY + 10);
    assert_true(profile_total(profile, 1) >= 2LL * MANY * 50 * 1000);
    profile_free(&profile);
    contention_free(&contention);
}

static void rare_long_waits_are_not_lost_among_many_short_ones(void **state)
{
    (void)state;
    struct contention *contention = NULL;
    assert_int_equal(contention_new(&no_routes, &contention), APP_OK);
    int64_t end_ns = deadline_in_ms(3000), next_ns = 0;
    int64_t slow = 0, quick = 0;
    while (clock_now_ns() < end_ns) {
        for (int i = 0; i < 100; i++)
            claim_wait(contention, CONTENTION_MUTEX, 5 * 1000);
        quick += 100;
        sleep_ns(2 * NS_PER_MS);
        if (clock_now_ns() > next_ns) {
            wait_for_lock(contention, 2 * NS_PER_MS);
            next_ns = clock_now_ns() + 50 * NS_PER_MS;
            slow++;
        }
    }
    struct profile *profile = profile_of(contention, CONTENTION_MUTEX);
    profile_name_all(profile);
    int64_t count = profile_sum_in(profile, "wait_for_lock", NULL, 0);
    print_message("%lld waits of 2 ms counted as %lld, among %lld of 5 us\n", (long long)slow,
                  (long long)count, (long long)quick);
    assert_in_range(count, slow / 4, slow * 4);
    assert_in_range(profile_sum_in(profile, "claim_wait", NULL, 0), quick / 2, quick * 2);
    profile_free(&profile);
    contention_free(&contention);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(waits_are_counted_by_who_waits),
        cmocka_unit_test(the_stack_begins_where_the_return_address_lies_or_with_the_caller),
        cmocka_unit_test(a_wait_has_its_route_as_label),
        cmocka_unit_test(totals_are_right_though_few_are_recorded),
        cmocka_unit_test(rare_long_waits_are_not_lost_among_many_short_ones),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
