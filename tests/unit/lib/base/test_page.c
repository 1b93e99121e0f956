/* SPDX-License-Identifier: MIT */
#include "support/cmocka.h"

#include <string.h>

#include "lib/base/page.h"

static struct page_text text_of(const char *text)
{
    return (struct page_text){text, strlen(text)};
}

static void a_template_is_written_piece_by_piece(void **state)
{
    (void)state;
    struct page_text rest = text_of("<style><!--a--></style><!--b-->end");
    struct buf out;
    buf_init(&out, 100);
    assert_int_equal(page_put_until(&rest, "<!--a-->", &out), APP_OK);
    assert_string_equal(out.data, "<style>");
    assert_int_equal(page_put_until(&rest, "<!--b-->", &out), APP_OK);
    assert_string_equal(out.data, "<style></style>");
    assert_int_equal(rest.len, 3);
    assert_memory_equal(rest.data, "end", 3);
    buf_release(&out);
}

/* The digest of "alert('Hello, world.');" is the example of the CSP specification. */
static void a_hash_is_what_browsers_compare(void **state)
{
    (void)state;
    struct buf out;
    buf_init(&out, 100);
    assert_int_equal(page_put_hash(text_of("alert('Hello, world.');"), &out), APP_OK);
    assert_string_equal(out.data, "'sha256-qznLcsROx4GACP2dm0UCKCzCG+HiZ1guq6ZZDob/Tng='");
    buf_release(&out);
}

static void what_does_not_fit_is_an_error(void **state)
{
    (void)state;
    struct page_text rest = text_of("longer than four<!--a-->");
    struct buf out;
    buf_init(&out, 4);
    assert_int_equal(page_put_until(&rest, "<!--a-->", &out), APP_TOO_LARGE);
    assert_int_equal(page_put_hash(text_of("x"), &out), APP_TOO_LARGE);
    buf_release(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_template_is_written_piece_by_piece),
        cmocka_unit_test(a_hash_is_what_browsers_compare),
        cmocka_unit_test(what_does_not_fit_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
