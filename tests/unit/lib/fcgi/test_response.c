/* SPDX-License-Identifier: MIT */
#include "lib/fcgi/response.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "support/loopback.h"

#define GET(...)                                                                                   \
    ((const char *const[]){"REQUEST_METHOD=GET", "REQUEST_URI=/", "HTTP_X_REQUEST_ID=the-id",      \
                           __VA_ARGS__, NULL})
#define JSON "HTTP_ACCEPT=application/json"

static void start(struct loopback *loopback, const char *method)
{
    char variable[64];
    (void)snprintf(variable, sizeof(variable), "REQUEST_METHOD=%s", method);
    loopback_init(
        loopback,
        (const char *const[]){variable, "REQUEST_URI=/", "HTTP_X_REQUEST_ID=the-id", NULL}, NULL,
        0);
    assert_int_equal(loopback->init_err, APP_OK);
}

static void assert_header(struct loopback *loopback, const char *name, const char *value)
{
    const char *found = loopback_header(loopback, name);
    assert_non_null(found);
    assert_string_equal(found, value);
    assert_int_equal(loopback_header_count(loopback, name), 1);
}

static void an_answer_is_written_byte_for_byte(void **state)
{
    (void)state;
    struct loopback loopback;
    start(&loopback, "GET");
    assert_int_equal(response_header(&loopback.response, "ETag", "\"1\""), APP_OK);
    assert_int_equal(response_send(&loopback.response, 200, "text/plain", "hello", 5), APP_OK);
    assert_string_equal(loopback.head.data, "Status: 200 OK\r\n"
                                            "ETag: \"1\"\r\n"
                                            "Content-Type: text/plain\r\n"
                                            "Cache-Control: no-store\r\n"
                                            "Content-Length: 5\r\n"
                                            "X-Request-Id: the-id\r\n"
                                            "X-Content-Type-Options: nosniff\r\n"
                                            "\r\n");
    assert_string_equal(loopback.body.data, "hello");
    assert_int_equal(loopback.response.state, RESPONSE_SENT);
    assert_int_equal(loopback.response.status, 200);
    assert_int_equal(loopback.response.body_len, 5);
    assert_int_equal(loopback.writes, 1);
    loopback_release(&loopback);
}

static void head_gets_the_headers_of_get_and_no_body(void **state)
{
    (void)state;
    struct loopback loopback;
    start(&loopback, "HEAD");
    assert_int_equal(response_send(&loopback.response, 200, "text/plain", "hello", 5), APP_OK);
    assert_header(&loopback, "Content-Length", "5");
    assert_header(&loopback, "Content-Type", "text/plain");
    assert_int_equal(loopback.body.len, 0);
    assert_int_equal(loopback.response.body_len, 0);
    loopback_release(&loopback);
}

static void an_empty_body_has_length_zero(void **state)
{
    (void)state;
    struct loopback loopback;
    start(&loopback, "GET");
    assert_int_equal(response_send(&loopback.response, 200, "text/plain", NULL, 0), APP_OK);
    assert_header(&loopback, "Content-Length", "0");
    loopback_release(&loopback);
}

static void no_content_and_not_modified_have_no_length_and_no_type(void **state)
{
    (void)state;
    static const int statuses[] = {204, 304};
    for (size_t i = 0; i < 2; i++) {
        struct loopback loopback;
        start(&loopback, "GET");
        assert_int_equal(response_send(&loopback.response, statuses[i], NULL, NULL, 0), APP_OK);
        assert_null(loopback_header(&loopback, "Content-Length"));
        assert_null(loopback_header(&loopback, "Content-Type"));
        assert_header(&loopback, "X-Request-Id", "the-id");
        assert_int_equal(loopback.response.status, statuses[i]);
        loopback_release(&loopback);
    }
}

