/* SPDX-License-Identifier: MIT */
#include "lib/fcgi/request.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/base/limits.h"
#include "support/loopback.h"

#define ENVIRONMENT(...) ((const char *const[]){__VA_ARGS__, NULL})
#define GET(...)         ENVIRONMENT("REQUEST_METHOD=GET", __VA_ARGS__)

static char *repeat(const char *prefix, char c, size_t count)
{
    size_t len = strlen(prefix);
    char *text = malloc(len + count + 1);
    assert_non_null(text);
    memcpy(text, prefix, len);
    memset(text + len, c, count);
    text[len + count] = '\0';
    return text;
}

static void assert_init(const char *const *environment, enum app_err expected)
{
    struct loopback loopback;
    loopback_init(&loopback, environment, NULL, 0);
    assert_int_equal(loopback.init_err, expected);
    /* What the answer and the log line need is there in any case. */
    assert_true(strlen(loopback.request.id) > 0);
    assert_non_null(loopback.request.arena);
    assert_ptr_equal(loopback.request.log.request_id, loopback.request.id);
    assert_non_null(loopback.request.path);
    assert_non_null(loopback.request.method_name);
    loopback_release(&loopback);
}

static void a_plain_request_is_read(void **state)
{
    (void)state;
    struct loopback loopback;
    loopback_init(&loopback,
                  ENVIRONMENT("FCGI_ROLE=RESPONDER", "REQUEST_METHOD=POST",
                              "REQUEST_URI=/a%20b?c=%41", "CONTENT_LENGTH=3", "EMPTY="),
                  "abc", 3);
    const struct request *request = &loopback.request;
    assert_int_equal(loopback.init_err, APP_OK);
    assert_int_equal(request->method, HTTP_POST);
    assert_string_equal(request->method_name, "POST");
    assert_string_equal(request->uri, "/a%20b?c=%41");
    assert_string_equal(request->path, "/a b");
    assert_string_equal(request->query, "c=%41");
    assert_int_equal(request->content_length, 3);
    assert_true(request->started_ns > 0);
    assert_string_equal(request_param(request, "FCGI_ROLE"), "RESPONDER");
    assert_string_equal(request_param(request, "EMPTY"), "");
    assert_null(request_param(request, "FCGI_ROL"));
    assert_null(request_param(request, "fcgi_role"));
    loopback_release(&loopback);
}

static void an_unknown_method_is_other_and_keeps_its_name(void **state)
{
    (void)state;
    struct loopback loopback;
    loopback_init(&loopback, ENVIRONMENT("REQUEST_METHOD=PATCH", "REQUEST_URI=/"), NULL, 0);
    assert_int_equal(loopback.init_err, APP_OK);
    assert_int_equal(loopback.request.method, HTTP_OTHER);
    assert_string_equal(loopback.request.method_name, "PATCH");
    loopback_release(&loopback);
}

static void what_is_missing_or_malformed_is_a_bad_request(void **state)
{
    (void)state;
    assert_init((const char *const[]){NULL}, APP_BAD_REQUEST);
    assert_init(ENVIRONMENT("REQUEST_URI=/"), APP_BAD_REQUEST);
    assert_init(ENVIRONMENT("REQUEST_METHOD=", "REQUEST_URI=/"), APP_BAD_REQUEST);
    assert_init(ENVIRONMENT("REQUEST_METHOD", "REQUEST_URI=/"), APP_BAD_REQUEST);
    assert_init(ENVIRONMENT("REQUEST_METHOD=GET"), APP_BAD_REQUEST);
    assert_init(GET("REQUEST_URI="), APP_BAD_REQUEST);
    assert_init(GET("REQUEST_URI=*"), APP_BAD_REQUEST);
    assert_init(GET("REQUEST_URI=http://h/"), APP_BAD_REQUEST);
    assert_init(GET("REQUEST_URI=/%2F"), APP_BAD_REQUEST);
    assert_init(GET("REQUEST_URI=/%zz"), APP_BAD_REQUEST);
}

static void the_first_of_two_equal_names_counts(void **state)
{
    (void)state;
    struct loopback loopback;
    loopback_init(&loopback, GET("REQUEST_URI=/1", "REQUEST_URI=/2", "HTTP_X_A=1", "HTTP_X_A=2"),
                  NULL, 0);
    assert_string_equal(loopback.request.path, "/1");
    assert_string_equal(request_header(&loopback.request, "X-A"), "1");
    loopback_release(&loopback);
}

