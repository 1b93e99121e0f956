/* SPDX-License-Identifier: MIT */
#include "lib/http/content_type.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define TEXT   "text/plain; charset=utf-8"
#define BINARY "application/octet-stream"

/* A literal without its NUL. */
#define SNIFF(literal) content_type_sniff(literal, sizeof(literal) - 1)

static void pictures_are_known_by_their_signatures(void **state)
{
    (void)state;
    assert_string_equal(SNIFF("\xff\xd8\xff\xe0 JFIF"), "image/jpeg");
    assert_string_equal(SNIFF("\xff\xd8\xff\xdb"), "image/jpeg");
    assert_string_equal(SNIFF("\x89PNG\r\n\x1a\n\0\0\0\rIHDR"), "image/png");
    assert_string_equal(SNIFF("GIF87a"), "image/gif");
    assert_string_equal(SNIFF("GIF89a..."), "image/gif");
    assert_string_equal(SNIFF("RIFF\x12\x34\x56\x78WEBPVP8 "), "image/webp");
    assert_string_equal(SNIFF("RIFF\0\0\0\0WEBPVP"), "image/webp");
    assert_string_equal(SNIFF("BM\x36\x00"), "image/bmp");
    assert_string_equal(SNIFF("\x00\x00\x01\x00\x01"), "image/x-icon");
    assert_string_equal(SNIFF("\x00\x00\x02\x00"), "image/x-icon");
}

static void a_signature_that_lacks_its_last_byte_is_none(void **state)
{
    (void)state;
    assert_string_equal(SNIFF("\xff\xd8"), TEXT);
    assert_string_equal(SNIFF("\x89PNG\r\n\x1a"), BINARY);
    assert_string_equal(SNIFF("GIF89"), TEXT);
    assert_string_equal(SNIFF("B"), TEXT);
    assert_string_equal(SNIFF("RIFF\x20\x20\x20\x20WEBPV"), TEXT);
    assert_string_equal(SNIFF("\x00\x00\x01"), BINARY);
}

static void near_misses_are_not_pictures(void **state)
{
    (void)state;
    assert_string_equal(SNIFF("GIF88a"), TEXT);
    assert_string_equal(SNIFF(" GIF89a"), TEXT);
    assert_string_equal(SNIFF("\xff\xd8\xfe"), TEXT);
    assert_string_equal(SNIFF("RIFF\0\0\0\0WAVEfmt "), BINARY);
    assert_string_equal(SNIFF("\x00\x00\x03\x00"), BINARY);
}

static void text_is_what_has_no_binary_byte(void **state)
{
    (void)state;
    assert_string_equal(SNIFF("hello\n"), TEXT);
    assert_string_equal(SNIFF("\t\n\x0c\r\x1b[0m"), TEXT);
    assert_string_equal(SNIFF("gr\xc3\xbc\xc3\x9f"), TEXT);
    assert_string_equal(SNIFF("\xfc\xff"), TEXT);
}

static void nothing_is_text(void **state)
{
    (void)state;
    assert_string_equal(content_type_sniff(NULL, 0), TEXT);
    assert_string_equal(SNIFF(""), TEXT);
}

static void exactly_the_binary_bytes_of_the_standard_are_binary(void **state)
{
    (void)state;
    for (int byte = 0; byte < 256; byte++) {
        char data[] = {'a', (char)byte, 'b'};
        bool binary = byte <= 0x08 || byte == 0x0b || (byte >= 0x0e && byte <= 0x1a) ||
                      (byte >= 0x1c && byte <= 0x1f);
        assert_string_equal(content_type_sniff(data, sizeof(data)), binary ? BINARY : TEXT);
    }
}

static void html_is_never_answered(void **state)
{
    (void)state;
    assert_string_equal(SNIFF("<!DOCTYPE html><html><script>alert(1)</script>"), TEXT);
    assert_string_equal(SNIFF("  <html>"), TEXT);
    assert_string_equal(SNIFF("<svg xmlns='http://www.w3.org/2000/svg'/>"), TEXT);
    assert_string_equal(SNIFF("<?xml version='1.0'?>"), TEXT);
}

static void bytes_behind_the_limit_change_nothing(void **state)
{
    (void)state;
    char data[CONTENT_TYPE_SNIFF_LEN + 1];
    memset(data, 'a', sizeof(data));
    data[CONTENT_TYPE_SNIFF_LEN] = '\0';
    assert_string_equal(content_type_sniff(data, sizeof(data)), TEXT);
    data[CONTENT_TYPE_SNIFF_LEN - 1] = '\0';
    assert_string_equal(content_type_sniff(data, sizeof(data)), BINARY);
}

static void pieces_have_the_type_of_the_whole(void **state)
{
    (void)state;
    static char text[] = "\x89PNG\r\n\x1a\n and more";
    const struct iovec pieces[] = {
        {text, 3}, {text, 0}, {text + 3, 1}, {text + 4, sizeof(text) - 4}};
    assert_string_equal(content_type_sniff_pieces(pieces, 4), "image/png");
    assert_string_equal(content_type_sniff_pieces(pieces + 3, 1), BINARY);
    assert_string_equal(content_type_sniff_pieces(NULL, 0), TEXT);
    char large[2 * CONTENT_TYPE_SNIFF_LEN];
    memset(large, 'a', sizeof(large));
    large[CONTENT_TYPE_SNIFF_LEN] = '\x01';
    const struct iovec halves[] = {{large, 10}, {large + 10, sizeof(large) - 10}};
    assert_string_equal(content_type_sniff_pieces(halves, 2), TEXT);
    large[CONTENT_TYPE_SNIFF_LEN - 1] = '\x01';
    assert_string_equal(content_type_sniff_pieces(halves, 2), BINARY);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pictures_are_known_by_their_signatures),
        cmocka_unit_test(a_signature_that_lacks_its_last_byte_is_none),
        cmocka_unit_test(near_misses_are_not_pictures),
        cmocka_unit_test(text_is_what_has_no_binary_byte),
        cmocka_unit_test(nothing_is_text),
        cmocka_unit_test(exactly_the_binary_bytes_of_the_standard_are_binary),
        cmocka_unit_test(html_is_never_answered),
        cmocka_unit_test(bytes_behind_the_limit_change_nothing),
        cmocka_unit_test(pieces_have_the_type_of_the_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
