/* SPDX-License-Identifier: MIT */
#include "support/cmocka.h"

#include <stdio.h>
#include <string.h>

#include "lib/base/limits.h"
#include "lib/telemetry/trace.h"

#define TRACE_ID "4bf92f3577b34da6a3ce929d0e0e4736"
#define SPAN_ID  "00f067aa0ba902b7"
#define PARENT   "00-" TRACE_ID "-" SPAN_ID
#define ZEROS_32 "00000000000000000000000000000000"

/* Headers as they came in: name, value, ..., NULL. */
static const char *find(const void *source, const char *name)
{
    for (const char *const *at = source; *at; at += 2) {
        if (strcmp(at[0], name) == 0)
            return at[1];
    }
    return NULL;
}

#define HEADERS(...) ((const char *const[]){__VA_ARGS__, NULL})

/* What goes out under a name; NULL: nothing. */
static const char *sent(struct trace *trace, const char *name)
{
    struct http_header headers[TRACE_HEADERS_MAX];
    size_t count = trace_headers(trace, headers);
    assert_in_range(count, 0, TRACE_HEADERS_MAX);
    for (size_t i = 0; i < count; i++) {
        if (strcmp(headers[i].name, name) == 0)
            return headers[i].value;
    }
    return NULL;
}

static void assert_span(const char *span)
{
    assert_int_equal(strlen(span), TRACE_SPAN_LEN);
    assert_int_equal(strspn(span, "0123456789abcdef"), TRACE_SPAN_LEN);
    assert_string_not_equal(span, "0000000000000000");
}

/* --- W3C ------------------------------------------------------------------------- */

static void a_traceparent_goes_on_with_a_span_of_our_own(void **state)
{
    (void)state;
    struct trace trace;
    char expected[TRACE_PARENT_LEN + 1];
    memset(&trace, 'j', sizeof(trace));
    trace_begin(&trace, find, HEADERS("traceparent", PARENT "-01", "tracestate", "a=1,b@c=2"));
    assert_string_equal(trace.trace_id, TRACE_ID);
    assert_string_equal(trace.parent_id, SPAN_ID);
    assert_span(trace.span_id);
    assert_string_not_equal(trace.span_id, SPAN_ID);
    (void)snprintf(expected, sizeof(expected), "00-" TRACE_ID "-%s-01", trace.span_id);
    assert_string_equal(sent(&trace, "traceparent"), expected);
    assert_string_equal(sent(&trace, "tracestate"), "a=1,b@c=2");
    assert_null(sent(&trace, "b3"));
    assert_null(sent(&trace, "x-b3-traceid"));
}

