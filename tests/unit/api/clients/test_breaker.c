/* SPDX-License-Identifier: MIT */
#include "api/clients/breaker.h"

#include <pthread.h>
#include <string.h>

#include "lib/base/clock.h"
#include "support/cmocka.h"

struct fixture {
    struct breaker breaker;
    int64_t now_ns;
    unsigned opened;
    unsigned closed;
};

static void on_change(void *context, bool open)
{
    struct fixture *fixture = context;
    if (open)
        fixture->opened++;
    else
        fixture->closed++;
}

static int set_up(void **state)
{
    static struct fixture fixture;
    fixture = (struct fixture){.now_ns = 7 * NS_PER_S};
    breaker_init(&fixture.breaker, "the cache", on_change, &fixture);
    *state = &fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    breaker_release(&fixture->breaker);
    return 0;
}

static void pass_time(struct fixture *fixture, int64_t ms)
{
    fixture->now_ns += ms * NS_PER_MS;
}

static struct breaker_pass enter(struct fixture *fixture)
{
    struct breaker_pass pass;
    struct err_buf why = {.text = ""};
    assert_int_equal(breaker_enter(&fixture->breaker, fixture->now_ns, 0, &pass, &why), APP_OK);
    return pass;
}

static void assert_refused(struct fixture *fixture)
{
    struct breaker_pass pass;
    struct err_buf why = {.text = ""};
    assert_int_equal(breaker_enter(&fixture->breaker, fixture->now_ns, 0, &pass, &why),
                     APP_UNAVAILABLE);
    assert_string_equal(why.text, "the cache is not available now, try again later");
}

static void leave(struct fixture *fixture, struct breaker_pass pass, enum breaker_outcome outcome)
{
    breaker_leave(&fixture->breaker, &pass, outcome, fixture->now_ns);
}

static void call(struct fixture *fixture, enum breaker_outcome outcome, int times)
{
    for (int i = 0; i < times; i++)
        leave(fixture, enter(fixture), outcome);
}

static enum breaker_state state_of(struct fixture *fixture)
{
    return breaker_state(&fixture->breaker, fixture->now_ns);
}

static void open_it(struct fixture *fixture)
{
    call(fixture, BREAKER_FAILED, BREAKER_IN_ROW);
    assert_int_equal(state_of(fixture), BREAKER_OPEN);
}

static void it_opens_at_five_failures_in_a_row_and_not_at_four(void **state)
{
    struct fixture *fixture = *state;
    call(fixture, BREAKER_FAILED, 4);
    call(fixture, BREAKER_ANSWERED, 1);
    call(fixture, BREAKER_FAILED, 4);
    assert_int_equal(state_of(fixture), BREAKER_CLOSED);
    call(fixture, BREAKER_FAILED, 1);
    assert_int_equal(state_of(fixture), BREAKER_OPEN);
    assert_int_equal(fixture->opened, 1);
    assert_refused(fixture);
}

static void it_opens_when_half_of_the_last_twenty_failed(void **state)
{
    struct fixture *fixture = *state;
    call(fixture, BREAKER_ANSWERED, 2); /* two that are forgotten later */
    for (int i = 0; i < 9; i++) {
        call(fixture, BREAKER_ANSWERED, 1);
        call(fixture, BREAKER_FAILED, 1);
    }
    assert_int_equal(fixture->breaker.known, 20);
    assert_int_equal(state_of(fixture), BREAKER_CLOSED); /* 9 of 20 */
    call(fixture, BREAKER_FAILED, 1);
    assert_int_equal(state_of(fixture), BREAKER_OPEN);
}

static void a_few_calls_of_which_half_failed_do_not_open_it(void **state)
{
    struct fixture *fixture = *state;
    for (int i = 0; i < 9; i++) {
        call(fixture, BREAKER_FAILED, 1);
        call(fixture, BREAKER_ANSWERED, 1);
    }
    assert_int_equal(state_of(fixture), BREAKER_CLOSED);
}

