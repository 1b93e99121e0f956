/* SPDX-License-Identifier: MIT */
#include "support/cmocka.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/admin/series.h"
#include "lib/base/clock.h"
#include "lib/telemetry/metrics_columns.h"
#include "support/route_history.h"

enum { TEXT_MAX = 1024 * 1024 };

struct fixture {
    struct route_history history;
    json_t *answer;
};

static int set_up(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    assert_non_null(fixture);
    route_history_init(&fixture->history);
    *state = fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    json_decref(fixture->answer);
    route_history_release(&fixture->history);
    free(fixture);
    return 0;
}

/* Ask for what came after; the answer lives until the next question. */
static const json_t *ask(struct fixture *fixture, int64_t since_ns)
{
    struct buf text;
    buf_init(&text, TEXT_MAX);
    assert_int_equal(buf_append_str(&text, "{"), APP_OK);
    assert_int_equal(series_write(fixture->history.past, since_ns, fixture->history.now_ns, &text),
                     APP_OK);
    assert_int_equal(buf_append_str(&text, "}"), APP_OK);
    json_error_t error;
    json_decref(fixture->answer);
    fixture->answer = json_loadb(text.data, text.len, 0, &error);
    if (!fixture->answer)
        fail_msg("%s in %s", error.text, text.data);
    buf_release(&text);
    return fixture->answer;
}

static const json_t *series(const json_t *answer, const char *name)
{
    const json_t *found = json_object_get(json_object_get(answer, "series"), name);
    if (!found)
        fail_msg("there is no series %s", name);
    return found;
}

static const json_t *route(const json_t *answer, const char *name)
{
    return json_object_get(json_object_get(answer, "routes"), name);
}

static void assert_point(const json_t *values, size_t index, double expected)
{
    const json_t *value = json_array_get(values, index);
    if (isnan(expected) != json_is_null(value) ||
        (!isnan(expected) && fabs(json_number_value(value) - expected) > 0.0006))
        fail_msg("point %zu is not %g but %s", index, expected, json_dumps(value, JSON_ENCODE_ANY));
}

/* Of the first value of the metric's first label. */
static size_t column(struct fixture *fixture, const char *metric, size_t part)
{
    struct pool_history_series found;
    const char *label = pool_history_label(fixture->history.past, metric, 0);
    assert_true(pool_history_find(fixture->history.past, metric, label, &found));
    return found.column + part;
}

static const struct pool_history_route *find_route(struct fixture *fixture, const char *name)
{
    return route_history_find(&fixture->history, name);
}

/* Nothing happens for so long. */
static void wait_seconds(struct fixture *fixture, int64_t seconds)
{
    route_history_pass(&fixture->history, "cache", seconds, 0, 0);
}

static void a_pool_without_a_past_has_charts_without_points(void **state)
{
    const json_t *answer = ask(*state, 0);
    assert_int_equal(json_array_size(json_object_get(answer, "at")), 0);
    assert_int_equal(json_array_size(series(answer, "cpu")), 0);
    assert_int_equal(json_object_size(json_object_get(answer, "routes")), 0);
}

static void requests_and_their_cpu_time_are_told_by_route(void **state)
{
    struct fixture *fixture = *state;
    wait_seconds(fixture, 4);
    route_history_pass(&fixture->history, "cache", 4, 50, 250);
    const json_t *answer = ask(fixture, 0);
    size_t last = json_array_size(json_object_get(answer, "at")) - 1;
    assert_point(series(answer, "requests"), last, 50);
    assert_point(json_object_get(route(answer, "cache"), "requests"), last, 50);
    assert_point(json_object_get(route(answer, "cache"), "cpu_ms"), last, 0.25);
    assert_point(json_object_get(route(answer, "cache"), "cpu_ms"), 0, NAN);
    assert_null(route(answer, "payments"));
    const json_t *minute = json_object_get(route(answer, "cache"), "minute");
    assert_true(json_number_value(json_object_get(minute, "requests")) >= 150);
    assert_true(fabs(json_number_value(json_object_get(minute, "cpu_ms")) - 0.25) < 0.001);
}