static void only_the_sampled_flag_is_kept(void **state)
{
    (void)state;
    static const struct {
        const char *parent;
        enum trace_sampling sampling;
        const char *flags;
    } cases[] = {
        {PARENT "-00", TRACE_NOT_SAMPLED, "00"}, {PARENT "-01", TRACE_SAMPLED, "01"},
        {PARENT "-02", TRACE_NOT_SAMPLED, "00"}, {PARENT "-03", TRACE_SAMPLED, "01"},
        {PARENT "-ff", TRACE_SAMPLED, "01"},     {PARENT "-0e", TRACE_NOT_SAMPLED, "00"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct trace trace;
        trace_begin(&trace, find, HEADERS("traceparent", cases[i].parent));
        assert_int_equal(trace.sampling, cases[i].sampling);
        assert_string_equal(sent(&trace, "traceparent") + TRACE_PARENT_LEN - 2, cases[i].flags);
    }
}

static void a_traceparent_of_a_later_version_is_read_as_version_00(void **state)
{
    (void)state;
    static const char *const parents[] = {
        "01-" TRACE_ID "-" SPAN_ID "-01",
        "cc-" TRACE_ID "-" SPAN_ID "-01-what-the-future-will-bring",
        "fe-" TRACE_ID "-" SPAN_ID "-01-",
    };
    for (size_t i = 0; i < sizeof(parents) / sizeof(parents[0]); i++) {
        struct trace trace;
        assert_true(trace_read(&trace, find, HEADERS("traceparent", parents[i])));
        assert_string_equal(trace.trace_id, TRACE_ID);
        trace_begin(&trace, find, HEADERS("traceparent", parents[i]));
        assert_int_equal(strncmp(sent(&trace, "traceparent"), "00-" TRACE_ID "-", 36), 0);
    }
}

static void a_malformed_traceparent_is_as_if_it_had_not_come(void **state)
{
    (void)state;
    static const char *const parents[] = {
        "",
        "00",
        PARENT,
        PARENT "-0",
        PARENT "-01 ",
        PARENT "-01-",
        PARENT "-01-x",
        PARENT "-0g",
        PARENT "-0A",
        PARENT ".01",
        "ff-" TRACE_ID "-" SPAN_ID "-01",
        "0-4bf92f3577b34da6a3ce929d0e0e47361-" SPAN_ID "-01",
        "0x-" TRACE_ID "-" SPAN_ID "-01",
        "AA-" TRACE_ID "-" SPAN_ID "-01",
        "01-" TRACE_ID "-" SPAN_ID "-01.",
        "00-" ZEROS_32 "-" SPAN_ID "-01",
        "00-" TRACE_ID "-0000000000000000-01",
        "00-4BF92F3577B34DA6A3CE929D0E0E4736-" SPAN_ID "-01",
        "00-4bf92f3577b34da6a3ce929d0e0e473-" SPAN_ID "-010",
        "00-" TRACE_ID "-00f067aa0ba902b-0-01",
        "00 " TRACE_ID "-" SPAN_ID "-01",
        "00-" TRACE_ID " " SPAN_ID "-01",
    };
    for (size_t i = 0; i < sizeof(parents) / sizeof(parents[0]); i++) {
        struct trace trace;
        memset(&trace, 'j', sizeof(trace));
        if (trace_read(&trace, find, HEADERS("traceparent", parents[i], "tracestate", "a=1")))
            fail_msg("\"%s\" was taken", parents[i]);
        assert_string_equal(trace.trace_id, "");
        assert_null(trace.state);
    }
}

static void a_tracestate_that_is_malformed_is_dropped_alone(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool taken;
    } cases[] = {
        {"", true},
        {"a=1", true},
        {"a=1,,b=2", true},
        {" a=1 , \tb=2 ", true},
        {"0tenant@system_x/y*z-1=some value!", true},
        {"a", false},
        {"a=", false},
        {"=1", false},
        {"A=1", false},
        {"a b=1", false},
        {"a=1=2", false},
        {"@a=1", false},
        {"a=\x01", false},
        {"a=\xc3\xa9", false},
        {"a=1\n", false},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct trace trace;
        assert_true(trace_read(&trace, find,
                               HEADERS("traceparent", PARENT "-01", "tracestate", cases[i].text)));
        if ((trace.state != NULL) != cases[i].taken)
            fail_msg("\"%s\": %d", cases[i].text, trace.state != NULL);
    }
}

static const char *state_after(const char *text)
{
    struct trace trace;
    assert_true(trace_read(&trace, find, HEADERS("traceparent", PARENT "-01", "tracestate", text)));
    return trace.state;
}

static void a_tracestate_has_at_most_so_many_bytes_and_members(void **state)
{
    (void)state;
    char text[LIMIT_TRACESTATE + 2];
    memset(text, ',', sizeof(text));
    text[32] = '\0';
    text[31] = '\0'; /* 31 commas: 32 members */
    assert_non_null(state_after(text));
    text[31] = ',';
    assert_null(state_after(text));

    /* Two long members: at the limit, and one beyond. */
    memset(text, 'v', sizeof(text));
    memcpy(text, "a=", 2);
    memcpy(text + 256, ",b=", 3);
    text[LIMIT_TRACESTATE] = '\0';
    assert_ptr_equal(state_after(text), text);
    text[LIMIT_TRACESTATE] = ' ';
    text[LIMIT_TRACESTATE + 1] = '\0';
    assert_null(state_after(text));

    memset(text, 'v', sizeof(text)); /* a value of 257 bytes */
    memcpy(text, "a=", 2);
    text[2 + 256] = '\0';
    assert_non_null(state_after(text));
    text[2 + 256] = 'v';
    text[2 + 257] = '\0';
    assert_null(state_after(text));
}

/* --- B3 -------------------------------------------------------------------------- */

