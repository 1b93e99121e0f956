/* SPDX-License-Identifier: MIT */
/* How many pictures are fetched in a pool, and what part of that one origin has. */
#include "api/jobs/turn.h"

#include <pthread.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "support/cmocka.h"
#include "support/process.h"
#include "support/sibling.h"

enum { PATIENCE_MS = 20000, SHORT_MS = 150, ORIGIN_A = 1, ORIGIN_B, ORIGIN_C, ORIGIN_D };

/* One is worked on, four wait, eight are fetched. */
static struct turn_call call_for(enum turn_kind kind, uint64_t origin, int64_t ms)
{
    return (struct turn_call){.kind = kind,
                              .running = 1,
                              .waiting = 4,
                              .fetching = 8,
                              .origin = origin,
                              .deadline_ns = deadline_in_ms(ms)};
}

static enum app_err try_fetch(struct table *table, uint64_t origin, struct turn *turn)
{
    const struct turn_call call = call_for(TURN_JOB, origin, SHORT_MS);
    *turn = (struct turn){.memory = NULL};
    return turn_fetch(table, &call, turn, NULL);
}

static void fetch(struct table *table, uint64_t origin, size_t count, struct turn *turns)
{
    for (size_t i = 0; i < count; i++)
        assert_int_equal(try_fetch(table, origin, &turns[i]), APP_OK);
}

static void end_all(struct turn *turns, size_t count)
{
    for (size_t i = 0; i < count; i++)
        turn_end(&turns[i]);
}

static struct turn_state state_of(struct table *table)
{
    const struct turn_call call = call_for(TURN_REQUEST, 0, 0);
    return turn_state_read(table, &call);
}

/* --- One who waits, in a thread of its own --------------------------------------- */

struct waiter {
    pthread_t thread;
    _Atomic pid_t id;
    struct table *table;
    struct turn_call call;
    struct turn turn;
    enum app_err err;
    atomic_bool fetches;
};

static void *wait_for_it(void *argument)
{
    struct waiter *waiter = argument;
    atomic_store(&waiter->id, gettid());
    waiter->err = turn_fetch(waiter->table, &waiter->call, &waiter->turn, NULL);
    atomic_store(&waiter->fetches, waiter->err == APP_OK);
    return NULL;
}

static void start_waiter(struct waiter *waiter, struct table *table, struct turn_call call)
{
    *waiter = (struct waiter){.table = table, .call = call};
    assert_int_equal(pthread_create(&waiter->thread, NULL, wait_for_it, waiter), 0);
    while (atomic_load(&waiter->id) == 0)
        sleep_ms(1);
    sibling_await_waiting(table, waiter->id);
}

static void end_waiter(struct waiter *waiter)
{
    assert_int_equal(pthread_join(waiter->thread, NULL), 0);
    turn_end(&waiter->turn);
}

/* --- Tests ----------------------------------------------------------------------- */

static void who_fetches_holds_no_turn_at_the_cores(void **state)
{
    struct sibling_fixture *fixture = *state;
    struct turn fetching, other = {.memory = NULL};
    const struct turn_call bytes = call_for(TURN_REQUEST, 0, SHORT_MS);
    const struct turn_call fetched = call_for(TURN_JOB, ORIGIN_A, SHORT_MS);
    fetch(fixture->table, ORIGIN_A, 1, &fetching);
    assert_int_equal(turn_take(fixture->table, &bytes, &other, NULL), APP_OK);
    assert_int_equal(state_of(fixture->table).fetching, 1);
    assert_int_equal(state_of(fixture->table).running, 1);
    assert_int_equal(state_of(fixture->table).waiting, 0);
    turn_end(&other);
    assert_int_equal(turn_take(fixture->table, &fetched, &fetching, NULL), APP_OK);
    assert_int_equal(state_of(fixture->table).fetching, 0);
    assert_int_equal(state_of(fixture->table).running, 1);
    turn_end(&fetching);
}

static void an_origin_leaves_the_last_quarter_to_others(void **state)
{
    struct sibling_fixture *fixture = *state;
    struct turn slow[6], more, others[2];
    fetch(fixture->table, ORIGIN_A, 6, slow);
    assert_int_equal(try_fetch(fixture->table, ORIGIN_A, &more), APP_UNAVAILABLE);
    fetch(fixture->table, ORIGIN_B, 1, &others[0]);
    fetch(fixture->table, ORIGIN_C, 1, &others[1]);
    assert_int_equal(try_fetch(fixture->table, ORIGIN_D, &more), APP_UNAVAILABLE);
    assert_int_equal(state_of(fixture->table).fetching, 8);
    end_all(others, 2);
    end_all(slow, 6);
    assert_int_equal(state_of(fixture->table).fetching, 0);
}

