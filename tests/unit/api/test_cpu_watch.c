/* SPDX-License-Identifier: MIT */
#include "support/cmocka.h"

#include <stdlib.h>

#include "api/cpu_watch.h"
#include "lib/base/clock.h"
#include "support/route_history.h"

static int start(void **state)
{
    struct route_history *history = calloc(1, sizeof(*history));
    assert_non_null(history);
    route_history_init(history);
    *state = history;
    return 0;
}

static int stop(void **state)
{
    route_history_release(*state);
    free(*state);
    return 0;
}

static bool look(const struct route_history *history, struct cpu_watch_alarm *alarm)
{
    return cpu_watch_look(&cpu_watch_defaults, history->past, history->now_ns, alarm);
}

static void a_route_that_costs_thrice_as_much_is_named(void **state)
{
    struct route_history *history = *state;
    struct cpu_watch_alarm alarm;
    route_history_pass(history, "cache", 3600, 100, 200);
    assert_false(look(history, &alarm));
    route_history_pass(history, "cache", 32, 100, 620);
    assert_true(look(history, &alarm));
    assert_string_equal(alarm.route, "cache");
    assert_true(alarm.factor > 3.0 && alarm.factor < 3.2);
    assert_in_range(alarm.before_ns, 199000, 201000);
    assert_in_range(alarm.now_ns, 615000, 621000);
}

static void somewhat_more_than_before_is_no_alarm(void **state)
{
    struct cpu_watch_alarm alarm;
    route_history_pass(*state, "cache", 3600, 100, 200);
    route_history_pass(*state, "cache", 32, 100, 580);
    assert_false(look(*state, &alarm));
}

static void more_requests_of_the_same_cost_are_no_alarm(void **state)
{
    struct cpu_watch_alarm alarm;
    route_history_pass(*state, "cache", 3600, 10, 200);
    route_history_pass(*state, "cache", 60, 1000, 200);
    assert_false(look(*state, &alarm));
}

static void minutes_are_enough_to_compare_with_but_not_less(void **state)
{
    struct cpu_watch_alarm alarm;
    route_history_pass(*state, "cache", 240, 100, 200);
    route_history_pass(*state, "cache", 32, 100, 2000);
    assert_false(look(*state, &alarm));

    assert_int_equal(stop(state), 0);
    assert_int_equal(start(state), 0);
    route_history_pass(*state, "cache", 420, 100, 200);
    route_history_pass(*state, "cache", 32, 100, 2000);
    assert_true(look(*state, &alarm));
}

static void a_few_costly_requests_are_no_alarm(void **state)
{
    struct cpu_watch_alarm alarm;
    route_history_pass(*state, "emojify", 3600, 1, 1000);
    route_history_pass(*state, "emojify", 32, 3, 100000); /* fewer than 100 in the window */
    assert_false(look(*state, &alarm));
    route_history_pass(*state, "emojify", 32, 4, 100000);
    assert_true(look(*state, &alarm));
}

static void what_takes_less_than_a_hundredth_of_a_core_is_no_alarm(void **state)
{
    struct cpu_watch_alarm alarm;
    route_history_pass(*state, "health", 3600, 10, 50);
    route_history_pass(*state, "health", 32, 10, 900);
    assert_false(look(*state, &alarm));
}

static void what_operators_ask_for_is_no_alarm(void **state)
{
    struct cpu_watch_alarm alarm;
    route_history_pass(*state, "pprof", 3600, 10, 200);
    route_history_pass(*state, "pprof", 32, 10, 90000);
    assert_false(look(*state, &alarm));
}

static void of_two_the_worse_is_named(void **state)
{
    struct route_history *history = *state;
    struct cpu_watch_alarm alarm;
    for (int minute = 0; minute < 20; minute++) {
        route_history_pass(history, "cache", 30, 200, 200);
        route_history_pass(history, "emojify", 30, 200, 1000);
    }
    route_history_pass(history, "cache", 15, 200, 900);
    route_history_pass(history, "emojify", 15, 200, 9000);
    assert_true(look(history, &alarm));
    assert_string_equal(alarm.route, "emojify");
}

int main(void)
{
#define WATCH_TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)
    const struct CMUnitTest tests[] = {
        WATCH_TEST(a_route_that_costs_thrice_as_much_is_named),
        WATCH_TEST(somewhat_more_than_before_is_no_alarm),
        WATCH_TEST(more_requests_of_the_same_cost_are_no_alarm),
        WATCH_TEST(minutes_are_enough_to_compare_with_but_not_less),
        WATCH_TEST(a_few_costly_requests_are_no_alarm),
        WATCH_TEST(what_takes_less_than_a_hundredth_of_a_core_is_no_alarm),
        WATCH_TEST(what_operators_ask_for_is_no_alarm),
        WATCH_TEST(of_two_the_worse_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
