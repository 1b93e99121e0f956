/* SPDX-License-Identifier: MIT */
#include "lib/picture/jpeg_scans.h"

#include <stdlib.h>
#include <string.h>

#include "support/cmocka.h"
#include "support/sample_picture.h"

/* In memory of its own size, so that a sanitizer sees each byte beyond the end. */
static bool has_more(const void *data, size_t len, unsigned most)
{
    unsigned char *copy = malloc(len + (len == 0));
    assert_non_null(copy);
    if (len > 0)
        memcpy(copy, data, len);
    bool more = jpeg_outline(copy, len, most).scans > most;
    free(copy);
    return more;
}

static unsigned count(const void *data, size_t len)
{
    unsigned most = 0;
    while (has_more(data, len, most))
        most++;
    return most;
}

#define COUNT(literal) count(literal, sizeof(literal) - 1)
#define SCAN                                                                                       \
    "\xff\xda\x00\x04"                                                                             \
    "ab"

static void real_pictures_have_the_scans_that_the_encoder_wrote(void **state)
{
    (void)state;
    struct sample plain = sample_encode(sample_photo(64, 64), ".jpg");
    struct sample progressive = sample_encode(sample_photo(64, 64), ".jpg[interlace]");
    assert_int_equal(count(plain.data, plain.len), 1);
    assert_int_equal(count(progressive.data, progressive.len), 10); /* libjpeg's own script */
    sample_release(&plain);
    sample_release(&progressive);
}

static void the_limit_itself_is_allowed(void **state)
{
    (void)state;
    static const char three[] = "\xff\xd8" SCAN "data" SCAN SCAN "\xff\xd9";
    assert_false(has_more(three, sizeof(three) - 1, 3));
    assert_true(has_more(three, sizeof(three) - 1, 2));
}

static void markers_within_other_segments_are_not_counted(void **state)
{
    (void)state;
    assert_int_equal(COUNT("\xff\xd8\xff\xe1\x00\x08" SCAN SCAN "\xff\xd9"), 1);
    assert_int_equal(COUNT("\xff\xd8\xff\xe1\x00\x0e" SCAN SCAN "\xff\xd9"), 0);
}

static void stuffed_bytes_restarts_and_fill_do_not_end_a_scan(void **state)
{
    (void)state;
    assert_int_equal(COUNT("\xff\xd8" SCAN "a\xff\x00\xda"
                           "b\xff\xd0"
                           "c\xff\xff\xff\xd7"
                           "d\xff\xff\xff" SCAN "e\xff\xd9"),
                     2);
}

static void garbage_between_segments_is_skipped_as_the_decoder_does(void **state)
{
    (void)state;
    assert_int_equal(COUNT("\xff\xd8"
                           "garbage" SCAN "more\x00"
                           "garbage" SCAN),
                     2);
}

static void nothing_is_counted_behind_the_end(void **state)
{
    (void)state;
    assert_int_equal(COUNT("\xff\xd8" SCAN "x\xff\xd9" SCAN SCAN), 1);
    assert_int_equal(COUNT("\xff\xd8" SCAN "x\xff\xe0\x00\x01" SCAN), 1); /* no such length */
    assert_int_equal(COUNT("\xff\xd8" SCAN "x\xff\xe0\xff\xff"
                           "short" SCAN),
                     1); /* beyond the end */
}

static void any_bytes_at_all_are_walked_to_an_end(void **state)
{
    (void)state;
    static const unsigned char often[] = {0xff, 0xda, 0x00, 0xd8, 0xd9, 0x02, 0xe0, 0x01};
    unsigned char bytes[64];
    unsigned random = 12345;
    for (int round = 0; round < 20000; round++) {
        size_t len = (size_t)round % sizeof(bytes);
        for (size_t i = 0; i < len; i++) {
            random = random * 1103515245u + 12345u;
            bytes[i] = often[(random >> 16) % sizeof(often)];
        }
        assert_true(count(bytes, len) <= len / 2);
    }
}

static bool lacks_end(const struct sample *sample, size_t len)
{
    struct sample copy = sample_cut(sample, len); /* a sanitizer sees each byte beyond the end */
    bool lacks = jpeg_outline(copy.data, copy.len, 100).lacks_end;
    sample_release(&copy);
    return lacks;
}

static void an_end_is_missing_only_behind_a_scan(void **state)
{
    (void)state;
    static const char *const suffixes[] = {".jpg", ".jpg[interlace]"};
    for (size_t i = 0; i < 2; i++) {
        struct sample jpeg = sample_encode(sample_photo(64, 48), suffixes[i]);
        assert_false(lacks_end(&jpeg, jpeg.len));
        assert_true(lacks_end(&jpeg, jpeg.len - 1));
        assert_true(lacks_end(&jpeg, jpeg.len - 2));
        assert_false(lacks_end(&jpeg, 20)); /* no scan yet */
        sample_release(&jpeg);
    }
}

static int set_up(void **state)
{
    (void)state;
    return vips_init("test");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(real_pictures_have_the_scans_that_the_encoder_wrote),
        cmocka_unit_test(the_limit_itself_is_allowed),
        cmocka_unit_test(markers_within_other_segments_are_not_counted),
        cmocka_unit_test(stuffed_bytes_restarts_and_fill_do_not_end_a_scan),
        cmocka_unit_test(garbage_between_segments_is_skipped_as_the_decoder_does),
        cmocka_unit_test(nothing_is_counted_behind_the_end),
        cmocka_unit_test(an_end_is_missing_only_behind_a_scan),
        cmocka_unit_test(any_bytes_at_all_are_walked_to_an_end),
    };
    return cmocka_run_group_tests(tests, set_up, NULL);
}
