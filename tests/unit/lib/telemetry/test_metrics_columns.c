/* SPDX-License-Identifier: MIT */
#include "support/cmocka.h"

#include <stdlib.h>

#include "lib/base/clock.h"
#include "lib/telemetry/metrics_columns.h"

static const char *colour(size_t index)
{
    static const char *const colours[] = {"red", "green"};
    return index < 2 ? colours[index] : NULL;
}

static const char *shape(size_t index)
{
    static const char *const shapes[] = {"round", "flat", "bent"};
    return index < 3 ? shapes[index] : NULL;
}

static const int64_t bounds[] = {10, 100};

enum { REQUESTS, BUSY, LATENCY, PLAIN, ROWS };

static const struct metric table[ROWS] = {
    [REQUESTS] = {.name = "t_requests_total",
                  .type = METRIC_COUNTER,
                  .help = "Requests",
                  .labels = {{.name = "colour", .value = colour},
                             {.name = "shape", .value = shape},
                             {.name = "status", .from = 100, .to = 599}}},
    [BUSY] = {.name = "t_busy",
              .type = METRIC_GAUGE,
              .help = "Busy",
              .labels = {{.name = "colour", .value = colour}}},
    [LATENCY] = {.name = "t_latency",
                 .type = METRIC_HISTOGRAM,
                 .help = "Latency",
                 .labels = {{.name = "colour", .value = colour}, {.name = "shape", .value = shape}},
                 .bounds = bounds,
                 .bound_count = 2},
    [PLAIN] = {.name = "t_plain_total", .type = METRIC_COUNTER, .help = "Without labels"},
};

static struct metrics *new_metrics(void)
{
    const struct metrics_options options = {
        .table = table, .count = ROWS, .prefix = "t", .version = "1", .directory = ""};
    struct metrics *metrics = NULL;
    assert_int_equal(metrics_new(&options, &metrics), APP_OK);
    return metrics;
}

static uint64_t *snapshot(struct metrics *metrics)
{
    uint64_t *values = malloc(metrics_column_count(metrics) * sizeof(*values));
    assert_non_null(values);
    metrics_snapshot(metrics, values);
    return values;
}

#define COLUMN(row, ...) metrics_column(metrics, (row), (struct metrics_column_at){__VA_ARGS__})

static void every_number_has_a_column_of_its_own(void **state)
{
    (void)state;
    struct metrics *metrics = new_metrics();
    assert_int_equal(metrics_column_count(metrics), METRICS_COLUMN_TABLE + 2 * 5 + 2 + 2 * 4 + 1);
    assert_int_equal(COLUMN(REQUESTS, 0, 0, 0), METRICS_COLUMN_TABLE);
    assert_int_equal(COLUMN(REQUESTS, 1, 4, 0), METRICS_COLUMN_TABLE + 9);
    assert_int_equal(COLUMN(LATENCY, 1, 0, 3), METRICS_COLUMN_TABLE + 10 + 2 + 7);
    assert_int_equal(COLUMN(PLAIN, 0, 0, 0), metrics_column_count(metrics) - 1);
    metrics_free(&metrics);
}

static void labels_but_the_first_are_summed_up_and_statuses_kept_by_hundreds(void **state)
{
    (void)state;
    struct metrics *metrics = new_metrics();
    metrics_add(metrics, REQUESTS, METRIC_AT(1, 0, 100), 3);  /* green, round, 200 */
    metrics_add(metrics, REQUESTS, METRIC_AT(1, 2, 104), 4);  /* green, bent, 204 */
    metrics_add(metrics, REQUESTS, METRIC_AT(1, 0, 499), 5);  /* green, round, 599 */
    metrics_add(metrics, REQUESTS, METRIC_AT(0, 0, 100), 90); /* red */
    metrics_add(metrics, PLAIN, METRIC_AT(0), 8);
    uint64_t *values = snapshot(metrics);
    assert_int_equal(values[COLUMN(REQUESTS, 1, 1, 0)], 7);
    assert_int_equal(values[COLUMN(REQUESTS, 1, 4, 0)], 5);
    assert_int_equal(values[COLUMN(REQUESTS, 1, 3, 0)], 0);
    assert_int_equal(values[COLUMN(REQUESTS, 0, 1, 0)], 90);
    assert_int_equal(values[COLUMN(PLAIN, 0, 0, 0)], 8);
    free(values);
    metrics_free(&metrics);
}

static void a_histogram_has_its_buckets_and_its_sum(void **state)
{
    (void)state;
    struct metrics *metrics = new_metrics();
    metrics_observe(metrics, LATENCY, METRIC_AT(1, 0), 10);
    metrics_observe(metrics, LATENCY, METRIC_AT(1, 2), 11);
    metrics_observe(metrics, LATENCY, METRIC_AT(1, 1), 5000);
    uint64_t *values = snapshot(metrics);
    for (size_t part = 0; part < 3; part++)
        assert_int_equal(values[COLUMN(LATENCY, 1, 0, part)], 1);
    assert_int_equal(values[COLUMN(LATENCY, 1, 0, 3)], 5021);
    free(values);
    metrics_free(&metrics);
}

static void gauges_may_be_negative(void **state)
{
    (void)state;
    struct metrics *metrics = new_metrics();
    metrics_gauge_set(metrics, BUSY, METRIC_AT(0), -4);
    metrics_gauge_set(metrics, BUSY, METRIC_AT(1), 6);
    uint64_t *values = snapshot(metrics);
    assert_int_equal((int64_t)values[COLUMN(BUSY, 0, 0, 0)], -4);
    assert_int_equal((int64_t)values[COLUMN(BUSY, 1, 0, 0)], 6);
    free(values);
    metrics_free(&metrics);
}

static void the_cpu_time_of_the_processes_is_in_it(void **state)
{
    (void)state;
    struct metrics *metrics = new_metrics();
    uint64_t *before = snapshot(metrics);
    assert_int_equal(before[METRICS_COLUMN_PROCESSES], 1);
    assert_true(before[METRICS_COLUMN_CPU] > 0);
    int64_t until_ns = deadline_in_ms(50);
    while (clock_now_ns() < until_ns)
        continue;
    uint64_t *after = snapshot(metrics);
    assert_true(after[METRICS_COLUMN_CPU] > before[METRICS_COLUMN_CPU] + NS_PER_MS);
    free(before);
    free(after);
    metrics_free(&metrics);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_number_has_a_column_of_its_own),
        cmocka_unit_test(labels_but_the_first_are_summed_up_and_statuses_kept_by_hundreds),
        cmocka_unit_test(a_histogram_has_its_buckets_and_its_sum),
        cmocka_unit_test(gauges_may_be_negative),
        cmocka_unit_test(the_cpu_time_of_the_processes_is_in_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
