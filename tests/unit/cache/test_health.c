/* SPDX-License-Identifier: MIT */
#include "cache/health.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cache/methods.h"
#include "lib/base/clock.h"

struct scripted_store {
    struct store base;
    enum app_err err;
};

static enum app_err check(struct store *store, struct err_buf *why)
{
    const struct scripted_store *scripted = (const struct scripted_store *)(void *)store;
    if (scripted->err)
        err_detail(why, "disk sda1 is on fire");
    return scripted->err ? err_set(why, scripted->err, "the store cannot be used") : APP_OK;
}

static const struct store_operations operations = {.check = check};

static void assert_answers(const char *method, const char *path, enum app_err store_err,
                           int expected_status, const char *expected_body)
{
    struct scripted_store store = {.base = {.operations = &operations}, .err = store_err};
    const struct httpd_request request = {.method = method, .path = path, .body = ""};
    struct httpd_response response = {.status = 200};
    buf_init(&response.body, 1000);
    struct health pages = {&store.base, NULL};
    health_handle(&pages, &request, &response);
    assert_int_equal(response.status, expected_status);
    assert_string_equal(response.content_type, "text/plain; charset=utf-8");
    assert_string_equal(response.body.data, expected_body);
    if (expected_status == 405) {
        assert_string_equal(response.extra_name, "Allow");
        assert_string_equal(response.extra_value, "GET, HEAD");
    }
    buf_release(&response.body);
}

static void a_store_that_works_is_ok(void **state)
{
    (void)state;
    assert_answers("GET", "/health", APP_OK, 200, "OK\n");
    assert_answers("HEAD", "/health", APP_OK, 200, "OK\n");
}

static void a_broken_store_is_unavailable_and_says_why(void **state)
{
    (void)state;
    assert_answers("GET", "/health", APP_INTERNAL, 503, "the store cannot be used\n");
    assert_answers("GET", "/health", APP_UNAVAILABLE, 503, "the store cannot be used\n");
}

static void a_look(struct store *store, struct store_state *state)
{
    (void)store;
    state->entries = 3;
    state->bytes = 4096;
    state->removed[STORE_REMOVAL_EXPIRED] = 2;
    state->removed[STORE_REMOVAL_EVICTED] = 1;
    state->memory_bytes = 512;
    state->memory_gets = 5;
    state->redis_away = true;
    state->redis_connects = 7;
}

static void metrics_have_the_stores_state_and_what_was_called(void **state)
{
    static const char *const lines[] = {
        "\nemojify_cache_store_entries 3\n",
        "\nemojify_cache_store_bytes 4096\n",
        "\nemojify_cache_removed_entries_total{reason=\"expired\"} 2\n",
        "\nemojify_cache_removed_entries_total{reason=\"evicted\"} 1\n",
        "\nemojify_cache_memory_bytes 512\n",
        "\nemojify_cache_memory_gets_total 5\n",
        "\nemojify_cache_redis_away 1\n",
        "\nemojify_cache_redis_connects_total 7\n",
        "\nemojify_cache_requests_total{method=\"Get\",status=\"UNAVAILABLE\"} 1\n",
        "\nemojify_cache_requests_total{method=\"none\",status=\"UNIMPLEMENTED\"} 1\n",
        "\nemojify_cache_request_duration_seconds_count{method=\"Get\"} 1\n",
        "\nemojify_cache_store_errors_total{method=\"Get\",error=\"unavailable\"} 1\n",
        "\nemojify_cache_received_bytes_total 10\n",
        "\nemojify_cache_sent_bytes_total 20\n",
        "\nemojify_cache_requests_in_flight 0\n",
    };
    static const struct store_operations looked_at = {.check = check, .look = a_look};
    struct scripted_store store = {.base = {.operations = &looked_at}};
    struct log_sink sink = {.fd = -1, .level = LOG_OFF};
    const struct log log = {.sink = &sink, .module = "test"};
    struct telemetry telemetry = {.statsd = NULL};
    struct health pages = {&store.base, &telemetry};
    const struct httpd_request request = {.method = "GET", .path = "/metrics", .body = ""};
    struct telemetry_call call;
    struct err_buf why;
    (void)state;
    assert_int_equal(telemetry_start(&telemetry, &(struct telemetry_options){"", "", &log}, &why),
                     APP_OK);
    telemetry_call_begin(&telemetry, METHOD_GET, &call);
    telemetry_call_end(&telemetry, &call,
                       &(struct telemetry_outcome){.status = GRPC_STATUS_UNAVAILABLE,
                                                   .err = APP_UNAVAILABLE,
                                                   .store_error = APP_UNAVAILABLE,
                                                   .received = 10,
                                                   .sent = 20});
    telemetry_call_begin(&telemetry, METHOD__MAX, &call);
    telemetry_call_end(&telemetry, &call,
                       &(struct telemetry_outcome){.status = GRPC_STATUS_UNIMPLEMENTED,
                                                   .err = APP_NOT_IMPLEMENTED});
    for (int i = 0; i < 2; i++) { /* what the store has counted is not added up */
        struct httpd_response response = {.status = 200};
        buf_init(&response.body, 1 << 20);
        health_handle(&pages, &request, &response);
        assert_int_equal(response.status, 200);
        assert_string_equal(response.content_type, METRICS_CONTENT_TYPE);
        for (size_t line = 0; line < sizeof(lines) / sizeof(lines[0]); line++) {
            if (!strstr(response.body.data, lines[line]))
                fail_msg("there is no %s", lines[line]);
        }
        buf_release(&response.body);
    }
    telemetry_stop(&telemetry);
}

