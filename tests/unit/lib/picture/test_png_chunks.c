/* SPDX-License-Identifier: MIT */
#include "lib/picture/png_chunks.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/buf.h"
#include "support/cmocka.h"
#include "support/sample_picture.h"

static const unsigned char header_of_one_pixel[] = {
    0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n', 0, 0, 0, 13, 'I', 'H', 'D', 'R', 0,
    0,    0,   1,   0,   0,    0,    1,    8,    2, 0, 0, 0,  0,   0,   0,   0};

static struct buf begin(void)
{
    struct buf file;
    buf_init(&file, 1 << 20);
    assert_int_equal(buf_append(&file, header_of_one_pixel, sizeof(header_of_one_pixel)), APP_OK);
    return file;
}

static void add_chunk(struct buf *file, const char *type, size_t len)
{
    const unsigned char number[4] = {0, (unsigned char)(len >> 16), (unsigned char)(len >> 8),
                                     (unsigned char)len};
    unsigned char *zeros = calloc(1, len + 4);
    assert_non_null(zeros);
    assert_int_equal(buf_append(file, number, 4), APP_OK);
    assert_int_equal(buf_append(file, type, 4), APP_OK);
    assert_int_equal(buf_append(file, zeros, len + 4), APP_OK);
    free(zeros);
}

/* In memory of its own size, so that a sanitizer sees each byte beyond the end. */
static bool has_more(const void *data, size_t len, unsigned most)
{
    unsigned char *copy = malloc(len + (len == 0));
    assert_non_null(copy);
    memcpy(copy, data, len);
    bool more = png_has_more_packed_chunks(copy, len, most);
    free(copy);
    return more;
}

static bool has_surplus(const void *data, size_t len)
{
    unsigned char *copy = malloc(len + (len == 0));
    assert_non_null(copy);
    memcpy(copy, data, len);
    bool surplus = png_has_surplus_data(copy, len);
    free(copy);
    return surplus;
}

static bool is_beyond_end(const void *data, size_t len)
{
    unsigned char *copy = malloc(len + (len == 0));
    assert_non_null(copy);
    memcpy(copy, data, len);
    bool beyond = png_has_chunk_beyond_end(copy, len);
    free(copy);
    return beyond;
}

/* Found by fuzzing: such a file of 300 bytes took 1.6 GB and eight seconds. */
static void a_chunk_that_claims_more_than_the_file_has_is_seen(void **state)
{
    static const char *const types[] = {"zTXt", "iCCP", "eXIf", "abcd", "IDAT"};
    (void)state;
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        struct buf file = begin();
        add_chunk(&file, types[i], 20);
        assert_false(is_beyond_end(file.data, file.len));
        /* Pixels are read in pieces, and their end is missed in time. */
        assert_int_equal(is_beyond_end(file.data, file.len - 1), i < 4);
        file.data[sizeof(header_of_one_pixel)] = 0x60;
        assert_int_equal(is_beyond_end(file.data, file.len), i < 4);
        buf_release(&file);
    }
    struct buf file = begin();
    add_chunk(&file, "IEND", 0);
    add_chunk(&file, "zTXt", 20);
    assert_false(is_beyond_end(file.data, file.len - 1));
    buf_release(&file);
}

static void packed_texts_and_profiles_are_counted_and_others_not(void **state)
{
    (void)state;
    struct buf file = begin();
    static const char *const types[] = {"zTXt", "tEXt", "iTXt", "gAMA", "iCCP", "IDAT"};
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
        add_chunk(&file, types[i], i);
    assert_false(has_more(file.data, file.len, 3));
    assert_true(has_more(file.data, file.len, 2));
    buf_release(&file);
}

static void texts_behind_the_pixels_count_and_behind_the_end_do_not(void **state)
{
    (void)state;
    struct buf file = begin();
    add_chunk(&file, "IDAT", 10);
    add_chunk(&file, "zTXt", 10);
    add_chunk(&file, "IEND", 0);
    add_chunk(&file, "zTXt", 10);
    assert_true(has_more(file.data, file.len, 0));
    assert_false(has_more(file.data, file.len, 1));
    buf_release(&file);
}

static void data_beyond_all_use_is_surplus(void **state)
{
    (void)state;
    enum { ALLOWED = 64 * 1024 + 2 * (3 + 2) };
    struct buf file = begin();
    add_chunk(&file, "IDAT", ALLOWED - 100);
    add_chunk(&file, "IDAT", 100);
    assert_false(has_surplus(file.data, file.len));
    add_chunk(&file, "IDAT", 1);
    assert_true(has_surplus(file.data, file.len));
    buf_release(&file);
}

static void real_pictures_have_neither(void **state)
{
    (void)state;
    static const char *const suffixes[] = {".png", ".png[interlace]", ".png[compression=0]",
                                           ".png[palette]", ".png[bitdepth=1]"};
    for (size_t i = 0; i < sizeof(suffixes) / sizeof(suffixes[0]); i++) {
        struct sample sample = sample_encode(sample_photo(400, 300), suffixes[i]);
        assert_false(has_surplus(sample.data, sample.len));
        assert_false(has_more(sample.data, sample.len, 0));
        sample_release(&sample);
    }
}

static void any_bytes_at_all_are_walked_to_an_end(void **state)
{
    (void)state;
    struct buf file = begin();
    add_chunk(&file, "zTXt", 5);
    add_chunk(&file, "IDAT", 5);
    for (size_t len = 0; len <= file.len; len++) {
        assert_false(has_surplus(file.data, len));
        assert_false(has_more(file.data, len, 1));
        for (size_t at = 8; at < len; at++) {
            unsigned char *bytes = (unsigned char *)file.data;
            unsigned char kept = bytes[at];
            bytes[at] = 0xff;
            (void)has_surplus(file.data, len);
            (void)has_more(file.data, len, 1);
            bytes[at] = kept;
        }
    }
    buf_release(&file);
}

static int set_up(void **state)
{
    (void)state;
    return vips_init("test");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(packed_texts_and_profiles_are_counted_and_others_not),
        cmocka_unit_test(texts_behind_the_pixels_count_and_behind_the_end_do_not),
        cmocka_unit_test(data_beyond_all_use_is_surplus),
        cmocka_unit_test(a_chunk_that_claims_more_than_the_file_has_is_seen),
        cmocka_unit_test(real_pictures_have_neither),
        cmocka_unit_test(any_bytes_at_all_are_walked_to_an_end),
    };
    return cmocka_run_group_tests(tests, set_up, NULL);
}
