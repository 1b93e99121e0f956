/* SPDX-License-Identifier: MIT */
/* One does it, the others get what comes of it, and no death or hang leaves them without. */
#include "api/jobs/flight.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "api/jobs/table_private.h"
#include "lib/base/clock.h"
#include "support/cmocka.h"
#include "support/process.h"
#include "support/sibling.h"

enum { PATIENCE_MS = 10000 };

static struct flight_call call_for(const char *key, int64_t ms)
{
    return (struct flight_call){.kind = FLIGHT_GET,
                                .key = key,
                                .since_ns = clock_now_ns(),
                                .deadline_ns = deadline_in_ms(ms)};
}

static struct flight own(struct table *table, const char *key, int64_t ms)
{
    const struct flight_call call = call_for(key, ms);
    struct flight_outcome outcome;
    struct flight flight;
    assert_int_equal(flight_begin(table, &call, &flight, &outcome), FLIGHT_OWNER);
    return flight;
}

/* --- One who waits, in a thread of its own --------------------------------------- */

struct waiter {
    pthread_t thread;
    _Atomic pid_t id;
    struct table *table;
    struct flight_call call;
    enum flight_role role;
    struct flight flight;
    struct flight_outcome outcome;
};

static void *wait_for_it(void *argument)
{
    struct waiter *waiter = argument;
    atomic_store(&waiter->id, gettid());
    waiter->role = flight_begin(waiter->table, &waiter->call, &waiter->flight, &waiter->outcome);
    return NULL;
}

static void start_waiter(struct waiter *waiter, struct table *table, const char *key, int64_t ms)
{
    *waiter = (struct waiter){.table = table, .call = call_for(key, ms)};
    assert_int_equal(pthread_create(&waiter->thread, NULL, wait_for_it, waiter), 0);
    while (atomic_load(&waiter->id) == 0)
        sleep_ms(1);
    sibling_await_waiting(table, waiter->id);
}

static void end_waiter(struct waiter *waiter)
{
    assert_int_equal(pthread_join(waiter->thread, NULL), 0);
}

/* --- Roles ----------------------------------------------------------------------- */

static void the_first_owns_and_the_next_gets_what_came_of_it(void **state)
{
    struct sibling_fixture *fixture = *state;
    struct waiter waiters[3];
    struct flight_outcome outcome = {.payload = "a result"};
    struct flight flight = own(fixture->table, "a", PATIENCE_MS);
    for (size_t i = 0; i < 3; i++)
        start_waiter(&waiters[i], fixture->table, "a", PATIENCE_MS);
    flight_end(&flight, &outcome);
    for (size_t i = 0; i < 3; i++) {
        end_waiter(&waiters[i]);
        assert_int_equal(waiters[i].role, FLIGHT_DONE);
        assert_int_equal(waiters[i].outcome.err, APP_OK);
        assert_string_equal(waiters[i].outcome.payload, "a result");
    }
}

static void keys_and_kinds_are_told_apart(void **state)
{
    struct sibling_fixture *fixture = *state;
    struct flight_call call = call_for("a", PATIENCE_MS);
    struct flight_outcome outcome;
    struct flight a = own(fixture->table, "a", PATIENCE_MS);
    struct flight b = own(fixture->table, "b", PATIENCE_MS);
    struct flight other;
    call.kind = FLIGHT_PIPELINE;
    assert_int_equal(flight_begin(fixture->table, &call, &other, &outcome), FLIGHT_OWNER);
    flight_end(&a, NULL);
    flight_end(&b, NULL);
    flight_end(&other, NULL);
}

