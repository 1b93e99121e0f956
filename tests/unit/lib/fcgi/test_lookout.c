/* SPDX-License-Identifier: MIT */
#include "lib/fcgi/lookout.h"

#include <glob.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/base/clock.h"

enum { PATIENCE_MS = 20000, SHORT_MS = 50, POLL_US = 1000 };

/* A thread that takes the lookout once. */
struct taker {
    struct lookout *lookout;
    struct lookout_member member;
    pthread_t thread;
    _Atomic bool has_it;
    _Atomic bool ended;
};

static void *take(void *argument)
{
    struct taker *taker = argument;
    atomic_store(&taker->has_it, lookout_take(taker->lookout, &taker->member));
    atomic_store(&taker->ended, true);
    return NULL;
}

static void start(struct taker *taker, struct lookout *lookout)
{
    *taker = (struct taker){.lookout = lookout};
    assert_int_equal(pthread_create(&taker->thread, NULL, take, taker), 0);
}

/* Whether the flag is set within that time. */
static bool comes_true(_Atomic bool *flag, int64_t within_ms)
{
    int64_t deadline = deadline_in_ms(within_ms);
    while (!atomic_load(flag) && deadline_left_ms(deadline) > 0)
        (void)usleep(POLL_US);
    return atomic_load(flag);
}

static struct lookout *new_lookout(bool one_at_a_time)
{
    struct lookout *lookout = NULL;
    assert_int_equal(lookout_new(one_at_a_time, &lookout), APP_OK);
    return lookout;
}

static void finish(struct lookout *lookout, struct taker *taker)
{
    lookout_stop(lookout);
    if (taker)
        assert_int_equal(pthread_join(taker->thread, NULL), 0);
    lookout_free(&lookout);
    assert_null(lookout);
}

static void one_thread_has_it_until_it_yields(void **state)
{
    (void)state;
    struct lookout *lookout = new_lookout(true);
    struct lookout_member self = {0};
    struct taker other;
    assert_true(lookout_take(lookout, &self));
    assert_true(lookout_take(lookout, &self)); /* has it still */
    start(&other, lookout);
    assert_false(comes_true(&other.ended, SHORT_MS));
    lookout_yield(lookout, &self);
    assert_true(comes_true(&other.has_it, PATIENCE_MS));
    finish(lookout, &other);
}

static void connections_that_are_answered_soon_keep_it(void **state)
{
    (void)state;
    struct lookout *lookout = new_lookout(true);
    struct lookout_member self = {0};
    struct taker other;
    assert_true(lookout_take(lookout, &self));
    start(&other, lookout);
    int64_t deadline = deadline_in_ms(SHORT_MS);
    while (deadline_left_ms(deadline) > 0) {
        assert_true(lookout_take(lookout, &self));
        lookout_begin(lookout, &self);
        lookout_end(&self);
    }
    /* A guard that looked while this thread was kept from running would be right to pass it on. */
    if (!atomic_load(&other.has_it))
        lookout_yield(lookout, &self);
    assert_true(comes_true(&other.has_it, PATIENCE_MS));
    finish(lookout, &other);
}

static void one_that_does_not_come_back_loses_it(void **state)
{
    (void)state;
    struct lookout *lookout = new_lookout(true);
    struct lookout_member self = {0};
    struct taker other;
    assert_true(lookout_take(lookout, &self));
    start(&other, lookout);
    lookout_begin(lookout, &self);
    assert_true(comes_true(&other.has_it, PATIENCE_MS));
    lookout_yield(lookout, &self); /* not its own any more: nothing happens */
    struct taker third;
    start(&third, lookout);
    assert_false(comes_true(&third.ended, SHORT_MS));
    lookout_yield(lookout, &other.member);
    assert_true(comes_true(&third.has_it, PATIENCE_MS));
    assert_int_equal(pthread_join(third.thread, NULL), 0);
    finish(lookout, &other);
}

/* That the guard sleeps must not keep it from its work later. */
static void it_is_taken_away_after_a_quiet_time_too(void **state)
{
    (void)state;
    struct lookout *lookout = new_lookout(true);
    struct lookout_member self = {0};
    struct taker other;
    assert_true(lookout_take(lookout, &self));
    start(&other, lookout);
    (void)usleep(300 * 1000);
    assert_false(atomic_load(&other.ended));
    lookout_begin(lookout, &self);
    assert_true(comes_true(&other.has_it, PATIENCE_MS));
    finish(lookout, &other);
}

/* How often the guard's thread has gone to sleep so far; 0: it is not there yet. */
static unsigned long sleeps_of_guard(void)
{
    static const char wanted[] = "voluntary_ctxt_switches:";
    unsigned long sleeps = 0;
    glob_t tasks;
    assert_int_equal(glob("/proc/self/task/*/status", 0, NULL, &tasks), 0);
    for (size_t i = 0; i < tasks.gl_pathc; i++) {
        char line[256];
        bool is_guard = false;
        FILE *file = fopen(tasks.gl_pathv[i], "re");
        while (file && fgets(line, sizeof(line), file)) {
            is_guard = is_guard || strcmp(line, "Name:\tfcgi-guard\n") == 0;
            if (is_guard && strncmp(line, wanted, strlen(wanted)) == 0)
                sleeps = strtoul(line + strlen(wanted), NULL, 10);
        }
        if (file)
            (void)fclose(file);
    }
    globfree(&tasks);
    return sleeps;
}

static void the_guard_sleeps_while_nothing_comes(void **state)
{
    (void)state;
    struct lookout *lookout = new_lookout(true);
    struct lookout_member self = {0};
    assert_true(lookout_take(lookout, &self));
    lookout_begin(lookout, &self);
    lookout_end(&self);
    int64_t deadline = deadline_in_ms(PATIENCE_MS);
    unsigned long before, after;
    do {
        before = sleeps_of_guard();
        (void)usleep(200 * 1000);
        after = sleeps_of_guard();
    } while ((before == 0 || after != before) && deadline_left_ms(deadline) > 0);
    assert_true(before > 0);
    assert_int_equal(after, before);
    finish(lookout, NULL);
}

static void a_stop_lets_all_go(void **state)
{
    (void)state;
    struct lookout *lookout = new_lookout(true);
    struct lookout_member self = {0};
    struct taker other;
    assert_true(lookout_take(lookout, &self));
    start(&other, lookout);
    lookout_stop(lookout);
    assert_true(comes_true(&other.ended, PATIENCE_MS));
    assert_false(atomic_load(&other.has_it));
    assert_false(lookout_take(lookout, &self));
    finish(lookout, &other);
}

static void without_turns_all_have_it(void **state)
{
    (void)state;
    struct lookout *lookout = new_lookout(false);
    struct lookout_member members[3] = {0};
    for (size_t i = 0; i < 3; i++)
        assert_true(lookout_take(lookout, &members[i]));
    lookout_begin(lookout, &members[0]);
    lookout_yield(lookout, &members[0]);
    lookout_end(&members[0]);
    assert_true(lookout_take(lookout, &members[0]));
    lookout_stop(lookout);
    assert_false(lookout_take(lookout, &members[1]));
    finish(lookout, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_thread_has_it_until_it_yields),
        cmocka_unit_test(connections_that_are_answered_soon_keep_it),
        cmocka_unit_test(one_that_does_not_come_back_loses_it),
        cmocka_unit_test(it_is_taken_away_after_a_quiet_time_too),
        cmocka_unit_test(the_guard_sleeps_while_nothing_comes),
        cmocka_unit_test(a_stop_lets_all_go),
        cmocka_unit_test(without_turns_all_have_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
