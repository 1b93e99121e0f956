/* SPDX-License-Identifier: MIT */
/* How many run and wait in a pool, who is next, and who is refused. */
#include "api/jobs/turn.h"

#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "api/jobs/table_private.h"
#include "lib/base/clock.h"
#include "support/cmocka.h"
#include "support/process.h"
#include "support/sibling.h"

enum { PATIENCE_MS = 20000 };

/* One runs, two wait. */
static struct turn_call call_for(enum turn_kind kind)
{
    return (struct turn_call){
        .kind = kind, .running = 1, .waiting = 2, .deadline_ns = deadline_in_ms(PATIENCE_MS)};
}

static struct turn take(struct table *table, enum turn_kind kind)
{
    const struct turn_call call = call_for(kind);
    struct turn turn = {.memory = NULL};
    assert_int_equal(turn_take(table, &call, &turn, NULL), APP_OK);
    return turn;
}

static struct turn_state state_of(struct table *table)
{
    const struct turn_call call = call_for(TURN_REQUEST);
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
    _Atomic unsigned *order; /* counts those who had their turn */
    unsigned place;
};

static void *wait_for_it(void *argument)
{
    struct waiter *waiter = argument;
    atomic_store(&waiter->id, gettid());
    waiter->err = turn_take(waiter->table, &waiter->call, &waiter->turn, NULL);
    if (waiter->order) {
        waiter->place = atomic_fetch_add(waiter->order, 1);
        turn_end(&waiter->turn);
    }
    return NULL;
}

static void start_waiter(struct waiter *waiter, struct table *table, enum turn_kind kind)
{
    waiter->table = table;
    if (waiter->call.deadline_ns == 0)
        waiter->call = call_for(kind);
    assert_int_equal(pthread_create(&waiter->thread, NULL, wait_for_it, waiter), 0);
    while (atomic_load(&waiter->id) == 0)
        sleep_ms(1);
    sibling_await_waiting(table, waiter->id);
}

static void end_waiter(struct waiter *waiter)
{
    assert_int_equal(pthread_join(waiter->thread, NULL), 0);
}

/* --- The queue ------------------------------------------------------------------- */

static void turns_are_given_in_the_order_of_arrival(void **state)
{
    struct sibling_fixture *fixture = *state;
    struct waiter waiters[2] = {{.err = APP_OK}};
    _Atomic unsigned order = 0;
    struct turn turn = take(fixture->table, TURN_REQUEST);
    for (size_t i = 0; i < 2; i++) {
        waiters[i].order = &order;
        start_waiter(&waiters[i], fixture->table, TURN_REQUEST);
    }
    assert_int_equal(state_of(fixture->table).running, 1);
    assert_int_equal(state_of(fixture->table).waiting, 2);
    turn_end(&turn);
    for (unsigned i = 0; i < 2; i++) {
        end_waiter(&waiters[i]);
        assert_int_equal(waiters[i].err, APP_OK);
        assert_int_equal(waiters[i].place, i);
    }
    assert_int_equal(state_of(fixture->table).running, 0);
    assert_int_equal(state_of(fixture->table).waiting, 0);
}

static void beyond_the_queue_requests_are_refused_and_jobs_are_not(void **state)
{
    struct sibling_fixture *fixture = *state;
    struct waiter waiters[3] = {{.err = APP_OK}};
    _Atomic unsigned order = 0;
    const struct turn_call call = call_for(TURN_REQUEST);
    struct err_buf why = {.text = ""};
    struct turn other = {.memory = NULL};
    struct turn turn = take(fixture->table, TURN_REQUEST);
    for (size_t i = 0; i < 3; i++) {
        waiters[i].order = &order;
        start_waiter(&waiters[i], fixture->table, i < 2 ? TURN_REQUEST : TURN_JOB);
    }
    assert_int_equal(turn_take(fixture->table, &call, &other, &why), APP_BUSY);
    assert_non_null(strstr(why.text, "the queue is full"));
    assert_int_equal(turn_follow(fixture->table, &call, &other, &why), APP_BUSY);
    turn_end(&other);
    turn_end(&turn);
    for (unsigned i = 0; i < 3; i++) {
        end_waiter(&waiters[i]);
        assert_int_equal(waiters[i].err, APP_OK);
    }
}