static void nobody_may_keep_an_answer_unless_the_handler_says_so(void **state)
{
    (void)state;
    struct loopback loopback;
    start(&loopback, "GET");
    assert_int_equal(response_send(&loopback.response, 200, "text/plain", "a", 1), APP_OK);
    assert_header(&loopback, "Cache-Control", "no-store");
    loopback_release(&loopback);

    start(&loopback, "GET");
    assert_int_equal(response_header(&loopback.response, "Cache-Control", "max-age=5"), APP_OK);
    assert_int_equal(response_send(&loopback.response, 200, "text/plain", "a", 1), APP_OK);
    assert_header(&loopback, "Cache-Control", "max-age=5");
    loopback_release(&loopback);
}

static void without_a_type_there_is_no_body(void **state)
{
    (void)state;
    struct loopback loopback;
    start(&loopback, "GET");
    assert_int_equal(response_send(&loopback.response, 302, NULL, "hello", 5), APP_OK);
    assert_header(&loopback, "Content-Length", "0");
    assert_int_equal(loopback.body.len, 0);
    loopback_release(&loopback);
}

static void pieces_are_sent_in_order(void **state)
{
    (void)state;
    struct loopback loopback;
    start(&loopback, "GET");
    char one[] = "one ", two[] = "two ", three[] = "three";
    const struct iovec pieces[] = {{one, 4}, {two, 4}, {NULL, 0}, {three, 5}};
    assert_int_equal(response_send_pieces(&loopback.response, 200, "text/plain", pieces, 4),
                     APP_OK);
    assert_header(&loopback, "Content-Length", "13");
    assert_string_equal(loopback.body.data, "one two three");
    assert_int_equal(loopback.response.body_len, 13);
    loopback_release(&loopback);
}

static void pieces_whose_sum_overflows_are_refused(void **state)
{
    (void)state;
    struct loopback loopback;
    start(&loopback, "GET");
    char byte = 'x';
    const struct iovec pieces[] = {{&byte, SIZE_MAX}, {&byte, 1}};
    assert_int_equal(response_send_pieces(&loopback.response, 200, "text/plain", pieces, 2),
                     APP_INTERNAL);
    assert_int_equal(loopback.response.state, RESPONSE_HEADERS);
    assert_int_equal(loopback.writes, 0);
    loopback_release(&loopback);
}

static void an_answer_is_sent_once(void **state)
{
    (void)state;
    struct loopback loopback;
    start(&loopback, "GET");
    assert_int_equal(response_send(&loopback.response, 200, "text/plain", "a", 1), APP_OK);
    assert_int_equal(response_send(&loopback.response, 500, "text/plain", "b", 1), APP_INTERNAL);
    assert_int_equal(response_error(&loopback.response, APP_INTERNAL, NULL), APP_INTERNAL);
    assert_int_equal(response_header(&loopback.response, "A", "b"), APP_INTERNAL);
    assert_int_equal(loopback.writes, 1);
    assert_int_equal(loopback.response.status, 200);
    assert_string_equal(loopback.body.data, "a");
    loopback_release(&loopback);
}

static void a_value_with_a_control_character_is_refused(void **state)
{
    (void)state;
    static const char *const values[] = {"a\r\nSet-Cookie: b", "a\n", "\r", "\t", "\x7f", "\x01"};
    struct loopback loopback;
    start(&loopback, "GET");
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++)
        assert_int_equal(response_header(&loopback.response, "X-A", values[i]), APP_INTERNAL);
    assert_int_equal(response_header(&loopback.response, "X-B", "gr\xc3\xbc\xc3\x9f, =;\""),
                     APP_OK);
    assert_int_equal(response_send(&loopback.response, 200, "a/b\r\nX-C: d", "", 0), APP_INTERNAL);
    assert_int_equal(response_send(&loopback.response, 200, "text/plain", "", 0), APP_OK);
    assert_null(loopback_header(&loopback, "X-A"));
    assert_null(loopback_header(&loopback, "X-C"));
    assert_header(&loopback, "X-B", "gr\xc3\xbc\xc3\x9f, =;\"");
    loopback_release(&loopback);
}