static void a_wait_ends_at_its_deadline_and_when_it_is_cancelled(void **state)
{
    struct sibling_fixture *fixture = *state;
    atomic_bool cancelled = false;
    struct flight_outcome outcome;
    struct flight other, flight = own(fixture->table, "a", PATIENCE_MS);
    int64_t start_ns = clock_now_ns();
    struct flight_call call = call_for("a", 150);
    assert_int_equal(flight_begin(fixture->table, &call, &other, &outcome), FLIGHT_TIMEOUT);
    assert_in_range(clock_now_ns() - start_ns, 150 * NS_PER_MS, 5 * NS_PER_S);

    struct waiter waiter = {.table = fixture->table, .call = call_for("a", PATIENCE_MS)};
    waiter.call.cancelled = &cancelled;
    assert_int_equal(pthread_create(&waiter.thread, NULL, wait_for_it, &waiter), 0);
    atomic_store(&cancelled, true);
    end_waiter(&waiter);
    assert_int_equal(waiter.role, FLIGHT_TIMEOUT);

    call = call_for("a", PATIENCE_MS);
    call.no_wait = true;
    assert_int_equal(flight_begin(fixture->table, &call, &other, &outcome), FLIGHT_TIMEOUT);
    flight_end(&flight, NULL);
}

static void a_success_is_shared_with_who_saw_the_need_before_it_only(void **state)
{
    struct sibling_fixture *fixture = *state;
    const struct flight_outcome success = {.payload = "x"};
    const struct flight_call before = call_for("a", PATIENCE_MS);
    struct flight_outcome outcome;
    struct flight flight = own(fixture->table, "a", PATIENCE_MS);
    flight_end(&flight, &success);
    assert_int_equal(flight_begin(fixture->table, &before, &flight, &outcome), FLIGHT_DONE);
    flight = own(fixture->table, "a", PATIENCE_MS);
    flight_end(&flight, NULL);
}

static void a_failure_is_shared_with_those_who_waited_only(void **state)
{
    struct sibling_fixture *fixture = *state;
    struct waiter waiter;
    const struct flight_call before = call_for("a", PATIENCE_MS);
    struct flight_outcome outcome = {.err = APP_ORIGIN_FAILED, .text = "it failed"};
    struct flight flight = own(fixture->table, "a", PATIENCE_MS);
    start_waiter(&waiter, fixture->table, "a", PATIENCE_MS);
    flight_end(&flight, &outcome);
    end_waiter(&waiter);
    assert_int_equal(waiter.role, FLIGHT_DONE);
    assert_int_equal(waiter.outcome.err, APP_ORIGIN_FAILED);
    assert_string_equal(waiter.outcome.text, "it failed");
    assert_int_equal(flight_begin(fixture->table, &before, &flight, &outcome), FLIGHT_OWNER);
    flight_end(&flight, NULL);
}

/* --- Takeover -------------------------------------------------------------------- */

static void one_of_those_who_wait_takes_over_when_the_owner_gives_up(void **state)
{
    struct sibling_fixture *fixture = *state;
    struct waiter waiters[3];
    const struct flight_outcome success = {.payload = "x"};
    struct flight flight = own(fixture->table, "a", PATIENCE_MS);
    for (size_t i = 0; i < 3; i++)
        start_waiter(&waiters[i], fixture->table, "a", 3000);
    flight_end(&flight, NULL);
    unsigned owners = 0;
    for (size_t i = 0; i < 3; i++) {
        end_waiter(&waiters[i]); /* the others at their deadline */
        owners += waiters[i].role == FLIGHT_OWNER;
    }
    assert_int_equal(owners, 1);
    for (size_t i = 0; i < 3; i++)
        if (waiters[i].role == FLIGHT_OWNER)
            flight_end(&waiters[i].flight, &success);
}

static void own_a(struct table *table)
{
    (void)own(table, "a", PATIENCE_MS);
}

static void a_waiter_takes_over_from_an_owner_that_was_killed(void **state)
{
    struct sibling_fixture *fixture = *state;
    struct waiter waiter;
    pid_t sibling = sibling_start(fixture->dir.path, fixture->table, own_a);
    start_waiter(&waiter, fixture->table, "a", PATIENCE_MS);
    int64_t start_ns = clock_now_ns();
    sibling_kill(sibling);
    end_waiter(&waiter);
    assert_int_equal(waiter.role, FLIGHT_OWNER);
    assert_in_range(clock_now_ns() - start_ns, 0, 3 * NS_PER_S);
    flight_end(&waiter.flight, NULL);
}

