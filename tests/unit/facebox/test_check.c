/* SPDX-License-Identifier: MIT */
/* JSON bodies, from requests made by hand; forms are tried through the server. */
#include "facebox/check.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "lib/base/limits.h"

static struct httpd_request request_of(const char *body, size_t len)
{
    return (struct httpd_request){
        .method = "POST",
        .path = "/facebox/check",
        .body = body,
        .body_len = len,
        .content_type = "application/json",
    };
}

static void assert_refused(const char *json, enum app_err expected, const char *text)
{
    struct httpd_request request = request_of(json, strlen(json));
    struct check_input input;
    struct err_buf why = {0};
    enum app_err err = check_read(&request, &input, &why);
    if (err != expected || strcmp(why.text, text) != 0)
        fail_msg("%s: error %u, \"%s\"", json, err, why.text);
    check_input_release(&input);
}

static void base64_in_json_becomes_bytes(void **state)
{
    (void)state;
    static const char json[] = "{\"base64\":\"Zm9v\\nYmFy\",\"other\":[1]}";
    struct httpd_request request = request_of(json, sizeof(json) - 1);
    struct check_input input;
    struct err_buf why = {0};
    assert_int_equal(check_read(&request, &input, &why), APP_OK);
    assert_string_equal(input.source, "base64");
    assert_int_equal(input.len, 6);
    assert_memory_equal(input.picture, "foobar", 6);
    check_input_release(&input);
}

static void a_url_in_json_is_kept_as_it_is(void **state)
{
    (void)state;
    static const char json[] = "{\"url\":\"http://h/\\u00e4?x\",\"base64\":null}";
    struct httpd_request request = request_of(json, sizeof(json) - 1);
    struct check_input input;
    struct err_buf why = {0};
    assert_int_equal(check_read(&request, &input, &why), APP_OK);
    assert_string_equal(input.source, "url");
    assert_null(input.picture);
    assert_string_equal(input.owned.data, "http://h/\xc3\xa4?x");
    check_input_release(&input);
}

static void json_that_is_no_object_is_refused(void **state)
{
    (void)state;
    static const char *const bodies[] = {
        "",
        "{",
        "[]",
        "\"http://h/\"",
        "1",
        "null",
        "{}x",
        "{\"url\":\"\\ud800\"}",
        "{\"url\":\"\x80\"}",
        "{\"url\":\"a\" \"b\"}",
        "\xef\xbb\xbf{}",
    };
    for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++)
        assert_refused(bodies[i], APP_BAD_REQUEST, "the body is not a JSON object");
}

static void deeply_nested_json_is_refused(void **state)
{
    (void)state;
    static char json[1000 * 1000];
    memset(json, '[', sizeof(json) - 1);
    assert_refused(json, APP_BAD_REQUEST, "the body is not a JSON object");
}

static void members_of_a_wrong_type_are_refused(void **state)
{
    (void)state;
    assert_refused("{\"url\":1}", APP_BAD_REQUEST, "url is not a string");
    assert_refused("{\"url\":{}}", APP_BAD_REQUEST, "url is not a string");
    assert_refused("{\"base64\":[\"Zm9v\"]}", APP_BAD_REQUEST, "base64 is not a string");
    assert_refused("{\"base64\":true}", APP_BAD_REQUEST, "base64 is not a string");
}

static void nothing_handed_over_is_refused(void **state)
{
    (void)state;
    assert_refused("{}", APP_BAD_REQUEST, "a file, url or base64 is needed");
    assert_refused("{\"URL\":\"http://h/\"}", APP_BAD_REQUEST, "a file, url or base64 is needed");
    assert_refused("{\"url\":null}", APP_BAD_REQUEST, "a file, url or base64 is needed");
    struct httpd_request request = request_of("body", 4);
    request.content_type = "text/plain";
    struct check_input input;
    struct err_buf why = {0};
    assert_int_equal(check_read(&request, &input, &why), APP_BAD_REQUEST);
    assert_string_equal(why.text, "a file, url or base64 is needed");
    check_input_release(&input);
}

static void bad_values_are_refused(void **state)
{
    (void)state;
    assert_refused("{\"url\":\"\"}", APP_BAD_REQUEST, "url must be absolute");
    assert_refused("{\"base64\":\"\"}", APP_BAD_REQUEST, "base64 cannot be decoded");
    assert_refused("{\"base64\":\"garbage!\"}", APP_BAD_REQUEST, "base64 cannot be decoded");
    assert_refused("{\"base64\":\"Zm9vY\"}", APP_BAD_REQUEST, "base64 cannot be decoded");
}

static enum app_err read_long_member(const char *name, char filler, size_t len, struct err_buf *why)
{
    struct buf json;
    buf_init(&json, 20 * 1000 * 1000);
    assert_int_equal(buf_printf(&json, "{\"%s\":\"", name), APP_OK);
    for (size_t i = 0; i < len; i++)
        assert_int_equal(buf_append(&json, &filler, 1), APP_OK);
    assert_int_equal(buf_append_str(&json, "\"}"), APP_OK);
    struct httpd_request request = request_of(json.data, json.len);
    struct check_input input;
    enum app_err err = check_read(&request, &input, why);
    check_input_release(&input);
    buf_release(&json);
    return err;
}

static void a_picture_of_more_than_the_limit_is_refused(void **state)
{
    (void)state;
    struct err_buf why = {0};
    size_t digits = LIMIT_PICTURE_BYTES / 3 * 4; /* one byte less than the limit */
    assert_int_equal(read_long_member("base64", 'A', digits, &why), APP_OK);
    assert_int_equal(read_long_member("base64", 'A', digits + 4, &why), APP_TOO_LARGE);
    assert_string_equal(why.text, "the picture has more than 10000000 bytes");
}

static void a_url_of_more_than_the_limit_is_refused(void **state)
{
    (void)state;
    struct err_buf why = {0};
    assert_int_equal(read_long_member("url", 'u', LIMIT_REQUEST_URL, &why), APP_OK);
    assert_int_equal(read_long_member("url", 'u', LIMIT_REQUEST_URL + 1, &why), APP_TOO_LARGE);
    assert_string_equal(why.text, "url has more than 8192 bytes");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(base64_in_json_becomes_bytes),
        cmocka_unit_test(a_url_in_json_is_kept_as_it_is),
        cmocka_unit_test(json_that_is_no_object_is_refused),
        cmocka_unit_test(deeply_nested_json_is_refused),
        cmocka_unit_test(members_of_a_wrong_type_are_refused),
        cmocka_unit_test(nothing_handed_over_is_refused),
        cmocka_unit_test(bad_values_are_refused),
        cmocka_unit_test(a_picture_of_more_than_the_limit_is_refused),
        cmocka_unit_test(a_url_of_more_than_the_limit_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