/* Returns its CPU time. */
static int64_t call_once(struct telemetry *telemetry, size_t method)
{
    struct telemetry_call call;
    telemetry_call_begin(telemetry, method, &call);
    int64_t started_ns = clock_thread_cpu_ns();
    while (clock_thread_cpu_ns() < started_ns + NS_PER_MS)
        ;
    telemetry_call_end(telemetry, &call, &(struct telemetry_outcome){.status = GRPC_STATUS_OK});
    return clock_thread_cpu_ns() - started_ns;
}

static double cpu_seconds_of(struct telemetry *telemetry, const char *method)
{
    struct scripted_store store = {.base = {.operations = &operations}};
    char name[80];
    struct buf text;
    (void)snprintf(name, sizeof(name), "\nemojify_cache_cpu_seconds_total{method=\"%s\"} ", method);
    buf_init(&text, 1 << 20);
    assert_int_equal(telemetry_write(telemetry, &store.base, &text), APP_OK);
    const char *at = strstr(text.data, name);
    assert_non_null(at);
    double seconds = strtod(at + strlen(name), NULL);
    buf_release(&text);
    return seconds;
}

/* A call takes as much as it spins, and the least bit more. */
static void the_cpu_time_of_gets_is_that_of_those_measured_times_their_share(void **state)
{
    struct log_sink sink = {.fd = -1, .level = LOG_OFF};
    const struct log log = {.sink = &sink, .module = "test"};
    struct telemetry telemetry = {.statsd = NULL};
    struct err_buf why;
    int64_t gets_ns = 0, puts_ns = 0;
    (void)state;
    assert_int_equal(telemetry_start(&telemetry, &(struct telemetry_options){"", "", &log}, &why),
                     APP_OK);
    for (int i = 0; i < 1 + 2 * TELEMETRY_GETS_A_SAMPLE; i++)
        gets_ns += call_once(&telemetry, METHOD_GET);
    for (int i = 0; i < 10; i++)
        puts_ns += call_once(&telemetry, METHOD_PUT);
    double gets_ms = cpu_seconds_of(&telemetry, "Get") * 1000;
    double puts_ms = cpu_seconds_of(&telemetry, "Put") * 1000;
    print_message("Gets %.3f ms of %.3f, Puts %.3f ms of %.3f\n", gets_ms, (double)gets_ns / 1e6,
                  puts_ms, (double)puts_ns / 1e6);
    assert_true(gets_ms >= 1 + 2 * TELEMETRY_GETS_A_SAMPLE && gets_ms < (double)gets_ns / 1e6 * 2);
    assert_true(puts_ms >= 10 && puts_ms < (double)puts_ns / 1e6 * 2);
    telemetry_stop(&telemetry);
}

static void other_paths_and_methods_are_refused(void **state)
{
    (void)state;
    assert_answers("GET", "/", APP_OK, 404, "not found\n");
    assert_answers("GET", "/health/", APP_OK, 404, "not found\n");
    assert_answers("POST", "/health", APP_OK, 405, "method not allowed\n");
    assert_answers("POST", "/metrics", APP_OK, 405, "method not allowed\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_store_that_works_is_ok),
        cmocka_unit_test(a_broken_store_is_unavailable_and_says_why),
        cmocka_unit_test(metrics_have_the_stores_state_and_what_was_called),
        cmocka_unit_test(the_cpu_time_of_gets_is_that_of_those_measured_times_their_share),
        cmocka_unit_test(other_paths_and_methods_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
