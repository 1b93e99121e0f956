/* SPDX-License-Identifier: MIT */
#include "support/cmocka.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/buf.h"

static void appended_bytes_are_kept_in_order_and_terminated(void **state)
{
    (void)state;
    struct buf buf;
    buf_init(&buf, 100);
    assert_int_equal(buf_append(&buf, "a\0b", 3), APP_OK);
    assert_int_equal(buf_append_str(&buf, "cd"), APP_OK);
    assert_int_equal(buf_printf(&buf, "%d", 42), APP_OK);
    assert_int_equal(buf.len, 7);
    assert_memory_equal(buf.data, "a\0bcd42\0", 8);
    buf_release(&buf);
}

static void the_ceiling_is_reached_and_not_passed(void **state)
{
    (void)state;
    struct buf buf;
    buf_init(&buf, 4);
    assert_int_equal(buf_append(&buf, "abc", 3), APP_OK);
    assert_int_equal(buf_append(&buf, "de", 2), APP_TOO_LARGE);
    assert_int_equal(buf_printf(&buf, "%s", "de"), APP_TOO_LARGE);
    assert_string_equal(buf.data, "abc");
    assert_int_equal(buf_append(&buf, "d", 1), APP_OK);
    assert_int_equal(buf_append(&buf, "", 0), APP_OK);
    assert_string_equal(buf.data, "abcd");
    buf_release(&buf);
}

static void a_length_near_the_largest_does_not_wrap(void **state)
{
    (void)state;
    struct buf buf;
    buf_init(&buf, 10);
    assert_int_equal(buf_append(&buf, "abc", 3), APP_OK);
    assert_int_equal(buf_append(&buf, "x", SIZE_MAX), APP_TOO_LARGE);
    assert_int_equal(buf_append(&buf, "x", SIZE_MAX - 2), APP_TOO_LARGE);
    assert_int_equal(buf.len, 3);
    buf_release(&buf);
}

static void it_grows_over_many_appends(void **state)
{
    (void)state;
    struct buf buf;
    buf_init(&buf, 100000);
    for (int i = 0; i < 100000; i++)
        assert_int_equal(buf_append(&buf, "x", 1), APP_OK);
    assert_int_equal(buf_append(&buf, "x", 1), APP_TOO_LARGE);
    assert_int_equal(strlen(buf.data), 100000);
    buf_release(&buf);
}

static void reset_forgets_the_content_and_release_the_memory(void **state)
{
    (void)state;
    struct buf buf;
    buf_init(&buf, 10);
    buf_reset(&buf);
    assert_null(buf.data);
    assert_int_equal(buf_append_str(&buf, "abc"), APP_OK);
    buf_reset(&buf);
    assert_int_equal(buf.len, 0);
    assert_string_equal(buf.data, "");
    assert_int_equal(buf_append_str(&buf, "de"), APP_OK);
    assert_string_equal(buf.data, "de");
    buf_release(&buf);
    buf_release(&buf);
    assert_null(buf.data);
}

static void take_hands_the_content_over(void **state)
{
    (void)state;
    struct buf buf;
    size_t len = 99;
    buf_init(&buf, 10);
    assert_null(buf_take(&buf, &len));
    assert_int_equal(len, 0);
    assert_int_equal(buf_append_str(&buf, "abc"), APP_OK);
    char *taken = buf_take(&buf, &len);
    assert_string_equal(taken, "abc");
    assert_int_equal(len, 3);
    assert_null(buf.data);
    assert_int_equal(buf_append_str(&buf, "new"), APP_OK);
    free(taken);
    buf_release(&buf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(appended_bytes_are_kept_in_order_and_terminated),
        cmocka_unit_test(the_ceiling_is_reached_and_not_passed),
        cmocka_unit_test(a_length_near_the_largest_does_not_wrap),
        cmocka_unit_test(it_grows_over_many_appends),
        cmocka_unit_test(reset_forgets_the_content_and_release_the_memory),
        cmocka_unit_test(take_hands_the_content_over),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