static void calls_that_say_nothing_neither_open_it_nor_break_a_row(void **state)
{
    struct fixture *fixture = *state;
    call(fixture, BREAKER_UNKNOWN, 100);
    call(fixture, BREAKER_FAILED, 4);
    call(fixture, BREAKER_UNKNOWN, 1);
    assert_int_equal(state_of(fixture), BREAKER_CLOSED);
    call(fixture, BREAKER_FAILED, 1);
    assert_int_equal(state_of(fixture), BREAKER_OPEN);
}

static void after_the_pause_one_call_at_a_time_passes(void **state)
{
    struct fixture *fixture = *state;
    open_it(fixture);
    pass_time(fixture, BREAKER_PAUSE_MS - 1);
    assert_refused(fixture);
    pass_time(fixture, 1);
    assert_int_equal(state_of(fixture), BREAKER_HALF_OPEN);
    struct breaker_pass probe = enter(fixture);
    assert_true(probe.probe);
    assert_refused(fixture);
    pass_time(fixture, 60000);
    assert_refused(fixture);
    leave(fixture, probe, BREAKER_ANSWERED);
    assert_int_equal(state_of(fixture), BREAKER_CLOSED);
    assert_int_equal(fixture->closed, 1);
    assert_false(enter(fixture).probe);
    assert_false(enter(fixture).probe);
}

static void a_probe_that_fails_begins_another_pause(void **state)
{
    struct fixture *fixture = *state;
    open_it(fixture);
    for (int i = 0; i < 3; i++) {
        pass_time(fixture, BREAKER_PAUSE_MS);
        struct breaker_pass probe = enter(fixture);
        pass_time(fixture, 2000);
        leave(fixture, probe, BREAKER_FAILED);
        assert_int_equal(state_of(fixture), BREAKER_OPEN);
        pass_time(fixture, BREAKER_PAUSE_MS - 1);
        assert_refused(fixture);
        pass_time(fixture, 1);
    }
    assert_int_equal(fixture->opened, 1); /* it was open all the time */
    assert_int_equal(fixture->closed, 0);
}

static void a_probe_that_says_nothing_makes_room_for_the_next_at_once(void **state)
{
    struct fixture *fixture = *state;
    open_it(fixture);
    pass_time(fixture, BREAKER_PAUSE_MS);
    leave(fixture, enter(fixture), BREAKER_UNKNOWN);
    assert_int_equal(state_of(fixture), BREAKER_HALF_OPEN);
    assert_true(enter(fixture).probe);
}

static void calls_from_before_it_opened_say_nothing_afterwards(void **state)
{
    struct fixture *fixture = *state;
    struct breaker_pass early = enter(fixture);
    struct breaker_pass other = enter(fixture);
    open_it(fixture);
    leave(fixture, early, BREAKER_ANSWERED);
    assert_int_equal(state_of(fixture), BREAKER_OPEN);
    pass_time(fixture, BREAKER_PAUSE_MS);
    leave(fixture, other, BREAKER_FAILED); /* begins no new pause */
    assert_int_equal(state_of(fixture), BREAKER_HALF_OPEN);
}

static void one_that_closed_begins_with_a_clean_record(void **state)
{
    struct fixture *fixture = *state;
    open_it(fixture);
    pass_time(fixture, BREAKER_PAUSE_MS);
    call(fixture, BREAKER_ANSWERED, 1);
    call(fixture, BREAKER_FAILED, 4);
    assert_int_equal(state_of(fixture), BREAKER_CLOSED);
}

/* --- Who comes while a probe is under way ------------------------------------------- */

enum { CALLERS = 4, PATIENCE_MS = 20000 };

struct caller {
    struct fixture *fixture;
    pthread_t thread;
    int64_t patience_ns;
    struct breaker_pass pass;
    enum app_err err;
    int64_t waited_ns;
};

static void *come(void *object)
{
    struct caller *caller = object;
    struct err_buf why = {.text = ""};
    int64_t began_ns = clock_now_ns();
    caller->err = breaker_enter(&caller->fixture->breaker, caller->fixture->now_ns,
                                caller->patience_ns, &caller->pass, &why);
    caller->waited_ns = clock_now_ns() - began_ns;
    return NULL;
}