static void headers_are_found_by_their_http_names(void **state)
{
    (void)state;
    struct loopback loopback;
    loopback_init(&loopback,
                  GET("REQUEST_URI=/", "CONTENT_TYPE=text/plain", "CONTENT_LENGTH=7",
                      "HTTP_CONTENT_TYPE=forged", "HTTP_ACCEPT=*/*", "HTTP_X_TWO_WORDS=yes"),
                  NULL, 0);
    const struct request *request = &loopback.request;
    assert_string_equal(request_header(request, "Content-Type"), "text/plain");
    assert_string_equal(request_header(request, "content-length"), "7");
    assert_string_equal(request_header(request, "Accept"), "*/*");
    assert_string_equal(request_header(request, "X-Two-Words"), "yes");
    assert_null(request_header(request, "X-Two"));
    assert_null(request_header(request, ""));
    char *name = repeat("X", 'X', 200);
    assert_null(request_header(request, name));
    free(name);
    loopback_release(&loopback);
}

static void assert_length(const char *variable, enum app_err expected, int64_t length)
{
    struct loopback loopback;
    loopback_init(&loopback, GET("REQUEST_URI=/", variable), NULL, 0);
    assert_int_equal(loopback.init_err, expected);
    assert_int_equal(loopback.request.content_length, length);
    loopback_release(&loopback);
}

static void a_content_length_is_digits_or_nothing(void **state)
{
    (void)state;
    assert_length("OTHER=", APP_OK, -1);
    assert_length("CONTENT_LENGTH=", APP_OK, -1);
    assert_length("CONTENT_LENGTH=0", APP_OK, 0);
    assert_length("CONTENT_LENGTH=0012", APP_OK, 12);
    assert_length("CONTENT_LENGTH=9223372036854775807", APP_OK, INT64_MAX);
    static const char *const bad[] = {"9223372036854775808",
                                      "99999999999999999999999",
                                      "-1",
                                      "+5",
                                      " 5",
                                      "5 ",
                                      "5, 5",
                                      "0x5",
                                      "5.0",
                                      "a"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        char variable[64];
        (void)snprintf(variable, sizeof(variable), "CONTENT_LENGTH=%s", bad[i]);
        assert_length(variable, APP_BAD_REQUEST, -1);
    }
}

static void a_target_may_have_its_limit_and_no_more(void **state)
{
    (void)state;
    char *uri = repeat("REQUEST_URI=/", 'a', LIMIT_REQUEST_PATH - 1);
    assert_init(GET(uri), APP_OK);
    free(uri);
    uri = repeat("REQUEST_URI=/", 'a', LIMIT_REQUEST_PATH);
    assert_init(GET(uri), APP_URI_TOO_LONG);
    free(uri);
}

static void variables_may_have_their_limit_and_no_more(void **state)
{
    (void)state;
    size_t others = sizeof("REQUEST_METHOD=GET") + sizeof("REQUEST_URI=/") + sizeof("HTTP_COOKIE=");
    char *cookie = repeat("HTTP_COOKIE=", 'c', LIMIT_REQUEST_PARAMS - others);
    assert_init(GET("REQUEST_URI=/", cookie), APP_OK);
    free(cookie);
    cookie = repeat("HTTP_COOKIE=", 'c', LIMIT_REQUEST_PARAMS - others + 1);
    assert_init(GET("REQUEST_URI=/", cookie), APP_HEADERS_TOO_LARGE);
    free(cookie);
}

static void as_many_variables_as_fit_are_taken(void **state)
{
    (void)state;
    enum { COUNT = LIMIT_REQUEST_PARAMS / 3 - 20 };
    const char **environment = calloc(COUNT + 3, sizeof(*environment));
    assert_non_null(environment);
    environment[0] = "REQUEST_METHOD=GET";
    environment[1] = "REQUEST_URI=/";
    for (size_t i = 0; i < COUNT; i++)
        environment[2 + i] = "A=";
    assert_init(environment, APP_OK);
    free(environment);
}

static void no_memory_is_said_and_leaves_an_id(void **state)
{
    (void)state;
    struct log_sink sink = {.fd = -1};
    struct log log = {.sink = &sink, .module = "test"};
    char method[] = "REQUEST_METHOD=GET", uri[] = "REQUEST_URI=/";
    char *const environment[] = {method, uri, NULL};
    struct arena *arena = arena_new(16);
    assert_non_null(arena);
    struct request request;
    memset(&request, 0x5a, sizeof(request));
    assert_int_equal(
        request_init(&request, arena, &log, environment, (struct request_input){NULL, NULL, NULL}),
        APP_NO_MEMORY);
    assert_string_equal(request.id, "-");
    assert_ptr_equal(request.arena, arena);
    assert_null(request_header(&request, "Accept"));
    arena_free(&arena);
}