static void many_headers_are_all_kept(void **state)
{
    (void)state;
    struct loopback loopback;
    start(&loopback, "GET");
    for (int i = 0; i < 200; i++) {
        char name[32];
        (void)snprintf(name, sizeof(name), "X-Header-%d", i);
        assert_int_equal(response_header(&loopback.response, name, name), APP_OK);
    }
    assert_int_equal(response_send(&loopback.response, 200, "text/plain", "", 0), APP_OK);
    for (int i = 0; i < 200; i++) {
        char name[32];
        (void)snprintf(name, sizeof(name), "X-Header-%d", i);
        assert_header(&loopback, name, name);
    }
    loopback_release(&loopback);
}

static void a_peer_that_is_gone_breaks_the_answer(void **state)
{
    (void)state;
    struct loopback loopback;
    start(&loopback, "GET");
    loopback.peer_gone = true;
    assert_int_equal(response_send(&loopback.response, 200, "text/plain", "a", 1), APP_CLIENT_GONE);
    assert_int_equal(loopback.response.state, RESPONSE_BROKEN);
    assert_int_equal(loopback.response.status, 499);
    assert_int_equal(loopback.response.body_len, 0);
    assert_int_equal(response_error(&loopback.response, APP_INTERNAL, NULL), APP_INTERNAL);
    loopback_release(&loopback);
}

/* --- Errors --- */

static void an_error_is_one_line_of_text(void **state)
{
    (void)state;
    struct loopback loopback;
    start(&loopback, "GET");
    assert_int_equal(response_error(&loopback.response, APP_NOT_FOUND, "no such file"), APP_OK);
    assert_header(&loopback, "Status", "404 Not Found");
    assert_header(&loopback, "Content-Type", "text/plain; charset=utf-8");
    assert_header(&loopback, "X-Content-Type-Options", "nosniff");
    assert_header(&loopback, "Content-Length", "13");
    assert_null(loopback_header(&loopback, "Retry-After"));
    assert_string_equal(loopback.body.data, "no such file\n");
    assert_int_equal(loopback.response.status, 404);
    loopback_release(&loopback);
}

static void an_error_without_a_text_says_its_own(void **state)
{
    (void)state;
    static const char *const texts[] = {NULL, ""};
    for (size_t i = 0; i < 2; i++) {
        struct loopback loopback;
        start(&loopback, "GET");
        assert_int_equal(response_error(&loopback.response, APP_TOO_LARGE, texts[i]), APP_OK);
        assert_string_equal(loopback.body.data, "too large\n");
        loopback_release(&loopback);
    }
}

static void an_error_text_is_made_printable_and_cut(void **state)
{
    (void)state;
    struct loopback loopback;
    start(&loopback, "GET");
    assert_int_equal(
        response_error(&loopback.response, APP_BAD_REQUEST, "a\r\nb\x1b[0m\xff\xc3\xa9"), APP_OK);
    assert_string_equal(loopback.body.data, "a??b?[0m?\xc3\xa9\n");
    loopback_release(&loopback);

    char text[2 * ERR_TEXT_MAX];
    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    start(&loopback, "GET");
    assert_int_equal(response_error(&loopback.response, APP_BAD_REQUEST, text), APP_OK);
    assert_int_equal(loopback.body.len, ERR_TEXT_MAX);
    assert_int_equal(loopback.body.data[ERR_TEXT_MAX - 1], '\n');
    loopback_release(&loopback);
}

static void an_error_on_head_has_no_body(void **state)
{
    (void)state;
    struct loopback loopback;
    start(&loopback, "HEAD");
    assert_int_equal(response_error(&loopback.response, APP_NOT_FOUND, NULL), APP_OK);
    assert_header(&loopback, "Content-Length", "10");
    assert_int_equal(loopback.body.len, 0);
    loopback_release(&loopback);
}

static void assert_member(const json_t *problem, const char *name, const char *value)
{
    const char *found = json_string_value(json_object_get(problem, name));
    assert_non_null(found);
    assert_string_equal(found, value);
}