static void begin(struct fixture *fixture, struct caller *callers, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        callers[i] =
            (struct caller){.fixture = fixture, .patience_ns = deadline_in_ms(PATIENCE_MS)};
        assert_int_equal(pthread_create(&callers[i].thread, NULL, come, &callers[i]), 0);
    }
    deadline_sleep(deadline_in_ms(50)); /* they wait now */
}

static size_t join(struct caller *callers, size_t count)
{
    size_t passed = 0;
    for (size_t i = 0; i < count; i++) {
        pthread_join(callers[i].thread, NULL);
        assert_true(callers[i].waited_ns < PATIENCE_MS / 2 * NS_PER_MS);
        passed += callers[i].err == APP_OK;
    }
    return passed;
}

static struct breaker_pass probe_after(struct fixture *fixture, int64_t ms)
{
    open_it(fixture);
    pass_time(fixture, ms);
    struct breaker_pass probe = enter(fixture);
    assert_true(probe.probe);
    return probe;
}

static void nobody_waits_for_a_probe_soon_after_a_failure(void **state)
{
    struct caller caller;
    struct breaker_pass probe = probe_after(*state, BREAKER_STALE_MS - 1);
    assert_false(probe.stale);
    begin(*state, &caller, 1);
    assert_int_equal(join(&caller, 1), 0);
    leave(*state, probe, BREAKER_ANSWERED);
}

static void who_comes_later_waits_for_the_probe_and_passes_with_it(void **state)
{
    struct caller callers[CALLERS];
    struct breaker_pass probe = probe_after(*state, BREAKER_STALE_MS);
    begin(*state, callers, CALLERS);
    leave(*state, probe, BREAKER_ANSWERED);
    assert_int_equal(join(callers, CALLERS), CALLERS);
    for (size_t i = 0; i < CALLERS; i++)
        assert_false(callers[i].pass.probe);
    assert_int_equal(state_of(*state), BREAKER_CLOSED);
}

static void who_waits_is_refused_when_the_probe_fails(void **state)
{
    struct caller callers[CALLERS];
    struct breaker_pass probe = probe_after(*state, BREAKER_STALE_MS);
    begin(*state, callers, CALLERS);
    leave(*state, probe, BREAKER_FAILED);
    assert_int_equal(join(callers, CALLERS), 0);
}

static void one_who_waits_probes_when_the_first_probe_says_nothing(void **state)
{
    struct fixture *fixture = *state;
    struct caller caller;
    struct breaker_pass probe = probe_after(fixture, BREAKER_STALE_MS);
    begin(fixture, &caller, 1);
    leave(fixture, probe, BREAKER_UNKNOWN);
    assert_int_equal(join(&caller, 1), 1);
    assert_true(caller.pass.probe);
    leave(fixture, caller.pass, BREAKER_ANSWERED);
    assert_int_equal(state_of(fixture), BREAKER_CLOSED);
}

static void nobody_waits_longer_than_he_wants(void **state)
{
    struct breaker_pass probe = probe_after(*state, BREAKER_STALE_MS);
    struct caller caller = {.fixture = *state, .patience_ns = deadline_in_ms(30)};
    (void)come(&caller);
    assert_int_equal(caller.err, APP_UNAVAILABLE);
    assert_true(caller.waited_ns >= 29 * NS_PER_MS);
    leave(*state, probe, BREAKER_ANSWERED);
}

static void a_stale_probe_that_vouches_closes_it_and_is_an_ordinary_call(void **state)
{
    struct fixture *fixture = *state;
    struct caller callers[CALLERS];
    struct breaker_pass probe = probe_after(fixture, BREAKER_STALE_MS);
    begin(fixture, callers, CALLERS);
    breaker_vouch(&fixture->breaker, &probe);
    assert_int_equal(join(callers, CALLERS), CALLERS);
    leave(fixture, probe, BREAKER_FAILED);
    call(fixture, BREAKER_FAILED, BREAKER_IN_ROW - 2);
    assert_int_equal(state_of(fixture), BREAKER_CLOSED);
    call(fixture, BREAKER_FAILED, 1); /* the probe's own failure counted as one */
    assert_int_equal(state_of(fixture), BREAKER_OPEN);
}

