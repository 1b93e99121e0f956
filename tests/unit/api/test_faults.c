/* SPDX-License-Identifier: MIT */
#include "support/cmocka.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "api/clients/cache_client.h"
#include "api/faults.h"
#include "lib/base/buf.h"
#include "lib/base/clock.h"
#include "lib/fcgi/response.h"
#include "support/loopback.h"
#include "support/temp_dir.h"

enum { TEXT_MAX = 1024 * 1024 };

/* --- Which requests are hit ------------------------------------------------------ */

static uint64_t count_hits(uint64_t from, uint64_t count, double rate)
{
    uint64_t hits = 0;
    for (uint64_t i = 0; i < count; i++)
        hits += faults_hits(from + i, rate);
    return hits;
}

static void a_rate_is_kept_exactly(void **state)
{
    (void)state;
    assert_int_equal(count_hits(0, 1000, 0), 0);
    assert_int_equal(count_hits(0, 1000, 1), 1000);
    assert_int_equal(count_hits(0, 1000, 0.5), 500);
    assert_int_equal(count_hits(0, 1000, 0.3), 300);
    assert_int_equal(count_hits(0, 1000, 0.6), 600);
    assert_int_equal(count_hits(0, 1000, 0.7), 700);
    assert_int_equal(count_hits(0, 1000, 0.001), 1);
    assert_int_equal(count_hits(0, 1000000, 0.123456), 123456);
}

static void hits_are_spread_evenly(void **state)
{
    (void)state;
    static const double rates[] = {0.001, 0.01, 0.1, 0.25, 1.0 / 3, 0.5, 0.6, 0.9, 0.999};
    for (size_t i = 0; i < sizeof(rates) / sizeof(rates[0]); i++) {
        uint64_t hits = 0;
        for (uint64_t number = 0; number < 5000; number++) {
            hits += faults_hits(number, rates[i]);
            double due = (double)(number + 1) * rates[i];
            if ((double)hits > due + 1e-4 || (double)hits < due - 1 - 1e-4)
                fail_msg("rate %g: %d hits of %d", rates[i], (int)hits, (int)number + 1);
        }
    }
    assert_false(faults_hits(0, 0.5));
    assert_true(faults_hits(1, 0.5));
    assert_true(faults_hits(9, 0.1));
}

static void the_rate_holds_however_long_it_runs(void **state)
{
    (void)state;
    static const uint64_t starts[] = {UINT64_C(1) << 31, (UINT64_C(1) << 32) - 500,
                                      UINT64_C(1) << 53, UINT64_MAX - 2000};
    for (size_t i = 0; i < sizeof(starts) / sizeof(starts[0]); i++) {
        assert_in_range(count_hits(starts[i], 1000, 0.3), 299, 301);
        assert_int_equal(count_hits(starts[i], 1000, 1), 1000);
        assert_int_equal(count_hits(starts[i], 1000, 0), 0);
    }
    assert_int_equal(count_hits(UINT64_MAX - 999, 2000, 0.25), 500); /* over the end */
}

/* --- A request ------------------------------------------------------------------- */

struct fixture {
    struct app app;
    struct temp_dir dir;
    struct log_sink sink;
    struct loopback loopback;
    struct exchange exchange;
};

static void start_telemetry(struct fixture *fixture, const char *run_dir)
{
    struct err_buf why = {.text = ""};
    fixture->app.config.run_dir = run_dir;
    fixture->app.config.statsd_server = "";
    assert_int_equal(
        telemetry_start(&fixture->app.telemetry, &fixture->app.config, &fixture->app.log, &why),
        APP_OK);
}

