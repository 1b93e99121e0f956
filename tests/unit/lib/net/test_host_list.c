/* SPDX-License-Identifier: MIT */
#include "support/cmocka.h"

#include <string.h>

#include "lib/net/host_list.h"

static void a_name_is_that_host_only(void **state)
{
    (void)state;
    assert_true(host_list_has("example.org", "example.org"));
    assert_false(host_list_has("example.org", "www.example.org"));
    assert_false(host_list_has("example.org", "example.org.evil.test"));
    assert_false(host_list_has("example.org", "notexample.org"));
    assert_false(host_list_has("example.org", ""));
}

static void a_star_is_every_host_below_and_not_the_domain_itself(void **state)
{
    (void)state;
    assert_true(host_list_has("*.example.org", "www.example.org"));
    assert_true(host_list_has("*.example.org", "a.b.example.org"));
    assert_false(host_list_has("*.example.org", "example.org"));
    assert_false(host_list_has("*.example.org", ".example.org"));
    assert_false(host_list_has("*.example.org", "notexample.org"));
}

static void case_and_a_last_dot_do_not_matter(void **state)
{
    (void)state;
    assert_true(host_list_has("Example.ORG.", "eXample.org"));
    assert_true(host_list_has("example.org", "EXAMPLE.org."));
    assert_true(host_list_has("*.Example.org.", "www.example.ORG."));
}

static void any_item_of_a_list_counts(void **state)
{
    (void)state;
    static const char list[] = " a.test,b.test ,\t192.0.2.1,[2001:db8::1] ";
    assert_true(host_list_has(list, "a.test"));
    assert_true(host_list_has(list, "b.test"));
    assert_true(host_list_has(list, "192.0.2.1"));
    assert_true(host_list_has(list, "[2001:db8::1]"));
    assert_false(host_list_has(list, "c.test"));
    assert_false(host_list_has("", "a.test"));
    assert_false(host_list_has(" , ", ""));
}

static void a_list_with_a_mistake_is_refused_with_the_mistake(void **state)
{
    (void)state;
    static const char *const wrong[] = {"http://a.test", "a.test/x", "*",       "*.",
                                        "*.*.test",      ".a.test",  "a*.test", "a;b"};
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        struct err_buf why = {.text = ""};
        assert_int_equal(host_list_check(wrong[i], &why), APP_CONFIG);
        assert_non_null(strstr(why.text, wrong[i]));
    }
    static const char *const right[] = {"", "a.test", "*.a.test, b_c.test", "127.0.0.1,[::1]"};
    for (size_t i = 0; i < sizeof(right) / sizeof(right[0]); i++)
        assert_int_equal(host_list_check(right[i], NULL), APP_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_name_is_that_host_only),
        cmocka_unit_test(a_star_is_every_host_below_and_not_the_domain_itself),
        cmocka_unit_test(case_and_a_last_dot_do_not_matter),
        cmocka_unit_test(any_item_of_a_list_counts),
        cmocka_unit_test(a_list_with_a_mistake_is_refused_with_the_mistake),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