static void assert_id(const char *variable, bool taken)
{
    struct loopback loopback;
    loopback_init(&loopback, GET("REQUEST_URI=/", variable), NULL, 0);
    const char *sent = strchr(variable, '=') + 1;
    if (taken) {
        assert_string_equal(loopback.request.id, sent);
    } else {
        assert_string_not_equal(loopback.request.id, sent);
        assert_int_equal(strlen(loopback.request.id), 32);
        assert_int_equal(strspn(loopback.request.id, "0123456789abcdef"), 32);
    }
    assert_ptr_equal(loopback.request.log.request_id, loopback.request.id);
    loopback_release(&loopback);
}

static void a_trace_that_is_named_goes_on_and_else_one_begins(void **state)
{
    (void)state;
    static const char *const named[] = {
        "REQUEST_METHOD=GET", "REQUEST_URI=/",
        "HTTP_TRACEPARENT=00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "HTTP_TRACESTATE=a=1", NULL};
    static const char *const unnamed[] = {"REQUEST_METHOD=GET", "REQUEST_URI=/", NULL};
    static const char *const refused[] = {"REQUEST_METHOD=GET", NULL};
    struct loopback loopback;
    loopback_init(&loopback, named, NULL, 0);
    assert_string_equal(loopback.request.trace.trace_id, "0af7651916cd43dd8448eb211c80319c");
    assert_string_equal(loopback.request.trace.state, "a=1");
    assert_ptr_equal(loopback.request.log.trace_id, loopback.request.trace.trace_id);
    loopback_release(&loopback);
    loopback_init(&loopback, unnamed, NULL, 0);
    assert_int_equal(strlen(loopback.request.trace.trace_id), TRACE_ID_LEN);
    loopback_release(&loopback);
    loopback_init(&loopback, refused, NULL, 0);
    assert_int_equal(loopback.init_err, APP_BAD_REQUEST);
    assert_int_equal(strlen(loopback.request.log.trace_id), TRACE_ID_LEN);
    loopback_release(&loopback);
}

static void a_sane_request_id_is_taken_over(void **state)
{
    (void)state;
    assert_id("HTTP_X_REQUEST_ID=a", true);
    assert_id("HTTP_X_REQUEST_ID=0af7651916cd43dd8448eb211c80319c", true);
    assert_id("HTTP_X_REQUEST_ID=Az09._~:/+=@-", true);
    char *id = repeat("HTTP_X_REQUEST_ID=", 'a', LIMIT_REQUEST_ID);
    assert_id(id, true);
    free(id);
}

static void another_request_id_is_replaced(void **state)
{
    (void)state;
    assert_id("OTHER=", false);
    assert_id("HTTP_X_REQUEST_ID=", false);
    assert_id("HTTP_X_REQUEST_ID=a b", false);
    assert_id("HTTP_X_REQUEST_ID=a\nb", false);
    assert_id("HTTP_X_REQUEST_ID=a\"b", false);
    assert_id("HTTP_X_REQUEST_ID=\xc3\xa9", false);
    char *id = repeat("HTTP_X_REQUEST_ID=", 'a', LIMIT_REQUEST_ID + 1);
    assert_id(id, false);
    free(id);
}

static void made_request_ids_differ(void **state)
{
    (void)state;
    struct loopback one, two;
    loopback_init(&one, GET("REQUEST_URI=/"), NULL, 0);
    loopback_init(&two, GET("REQUEST_URI=/"), NULL, 0);
    assert_string_not_equal(one.request.id, two.request.id);
    loopback_release(&one);
    loopback_release(&two);
}

static void a_refused_request_has_the_clients_id(void **state)
{
    (void)state;
    struct loopback loopback;
    loopback_init(&loopback, GET("HTTP_X_REQUEST_ID=mine"), NULL, 0);
    assert_int_equal(loopback.init_err, APP_BAD_REQUEST);
    assert_string_equal(loopback.request.id, "mine");
    loopback_release(&loopback);
}

static void the_media_type_has_no_parameters_and_no_capitals(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"CONTENT_TYPE=image/png", "image/png"},
        {"CONTENT_TYPE=Image/JPEG; q=1", "image/jpeg"},
        {"CONTENT_TYPE= text/plain;charset=utf-8", "text/plain"},
        {"CONTENT_TYPE=", ""},
        {"CONTENT_TYPE=;", ""},
        {"OTHER=", ""},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct loopback loopback;
        loopback_init(&loopback, GET("REQUEST_URI=/", cases[i][0]), NULL, 0);
        assert_string_equal(request_media_type(&loopback.request), cases[i][1]);
        loopback_release(&loopback);
    }
}

