/* SPDX-License-Identifier: MIT */
#include "support/cmocka.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/telemetry/history.h"
#include "support/temp_dir.h"

enum { COUNTER, GAUGE, COLUMNS, FINE = 0, COARSE = 1, FINE_ROWS = 5, COARSE_ROWS = 3 };

static const int64_t START_NS = 7 * INT64_C(3600) * NS_PER_S;
static struct log_sink sink = {.level = LOG_OFF, .fd = STDERR_FILENO};
static const struct log quiet = {.sink = &sink, .module = "test"};

static struct history *open_history(const char *directory)
{
    const struct history_options options = {
        .directory = directory,
        .layout = "0123456789abcdef0123456789abcdef",
        .column_count = COLUMNS,
        .rings = {{2 * NS_PER_S, FINE_ROWS}, {60 * NS_PER_S, COARSE_ROWS}},
        .log = &quiet,
    };
    struct history *history = NULL;
    assert_int_equal(history_new(&options, &history), APP_OK);
    return history;
}

static void record_at(struct history *history, int64_t second, uint64_t counter, int64_t gauge)
{
    const uint64_t values[COLUMNS] = {counter, (uint64_t)gauge};
    history_record(history, START_NS + second * NS_PER_S, values);
}

/* The counters of a ring's rows, newest first, ended by -1. */
static void assert_rows(const struct history *history, size_t ring, const int64_t *expected)
{
    size_t age = 0;
    int64_t time_ns;
    uint64_t values[COLUMNS];
    for (; expected[age] >= 0; age++) {
        assert_true(history_row(history, ring, age, &time_ns, values));
        assert_int_equal(values[COUNTER], expected[age]);
    }
    assert_false(history_row(history, ring, age, &time_ns, values));
}
#define ROWS(...) ((const int64_t[]){__VA_ARGS__, -1})

static void each_ring_takes_a_row_for_each_of_its_steps(void **state)
{
    (void)state;
    struct history *history = open_history("");
    for (int64_t second = 0; second <= 7; second++) {
        bool starts_a_step = second % 2 == 0;
        assert_int_equal(history_is_due(history, START_NS + second * NS_PER_S), starts_a_step);
        record_at(history, second, (uint64_t)second, 0);
    }
    assert_rows(history, FINE, ROWS(6, 4, 2, 0));
    assert_rows(history, COARSE, ROWS(0));
    record_at(history, 60, 60, 0);
    assert_rows(history, COARSE, ROWS(60, 0));
    history_free(&history);
}

static void a_full_ring_forgets_its_oldest_row(void **state)
{
    (void)state;
    struct history *history = open_history("");
    for (int64_t second = 0; second <= 20; second += 2)
        record_at(history, second, (uint64_t)second, 0);
    assert_rows(history, FINE, ROWS(20, 18, 16, 14, 12));
    history_free(&history);
}

static bool growth_of(const struct history *history, int64_t from, int64_t to, uint64_t *growth,
                      struct history_window *found)
{
    const size_t columns[] = {COUNTER};
    const struct history_window asked = {START_NS + from * NS_PER_S, START_NS + to * NS_PER_S};
    return history_growth(history, FINE, asked, columns, 1, growth, found);
}

static void growth_is_that_between_the_rows_within_the_window(void **state)
{
    (void)state;
    struct history *history = open_history("");
    struct history_window found = {-1, -1};
    uint64_t growth = 77;
    assert_false(growth_of(history, 0, 100, &growth, &found));
    for (int64_t second = 0; second <= 8; second += 2)
        record_at(history, second, (uint64_t)(1000 + second * second), 0);
    assert_true(growth_of(history, 1, 7, &growth, &found));
    assert_int_equal(growth, 36 - 4);
    assert_int_equal(found.from_ns, START_NS + 2 * NS_PER_S);
    assert_int_equal(found.to_ns, START_NS + 6 * NS_PER_S);
    assert_false(growth_of(history, 3, 5, &growth, &found));
    assert_false(growth_of(history, 9, 20, &growth, &found));
    history_free(&history);
}

static void rows_from_before_the_machine_was_started_are_forgotten(void **state)
{
    (void)state;
    struct history *history = open_history("");
    record_at(history, 1000, 1, 0);
    record_at(history, 1002, 2, 0);
    assert_true(history_is_due(history, START_NS));
    record_at(history, 0, 3, 0);
    assert_rows(history, FINE, ROWS(3));
    assert_rows(history, COARSE, ROWS(3));
    history_free(&history);
}

static void another_process_goes_on_where_a_killed_one_stopped(void **state)
{
    (void)state;
    struct temp_dir dir;
    temp_dir_init(&dir);
    struct history *ours = open_history(dir.path);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        struct history *theirs = open_history(dir.path);
        record_at(theirs, 0, 10, 0);
        record_at(theirs, 2, 20, 0);
        (void)raise(SIGKILL);
    }
    assert_int_equal(waitpid(child, NULL, 0), child);
    record_at(ours, 4, 30, 0);
    assert_rows(ours, FINE, ROWS(30, 20, 10));
    history_free(&ours);
    ours = open_history(dir.path);
    assert_rows(ours, FINE, ROWS(30, 20, 10));
    history_free(&ours);
    temp_dir_release(&dir);
}

static void a_directory_that_cannot_be_used_costs_the_sharing_only(void **state)
{
    (void)state;
    struct history *history = open_history("/proc/nowhere");
    record_at(history, 0, 1, 0);
    assert_rows(history, FINE, ROWS(1));
    history_free(&history);
    history_free(&history);
}

struct writer {
    struct history *history;
    atomic_bool stop;
};

/* Both columns of a row are equal. */
static void *write_rows(void *argument)
{
    struct writer *writer = argument;
    for (int64_t second = 0; !atomic_load(&writer->stop); second += 2)
        record_at(writer->history, second, (uint64_t)second, second);
    return NULL;
}

static void a_row_is_read_whole_or_not_at_all(void **state)
{
    (void)state;
    struct writer writer = {.history = open_history(""), .stop = false};
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, write_rows, &writer), 0);
    for (int read = 0; read < 20000;) {
        int64_t time_ns;
        uint64_t values[COLUMNS];
        if (!history_row(writer.history, FINE, FINE_ROWS - 1, &time_ns, values))
            continue;
        assert_int_equal(values[COUNTER], values[GAUGE]);
        assert_int_equal(time_ns, START_NS + (int64_t)values[COUNTER] * NS_PER_S);
        read++;
    }
    atomic_store(&writer.stop, true);
    assert_int_equal(pthread_join(thread, NULL), 0);
    history_free(&writer.history);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_ring_takes_a_row_for_each_of_its_steps),
        cmocka_unit_test(a_full_ring_forgets_its_oldest_row),
        cmocka_unit_test(growth_is_that_between_the_rows_within_the_window),
        cmocka_unit_test(rows_from_before_the_machine_was_started_are_forgotten),
        cmocka_unit_test(another_process_goes_on_where_a_killed_one_stopped),
        cmocka_unit_test(a_directory_that_cannot_be_used_costs_the_sharing_only),
        cmocka_unit_test(a_row_is_read_whole_or_not_at_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