static void a_single_b3_goes_on_in_both_forms(void **state)
{
    (void)state;
    static const struct {
        const char *b3;
        const char *decision; /* what is sent behind the span's id, up to the parent's */
        const char *flags;
    } cases[] = {
        {TRACE_ID "-" SPAN_ID "-1", "-1-" SPAN_ID, "01"},
        {TRACE_ID "-" SPAN_ID "-0", "-0-" SPAN_ID, "00"},
        {TRACE_ID "-" SPAN_ID "-d", "-d-" SPAN_ID, "01"},
        {TRACE_ID "-" SPAN_ID "-1-05e3ac9a4f6e3b90", "-1-" SPAN_ID, "01"},
        {TRACE_ID "-" SPAN_ID, "", "00"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct trace trace;
        char expected[TRACE_B3_LEN + 1];
        trace_begin(&trace, find, HEADERS("b3", cases[i].b3));
        assert_string_equal(trace.trace_id, TRACE_ID);
        assert_string_equal(trace.parent_id, SPAN_ID);
        (void)snprintf(expected, sizeof(expected), TRACE_ID "-%s%s", trace.span_id,
                       cases[i].decision);
        assert_string_equal(sent(&trace, "b3"), expected);
        (void)snprintf(expected, sizeof(expected), "00-" TRACE_ID "-%s-%s", trace.span_id,
                       cases[i].flags);
        assert_string_equal(sent(&trace, "traceparent"), expected);
        assert_null(sent(&trace, "x-b3-traceid"));
    }
}

static void b3_in_several_headers_goes_on_as_such(void **state)
{
    (void)state;
    struct trace trace;
    trace_begin(&trace, find,
                HEADERS("x-b3-traceid", TRACE_ID, "x-b3-spanid", SPAN_ID, "x-b3-parentspanid",
                        "05e3ac9a4f6e3b90", "x-b3-sampled", "1"));
    assert_string_equal(trace.trace_id, TRACE_ID);
    assert_string_equal(sent(&trace, "x-b3-traceid"), TRACE_ID);
    assert_string_equal(sent(&trace, "x-b3-spanid"), trace.span_id);
    assert_string_equal(sent(&trace, "x-b3-parentspanid"), SPAN_ID);
    assert_string_equal(sent(&trace, "x-b3-sampled"), "1");
    assert_null(sent(&trace, "b3"));
    assert_non_null(sent(&trace, "traceparent"));

    trace_begin(&trace, find,
                HEADERS("x-b3-traceid", TRACE_ID, "x-b3-spanid", SPAN_ID, "x-b3-flags", "1"));
    assert_int_equal(trace.sampling, TRACE_DEBUG);
    assert_string_equal(sent(&trace, "x-b3-flags"), "1");
    assert_null(sent(&trace, "x-b3-sampled"));

    trace_begin(&trace, find, HEADERS("x-b3-traceid", TRACE_ID, "x-b3-spanid", SPAN_ID));
    assert_int_equal(trace.sampling, TRACE_UNDECIDED);
    assert_null(sent(&trace, "x-b3-sampled"));
}

static void a_b3_trace_id_of_64_bits_gets_zeros_in_front(void **state)
{
    (void)state;
    struct trace trace;
    assert_true(trace_read(&trace, find, HEADERS("b3", "a3ce929d0e0e4736-" SPAN_ID "-1")));
    assert_string_equal(trace.trace_id, "0000000000000000a3ce929d0e0e4736");
    assert_true(trace_read(&trace, find,
                           HEADERS("x-b3-traceid", "a3ce929d0e0e4736", "x-b3-spanid", SPAN_ID)));
    assert_string_equal(trace.trace_id, "0000000000000000a3ce929d0e0e4736");
}

static void a_malformed_b3_is_as_if_it_had_not_come(void **state)
{
    (void)state;
    static const char *const singles[] = {
        "",
        "x",
        "2",
        TRACE_ID,
        TRACE_ID "-",
        TRACE_ID "-" SPAN_ID "-",
        TRACE_ID "-" SPAN_ID "-2",
        TRACE_ID "-" SPAN_ID "-true",
        TRACE_ID "-" SPAN_ID "-1-",
        TRACE_ID "-" SPAN_ID "-1-05e3ac9a4f6e3b9",
        TRACE_ID "-" SPAN_ID "-1-05e3ac9a4f6e3b900",
        TRACE_ID "-" SPAN_ID "x",
        ZEROS_32 "-" SPAN_ID "-1",
        TRACE_ID "-0000000000000000-1",
        "4bf92f3577b34da6a-" SPAN_ID "-1",
    };
    for (size_t i = 0; i < sizeof(singles) / sizeof(singles[0]); i++) {
        struct trace trace;
        if (trace_read(&trace, find, HEADERS("b3", singles[i])))
            fail_msg("\"%s\" was taken", singles[i]);
        assert_string_equal(trace.trace_id, "");
        assert_int_equal(trace.sampling, TRACE_UNDECIDED);
    }
    static const char *const several[][2] = {
        {TRACE_ID, ""},          {TRACE_ID, "0000000000000000"},
        {TRACE_ID, SPAN_ID "0"}, {TRACE_ID "0", SPAN_ID},
        {ZEROS_32, SPAN_ID},     {"", SPAN_ID},
    };
    for (size_t i = 0; i < sizeof(several) / sizeof(several[0]); i++) {
        struct trace trace;
        assert_false(trace_read(
            &trace, find, HEADERS("x-b3-traceid", several[i][0], "x-b3-spanid", several[i][1])));
        assert_string_equal(trace.trace_id, "");
    }
}

static void a_decision_without_a_trace_is_kept_for_the_new_one(void **state)
{
    (void)state;
    struct trace trace;
    trace_begin(&trace, find, HEADERS("b3", "0"));
    assert_int_equal(trace.sampling, TRACE_NOT_SAMPLED);
    assert_string_equal(trace.parent_id, "");
    const char *b3 = sent(&trace, "b3");
    assert_string_equal(b3 + strlen(b3) - 2, "-0");

    trace_begin(&trace, find, HEADERS("x-b3-sampled", "true"));
    assert_int_equal(trace.sampling, TRACE_SAMPLED);
    assert_string_equal(sent(&trace, "x-b3-sampled"), "1");
    assert_null(sent(&trace, "x-b3-parentspanid"));
}

static void w3c_counts_when_both_came_and_b3_is_told_the_same(void **state)
{
    (void)state;
    struct trace trace;
    char expected[TRACE_B3_LEN + 1];
    trace_begin(&trace, find,
                HEADERS("traceparent", PARENT "-00", "b3",
                        "0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-1"));
    assert_string_equal(trace.trace_id, TRACE_ID);
    (void)snprintf(expected, sizeof(expected), TRACE_ID "-%s-0-" SPAN_ID, trace.span_id);
    assert_string_equal(sent(&trace, "b3"), expected);

    trace_begin(&trace, find,
                HEADERS("traceparent", "broken", "b3",
                        "0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-1"));
    assert_string_equal(trace.trace_id, "0af7651916cd43dd8448eb211c80319c");
}

/* --- Beginning ------------------------------------------------------------------- */

static void without_headers_a_trace_begins_that_is_not_sampled(void **state)
{
    (void)state;
    struct trace one, other;
    char expected[TRACE_PARENT_LEN + 1];
    trace_begin(&one, find, HEADERS(NULL));
    trace_begin(&other, find, HEADERS(NULL));
    assert_int_equal(strlen(one.trace_id), TRACE_ID_LEN);
    assert_int_equal(strspn(one.trace_id, "0123456789abcdef"), TRACE_ID_LEN);
    assert_string_not_equal(one.trace_id, other.trace_id);
    assert_string_not_equal(one.span_id, other.span_id);
    assert_span(one.span_id);
    assert_string_equal(one.parent_id, "");
    (void)snprintf(expected, sizeof(expected), "00-%s-%s-00", one.trace_id, one.span_id);
    assert_string_equal(sent(&one, "traceparent"), expected);
    assert_null(sent(&one, "tracestate"));
}

static void a_trace_that_was_only_read_is_not_sent_on(void **state)
{
    (void)state;
    struct trace trace;
    struct http_header headers[TRACE_HEADERS_MAX];
    assert_true(trace_read(&trace, find, HEADERS("traceparent", PARENT "-01")));
    assert_int_equal(trace_headers(&trace, headers), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_traceparent_goes_on_with_a_span_of_our_own),
        cmocka_unit_test(only_the_sampled_flag_is_kept),
        cmocka_unit_test(a_traceparent_of_a_later_version_is_read_as_version_00),
        cmocka_unit_test(a_malformed_traceparent_is_as_if_it_had_not_come),
        cmocka_unit_test(a_tracestate_that_is_malformed_is_dropped_alone),
        cmocka_unit_test(a_tracestate_has_at_most_so_many_bytes_and_members),
        cmocka_unit_test(a_single_b3_goes_on_in_both_forms),
        cmocka_unit_test(b3_in_several_headers_goes_on_as_such),
        cmocka_unit_test(a_b3_trace_id_of_64_bits_gets_zeros_in_front),
        cmocka_unit_test(a_malformed_b3_is_as_if_it_had_not_come),
        cmocka_unit_test(a_decision_without_a_trace_is_kept_for_the_new_one),
        cmocka_unit_test(w3c_counts_when_both_came_and_b3_is_told_the_same),
        cmocka_unit_test(without_headers_a_trace_begins_that_is_not_sampled),
        cmocka_unit_test(a_trace_that_was_only_read_is_not_sent_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