static void a_wait_ends_at_its_deadline_and_gives_the_place_back(void **state)
{
    struct sibling_fixture *fixture = *state;
    struct turn_call call = call_for(TURN_REQUEST);
    struct turn other = {.memory = NULL};
    struct turn turn = take(fixture->table, TURN_REQUEST);
    call.deadline_ns = deadline_in_ms(150);
    assert_int_equal(turn_take(fixture->table, &call, &other, NULL), APP_UNAVAILABLE);
    assert_true(clock_now_ns() >= call.deadline_ns);
    assert_int_equal(state_of(fixture->table).waiting, 0);
    turn_end(&other);
    turn_end(&turn);
    turn_end(&turn);
    assert_int_equal(state_of(fixture->table).running, 0);
}

static void a_wait_ends_when_it_is_cancelled(void **state)
{
    struct sibling_fixture *fixture = *state;
    atomic_bool cancelled = false;
    struct waiter waiter = {.call = call_for(TURN_JOB)};
    struct turn turn = take(fixture->table, TURN_REQUEST);
    waiter.call.cancelled = &cancelled;
    start_waiter(&waiter, fixture->table, TURN_JOB);
    atomic_store(&cancelled, true);
    end_waiter(&waiter);
    assert_int_equal(waiter.err, APP_UNAVAILABLE);
    turn_end(&turn);
}

static void who_followed_another_keeps_the_place_in_the_queue(void **state)
{
    struct sibling_fixture *fixture = *state;
    const struct turn_call call = call_for(TURN_REQUEST);
    struct waiter later = {.err = APP_OK};
    struct waiter follower = {.err = APP_OK};
    _Atomic unsigned order = 0;
    struct turn turn = take(fixture->table, TURN_REQUEST);
    assert_int_equal(turn_follow(fixture->table, &call, &follower.turn, NULL), APP_OK);
    assert_int_equal(state_of(fixture->table).waiting, 1);
    later.order = follower.order = &order;
    start_waiter(&later, fixture->table, TURN_REQUEST);
    start_waiter(&follower, fixture->table, TURN_REQUEST);
    turn_end(&turn);
    end_waiter(&later);
    end_waiter(&follower);
    assert_int_equal(follower.place, 0);
    assert_int_equal(later.place, 1);
}

/* --- Siblings -------------------------------------------------------------------- */

static void take_one(struct table *table)
{
    (void)take(table, TURN_REQUEST);
}

static void a_turn_in_another_process_counts_until_that_is_killed(void **state)
{
    struct sibling_fixture *fixture = *state;
    struct waiter waiter = {.err = APP_OK};
    pid_t sibling = sibling_start(fixture->dir.path, fixture->table, take_one);
    assert_int_equal(state_of(fixture->table).running, 1);
    start_waiter(&waiter, fixture->table, TURN_REQUEST);
    sibling_kill(sibling);
    end_waiter(&waiter);
    assert_int_equal(waiter.err, APP_OK);
    turn_end(&waiter.turn);
}

static void take_one_and_die_with_the_lock(struct table *table)
{
    take_one(table);
    (void)table_lock(table);
}

static void a_turn_of_one_that_died_under_the_lock_is_free_at_once(void **state)
{
    struct sibling_fixture *fixture = *state;
    pid_t sibling =
        sibling_start(fixture->dir.path, fixture->table, take_one_and_die_with_the_lock);
    sibling_kill(sibling);
    assert_int_equal(state_of(fixture->table).running, 0);
}

static void wait_for_turn(struct table *table)
{
    static struct waiter waiter;
    start_waiter(&waiter, table, TURN_REQUEST);
}

