/* SPDX-License-Identifier: MIT */
#include "support/cmocka.h"

#include <string.h>

#include "lib/base/err.h"

static void every_error_has_a_text_a_slug_and_a_status(void **state)
{
    (void)state;
    for (int err = APP_OK; err < APP_ERR__MAX; err++) {
        assert_true(strlen(app_strerror((enum app_err)err)) > 0);
        assert_true(strlen(app_err_slug((enum app_err)err)) > 0);
        assert_in_range(app_err_status((enum app_err)err), 200, 599);
    }
}

static void slugs_are_distinct(void **state)
{
    (void)state;
    for (int a = APP_OK; a < APP_ERR__MAX; a++)
        for (int b = a + 1; b < APP_ERR__MAX; b++)
            assert_string_not_equal(app_err_slug((enum app_err)a), app_err_slug((enum app_err)b));
}

static void err_set_returns_its_code_and_keeps_the_detail(void **state)
{
    (void)state;
    struct err_buf why = {.detail = "kept"};
    assert_int_equal(err_set(&why, APP_NOT_FOUND, "no %s", "file"), APP_NOT_FOUND);
    assert_string_equal(why.text, "no file");
    assert_string_equal(why.detail, "kept");
}

static void err_set_and_err_detail_take_no_buffer(void **state)
{
    (void)state;
    assert_int_equal(err_set(NULL, APP_INTERNAL, "%d", 1), APP_INTERNAL);
    err_detail(NULL, "%d", 1);
}

static void a_long_text_is_cut_and_terminated(void **state)
{
    (void)state;
    struct err_buf why;
    memset(&why, 'x', sizeof(why));
    char text[2 * ERR_TEXT_MAX];
    memset(text, 'a', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    err_detail(&why, "%s", text);
    assert_int_equal(strlen(why.detail), ERR_TEXT_MAX - 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_error_has_a_text_a_slug_and_a_status),
        cmocka_unit_test(slugs_are_distinct),
        cmocka_unit_test(err_set_returns_its_code_and_keeps_the_detail),
        cmocka_unit_test(err_set_and_err_detail_take_no_buffer),
        cmocka_unit_test(a_long_text_is_cut_and_terminated),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
