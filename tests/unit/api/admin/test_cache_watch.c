/* SPDX-License-Identifier: MIT */
#include "support/cmocka.h"

#include <stdio.h>
#include <stdlib.h>

#include "api/admin/cache_watch.h"
#include "lib/base/clock.h"
#include "support/origin.h"

struct fixture {
    struct origin *origin;
    char address[32];
    struct log_sink sink;
    struct log log;
    struct cache_watch watch;
};

static int set_up(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    assert_non_null(fixture);
    fixture->origin = origin_start();
    (void)snprintf(fixture->address, sizeof(fixture->address), "127.0.0.1:%d",
                   origin_port(fixture->origin));
    fixture->sink = (struct log_sink){.fd = -1, .level = LOG_OFF};
    fixture->log = (struct log){.sink = &fixture->sink, .module = "test"};
    fixture->watch = (struct cache_watch){.address = fixture->address, .log = &fixture->log};
    *state = fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    cache_watch_release(&fixture->watch);
    origin_stop(&fixture->origin);
    free(fixture);
    return 0;
}

static void have_taken(struct fixture *fixture, const char *seconds)
{
    char text[128];
    (void)snprintf(text, sizeof(text), "emojify_cache_process_cpu_seconds_total{pid=\"7\"} %s\n",
                   seconds);
    origin_answer(fixture->origin, "/metrics", "200 OK", "", text);
}

static void assert_sight(struct fixture *fixture, bool up, uint64_t cpu_ms)
{
    struct cache_watch_sight sight = cache_watch_look(&fixture->watch);
    assert_int_equal(sight.up, up);
    assert_in_range(sight.cpu_ns, cpu_ms * NS_PER_MS, cpu_ms * NS_PER_MS + 1000);
}

static void the_growth_since_the_last_look_is_told(void **state)
{
    have_taken(*state, "100.5");
    assert_sight(*state, true, 0);
    have_taken(*state, "100.75");
    assert_sight(*state, true, 250);
    assert_sight(*state, true, 0);
}

static void a_service_that_was_started_anew_begins_at_nothing(void **state)
{
    have_taken(*state, "100");
    assert_sight(*state, true, 0);
    have_taken(*state, "1");
    assert_sight(*state, true, 0);
    have_taken(*state, "1.5");
    assert_sight(*state, true, 500);
}

static void what_was_taken_while_nobody_was_told_is_no_peak(void **state)
{
    struct fixture *fixture = *state;
    have_taken(fixture, "1");
    assert_sight(fixture, true, 0);
    origin_answer(fixture->origin, "/metrics", "503 Service Unavailable", "", "");
    assert_sight(fixture, false, 0);
    have_taken(fixture, "90");
    fixture->watch.not_before_ns = 0; /* the pause is over */
    assert_sight(fixture, true, 0);
}

static void a_service_that_does_not_answer_is_left_alone_for_a_while(void **state)
{
    struct fixture *fixture = *state;
    static const struct origin_options late = {.delay_ms = 5 * CACHE_WATCH_TIMEOUT_MS};
    static const char answer[] = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
    origin_on(fixture->origin, "/metrics", answer, sizeof(answer) - 1, &late);
    int64_t before_ns = clock_now_ns();
    assert_sight(fixture, false, 0);
    assert_true(clock_now_ns() - before_ns < 4 * CACHE_WATCH_TIMEOUT_MS * NS_PER_MS);
    assert_sight(fixture, false, 0);
    assert_int_equal(origin_requests(fixture->origin, "/metrics"), 1);
    assert_true(fixture->watch.not_before_ns > before_ns);
}

static void without_an_address_nobody_is_asked(void **state)
{
    struct fixture *fixture = *state;
    fixture->watch.address = "";
    assert_sight(fixture, false, 0);
    fixture->watch.address = NULL;
    assert_sight(fixture, false, 0);
    assert_int_equal(origin_requests(fixture->origin, NULL), 0);
    assert_null(fixture->watch.http);
}

static void cpu_seconds_are_found_whatever_the_program_is_called(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool found;
        uint64_t cpu_ns;
    } cases[] = {
        {"process_cpu_seconds_total 1.5", true, 1500000000},
        {"a 1\nprocess_cpu_seconds_total{pid=\"1\"} 1\nx_process_cpu_seconds_total{a=\"\"} 2\n",
         true, 3000000000},
        {"# HELP process_cpu_seconds_total 5\nprocess_cpu_seconds_total 0\n", true, 0},
        {"# TYPE process_cpu_seconds_total counter\n", false, 0},
        {"process_cpu_seconds_total\n3\n", false, 0},
        {"process_cpu_seconds_total \n3\n", false, 0},
        {"process_cpu_seconds_total{a=\"b\n3\n", false, 0},
        {"process_cpu_seconds_totality 3\n", false, 0},
        {"process_cpu_seconds_total -3\nprocess_cpu_seconds_total NaN\n", false, 0},
        {"process_cpu_seconds_total +Inf\n", false, 0},
        {"", false, 0},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        uint64_t cpu_ns = 99;
        if (cache_watch_parse(cases[i].text, &cpu_ns) != cases[i].found ||
            cpu_ns != cases[i].cpu_ns)
            fail_msg("%s", cases[i].text);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_growth_since_the_last_look_is_told),
        TEST(a_service_that_was_started_anew_begins_at_nothing),
        TEST(what_was_taken_while_nobody_was_told_is_no_peak),
        TEST(a_service_that_does_not_answer_is_left_alone_for_a_while),
        TEST(without_an_address_nobody_is_asked),
        cmocka_unit_test(cpu_seconds_are_found_whatever_the_program_is_called),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
