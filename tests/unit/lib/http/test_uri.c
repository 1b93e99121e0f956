/* SPDX-License-Identifier: MIT */
#include "lib/http/uri.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void assert_split(const char *target, const char *path, const char *query)
{
    char out[256];
    memset(out, 'x', sizeof(out));
    const char *found = "junk";
    struct err_buf why = {0};
    assert_int_equal(uri_split(target, out, sizeof(out), &found, &why), APP_OK);
    assert_string_equal(out, path);
    assert_string_equal(found, query);
    assert_string_equal(why.text, "");
}

static void assert_refused(const char *target)
{
    char out[256];
    const char *query = "junk";
    struct err_buf why = {0};
    assert_int_equal(uri_split(target, out, sizeof(out), &query, &why), APP_BAD_REQUEST);
    assert_string_equal(query, "junk");
    assert_string_not_equal(why.text, "");
    assert_int_equal(uri_split(target, out, sizeof(out), &query, NULL), APP_BAD_REQUEST);
}

static void path_and_query_are_told_apart_at_the_first_question_mark(void **state)
{
    (void)state;
    assert_split("/", "/", "");
    assert_split("/health", "/health", "");
    assert_split("/?", "/", "");
    assert_split("/a?b=c", "/a", "b=c");
    assert_split("/a?b?c=/%41", "/a", "b?c=/%41");
    assert_split("/a%3Fb?c", "/a?b", "c");
}

static void the_path_is_decoded_exactly_once(void **state)
{
    (void)state;
    assert_split("/c%20d", "/c d", "");
    assert_split("/%41%7e%C3%a9", "/A~\xc3\xa9", "");
    assert_split("/%2541", "/%41", "");
    assert_split("/%252F", "/%2F", "");
    assert_split("/a+b;c=d@e:f!", "/a+b;c=d@e:f!", "");
    assert_split("/\xc3\xa9", "/\xc3\xa9", "");
}

static void dots_and_double_slashes_stay(void **state)
{
    (void)state;
    assert_split("//a//b/", "//a//b/", "");
    assert_split("/a/../b/./c", "/a/../b/./c", "");
    assert_split("/%2e%2E/x", "/../x", "");
}

static void the_query_stays_raw(void **state)
{
    (void)state;
    assert_split("/?%2F%00%zz", "/", "%2F%00%zz");
    assert_split("/?\xff", "/", "\xff");
}

static void what_does_not_begin_with_a_slash_is_refused(void **state)
{
    (void)state;
    assert_refused("");
    assert_refused("*");
    assert_refused("?a");
    assert_refused("a");
    assert_refused("%2Fa");
    assert_refused("http://example.com/a");
}

static void an_encoded_slash_is_refused(void **state)
{
    (void)state;
    assert_refused("/a%2Fb");
    assert_refused("/a%2fb");
}

static void bad_escapes_are_refused(void **state)
{
    (void)state;
    static const char *const targets[] = {"/%",   "/%4",   "/%4?1", "/%g1", "/%1g",
                                          "/%%4", "/%?41", "/% 41", "/%-1", "/%+1"};
    for (size_t i = 0; i < sizeof(targets) / sizeof(targets[0]); i++)
        assert_refused(targets[i]);
}

static void control_characters_are_refused_in_any_spelling(void **state)
{
    (void)state;
    static const char *const targets[] = {"/a\nb",  "/a\rb",  "/\x01",    "/\x7f", "/%00",
                                          "/a%0Ab", "/%1F",   "/%7F",     "/\t",   "/%C2%85",
                                          "/?a\nb", "/?\x7f", "/\xc2\x85"};
    for (size_t i = 0; i < sizeof(targets) / sizeof(targets[0]); i++)
        assert_refused(targets[i]);
}

static void what_is_not_utf8_is_refused(void **state)
{
    (void)state;
    static const char *const targets[] = {"/\xff", "/%ff",       "/%C0%AF",
                                          "/%C3",  "/%E0%80%AF", "/%C3%41",
                                          "/\xc3", "/%ED%A0%80", "/%F4%90%80%80"};
    for (size_t i = 0; i < sizeof(targets) / sizeof(targets[0]); i++)
        assert_refused(targets[i]);
}

static void a_path_that_just_fits_is_taken(void **state)
{
    (void)state;
    const char *query = "junk";
    char out[5];
    assert_int_equal(uri_split("/%41bc", out, sizeof(out), &query, NULL), APP_OK);
    assert_string_equal(out, "/Abc");
}

static void a_path_one_longer_does_not_fit(void **state)
{
    (void)state;
    const char *query = "junk";
    char out[5];
    struct err_buf why = {0};
    assert_int_equal(uri_split("/%41bcd?x", out, sizeof(out), &query, &why), APP_URI_TOO_LONG);
    assert_string_equal(query, "junk");
    assert_string_not_equal(why.text, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(path_and_query_are_told_apart_at_the_first_question_mark),
        cmocka_unit_test(the_path_is_decoded_exactly_once),
        cmocka_unit_test(dots_and_double_slashes_stay),
        cmocka_unit_test(the_query_stays_raw),
        cmocka_unit_test(what_does_not_begin_with_a_slash_is_refused),
        cmocka_unit_test(an_encoded_slash_is_refused),
        cmocka_unit_test(bad_escapes_are_refused),
        cmocka_unit_test(control_characters_are_refused_in_any_spelling),
        cmocka_unit_test(what_is_not_utf8_is_refused),
        cmocka_unit_test(a_path_that_just_fits_is_taken),
        cmocka_unit_test(a_path_one_longer_does_not_fit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
