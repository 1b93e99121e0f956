/* SPDX-License-Identifier: MIT */
#include "lib/http/url.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "lib/base/limits.h"

/*
 * What Go's net/url makes of each text: printed by Go 1.19's ParseRequestURI and
 * String. NULL: refused there. Go's leniencies that we do not share are below.
 */
static const struct {
    const char *text;
    const char *normalised;
} go_says[] = {
    {"http://example.com/a.png", "http://example.com/a.png"},
    {"HTTP://Example.COM/A.png", "http://Example.COM/A.png"},
    {"https://example.com", "https://example.com"},
    {"http://example.com/", "http://example.com/"},
    {"hTTps://h", "https://h"},
    {"http://h/a b.png", "http://h/a%20b.png"},
    {"http://h/a%20b.png", "http://h/a%20b.png"},
    {"http://h/%41", "http://h/%41"},
    {"http://h/a%2fb", "http://h/a%2fb"},
    {"http://h/a%2Fb%zz", NULL},
    {"http://h/%zz", NULL},
    {"http://h/%4", NULL},
    {"http://h/%", NULL},
    {"http://h/a#frag", "http://h/a%23frag"},
    {"http://h/a?x#frag", "http://h/a?x#frag"},
    {"http://h#frag", NULL},
    {"http://h/a%23b#c", "http://h/a%23b%23c"},
    {"http://h/[1]", "http://h/[1]"},
    {"http://h/a!$&'()*+,;=:@b", "http://h/a!$&'()*+,;=:@b"},
    {"http://h/a\"b<c>d", "http://h/a%22b%3Cc%3Ed"},
    {"http://h/a\\b", "http://h/a%5Cb"},
    {"http://h/a^b`c{d|e}f", "http://h/a%5Eb%60c%7Bd%7Ce%7Df"},
    {"http://h/~a-b_c.d", "http://h/~a-b_c.d"},
    {"http://h/\303\274", "http://h/%C3%BC"},
    {"http://h/%c3%bc", "http://h/%c3%bc"},
    {"http://h/\303\274%2f", "http://h/%C3%BC/"},
    {"http://h/\377", "http://h/%FF"},
    {"http://h/a b%2f", "http://h/a%20b/"},
    {"http://h/a%2f[", "http://h/a%2f["},
    {"http://h/*", "http://h/*"},
    {"http://h/%2a", "http://h/%2a"},
    {"http://h/%5b", "http://h/%5b"},
    {"http://h/a%25b", "http://h/a%25b"},
    {"http://h/a?", "http://h/a?"},
    {"http://h?", "http://h?"},
    {"http://h/a??", "http://h/a??"},
    {"http://h/a?b?", "http://h/a?b?"},
    {"http://h/a?b?c", "http://h/a?b?c"},
    {"http://h?x=1", "http://h?x=1"},
    {"http://h/a?x=%zz", "http://h/a?x=%zz"},
    {"http://h/a?x=a b", "http://h/a?x=a b"},
    {"http://h/a?x=\303\274", "http://h/a?x=\303\274"},
    {"http://h/a?x=\"<>", "http://h/a?x=\"<>"},
    {"http://h/?", "http://h/?"},
    {"http://h/a?#", "http://h/a?#"},
    {"http://h:80/", "http://h:80/"},
    {"http://h:8080", "http://h:8080"},
    {"http://h:/a", "http://h:/a"},
    {"http://h:8a/", NULL},
    {"http://h:-1/", NULL},
    {"http://h:99999/", "http://h:99999/"},
    {"http://h:80:90/", "http://h:80:90/"},
    {"http://a:b:1/", "http://a:b:1/"},
    {"http://[::1]/", "http://[::1]/"},
    {"http://[::1]:80/a", "http://[::1]:80/a"},
    {"http://[::1", NULL},
    {"http://[::1]a/", NULL},
    {"http://[::1]:/", "http://[::1]:/"},
    {"http://[fe80::1%25en0]/", "http://[fe80::1%25en0]/"},
    {"http://[fe80::1%25en0]:80/x", "http://[fe80::1%25en0]:80/x"},
    {"http://[fe80::1%en0]/", NULL},
    {"http://[fe80::1%25e%20n]/", "http://[fe80::1%25e%20n]/"},
    {"http://[fe80::1%25e%2fn]/", NULL},
    {"http://[fe80::1%25%41]/", "http://[fe80::1%25A]/"},
    {"http://[fe80::1%25a%zz]/", NULL},
    {"http://[::1]]/", "http://[::1]]/"},
    {"http://a]b/", "http://a]b/"},
    {"http://]/", "http://]/"},
    {"http://[", NULL},
    {"http://x[::1]:80/", "http://x[::1]:80/"},
    {"http://a b/", NULL},
    {"http://a%20b/", NULL},
    {"http://a%41b/", NULL},
    {"http://%c3%bc.de/", "http://%C3%BC.de/"},
    {"http://\303\274.de/", "http://%C3%BC.de/"},
    {"http://%C3%bc/", "http://%C3%BC/"},
    {"http://a%25b/", "http://a%25b/"},
    {"http://a%zz/", NULL},
    {"http://a%/", NULL},
    {"http://a%2/", NULL},
    {"http://a<b>\"c/", "http://a<b>\"c/"},
    {"http://a!$&'()*+,;=b/", "http://a!$&'()*+,;=b/"},
    {"http://a\\b/", NULL},
    {"http://a^b/", NULL},
    {"http://a{b}/", NULL},
    {"http://a|b/", NULL},
    {"http://a`b/", NULL},
    {"http://a_b~c/", "http://a_b~c/"},
    {"http://\377/", "http://%FF/"},
    {"://h/", NULL},
    {":", NULL},
    {"1http://h/", NULL},
    {"ht_tp://h/", NULL},
    {"", NULL},
    {" http://h/", NULL},
    {"http://h/ ", "http://h/%20"},
    {"/a", NULL},
    {"a", NULL},
    {"//h/a", NULL},
    {"*", NULL},
    {"httsddfdfdf/cc", NULL},
    {"http ://h/", NULL},
    {"h%74tp://h/", NULL},
    {"\303\274://h", NULL},
    {"http://h/a\012", NULL},
    {"http://h/\001", NULL},
    {"http://h/\177", NULL},
    {"http://h/\302\205", "http://h/%C2%85"},
    {"http://h/a?\011", NULL},
    {"http://h/@b", "http://h/@b"},
    {"http://h?a@b", "http://h?a@b"},
    {"http://u:p w@h/", NULL},
    {"http://h//a", "http://h//a"},
    {"http://h/a/../b", "http://h/a/../b"},
    {"http://h/./a", "http://h/./a"},
    {"http://h/a//b", "http://h/a//b"},
    {"http://h/a;b", "http://h/a;b"},
    {"http://127.0.0.1/", "http://127.0.0.1/"},
    {"http://2130706433/", "http://2130706433/"},
    {"http://h/a%0ab", "http://h/a%0ab"},
    {"http://h/%00", "http://h/%00"},
    {"http://h/a+b", "http://h/a+b"},
    {"http://h./", "http://h./"},
    {"http://h/:a", "http://h/:a"},
    {"http://h/a?a=b&c=%2f+", "http://h/a?a=b&c=%2f+"},
    {"http://h/%e4%BD%a0", "http://h/%e4%BD%a0"},
    {"http://h/a%7eb", "http://h/a%7eb"},
    {"http://h/a%zb", NULL},
    {"http://h:%38/", NULL},
    {"http://h%3a80/", NULL},
    {"http://h%80/", "http://h%80/"},
    {"http://[::1]%80/", NULL},
    {"http://[%80]/", "http://[%80]/"},
    {"http://[%41]/", NULL},
    {"http://[a%25%80]/", NULL},
    {"http://[a%25%25]/", "http://[a%25%25]/"},
    {"http://[a%25 b]/", NULL},
    {"http://[a%25/]", NULL},
    {"http://h/a?b%", "http://h/a?b%"},
    {"http://h/a\200?c\200", "http://h/a%80?c\200"},
};