static int set_up(void **state)
{
    static const char *const environment[] = {"REQUEST_METHOD=GET", "REQUEST_URI=/cache/x", NULL};
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    assert_non_null(fixture);
    temp_dir_init(&fixture->dir);
    fixture->sink = (struct log_sink){.fd = memfd_create("log", MFD_CLOEXEC), .level = LOG_INFO};
    fixture->app.log = (struct log){.sink = &fixture->sink, .module = "test"};
    start_telemetry(fixture, fixture->dir.path);
    loopback_init(&fixture->loopback, environment, NULL, 0);
    fixture->loopback.request.log.sink = &fixture->sink;
    fixture->exchange = (struct exchange){.app = &fixture->app,
                                          .request = &fixture->loopback.request,
                                          .response = &fixture->loopback.response,
                                          .parameter = "x",
                                          .deadline_ns = deadline_in_ms(20000)};
    *state = fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    loopback_release(&fixture->loopback);
    telemetry_stop(&fixture->app.telemetry);
    temp_dir_release(&fixture->dir);
    close(fixture->sink.fd);
    free(fixture);
    return 0;
}

/* Returns whether the request is answered; *dump as faults_inject has it. */
static bool inject(struct fixture *fixture, enum fault_route route, bool *dump)
{
    bool answered = true;
    *dump = true;
    assert_int_equal(faults_inject(&fixture->exchange, route, &answered, dump), APP_OK);
    return answered;
}

static void assert_metric(struct fixture *fixture, const char *line)
{
    struct buf text;
    buf_init(&text, TEXT_MAX);
    assert_int_equal(telemetry_write(&fixture->app.telemetry, &text), APP_OK);
    if (!strstr(text.data, line))
        fail_msg("\"%s\" is not in\n%s", line, text.data);
    buf_release(&text);
}

static void assert_logged(const struct fixture *fixture, const char *text)
{
    char log[4096] = "";
    assert_true(pread(fixture->sink.fd, log, sizeof(log) - 1, 0) >= 0);
    if (!strstr(log, text))
        fail_msg("\"%s\" is not in the log: %s", text, log);
}

static void nothing_happens_without_a_rate(void **state)
{
    struct fixture *fixture = *state;
    bool dump;
    assert_false(inject(fixture, FAULT_ROUTE_CACHE, &dump));
    assert_false(dump);
    assert_metric(fixture, "\nemojify_fault_decisions_total{route=\"cache\"} 0\n");
    faults_announce(&fixture->app.config, &fixture->app.log);
    char byte;
    assert_int_equal(pread(fixture->sink.fd, &byte, 1, 0), 0);
}

static void an_error_is_the_answer_and_is_counted_and_logged(void **state)
{
    struct fixture *fixture = *state;
    bool dump;
    fixture->app.config.cache_fault = (struct fault_config){.rate = 0.5, .code = 503};
    assert_false(inject(fixture, FAULT_ROUTE_CACHE, &dump)); /* every second one */
    assert_int_equal(fixture->loopback.response.state, RESPONSE_HEADERS);
    assert_true(inject(fixture, FAULT_ROUTE_CACHE, &dump));
    assert_false(dump);
    assert_int_equal(fixture->loopback.response.status, 503);
    assert_string_equal(fixture->loopback.body.data, "Error serving request\n");
    assert_string_equal(loopback_header(&fixture->loopback, "Content-Type"),
                        "text/plain; charset=utf-8");
    assert_metric(fixture, "\nemojify_fault_decisions_total{route=\"cache\"} 2\n");
    assert_metric(fixture,
                  "\nemojify_injected_faults_total{route=\"cache\",type=\"http_error\"} 1\n");
    assert_logged(fixture, "[WARN]  test: Injected fault: request_id=");
    assert_logged(fixture, "route=cache type=http_error\n");
}

static void a_delay_is_waited_for_and_the_request_goes_on(void **state)
{
    struct fixture *fixture = *state;
    bool dump;
    fixture->app.config.emojify_fault =
        (struct fault_config){.rate = 1, .type = FAULT_DELAY, .delay_ms = 80};
    int64_t before_ns = clock_now_ns();
    assert_false(inject(fixture, FAULT_ROUTE_EMOJIFY, &dump));
    assert_false(dump);
    assert_true(clock_now_ns() - before_ns >= 80 * NS_PER_MS);
    assert_metric(fixture, "\nemojify_injected_faults_total{route=\"emojify\",type=\"delay\"} 1\n");
    assert_metric(fixture, "\nemojify_fault_decisions_total{route=\"cache\"} 0\n");
}