static void an_error_is_a_problem_object_for_who_accepts_json(void **state)
{
    (void)state;
    struct loopback loopback;
    loopback_init(&loopback, GET(JSON), NULL, 0);
    assert_int_equal(
        response_error(&loopback.response, APP_NOT_A_PICTURE, "\"quoted\" \\ \xc3\xa9 </x>\n"),
        APP_OK);
    assert_header(&loopback, "Content-Type", "application/problem+json");
    assert_int_equal(loopback.response.status, 415);
    json_t *problem = json_loadb(loopback.body.data, loopback.body.len, 0, NULL);
    assert_non_null(problem);
    assert_int_equal(json_object_size(problem), 6);
    assert_member(problem, "type", "about:blank");
    assert_member(problem, "title", "Unsupported Media Type");
    assert_member(problem, "detail", "\"quoted\" \\ \xc3\xa9 </x>?");
    assert_member(problem, "code", "not-a-picture");
    assert_member(problem, "request_id", "the-id");
    assert_int_equal(json_integer_value(json_object_get(problem, "status")), 415);
    json_decref(problem);
    loopback_release(&loopback);
}

static void who_shall_come_again_is_told_when(void **state)
{
    (void)state;
    static const enum app_err errors[] = {APP_BUSY, APP_UNAVAILABLE, APP_NO_MEMORY};
    for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
        struct loopback loopback;
        start(&loopback, "POST");
        assert_int_equal(response_error(&loopback.response, errors[i], NULL), APP_OK);
        assert_header(&loopback, "Retry-After", "1");
        loopback_release(&loopback);
    }
}

static void a_retry_after_of_the_handler_stays_the_only_one(void **state)
{
    (void)state;
    struct loopback loopback;
    start(&loopback, "POST");
    assert_int_equal(response_header(&loopback.response, "X-A", "Retry-After: 5"), APP_OK);
    assert_int_equal(response_header(&loopback.response, "retry-after", "30"), APP_OK);
    assert_int_equal(response_error(&loopback.response, APP_BUSY, NULL), APP_OK);
    assert_header(&loopback, "Retry-After", "30");
    loopback_release(&loopback);
}

static void headers_of_the_handler_stay_on_an_error(void **state)
{
    (void)state;
    struct loopback loopback;
    start(&loopback, "GET");
    assert_int_equal(response_header(&loopback.response, "Allow", "POST"), APP_OK);
    assert_int_equal(response_error(&loopback.response, APP_METHOD_NOT_ALLOWED, NULL), APP_OK);
    assert_header(&loopback, "Allow", "POST");
    assert_header(&loopback, "Status", "405 Method Not Allowed");
    loopback_release(&loopback);
}

/* Or a range that does not exist could take a picture from all who share a cache. */
static void an_error_is_not_kept_under_the_terms_of_what_it_replaces(void **state)
{
    (void)state;
    static const char *const replaced[] = {"Cache-Control", "ETag", "Content-Disposition"};
    struct loopback loopback;
    start(&loopback, "GET");
    assert_int_equal(response_header(&loopback.response, "Vary", "Origin"), APP_OK);
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(response_header(&loopback.response, replaced[i], "public"), APP_OK);
    assert_int_equal(response_header(&loopback.response, "Content-Range", "bytes */9"), APP_OK);
    assert_int_equal(response_error(&loopback.response, APP_RANGE_UNSATISFIABLE, NULL), APP_OK);
    assert_header(&loopback, "Cache-Control", "no-store");
    assert_header(&loopback, "Vary", "Origin");
    assert_header(&loopback, "Content-Range", "bytes */9");
    assert_null(loopback_header(&loopback, "ETag"));
    assert_null(loopback_header(&loopback, "Content-Disposition"));
    loopback_release(&loopback);
}

static void for_a_client_that_is_gone_nothing_is_written(void **state)
{
    (void)state;
    struct loopback loopback;
    start(&loopback, "POST");
    assert_int_equal(response_error(&loopback.response, APP_CLIENT_GONE, NULL), APP_CLIENT_GONE);
    assert_int_equal(loopback.writes, 0);
    assert_int_equal(loopback.response.state, RESPONSE_BROKEN);
    assert_int_equal(loopback.response.status, 499);
    loopback_release(&loopback);
}