/* Go takes these, a picture cannot be fetched from them. */
static const struct {
    const char *text;
    const char *why;
} ours_refused[] = {
    {"http:///a", "http:///a is not a valid URL: it has no host"},
    {"http://", "http:// is not a valid URL: it has no host"},
    {"http:", "http: is not a valid URL: it has no host"},
    {"http:/a", "http:/a is not a valid URL: it has no host"},
    {"http:a", "http:a is not a valid URL: it has no host"},
    {"http:?x", "http:?x is not a valid URL: it has no host"},
    {"http://?x", "http://?x is not a valid URL: it has no host"},
    {"http://:80/", "http://:80/ is not a valid URL: it has no host"},
    {"http://u@h/", "http://u@h/ is not a valid URL: a user or password is not taken"},
    {"http://u:p@h/", "http://u:p@h/ is not a valid URL: a user or password is not taken"},
    {"http://@h/", "http://@h/ is not a valid URL: a user or password is not taken"},
    {"http://a@b@c/", "http://a@b@c/ is not a valid URL: a user or password is not taken"},
    {"ftp://h/a", "ftp://h/a is not a valid URL: only http and https are taken"},
    {"h+t-t.p://h/", "h+t-t.p://h/ is not a valid URL: only http and https are taken"},
    {"httpss://h/", "httpss://h/ is not a valid URL: only http and https are taken"},
    {"file:///etc/passwd", "file:///etc/passwd is not a valid URL: only http and https are taken"},
    {"javascript:alert(1)",
     "javascript:alert(1) is not a valid URL: only http and https are taken"},
    {"data:,x", "data:,x is not a valid URL: only http and https are taken"},
    {"mailto:a@b", "mailto:a@b is not a valid URL: only http and https are taken"},
};

