/* SPDX-License-Identifier: MIT */
#include "support/cmocka.h"

#include <stdatomic.h>
#include <time.h>

#include "lib/base/clock.h"
#include "lib/base/ticker.h"

static void count(void *context)
{
    atomic_fetch_add((atomic_int *)context, 1);
}

static void sleep_ms(int ms)
{
    (void)nanosleep(&(struct timespec){0, ms * NS_PER_MS}, NULL);
}

static void chores_run_at_once_and_again_each_at_its_own_pace(void **state)
{
    (void)state;
    atomic_int often = 0, seldom = 0;
    const struct chore chores[] = {{count, &often, 5}, {count, &seldom, 60 * 1000}};
    struct ticker *ticker;
    assert_int_equal(ticker_new(chores, 2, &ticker), APP_OK);
    int64_t deadline = deadline_in_ms(10 * 1000);
    while (often < 5 && clock_now_ns() < deadline)
        sleep_ms(1);
    ticker_free(&ticker);
    assert_null(ticker);
    assert_true(often >= 5);
    assert_int_equal(seldom, 1);
}

static void none_runs_after_the_end(void **state)
{
    (void)state;
    atomic_int runs = 0;
    struct ticker *ticker;
    assert_int_equal(ticker_new(&(struct chore){count, &runs, 1}, 1, &ticker), APP_OK);
    ticker_free(&ticker);
    int seen = runs;
    sleep_ms(20);
    assert_int_equal(runs, seen);
    ticker_free(&ticker); /* NULL: nothing */
}

static void the_end_does_not_wait_for_the_next_run(void **state)
{
    (void)state;
    atomic_int runs = 0;
    struct ticker *ticker;
    int64_t started = clock_now_ns();
    assert_int_equal(ticker_new(&(struct chore){count, &runs, 3600 * 1000}, 1, &ticker), APP_OK);
    ticker_free(&ticker);
    assert_true(clock_now_ns() - started < 5 * NS_PER_S);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(chores_run_at_once_and_again_each_at_its_own_pace),
        cmocka_unit_test(none_runs_after_the_end),
        cmocka_unit_test(the_end_does_not_wait_for_the_next_run),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