static void who_is_stopped_while_it_waits_holds_up_nobody(void **state)
{
    struct sibling_fixture *fixture = *state;
    struct turn turn = take(fixture->table, TURN_REQUEST);
    pid_t sibling = sibling_start(fixture->dir.path, fixture->table, wait_for_turn);
    assert_int_equal(kill(sibling, SIGSTOP), 0);
    assert_int_equal(waitpid(sibling, NULL, WUNTRACED), sibling);
    turn_end(&turn);
    int64_t start_ns = clock_now_ns();
    turn = take(fixture->table, TURN_REQUEST);
    assert_in_range(clock_now_ns() - start_ns, 0, 5 * NS_PER_S);
    turn_end(&turn);
    sibling_kill(sibling);
}

/* --- Limits ---------------------------------------------------------------------- */

static struct turn_state default_limits(const char *directory, unsigned workers)
{
    static struct log_sink silent = {.fd = -1, .level = LOG_OFF};
    const struct log log = {.sink = &silent, .module = "test"};
    const struct table_options options = {.directory = directory, .workers = workers, .log = &log};
    const struct turn_call call = {.kind = TURN_REQUEST};
    struct table *table = NULL;
    assert_int_equal(table_new(&options, &table), APP_OK);
    struct turn_state limits = turn_state_read(table, &call);
    table_free(&table);
    return limits;
}

static void what_runs_and_waits_by_default_is_half_the_workers_less_two(void **state)
{
    struct sibling_fixture *fixture = *state;
    const unsigned sizes[] = {16, 17, 40, 256};
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        struct turn_state limits = default_limits(fixture->dir.path, sizes[i]);
        assert_in_range(limits.running_max, 1, sysconf(_SC_NPROCESSORS_ONLN));
        assert_int_equal(limits.running_max + limits.waiting_max, sizes[i] / 2 - 2);
    }
}

static void small_processes_count_the_workers_of_the_pool(void **state)
{
    struct sibling_fixture *fixture = *state; /* whose own table has 16 */
    struct turn_state limits = default_limits(fixture->dir.path, 1);
    assert_int_equal(limits.running_max + limits.waiting_max, 17 / 2 - 2);
    limits = default_limits("/proc/self/nothing", 1);
    assert_int_equal(limits.running_max, 1);
    assert_int_equal(limits.waiting_max, 1);
}

static void take_one_of_many(struct table *table)
{
    struct turn_call call = call_for(TURN_REQUEST);
    struct turn turn = {.memory = NULL};
    call.running = 100;
    assert_int_equal(turn_take(table, &call, &turn, NULL), APP_OK);
}

static void one_process_never_has_more_than_half_its_workers_less_two(void **state)
{
    struct sibling_fixture *fixture = *state;
    struct turn turns[7] = {{.memory = NULL}};
    struct turn_call call = call_for(TURN_REQUEST);
    call.running = 100;
    for (size_t i = 0; i < 6; i++)
        assert_int_equal(turn_take(fixture->table, &call, &turns[i], NULL), APP_OK);
    assert_int_equal(turn_take(fixture->table, &call, &turns[6], NULL), APP_BUSY);
    pid_t sibling = sibling_start(fixture->dir.path, fixture->table, take_one_of_many);
    for (size_t i = 0; i < 6; i++)
        turn_end(&turns[i]);
    assert_int_equal(state_of(fixture->table).running, 1);
    sibling_kill(sibling);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, sibling_set_up, sibling_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(turns_are_given_in_the_order_of_arrival),
        TEST(beyond_the_queue_requests_are_refused_and_jobs_are_not),
        TEST(a_wait_ends_at_its_deadline_and_gives_the_place_back),
        TEST(a_wait_ends_when_it_is_cancelled),
        TEST(who_followed_another_keeps_the_place_in_the_queue),
        TEST(a_turn_in_another_process_counts_until_that_is_killed),
        TEST(a_turn_of_one_that_died_under_the_lock_is_free_at_once),
        TEST(who_is_stopped_while_it_waits_holds_up_nobody),
        TEST(what_runs_and_waits_by_default_is_half_the_workers_less_two),
        TEST(small_processes_count_the_workers_of_the_pool),
        TEST(one_process_never_has_more_than_half_its_workers_less_two),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