static void every_text_becomes_what_go_makes_of_it(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(go_says) / sizeof(go_says[0]); i++) {
        struct buf out;
        struct err_buf why = {.text = "junk"};
        buf_init(&out, LIMIT_REQUEST_URL);
        const char *text = go_says[i].text;
        enum app_err err = url_normalise(text, strlen(text), &out, &why);
        if (go_says[i].normalised) {
            if (err)
                print_error("%s: %s\n", text, why.text);
            assert_int_equal(err, APP_OK);
            assert_string_equal(out.data, go_says[i].normalised);
        } else {
            if (!err)
                print_error("%s: taken as %s\n", text, out.data);
            assert_int_equal(err, APP_INVALID_URL);
            assert_int_equal(out.len, 0);
        }
        buf_release(&out);
    }
}

static void what_cannot_be_fetched_is_refused_with_the_reason(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(ours_refused) / sizeof(ours_refused[0]); i++) {
        struct buf out;
        struct err_buf why = {.text = "junk"};
        buf_init(&out, LIMIT_REQUEST_URL);
        const char *text = ours_refused[i].text;
        assert_int_equal(url_normalise(text, strlen(text), &out, &why), APP_INVALID_URL);
        assert_string_equal(why.text, ours_refused[i].why);
        assert_int_equal(out.len, 0);
        buf_release(&out);
    }
}

static void refuse_with_text(const char *text, size_t len, const char *expected)
{
    struct buf out;
    struct err_buf why = {.text = "junk"};
    buf_init(&out, LIMIT_REQUEST_URL);
    assert_int_equal(url_normalise(text, len, &out, &why), APP_INVALID_URL);
    assert_string_equal(why.text, expected);
    buf_release(&out);
}

static void a_refusal_has_the_words_of_the_go_service(void **state)
{
    (void)state;
    refuse_with_text("", 0, " is not a valid URL");
    refuse_with_text(NULL, 0, " is not a valid URL");
    refuse_with_text("httsddfdfdf/cc", 14, "httsddfdfdf/cc is not a valid URL");
    refuse_with_text("http://h/%zz", 12, "http://h/%zz is not a valid URL");
}

static void a_refusal_shows_foreign_bytes_as_question_marks(void **state)
{
    (void)state;
    refuse_with_text("http://h/a\nb", 12, "http://h/a?b is not a valid URL");
    refuse_with_text("http://h/\0b", 11, "http://h/?b is not a valid URL");
    refuse_with_text("\xff\xc3\xbc", 3, "?\xc3\xbc is not a valid URL");
}