static void what_operators_ask_is_not_counted(void **state)
{
    struct fixture *fixture = *state;
    static const char *const names[] = {"pprof", "admin_status", "metrics", "log"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        route_history_pass(&fixture->history, names[i], 4, 10, 100);
    const json_t *answer = ask(fixture, 0);
    for (size_t i = 0; i < json_array_size(series(answer, "requests")); i++)
        assert_point(series(answer, "requests"), i, 0);
    assert_int_equal(json_object_size(json_object_get(answer, "routes")), 0);
}

static void only_what_is_new_since_the_last_answer_is_told(void **state)
{
    struct fixture *fixture = *state;
    route_history_pass(&fixture->history, "cache", 20, 5, 100);
    const json_t *at = json_object_get(ask(fixture, 0), "at");
    size_t all = json_array_size(at);
    assert_true(all >= 8);
    json_int_t newest_ms = json_integer_value(json_array_get(at, all - 1));
    int64_t newest_ns = (newest_ms + 1) * NS_PER_MS - 1;
    assert_int_equal(json_array_size(json_object_get(ask(fixture, newest_ns), "at")), 0);

    route_history_pass(&fixture->history, "cache", 4, 7, 100);
    const json_t *answer = ask(fixture, newest_ns);
    assert_int_equal(json_array_size(json_object_get(answer, "at")), 2);
    assert_point(series(answer, "requests"), 1, 7); /* the growth since a row that is not told */
}

static void ten_minutes_are_kept_and_fit_into_200_kilobytes(void **state)
{
    struct fixture *fixture = *state;
    struct buf text;
    static const char *const names[] = {"cache", "emojify", "emojify_create", "emojify_query",
                                        "health"};
    for (int i = 0; i < 140; i++)
        for (size_t name = 0; name < sizeof(names) / sizeof(names[0]); name++)
            route_history_pass(&fixture->history, names[name], 1, 1234567, 321);
    const json_t *answer = ask(fixture, 0);
    assert_int_equal(json_array_size(json_object_get(answer, "at")), 299); /* between 300 rows */
    assert_int_equal(json_array_size(series(answer, "p99_ms")), 299);
    buf_init(&text, TEXT_MAX);
    assert_int_equal(series_write(fixture->history.past, 0, fixture->history.now_ns, &text),
                     APP_OK);
    assert_in_range(text.len, 10000, 200 * 1024);
    buf_release(&text);
}

static void latency_is_read_from_the_histograms_of_all_routes(void **state)
{
    struct fixture *fixture = *state;
    wait_seconds(fixture, 4);
    /* 90 of up to 250 µs, 10 of 500 ms to 1 s. */
    fixture->history.values[find_route(fixture, "cache")->duration.column] += 90;
    fixture->history.values[find_route(fixture, "emojify")->duration.column + 11] += 10;
    wait_seconds(fixture, 2);
    const json_t *answer = ask(fixture, 0);
    size_t last = json_array_size(json_object_get(answer, "at")) - 1;
    assert_point(series(answer, "p50_ms"), last, 0.139);
    assert_point(series(answer, "p95_ms"), last, 750);
    assert_point(series(answer, "p99_ms"), last, 950);
    assert_point(series(answer, "p99_ms"), 0, NAN);
}

static void errors_are_told_by_whose_they_are(void **state)
{
    struct fixture *fixture = *state;
    const struct pool_history_route *cache = find_route(fixture, "cache");
    wait_seconds(fixture, 4);
    fixture->history.values[cache->requests + 3] += 6;
    fixture->history.values[cache->requests + 4] += 2;
    wait_seconds(fixture, 2);
    const json_t *answer = ask(fixture, 0);
    size_t last = json_array_size(json_object_get(answer, "at")) - 1;
    assert_point(series(answer, "errors_4xx"), last, 3);
    assert_point(series(answer, "errors_5xx"), last, 1);
    const json_t *minute = json_object_get(route(answer, "cache"), "minute");
    assert_int_equal(json_integer_value(json_object_get(minute, "errors")), 8);
}

static void the_pools_and_the_caches_cpu_time_stand_beside_each_other(void **state)
{
    struct fixture *fixture = *state;
    uint64_t *values = fixture->history.values;
    size_t up = column(fixture, "emojify_watched_cache_up", 0);
    size_t cpu = column(fixture, "emojify_watched_cache_cpu_seconds_total", 0);
    wait_seconds(fixture, 4); /* nobody watches the cache */
    values[up] = 1;
    wait_seconds(fixture, 2); /* from here on somebody does */
    values[cpu] += NS_PER_S / 2;
    values[METRICS_COLUMN_CPU] += 3 * NS_PER_S;
    wait_seconds(fixture, 2);
    const json_t *answer = ask(fixture, 0);
    size_t last = json_array_size(json_object_get(answer, "at")) - 1;
    assert_point(series(answer, "cache_cpu"), 0, NAN);
    assert_point(series(answer, "cache_cpu"), last, 0.25);
    assert_point(series(answer, "cpu"), last, 1.5);
}

static void the_queue_and_the_tiers_are_told(void **state)
{
    struct fixture *fixture = *state;
    uint64_t *values = fixture->history.values;
    wait_seconds(fixture, 4);
    values[column(fixture, "emojify_queue_length", 0)] = 3;
    values[column(fixture, "emojify_jobs_running", 0)] = 2;
    values[column(fixture, "emojify_local_cache_hits_total", 0)] += 80;
    values[column(fixture, "emojify_local_cache_files", 0)] = 17;
    /* Of the cache, the first upstream. */
    values[column(fixture, "emojify_upstream_duration_seconds", 2)] += 4;
    values[column(fixture, "emojify_upstream_duration_seconds", 16)] += 10 * NS_PER_MS;
    wait_seconds(fixture, 2);
    const json_t *answer = ask(fixture, 0);
    size_t last = json_array_size(json_object_get(answer, "at")) - 1;
    assert_point(series(answer, "queue"), last, 3);
    assert_point(series(answer, "running"), last, 2);
    assert_point(series(answer, "tier_hits"), last, 40);
    assert_point(series(answer, "tier_files"), last, 17);
    assert_point(series(answer, "cache_calls"), last, 2);
    assert_point(series(answer, "cache_ms"), last, 2.5);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_pool_without_a_past_has_charts_without_points),
        TEST(requests_and_their_cpu_time_are_told_by_route),
        TEST(what_operators_ask_is_not_counted),
        TEST(only_what_is_new_since_the_last_answer_is_told),
        TEST(ten_minutes_are_kept_and_fit_into_200_kilobytes),
        TEST(latency_is_read_from_the_histograms_of_all_routes),
        TEST(errors_are_told_by_whose_they_are),
        TEST(the_pools_and_the_caches_cpu_time_stand_beside_each_other),
        TEST(the_queue_and_the_tiers_are_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