static void json_is_accepted_when_it_is_preferred(void **state)
{
    (void)state;
    static const struct {
        const char *variable;
        bool accepts;
    } cases[] = {
        {"HTTP_ACCEPT=application/json", true},
        {"HTTP_ACCEPT=application/problem+json", true},
        {"HTTP_ACCEPT=Application/JSON;charset=utf-8", true},
        {"HTTP_ACCEPT=text/html, application/json;q=0.5", true},
        {"HTTP_ACCEPT=,, application/json ; q=0.001", true},
        {"HTTP_ACCEPT=application/json;q=1.0", true},
        {"HTTP_ACCEPT=application/json;q=0", false},
        {"HTTP_ACCEPT=application/json; Q=0.000, text/plain;q=1", false},
        {"HTTP_ACCEPT=application/json;q=0, application/problem+json", true},
        {"HTTP_ACCEPT=application/jsonp", false},
        {"HTTP_ACCEPT=text/html,*/*", false},
        {"HTTP_ACCEPT=text/plain, application/json;q=0.9", false},
        {"HTTP_ACCEPT=", false},
        {"HTTP_ACCEPT=;;;,,,", false},
        {"OTHER=", false},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct loopback loopback;
        loopback_init(&loopback, GET("REQUEST_URI=/", cases[i].variable), NULL, 0);
        if (request_accepts_json(&loopback.request) != cases[i].accepts)
            fail_msg("%s", cases[i].variable);
        loopback_release(&loopback);
    }
}

/* --- Body --- */

struct body_case {
    const char *length; /* "CONTENT_LENGTH=..." */
    const char *input;
    size_t input_len;
    size_t max;
    size_t step;
    bool fails;
};

static enum app_err read_body(const struct body_case *test, char *out, size_t *len)
{
    struct loopback loopback;
    loopback_init(&loopback, GET("REQUEST_URI=/", test->length), test->input, test->input_len);
    loopback.input_step = test->step;
    loopback.input_fails = test->fails;
    const char *body = "junk";
    *len = 99;
    enum app_err err = request_read_body(&loopback.request, test->max, &body, len);
    if (err == APP_OK) {
        assert_int_equal(body[*len], '\0');
        memcpy(out, body, *len + 1);
    } else {
        assert_string_equal(body, "junk");
        assert_int_equal(*len, 99);
    }
    loopback_release(&loopback);
    return err;
}

static void a_body_is_read_whole(void **state)
{
    (void)state;
    static const struct body_case cases[] = {
        {"CONTENT_LENGTH=5", "hello", 5, 5, 0, false},
        {"CONTENT_LENGTH=5", "hello", 5, 100, 1, false},
        {"CONTENT_LENGTH=5", "hello, and more", 15, 5, 2, false},
        {"OTHER=", "hello", 5, 5, 0, false},
        {"OTHER=", "hello", 5, 6, 1, false},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char out[32];
        size_t len;
        assert_int_equal(read_body(&cases[i], out, &len), APP_OK);
        assert_string_equal(out, "hello");
        assert_int_equal(len, 5);
    }
}

static void an_empty_body_is_an_empty_string(void **state)
{
    (void)state;
    static const struct body_case cases[] = {
        {"CONTENT_LENGTH=0", "", 0, 0, 0, false},
        {"CONTENT_LENGTH=0", "x", 1, 0, 0, false},
        {"OTHER=", "", 0, 0, 0, false},
        {"OTHER=", "", 0, 10, 0, false},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char out[32];
        size_t len;
        assert_int_equal(read_body(&cases[i], out, &len), APP_OK);
        assert_int_equal(len, 0);
    }
}