static void every_error_makes_a_whole_answer(void **state)
{
    (void)state;
    for (enum app_err err = APP_BAD_REQUEST; err < APP_ERR__MAX; err++) {
        if (err == APP_CLIENT_GONE)
            continue;
        struct loopback loopback;
        start(&loopback, "GET");
        assert_int_equal(response_error(&loopback.response, err, NULL), APP_OK);
        assert_int_equal(loopback.response.status, app_err_status(err));
        assert_int_equal(loopback.body.len, strlen(app_strerror(err)) + 1);
        loopback_release(&loopback);
    }
}

static void a_request_that_was_refused_can_be_answered(void **state)
{
    (void)state;
    struct loopback loopback;
    loopback_init(&loopback, (const char *const[]){JSON, NULL}, NULL, 0);
    assert_int_equal(loopback.init_err, APP_BAD_REQUEST);
    assert_int_equal(response_error(&loopback.response, loopback.init_err, NULL), APP_OK);
    assert_header(&loopback, "Content-Type", "application/problem+json");
    assert_header(&loopback, "X-Request-Id", loopback.request.id);
    loopback_release(&loopback);
}

static void a_full_arena_still_gives_an_answer(void **state)
{
    (void)state;
    struct loopback loopback;
    start(&loopback, "GET");
    while (arena_alloc(loopback.request.arena, 64))
        ;
    assert_int_equal(response_header(&loopback.response, "A", "b"), APP_NO_MEMORY);
    assert_int_equal(response_send(&loopback.response, 200, "text/plain", "a", 1), APP_NO_MEMORY);
    assert_int_equal(loopback.response.state, RESPONSE_HEADERS);
    assert_int_equal(response_error(&loopback.response, APP_NO_MEMORY, NULL), APP_OK);
    assert_header(&loopback, "Status", "503 Service Unavailable");
    assert_header(&loopback, "Retry-After", "1");
    assert_header(&loopback, "Cache-Control", "no-store");
    assert_header(&loopback, "Content-Length", "14");
    assert_header(&loopback, "X-Request-Id", "the-id");
    assert_string_equal(loopback.body.data, "out of memory\n");
    assert_int_equal(loopback.response.status, 503);
    assert_int_equal(loopback.response.state, RESPONSE_SENT);
    loopback_release(&loopback);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_answer_is_written_byte_for_byte),
        cmocka_unit_test(head_gets_the_headers_of_get_and_no_body),
        cmocka_unit_test(an_empty_body_has_length_zero),
        cmocka_unit_test(no_content_and_not_modified_have_no_length_and_no_type),
        cmocka_unit_test(nobody_may_keep_an_answer_unless_the_handler_says_so),
        cmocka_unit_test(without_a_type_there_is_no_body),
        cmocka_unit_test(pieces_are_sent_in_order),
        cmocka_unit_test(pieces_whose_sum_overflows_are_refused),
        cmocka_unit_test(an_answer_is_sent_once),
        cmocka_unit_test(a_value_with_a_control_character_is_refused),
        cmocka_unit_test(many_headers_are_all_kept),
        cmocka_unit_test(a_peer_that_is_gone_breaks_the_answer),
        cmocka_unit_test(an_error_is_one_line_of_text),
        cmocka_unit_test(an_error_without_a_text_says_its_own),
        cmocka_unit_test(an_error_text_is_made_printable_and_cut),
        cmocka_unit_test(an_error_on_head_has_no_body),
        cmocka_unit_test(an_error_is_a_problem_object_for_who_accepts_json),
        cmocka_unit_test(who_shall_come_again_is_told_when),
        cmocka_unit_test(a_retry_after_of_the_handler_stays_the_only_one),
        cmocka_unit_test(headers_of_the_handler_stay_on_an_error),
        cmocka_unit_test(an_error_is_not_kept_under_the_terms_of_what_it_replaces),
        cmocka_unit_test(for_a_client_that_is_gone_nothing_is_written),
        cmocka_unit_test(every_error_makes_a_whole_answer),
        cmocka_unit_test(a_request_that_was_refused_can_be_answered),
        cmocka_unit_test(a_full_arena_still_gives_an_answer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