static void a_long_text_is_cut_in_the_refusal(void **state)
{
    (void)state;
    char text[LIMIT_ECHO + 100];
    memset(text, 'x', sizeof(text));
    struct buf out;
    struct err_buf why = {.text = ""};
    buf_init(&out, 10);
    assert_int_equal(url_normalise(text, sizeof(text), &out, &why), APP_INVALID_URL);
    assert_int_equal(strspn(why.text, "x"), LIMIT_ECHO);
    assert_string_equal(why.text + LIMIT_ECHO, " is not a valid URL");
    buf_release(&out);
}

static void the_text_need_not_be_terminated(void **state)
{
    (void)state;
    const char text[] = {'h', 't', 't', 'p', ':', '/', '/', 'h', '/', '%', '4', '1'};
    struct buf out;
    buf_init(&out, 100);
    assert_int_equal(url_normalise(text, sizeof(text), &out, NULL), APP_OK);
    assert_string_equal(out.data, "http://h/%41");
    buf_reset(&out);
    assert_int_equal(url_normalise(text, sizeof(text) - 1, &out, NULL), APP_INVALID_URL);
    assert_int_equal(url_normalise(text, sizeof(text) - 2, &out, NULL), APP_INVALID_URL);
    assert_int_equal(url_normalise(text, sizeof(text) - 3, &out, NULL), APP_OK);
    assert_string_equal(out.data, "http://h/");
    buf_release(&out);
}

static void a_url_is_appended_to_what_the_buffer_has(void **state)
{
    (void)state;
    struct buf out;
    buf_init(&out, 100);
    assert_int_equal(buf_append_str(&out, "<"), APP_OK);
    assert_int_equal(url_normalise("http://h", 8, &out, NULL), APP_OK);
    assert_string_equal(out.data, "<http://h");
    buf_release(&out);
}

static void a_url_that_does_not_fit_leaves_the_buffer_as_it_was(void **state)
{
    (void)state;
    const char *text = "http://host/a b"; /* 17 bytes when normalised */
    for (size_t max = 1; max <= 18; max++) {
        struct buf out;
        buf_init(&out, max);
        assert_int_equal(buf_append_str(&out, "<"), APP_OK);
        enum app_err err = url_normalise(text, strlen(text), &out, NULL);
        assert_int_equal(err, max < 18 ? APP_TOO_LARGE : APP_OK);
        assert_string_equal(out.data, max < 18 ? "<" : "<http://host/a%20b");
        buf_release(&out);
    }
}

static void no_text_of_five_bytes_breaks_it(void **state)
{
    (void)state;
    static const char bytes[] = "%25[]:@/?#a \xff";
    enum { KINDS = sizeof(bytes) - 1 };
    for (size_t number = 0; number < KINDS * KINDS * KINDS * KINDS * KINDS; number++) {
        char text[12] = "http://";
        size_t rest = number;
        for (size_t i = 7; i < sizeof(text); i++, rest /= KINDS)
            text[i] = bytes[rest % KINDS];
        struct buf first;
        struct buf again;
        buf_init(&first, 100);
        buf_init(&again, 100);
        if (url_normalise(text, sizeof(text), &first, NULL) == APP_OK) {
            /* The normal form is its own normal form, or keys would not be stable. */
            assert_int_equal(url_normalise(first.data, first.len, &again, NULL), APP_OK);
            assert_string_equal(again.data, first.data);
        }
        buf_release(&first);
        buf_release(&again);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_text_becomes_what_go_makes_of_it),
        cmocka_unit_test(what_cannot_be_fetched_is_refused_with_the_reason),
        cmocka_unit_test(a_refusal_has_the_words_of_the_go_service),
        cmocka_unit_test(a_refusal_shows_foreign_bytes_as_question_marks),
        cmocka_unit_test(a_long_text_is_cut_in_the_refusal),
        cmocka_unit_test(the_text_need_not_be_terminated),
        cmocka_unit_test(a_url_is_appended_to_what_the_buffer_has),
        cmocka_unit_test(a_url_that_does_not_fit_leaves_the_buffer_as_it_was),
        cmocka_unit_test(no_text_of_five_bytes_breaks_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