static void own_a_and_die_with_the_lock(struct table *table)
{
    own_a(table);
    (void)table_lock(table);
}

static void nor_does_its_death_under_the_lock_matter(void **state)
{
    struct sibling_fixture *fixture = *state;
    sibling_kill(sibling_start(fixture->dir.path, fixture->table, own_a_and_die_with_the_lock));
    struct flight flight = own(fixture->table, "a", PATIENCE_MS);
    flight_end(&flight, NULL);
    assert_true(table_is_shared(fixture->table));
}

static void an_owner_that_is_long_overdue_is_replaced_and_has_no_say(void **state)
{
    struct sibling_fixture *fixture = *state;
    const struct flight_outcome late = {.payload = "late"};
    struct flight_outcome outcome;
    struct flight_call before = call_for("a", PATIENCE_MS);
    struct flight hung = own(fixture->table, "a", -TABLE_OVERDUE_MS - 1000);
    struct flight flight = own(fixture->table, "a", PATIENCE_MS);
    flight_end(&hung, &late);
    before.no_wait = true;
    assert_int_equal(flight_begin(fixture->table, &before, &hung, &outcome), FLIGHT_TIMEOUT);
    flight_end(&flight, NULL);
}

static void wait_for_a(struct table *table)
{
    static struct waiter waiter;
    start_waiter(&waiter, table, "a", PATIENCE_MS);
}

static void who_waits_and_is_killed_holds_up_nobody(void **state)
{
    struct sibling_fixture *fixture = *state;
    const struct flight_outcome success = {.payload = "x"};
    struct waiter waiter;
    struct flight flight = own(fixture->table, "a", PATIENCE_MS);
    pid_t sibling = sibling_start(fixture->dir.path, fixture->table, wait_for_a);
    start_waiter(&waiter, fixture->table, "a", PATIENCE_MS);
    sibling_kill(sibling);
    int64_t start_ns = clock_now_ns();
    flight_end(&flight, &success);
    end_waiter(&waiter);
    assert_int_equal(waiter.role, FLIGHT_DONE);
    assert_in_range(clock_now_ns() - start_ns, 0, NS_PER_S);
}

/* --- Room ------------------------------------------------------------------------ */

static void without_room_everybody_is_an_owner(void **state)
{
    struct sibling_fixture *fixture = *state;
    static struct flight flights[TABLE_FLIGHTS + 2];
    char key[16];
    for (size_t i = 0; i < TABLE_FLIGHTS + 2; i++) {
        (void)snprintf(key, sizeof(key), "%zu", i < TABLE_FLIGHTS ? i : TABLE_FLIGHTS);
        flights[i] = own(fixture->table, key, PATIENCE_MS);
    }
    assert_null(flights[TABLE_FLIGHTS].memory);
    for (size_t i = 0; i < TABLE_FLIGHTS + 2; i++)
        flight_end(&flights[i], NULL);
    flights[0] = own(fixture->table, "again", PATIENCE_MS);
    assert_non_null(flights[0].memory);
    flight_end(&flights[0], NULL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, sibling_set_up, sibling_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_first_owns_and_the_next_gets_what_came_of_it),
        TEST(keys_and_kinds_are_told_apart),
        TEST(a_wait_ends_at_its_deadline_and_when_it_is_cancelled),
        TEST(a_success_is_shared_with_who_saw_the_need_before_it_only),
        TEST(a_failure_is_shared_with_those_who_waited_only),
        TEST(one_of_those_who_wait_takes_over_when_the_owner_gives_up),
        TEST(a_waiter_takes_over_from_an_owner_that_was_killed),
        TEST(nor_does_its_death_under_the_lock_matter),
        TEST(an_owner_that_is_long_overdue_is_replaced_and_has_no_say),
        TEST(who_waits_and_is_killed_holds_up_nobody),
        TEST(without_room_everybody_is_an_owner),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