static void a_body_beyond_the_ceiling_is_too_large(void **state)
{
    (void)state;
    char out[32];
    size_t len;
    struct body_case test = {"CONTENT_LENGTH=6", "hello!", 6, 5, 0, true};
    assert_int_equal(read_body(&test, out, &len), APP_TOO_LARGE);
    test.length = "CONTENT_LENGTH=9223372036854775807";
    assert_int_equal(read_body(&test, out, &len), APP_TOO_LARGE);
    test.length = "OTHER=";
    assert_int_equal(read_body(&test, out, &len), APP_TOO_LARGE);
    test.step = 1;
    assert_int_equal(read_body(&test, out, &len), APP_TOO_LARGE);
}

static void a_declared_length_is_refused_before_anything_is_read(void **state)
{
    (void)state;
    struct loopback loopback;
    loopback_init(&loopback, GET("REQUEST_URI=/", "CONTENT_LENGTH=6"), "hello!", 6);
    const char *body = NULL;
    size_t len = 0;
    assert_int_equal(request_read_body(&loopback.request, 5, &body, &len), APP_TOO_LARGE);
    assert_int_equal(loopback.request.body_read, 0);
    loopback_release(&loopback);
}

static void a_body_shorter_than_declared_is_a_bad_request(void **state)
{
    (void)state;
    char out[32];
    size_t len;
    struct body_case test = {"CONTENT_LENGTH=6", "hello", 5, 10, 0, false};
    assert_int_equal(read_body(&test, out, &len), APP_BAD_REQUEST);
    test.input_len = 0;
    assert_int_equal(read_body(&test, out, &len), APP_BAD_REQUEST);
}

static void an_input_error_means_that_the_client_is_gone(void **state)
{
    (void)state;
    char out[32];
    size_t len;
    struct body_case test = {"CONTENT_LENGTH=6", "hello", 5, 10, 0, true};
    assert_int_equal(read_body(&test, out, &len), APP_CLIENT_GONE);
    test.length = "OTHER=";
    assert_int_equal(read_body(&test, out, &len), APP_CLIENT_GONE);
}

static void a_body_of_megabytes_is_beyond_the_arena_and_fine(void **state)
{
    (void)state;
    enum { SIZE = 3 * 1024 * 1024 };
    char *sent = repeat("", 'b', SIZE);
    static const char *const lengths[] = {"CONTENT_LENGTH=3145728", "OTHER="};
    for (size_t i = 0; i < 2; i++) {
        struct loopback loopback;
        loopback_init(&loopback, GET("REQUEST_URI=/", lengths[i]), sent, SIZE);
        const char *body = NULL;
        size_t len = 0;
        assert_int_equal(request_read_body(&loopback.request, SIZE, &body, &len), APP_OK);
        assert_int_equal(len, SIZE);
        assert_memory_equal(body, sent, SIZE);
        loopback_release(&loopback);
    }
    free(sent);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_plain_request_is_read),
        cmocka_unit_test(an_unknown_method_is_other_and_keeps_its_name),
        cmocka_unit_test(what_is_missing_or_malformed_is_a_bad_request),
        cmocka_unit_test(the_first_of_two_equal_names_counts),
        cmocka_unit_test(headers_are_found_by_their_http_names),
        cmocka_unit_test(a_content_length_is_digits_or_nothing),
        cmocka_unit_test(a_target_may_have_its_limit_and_no_more),
        cmocka_unit_test(variables_may_have_their_limit_and_no_more),
        cmocka_unit_test(as_many_variables_as_fit_are_taken),
        cmocka_unit_test(no_memory_is_said_and_leaves_an_id),
        cmocka_unit_test(a_trace_that_is_named_goes_on_and_else_one_begins),
        cmocka_unit_test(a_sane_request_id_is_taken_over),
        cmocka_unit_test(another_request_id_is_replaced),
        cmocka_unit_test(made_request_ids_differ),
        cmocka_unit_test(a_refused_request_has_the_clients_id),
        cmocka_unit_test(the_media_type_has_no_parameters_and_no_capitals),
        cmocka_unit_test(json_is_accepted_when_it_is_preferred),
        cmocka_unit_test(a_body_is_read_whole),
        cmocka_unit_test(an_empty_body_is_an_empty_string),
        cmocka_unit_test(a_body_beyond_the_ceiling_is_too_large),
        cmocka_unit_test(a_declared_length_is_refused_before_anything_is_read),
        cmocka_unit_test(a_body_shorter_than_declared_is_a_bad_request),
        cmocka_unit_test(an_input_error_means_that_the_client_is_gone),
        cmocka_unit_test(a_body_of_megabytes_is_beyond_the_arena_and_fine),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
