/* SPDX-License-Identifier: MIT */
#include "support/cmocka.h"

#include <jansson.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/limits.h"
#include "lib/base/log.h"

/* A log that writes into a pipe. */
struct fixture {
    int read_fd;
    struct log_sink sink;
    struct log log;
    char record[2 * LIMIT_LOG_RECORD];
};

static struct fixture fixture;

static int set_up(void **state)
{
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    fixture.read_fd = ends[0];
    fixture.sink = (struct log_sink){.fd = ends[1], .level = LOG_INFO};
    fixture.log = (struct log){.sink = &fixture.sink, .module = "api"};
    *state = &fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    close(f->read_fd);
    close(f->sink.fd);
    return 0;
}

/* One record behind its timestamp; a pipe gives what one write put in. */
static const char *record_of(struct fixture *f)
{
    ssize_t len = read(f->read_fd, f->record, sizeof(f->record) - 1);
    assert_true(len > 25);
    f->record[len] = '\0';
    return f->record + strlen("2026-11-22T10:23:34.152Z");
}

static void a_text_record_has_the_shape_of_hclog(void **state)
{
    struct fixture *f = *state;
    log_info(&f->log, "Cache called", LOG_FIELDS(LOG_STR("file", "abc"), LOG_INT("status", 200)));
    assert_string_equal(record_of(f), " [INFO]  api: Cache called: file=abc status=200\n");
    assert_int_equal(f->record[10], 'T');
    assert_int_equal(f->record[23], 'Z');
    log_error(&f->log, "Bad", NULL);
    assert_string_equal(record_of(f), " [ERROR] api: Bad\n");
    static const struct {
        int64_t ns;
        const char *record;
    } cases[] = {
        {1234567, " [WARN]  api: Slow: ms=1.235\n"},
        {0, " [WARN]  api: Slow: ms=0.000\n"},
        {499, " [WARN]  api: Slow: ms=0.000\n"},
        {5000, " [WARN]  api: Slow: ms=0.005\n"},
        {999999500, " [WARN]  api: Slow: ms=1000.000\n"},
        {-1500000, " [WARN]  api: Slow: ms=-1.500\n"},
        {INT64_MIN, " [WARN]  api: Slow: ms=-9223372036854.776\n"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        log_warn(&f->log, "Slow", LOG_FIELDS(LOG_MS("ms", cases[i].ns)));
        assert_string_equal(record_of(f), cases[i].record);
    }
    log_warn(&f->log, "Some",
             LOG_FIELDS(LOG_INT("a", 0), LOG_INT("b", -7), LOG_INT("c", INT64_MAX),
                        LOG_INT("d", INT64_MIN)));
    assert_string_equal(record_of(f), " [WARN]  api: Some: a=0 b=-7 c=9223372036854775807 "
                                      "d=-9223372036854775808\n");
}

static void a_request_id_is_on_the_record(void **state)
{
    struct fixture *f = *state;
    struct log child = log_child(&f->log, "id-1", NULL);
    log_info(&child, "Hello", NULL);
    assert_string_equal(record_of(f), " [INFO]  api: Hello: request_id=id-1\n");
}

static void a_trace_id_is_on_the_record_as_well(void **state)
{
    struct fixture *f = *state;
    struct log both = log_child(&f->log, "id-1", "abc");
    struct log only_trace = log_child(&f->log, NULL, "abc");
    log_info(&both, "Hello", LOG_FIELDS(LOG_INT("n", 1)));
    assert_string_equal(record_of(f), " [INFO]  api: Hello: request_id=id-1 trace_id=abc n=1\n");
    log_info(&only_trace, "Hello", NULL);
    assert_string_equal(record_of(f), " [INFO]  api: Hello: trace_id=abc\n");
}

static void foreign_text_cannot_forge_a_record(void **state)
{
    struct fixture *f = *state;
    log_info(&f->log, "Got",
             LOG_FIELDS(LOG_STR("url", "a b\n2026 [INFO] \"x\"\\\x1b[0m\xff"), LOG_STR("empty", ""),
                        LOG_STR("null", NULL), LOG_STR("equals", "a=b")));
    assert_string_equal(record_of(f), " [INFO]  api: Got: url=\"a b\\n2026 [INFO] "
                                      "\\\"x\\\"\\\\\\x1b[0m\\xff\" empty=\"\" null=\"\" "
                                      "equals=\"a=b\"\n");
}

static void levels_below_the_sinks_are_not_written(void **state)
{
    struct fixture *f = *state;
    log_debug(&f->log, "hidden", NULL);
    atomic_store(&f->sink.level, LOG_DEBUG);
    log_debug(&f->log, "shown", NULL);
    assert_string_equal(record_of(f), " [DEBUG] api: shown\n");
    atomic_store(&f->sink.level, LOG_OFF);
    log_error(&f->log, "hidden", NULL);
    atomic_store(&f->sink.level, LOG_INFO);
    log_info(&f->log, "last", NULL);
    assert_string_equal(record_of(f), " [INFO]  api: last\n");
}

static void a_json_record_is_valid_json_whatever_the_bytes(void **state)
{
    struct fixture *f = *state;
    f->sink.format = LOG_FORMAT_JSON;
    struct log child = log_child(&f->log, "id-2", "abc");
    log_info(&child, "Got",
             LOG_FIELDS(LOG_STRN("bytes", "\0\x01\xff\"\\\n\xc2\x85", 8), LOG_INT("n", -5),
                        LOG_MS("ms", 1500000)));
    (void)record_of(f);
    json_t *record = json_loads(f->record, JSON_ALLOW_NUL, NULL);
    assert_non_null(record);
    assert_string_equal(json_string_value(json_object_get(record, "@level")), "info");
    assert_string_equal(json_string_value(json_object_get(record, "@module")), "api");
    assert_string_equal(json_string_value(json_object_get(record, "@message")), "Got");
    assert_string_equal(json_string_value(json_object_get(record, "request_id")), "id-2");
    assert_string_equal(json_string_value(json_object_get(record, "trace_id")), "abc");
    assert_int_equal(json_integer_value(json_object_get(record, "n")), -5);
    json_decref(record);
}

static void a_record_that_is_too_long_is_cut_to_one_line(void **state)
{
    struct fixture *f = *state;
    char text[2 * LIMIT_LOG_RECORD];
    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    log_info(&f->log, "Long", LOG_FIELDS(LOG_STR("a", "b"), LOG_STR("text", text)));
    const char *record = record_of(f);
    size_t len = strlen(record);
    assert_true(len < LIMIT_LOG_RECORD);
    assert_string_equal(record + len - 4, "...\n");

    f->sink.format = LOG_FORMAT_JSON;
    log_info(&f->log, "Long", LOG_FIELDS(LOG_STR("a", "b"), LOG_STR("text", text)));
    (void)record_of(f);
    json_t *json = json_loads(f->record, 0, NULL);
    assert_non_null(json);
    assert_string_equal(json_string_value(json_object_get(json, "a")), "b");
    json_decref(json);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_text_record_has_the_shape_of_hclog, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_request_id_is_on_the_record, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_trace_id_is_on_the_record_as_well, set_up, tear_down),
        cmocka_unit_test_setup_teardown(foreign_text_cannot_forge_a_record, set_up, tear_down),
        cmocka_unit_test_setup_teardown(levels_below_the_sinks_are_not_written, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_json_record_is_valid_json_whatever_the_bytes, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_record_that_is_too_long_is_cut_to_one_line, set_up,
                                        tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
