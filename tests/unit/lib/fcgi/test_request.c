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
#include "support/fcgi_params.h"
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
    assert_length("CONTENT_LENGTH=-1", APP_OK, -1); /* Caddy's word for an unknown length */
    assert_length("CONTENT_LENGTH=0", APP_OK, 0);
    assert_length("CONTENT_LENGTH=0012", APP_OK, 12);
    assert_length("CONTENT_LENGTH=9223372036854775807", APP_OK, INT64_MAX);
    static const char *const bad[] = {"9223372036854775808",
                                      "99999999999999999999999",
                                      "-2",
                                      "-",
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
    struct request_input input = {.params_len = 0};
    input.params = fcgi_params_encode(GET("REQUEST_URI=/"), &input.params_len);
    struct arena *arena = arena_new(16);
    assert_non_null(arena);
    struct request request;
    struct err_buf why = {.text = ""};
    memset(&request, 0x5a, sizeof(request));
    assert_int_equal(request_init(&request, arena, &log, &input, &why), APP_NO_MEMORY);
    assert_string_equal(request.id, "-");
    assert_ptr_equal(request.arena, arena);
    assert_null(request_header(&request, "Accept"));
    arena_free(&arena);
    free(input.params);
}

/* --- Variables as they come --- */

static enum app_err init_raw(char *params, size_t len, struct err_buf *why)
{
    struct log_sink sink = {.fd = -1};
    struct log log = {.sink = &sink, .module = "test"};
    const struct request_input input = {.params = params, .params_len = len};
    struct arena *arena = arena_new(LIMIT_REQUEST_ARENA);
    assert_non_null(arena);
    struct request request;
    *why = (struct err_buf){.text = ""};
    enum app_err err = request_init(&request, arena, &log, &input, why);
    arena_free(&arena);
    return err;
}

static void what_is_malformed_is_said(void **state)
{
    (void)state;
    static const struct {
        const char *params;
        size_t len;
        const char *why;
    } cases[] = {
        {"", 0, "no REQUEST_METHOD"},
        {"\16\3REQUEST_METHODGET", 19, "neither REQUEST_URI nor SCRIPT_NAME and PATH_INFO"},
        {"\16\3REQUEST_METHODGE", 18, "the variables end within one"},
        {"\16\3REQUEST_METHODGET\200", 20, "the variables end within one"},
        {"\16\3REQUEST_METHODG\0T", 19, "a NUL within a variable"},
        {"\16\3REQUEST_METHODGET\13\4REQUEST_URI/%zz", 36, "a path that cannot be decoded"},
        {"\16\3REQUEST_METHODGET\13\1REQUEST_URI/\16\1CONTENT_LENGTHx", 50,
         "CONTENT_LENGTH is not a number"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char params[64];
        struct err_buf why;
        memcpy(params, cases[i].params, cases[i].len + 1);
        assert_int_equal(init_raw(params, cases[i].len, &why), APP_BAD_REQUEST);
        assert_string_equal(why.detail, cases[i].why);
    }
}

static void long_and_empty_names_and_values_are_read(void **state)
{
    (void)state;
    char *name = repeat("", 'N', 200);
    char *variable = repeat(name, 'V', 70000 - 200 - 10000);
    variable[200] = '=';
    struct loopback loopback;
    loopback_init(&loopback, GET("REQUEST_URI=/", variable, "=", "=x", "A=1"), NULL, 0);
    assert_int_equal(loopback.init_err, APP_OK);
    assert_string_equal(request_param(&loopback.request, name), variable + 201);
    assert_string_equal(request_param(&loopback.request, "A"), "1");
    loopback_release(&loopback);
    free(variable);
    free(name);
}

static void without_a_uri_the_path_is_script_name_and_path_info(void **state)
{
    (void)state;
    struct loopback loopback;
    loopback_init(&loopback,
                  GET("SCRIPT_NAME=/a b", "PATH_INFO=/c%41?\303\251", "QUERY_STRING=q=%20"), NULL,
                  0);
    assert_int_equal(loopback.init_err, APP_OK);
    assert_string_equal(loopback.request.path, "/a b/c%41?\303\251");
    assert_string_equal(loopback.request.query, "q=%20");
    assert_string_equal(loopback.request.uri, "/a%20b/c%2541%3F%C3%A9?q=%20");
    loopback_release(&loopback);
    assert_init(GET("SCRIPT_NAME=", "PATH_INFO=/x"), APP_OK);
    assert_init(GET("PATH_INFO=x"), APP_BAD_REQUEST);
    assert_init(GET("SCRIPT_NAME=/\377"), APP_BAD_REQUEST);
}

static void the_lines_of_a_list_are_joined(void **state)
{
    (void)state;
    struct loopback loopback;
    loopback_init(&loopback,
                  GET("REQUEST_URI=/", "HTTP_IF_NONE_MATCH=\"a\"", "HTTP_ACCEPT=text/html",
                      "HTTP_IF_NONE_MATCH=\"b\", \"c\"", "HTTP_IF_NONE_MATCH=W/\"d\"",
                      "HTTP_ACCEPT=application/json"),
                  NULL, 0);
    const struct request *request = &loopback.request;
    assert_string_equal(request_header_list(request, "If-None-Match"),
                        "\"a\", \"b\", \"c\", W/\"d\"");
    assert_string_equal(request_header(request, "If-None-Match"), "\"a\"");
    assert_null(request_header_list(request, "If-Match"));
    loopback_release(&loopback);
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
        cmocka_unit_test(what_is_malformed_is_said),
        cmocka_unit_test(long_and_empty_names_and_values_are_read),
        cmocka_unit_test(without_a_uri_the_path_is_script_name_and_path_info),
        cmocka_unit_test(the_lines_of_a_list_are_joined),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