static void while_another_origin_waits_nobody_is_given_more_than_a_quarter(void **state)
{
    struct sibling_fixture *fixture = *state;
    struct turn slow[6], others[2];
    struct waiter same, other;
    fetch(fixture->table, ORIGIN_A, 6, slow);
    fetch(fixture->table, ORIGIN_B, 2, others);
    start_waiter(&same, fixture->table, call_for(TURN_JOB, ORIGIN_A, PATIENCE_MS));
    start_waiter(&other, fixture->table, call_for(TURN_JOB, ORIGIN_C, PATIENCE_MS));
    turn_end(&slow[0]);
    while (!atomic_load(&other.fetches))
        sleep_ms(1);
    sleep_ms(SHORT_MS);
    assert_false(atomic_load(&same.fetches)); /* though it came first */
    end_all(slow, 6);
    end_waiter(&same);
    end_waiter(&other);
    assert_int_equal(same.err, APP_OK);
    end_all(others, 2);
}

/* Two are fetched from A in this process, so that more of A wait. */
static void an_origin_leaves_the_last_quarter_of_the_queue_to_others(void **state)
{
    struct sibling_fixture *fixture = *state;
    struct turn slow[4], more = {.memory = NULL};
    struct waiter waiting[4];
    struct err_buf why = {.text = ""};
    struct turn_call same = call_for(TURN_REQUEST, ORIGIN_A, PATIENCE_MS);
    fetch(fixture->table, ORIGIN_A, 4, slow);
    same.fetching = 4;
    for (size_t i = 0; i < 3; i++)
        start_waiter(&waiting[i], fixture->table, same);
    assert_int_equal(turn_fetch(fixture->table, &same, &more, &why), APP_BUSY);
    assert_non_null(strstr(why.text, "the queue is full"));
    struct turn_call other = call_for(TURN_REQUEST, ORIGIN_B, PATIENCE_MS);
    other.fetching = 4;
    start_waiter(&waiting[3], fixture->table, other);
    end_all(slow, 4);
    for (size_t i = 0; i < 4; i++) {
        end_waiter(&waiting[i]);
        assert_int_equal(waiting[i].err, APP_OK);
    }
}

static void what_was_fetched_has_its_place_by_when_it_came(void **state)
{
    struct sibling_fixture *fixture = *state;
    struct turn fetching, running = {.memory = NULL}, other = {.memory = NULL};
    const struct turn_call bytes = call_for(TURN_REQUEST, 0, SHORT_MS);
    const struct turn_call fetched = call_for(TURN_JOB, ORIGIN_A, SHORT_MS);
    assert_int_equal(turn_take(fixture->table, &bytes, &running, NULL), APP_OK);
    fetch(fixture->table, ORIGIN_A, 1, &fetching);
    assert_int_equal(turn_take(fixture->table, &fetched, &fetching, NULL), APP_UNAVAILABLE);
    assert_int_equal(state_of(fixture->table).fetching, 0);
    turn_end(&running);
    assert_int_equal(turn_take(fixture->table, &bytes, &other, NULL), APP_OK);
    turn_end(&other);
}

static void one_process_fetches_with_a_quarter_of_its_workers(void **state)
{
    struct sibling_fixture *fixture = *state;
    struct turn turns[5] = {{.memory = NULL}};
    for (size_t i = 0; i < 5; i++) {
        struct turn_call call = call_for(TURN_REQUEST, i + 1, SHORT_MS);
        call.fetching = 100;
        assert_int_equal(turn_fetch(fixture->table, &call, &turns[i], NULL),
                         i < 4 ? APP_OK : APP_UNAVAILABLE);
    }
    end_all(turns, 4);
}

static void by_default_a_quarter_of_the_workers_fetch(void **state)
{
    struct sibling_fixture *fixture = *state;
    const struct turn_call call = {.kind = TURN_REQUEST};
    assert_int_equal(turn_state_read(fixture->table, &call).fetching_max, 4);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, sibling_set_up, sibling_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(who_fetches_holds_no_turn_at_the_cores),
        TEST(an_origin_leaves_the_last_quarter_to_others),
        TEST(while_another_origin_waits_nobody_is_given_more_than_a_quarter),
        TEST(an_origin_leaves_the_last_quarter_of_the_queue_to_others),
        TEST(what_was_fetched_has_its_place_by_when_it_came),
        TEST(one_process_fetches_with_a_quarter_of_its_workers),
        TEST(by_default_a_quarter_of_the_workers_fetch),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