/* In an outage a box that answers /info and nothing else must not close it again and again. */
static void any_other_probe_decides_by_its_call_alone(void **state)
{
    struct fixture *fixture = *state;
    struct breaker_pass probe = probe_after(fixture, BREAKER_PAUSE_MS);
    breaker_vouch(&fixture->breaker, &probe);
    assert_true(probe.probe);
    assert_refused(fixture);
    leave(fixture, probe, BREAKER_FAILED);
    assert_int_equal(state_of(fixture), BREAKER_OPEN);
}

static void without_a_breaker_everything_passes(void **state)
{
    (void)state;
    struct breaker_pass pass;
    assert_int_equal(breaker_enter(NULL, 1, 0, &pass, NULL), APP_OK);
    assert_false(pass.probe);
    breaker_vouch(NULL, &pass);
    breaker_leave(NULL, &pass, BREAKER_FAILED, 1);
}

static void what_an_upstream_says_of_one_request_is_an_answer(void **state)
{
    (void)state;
    assert_int_equal(breaker_judge_http(APP_OK, 200, true), BREAKER_ANSWERED);
    assert_int_equal(breaker_judge_http(APP_OK, 400, true), BREAKER_ANSWERED);
    assert_int_equal(breaker_judge_http(APP_OK, 499, true), BREAKER_ANSWERED);
    assert_int_equal(breaker_judge_http(APP_OK, 500, true), BREAKER_FAILED);
    assert_int_equal(breaker_judge_http(APP_UPSTREAM_FAILED, 0, true), BREAKER_FAILED);
    assert_int_equal(breaker_judge_http(APP_UPSTREAM_TIMEOUT, 0, true), BREAKER_FAILED);
    assert_int_equal(breaker_judge_http(APP_UPSTREAM_TIMEOUT, 0, false), BREAKER_UNKNOWN);
    assert_int_equal(breaker_judge_http(APP_CLIENT_GONE, 0, true), BREAKER_UNKNOWN);
    assert_int_equal(breaker_judge_http(APP_NO_MEMORY, 0, true), BREAKER_UNKNOWN);
}

static void time_that_was_cut_short_is_told_from_time_in_full(void **state)
{
    (void)state;
    assert_true(breaker_is_full_time(0, 2000 * NS_PER_MS, 2000));
    assert_true(breaker_is_full_time(150 * NS_PER_MS, 2000 * NS_PER_MS, 2000)); /* a busy machine */
    assert_false(breaker_is_full_time(500 * NS_PER_MS, 2000 * NS_PER_MS, 2000));
    assert_true(breaker_is_full_time(0, 5 * NS_PER_MS, 0)); /* nothing is due */
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(it_opens_at_five_failures_in_a_row_and_not_at_four),
        TEST(it_opens_when_half_of_the_last_twenty_failed),
        TEST(a_few_calls_of_which_half_failed_do_not_open_it),
        TEST(calls_that_say_nothing_neither_open_it_nor_break_a_row),
        TEST(after_the_pause_one_call_at_a_time_passes),
        TEST(a_probe_that_fails_begins_another_pause),
        TEST(a_probe_that_says_nothing_makes_room_for_the_next_at_once),
        TEST(calls_from_before_it_opened_say_nothing_afterwards),
        TEST(one_that_closed_begins_with_a_clean_record),
        TEST(nobody_waits_for_a_probe_soon_after_a_failure),
        TEST(who_comes_later_waits_for_the_probe_and_passes_with_it),
        TEST(who_waits_is_refused_when_the_probe_fails),
        TEST(one_who_waits_probes_when_the_first_probe_says_nothing),
        TEST(nobody_waits_longer_than_he_wants),
        TEST(a_stale_probe_that_vouches_closes_it_and_is_an_ordinary_call),
        TEST(any_other_probe_decides_by_its_call_alone),
        cmocka_unit_test(without_a_breaker_everything_passes),
        cmocka_unit_test(time_that_was_cut_short_is_told_from_time_in_full),
        cmocka_unit_test(what_an_upstream_says_of_one_request_is_an_answer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
