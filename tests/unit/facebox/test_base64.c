/* SPDX-License-Identifier: MIT */
/* The vectors of RFC 4648, section 10, and what is not base64. */
#include "facebox/base64.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void assert_decodes(const char *text, const char *expected)
{
    struct buf out;
    buf_init(&out, 100);
    if (base64_decode(text, strlen(text), &out) != APP_OK)
        fail_msg("\"%s\" was not decoded", text);
    assert_string_equal(out.data, expected);
    assert_int_equal(out.len, strlen(expected));
    buf_release(&out);
}

static void the_vectors_of_the_rfc_are_decoded(void **state)
{
    (void)state;
    assert_decodes("", "");
    assert_decodes("Zg==", "f");
    assert_decodes("Zm8=", "fo");
    assert_decodes("Zm9v", "foo");
    assert_decodes("Zm9vYg==", "foob");
    assert_decodes("Zm9vYmE=", "fooba");
    assert_decodes("Zm9vYmFy", "foobar");
}

static void white_space_is_skipped(void **state)
{
    (void)state;
    assert_decodes(" Zm9v\r\nYm\tFy\n", "foobar");
    assert_decodes("Zg=\n=\n", "f");
    assert_decodes(" \r\n", "");
}

static void what_is_not_base64_is_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "Z",     "Zm",   "Zm9",  "Zg=",   "=",    "==",   "====",    "Z===", "Zg==Zg==",  "Zm=v",
        "Zm9v=", "Zm-v", "Zm_v", "Zm9v.", "Zh==", "Zm9=", "Zm9\x80", "%5A",  "data:Zm9v",
    };
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct buf out;
        buf_init(&out, 100);
        if (base64_decode(texts[i], strlen(texts[i]), &out) != APP_BAD_REQUEST)
            fail_msg("\"%s\" was taken", texts[i]);
        buf_release(&out);
    }
}

static void a_nul_is_not_the_end(void **state)
{
    (void)state;
    struct buf out;
    buf_init(&out, 100);
    assert_int_equal(base64_decode("Zm9v\0Zm9v", 9, &out), APP_BAD_REQUEST);
    buf_release(&out);
}

static void every_byte_value_comes_out(void **state)
{
    (void)state;
    struct buf out;
    buf_init(&out, 100);
    assert_int_equal(base64_decode("AP+A/3/+", 8, &out), APP_OK);
    assert_memory_equal(out.data, "\x00\xff\x80\xff\x7f\xfe", 6);
    buf_release(&out);
}

static void the_ceiling_of_the_buffer_holds(void **state)
{
    (void)state;
    char text[8004];
    memset(text, 'A', sizeof(text));
    struct buf out;
    buf_init(&out, 6003);
    assert_int_equal(base64_decode(text, 8004, &out), APP_OK);
    assert_int_equal(out.len, 6003);
    buf_release(&out);
    buf_init(&out, 6002);
    assert_int_equal(base64_decode(text, 8004, &out), APP_TOO_LARGE);
    buf_release(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_vectors_of_the_rfc_are_decoded),
        cmocka_unit_test(white_space_is_skipped),
        cmocka_unit_test(what_is_not_base64_is_refused),
        cmocka_unit_test(a_nul_is_not_the_end),
        cmocka_unit_test(every_byte_value_comes_out),
        cmocka_unit_test(the_ceiling_of_the_buffer_holds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