static void a_delay_ends_at_the_requests_deadline(void **state)
{
    struct fixture *fixture = *state;
    bool dump;
    fixture->app.config.cache_fault =
        (struct fault_config){.rate = 1, .type = FAULT_DELAY, .delay_ms = 60000};
    int64_t before_ns = clock_now_ns();
    fixture->exchange.deadline_ns = before_ns + 50 * NS_PER_MS;
    assert_false(inject(fixture, FAULT_ROUTE_CACHE, &dump));
    assert_true(clock_now_ns() >= fixture->exchange.deadline_ns);
    assert_true(clock_now_ns() - before_ns < 5 * NS_PER_S);
}

static void a_dump_is_asked_for(void **state)
{
    struct fixture *fixture = *state;
    bool dump;
    fixture->app.config.cache_fault = (struct fault_config){.rate = 1, .type = FAULT_DUMP};
    assert_false(inject(fixture, FAULT_ROUTE_CACHE, &dump));
    assert_true(dump);
    assert_metric(fixture, "\nemojify_injected_faults_total{route=\"cache\",type=\"dump\"} 1\n");
}

static void what_is_injected_is_announced_at_start(void **state)
{
    struct fixture *fixture = *state;
    fixture->app.config.emojify_fault = (struct fault_config){.rate = 0.25, .type = FAULT_DELAY};
    faults_announce(&fixture->app.config, &fixture->app.log);
    assert_logged(fixture, "[WARN]  test: Faults are injected on purpose: route=emojify type=delay "
                           "rate=0.25\n");
}

static void siblings_keep_the_rate_together(void **state)
{
    enum { SIBLINGS = 4, EACH = 250 };
    struct fixture *fixture = *state;
    pid_t children[SIBLINGS];
    for (int i = 0; i < SIBLINGS; i++) {
        children[i] = fork();
        if (children[i] != 0)
            continue;
        telemetry_stop(&fixture->app.telemetry);
        start_telemetry(fixture, fixture->dir.path);
        int hits = 0;
        for (int n = 0; n < EACH; n++)
            hits += faults_hits(
                telemetry_fault_decision(&fixture->app.telemetry, FAULT_ROUTE_CACHE), 0.3);
        _exit(hits);
    }
    int hits = 0;
    for (int i = 0; i < SIBLINGS; i++) {
        int status;
        assert_int_equal(waitpid(children[i], &status, 0), children[i]);
        assert_true(WIFEXITED(status));
        hits += WEXITSTATUS(status);
    }
    assert_int_equal(hits, SIBLINGS * EACH * 3 / 10);
}

/* --- Dump ------------------------------------------------------------------------ */

static void a_dump_is_the_message_as_protobuf_text(void **state)
{
    (void)state;
    char first[] = "\x89PNG\r\n\x1a";
    char second[] = "\n\0\t\"'\\~\x7f\xff 8";
    struct iovec pieces[] = {{first, sizeof(first) - 1}, {second, sizeof(second) - 1}};
    struct cache_item item = {.pieces = pieces, .count = 2};
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);
    assert_non_null(out);
    dump_cache_item(out, "a\"b", &item);
    assert_int_equal(fclose(out), 0);
    assert_string_equal(text, "id: \"a\\\"b\"\n"
                              "data: \"\\211PNG\\r\\n\\032\\n\\000\\t\\\"\\'\\\\~\\177\\377 8\"\n");
    free(text);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_rate_is_kept_exactly),
        cmocka_unit_test(hits_are_spread_evenly),
        cmocka_unit_test(the_rate_holds_however_long_it_runs),
        TEST(nothing_happens_without_a_rate),
        TEST(an_error_is_the_answer_and_is_counted_and_logged),
        TEST(a_delay_is_waited_for_and_the_request_goes_on),
        TEST(a_delay_ends_at_the_requests_deadline),
        TEST(a_dump_is_asked_for),
        TEST(what_is_injected_is_announced_at_start),
        TEST(siblings_keep_the_rate_together),
        cmocka_unit_test(a_dump_is_the_message_as_protobuf_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
