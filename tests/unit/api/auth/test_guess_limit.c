/* SPDX-License-Identifier: MIT */
/* Wrong tokens are counted by address, for a minute, over all processes. */
#include "api/auth/guess_limit.h"

#include <stdio.h>

#include "lib/base/clock.h"
#include "support/cmocka.h"
#include "support/temp_dir.h"

#define MINUTE_NS (GUESS_WINDOW_MS * NS_PER_MS)
#define START_NS  (1000 * MINUTE_NS)

struct fixture {
    struct temp_dir dir;
    struct guess_limit *limit;
};

static int set_up(void **state)
{
    static struct fixture fixture;
    temp_dir_init(&fixture.dir);
    assert_int_equal(guess_limit_new(fixture.dir.path, &fixture.limit), APP_OK);
    *state = &fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    guess_limit_free(&fixture->limit);
    assert_null(fixture->limit);
    temp_dir_release(&fixture->dir);
    return 0;
}

static void guess(struct guess_limit *limit, const char *address, int times, int64_t now_ns)
{
    for (int i = 0; i < times; i++)
        guess_limit_wrong(limit, address, now_ns);
}

static void the_twentieth_guess_blocks_for_a_minute(void **state)
{
    const struct fixture *fixture = *state;
    int64_t later_ns = START_NS + MINUTE_NS / 2;
    guess(fixture->limit, "192.0.2.1", GUESSES_MAX - 1, START_NS);
    assert_int_equal(guess_limit_blocked_ms(fixture->limit, "192.0.2.1", later_ns), 0);
    guess(fixture->limit, "192.0.2.1", 1, later_ns);
    assert_int_equal(guess_limit_blocked_ms(fixture->limit, "192.0.2.1", later_ns),
                     GUESS_WINDOW_MS);
    assert_int_equal(guess_limit_blocked_ms(fixture->limit, "192.0.2.1", later_ns + MINUTE_NS - 1),
                     1);
    assert_int_equal(guess_limit_blocked_ms(fixture->limit, "192.0.2.1", later_ns + MINUTE_NS), 0);
    guess(fixture->limit, "192.0.2.1", GUESSES_MAX - 1, later_ns + MINUTE_NS);
    assert_int_equal(guess_limit_blocked_ms(fixture->limit, "192.0.2.1", later_ns + MINUTE_NS), 0);
}

static void guesses_of_an_earlier_minute_do_not_count(void **state)
{
    const struct fixture *fixture = *state;
    for (int i = 0; i < 10; i++)
        guess(fixture->limit, "192.0.2.1", GUESSES_MAX - 1, START_NS + i * MINUTE_NS);
    assert_int_equal(guess_limit_blocked_ms(fixture->limit, "192.0.2.1", START_NS + 9 * MINUTE_NS),
                     0);
}

static void each_address_counts_for_itself(void **state)
{
    const struct fixture *fixture = *state;
    static const struct {
        const char *guesses;
        const char *same;
        const char *other;
    } cases[] = {
        {"192.0.2.1", "::ffff:192.0.2.1", "192.0.2.2"},
        {"2001:db8:1:2::3", "2001:db8:1:2:ffff::9", "2001:db8:1:3::3"},
        {NULL, "what is no address", "192.0.2.3"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        guess(fixture->limit, cases[i].guesses, GUESSES_MAX, START_NS);
        assert_true(guess_limit_blocked_ms(fixture->limit, cases[i].guesses, START_NS) > 0);
        assert_true(guess_limit_blocked_ms(fixture->limit, cases[i].same, START_NS) > 0);
        assert_int_equal(guess_limit_blocked_ms(fixture->limit, cases[i].other, START_NS), 0);
    }
}

static void processes_count_together(void **state)
{
    const struct fixture *fixture = *state;
    struct guess_limit *sibling = NULL;
    assert_int_equal(guess_limit_new(fixture->dir.path, &sibling), APP_OK);
    guess(fixture->limit, "192.0.2.1", GUESSES_MAX / 2, START_NS);
    guess(sibling, "192.0.2.1", GUESSES_MAX / 2, START_NS);
    assert_true(guess_limit_blocked_ms(fixture->limit, "192.0.2.1", START_NS) > 0);
    assert_true(guess_limit_blocked_ms(sibling, "192.0.2.1", START_NS) > 0);
    guess_limit_free(&sibling);
}

/* More addresses than there is room for: those that are blocked stay so. */
static void many_addresses_free_no_blocked_one(void **state)
{
    const struct fixture *fixture = *state;
    guess(fixture->limit, "192.0.2.1", GUESSES_MAX, START_NS);
    for (int i = 0; i < 20000; i++) {
        char address[32];
        (void)snprintf(address, sizeof(address), "10.%d.%d.%d", i / 65536, i / 256 % 256, i % 256);
        guess(fixture->limit, address, 1 + i % GUESSES_MAX, START_NS + 1);
    }
    assert_true(guess_limit_blocked_ms(fixture->limit, "192.0.2.1", START_NS + 1) > 0);
}

static void times_of_before_the_last_boot_mean_nothing(void **state)
{
    const struct fixture *fixture = *state;
    guess(fixture->limit, "192.0.2.1", GUESSES_MAX, START_NS);
    assert_int_equal(guess_limit_blocked_ms(fixture->limit, "192.0.2.1", NS_PER_S), 0);
    guess(fixture->limit, "192.0.2.1", GUESSES_MAX, NS_PER_S);
    assert_true(guess_limit_blocked_ms(fixture->limit, "192.0.2.1", NS_PER_S) > 0);
}

static void without_a_directory_a_process_counts_alone(void **state)
{
    (void)state;
    struct guess_limit *limit = NULL;
    assert_int_equal(guess_limit_new("/proc/self/nothing", &limit), APP_OK);
    guess(limit, "192.0.2.1", GUESSES_MAX, START_NS);
    assert_true(guess_limit_blocked_ms(limit, "192.0.2.1", START_NS) > 0);
    guess_limit_free(&limit);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_twentieth_guess_blocks_for_a_minute),
        TEST(guesses_of_an_earlier_minute_do_not_count),
        TEST(each_address_counts_for_itself),
        TEST(processes_count_together),
        TEST(many_addresses_free_no_blocked_one),
        TEST(times_of_before_the_last_boot_mean_nothing),
        cmocka_unit_test(without_a_directory_a_process_counts_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
