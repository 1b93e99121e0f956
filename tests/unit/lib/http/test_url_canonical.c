/* SPDX-License-Identifier: MIT */
/* The spellings of RFC 3986, 6.2.2 and 6.2.3, and those that are not the same. */
#include "lib/http/url_canonical.h"

#include <string.h>

#include "lib/base/limits.h"
#include "lib/http/url.h"
#include "support/cmocka.h"

static void canonical(const char *text, struct buf *out)
{
    struct buf normal;
    buf_init(&normal, 3 * LIMIT_REQUEST_URL);
    buf_init(out, 9 * LIMIT_REQUEST_URL);
    assert_int_equal(url_normalise(text, strlen(text), &normal, NULL), APP_OK);
    assert_int_equal(url_canonical(normal.data, out), APP_OK);
    buf_release(&normal);
}

static void assert_canonical(const char *text, const char *wanted)
{
    struct buf out;
    canonical(text, &out);
    if (strcmp(out.data, wanted) != 0)
        fail_msg("%s: %s, not %s", text, out.data, wanted);
    /* The same again: nothing is left to do. */
    struct buf again;
    canonical(out.data, &again);
    assert_string_equal(again.data, out.data);
    buf_release(&again);
    buf_release(&out);
}

static void spellings_of_one_url_are_one(void **state)
{
    (void)state;
    static const char *const same[] = {
        "http://example.com/a/b.png",
        "HTTP://example.com/a/b.png",
        "http://EXAMPLE.com/a/b.png",
        "http://example.com./a/b.png",
        "http://example.com:80/a/b.png",
        "http://example.com:/a/b.png",
        "http://example.com:00080/a/b.png",
        "http://example.com/%61/b.p%6eg",
        "http://example.com/%61/b%2Epng",
        "http://example.com/./a/b.png",
        "http://example.com/a/./b.png",
        "http://example.com/x/../a/b.png",
        "http://example.com/../a/b.png",
        "http://example.com/a/x/y/../../b.png",
        "http://example.com/%2e/a/x/%2E%2e/b.png",
        "http://example.com/a/b.png?",
    };
    for (size_t i = 0; i < sizeof(same) / sizeof(same[0]); i++)
        assert_canonical(same[i], same[0]);
}

static void each_part_has_its_form(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *wanted;
    } cases[] = {
        {"http://h", "http://h/"},
        {"http://h?a=%41%2f", "http://h/?a=A%2F"},
        {"https://h:443/", "https://h/"},
        {"https://h:080/", "https://h:80/"},
        {"http://h:443/", "http://h:443/"},
        {"http://[::1]:080/", "http://[::1]/"},
        {"http://[2001:DB8::1]/", "http://[2001:db8::1]/"},
        {"http://\303\234.de/", "http://%C3%9C.de/"},
        {"http://h/\303\274", "http://h/%C3%BC"},
        {"http://h/%c3%bc", "http://h/%C3%BC"},
        {"http://h/a%2fb", "http://h/a%2Fb"},
        {"http://h/%7Euser/", "http://h/~user/"},
        {"http://h/a/.", "http://h/a/"},
        {"http://h/a/..", "http://h/"},
        {"http://h/a/../..", "http://h/"},
        {"http://h/...", "http://h/..."},
        {"http://h//a", "http://h//a"},
        {"http://h/a//../b", "http://h/a/b"},
        {"http://h/?a b\303\274", "http://h/?a%20b%C3%BC"},
        {"http://h/?%zz%4", "http://h/?%zz%4"},
        {"http://h/??", "http://h/??"},
        {"http://h/.?./..", "http://h/?./.."},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        assert_canonical(cases[i].text, cases[i].wanted);
}

static void what_a_server_may_tell_apart_stays_apart(void **state)
{
    (void)state;
    static const char *const pairs[][2] = {
        {"http://h/a", "https://h/a"},     {"http://h/a", "http://h/A"},
        {"http://h/a", "http://h/a/"},     {"http://h/a/b", "http://h/a%2Fb"},
        {"http://h/a!", "http://h/a%21"},  {"http://h/?a", "http://h/?A"},
        {"http://h/a", "http://h:8080/a"}, {"http://h/a?b", "http://h/a%3Fb"},
    };
    for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
        struct buf one, other;
        canonical(pairs[i][0], &one);
        canonical(pairs[i][1], &other);
        assert_string_not_equal(one.data, other.data);
        buf_release(&one);
        buf_release(&other);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(spellings_of_one_url_are_one),
        cmocka_unit_test(each_part_has_its_form),
        cmocka_unit_test(what_a_server_may_tell_apart_stays_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
