/* SPDX-License-Identifier: MIT */
/*
 * Every message is parsed in one piece, cut at each position, and a byte a
 * piece with empty pieces between, since where a transport cuts is its affair.
 */
#include "lib/wire/cache_item.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define BYTES(text) (text), sizeof(text) - 1

enum { MESSAGE_MAX = 512 };

/* What junk out-parameters hold before a call. */
static const struct wire_cache_item junk = {{77, 78, 79}, {80, 81, 82}};

static void assert_span(const struct iovec *pieces, size_t count, const struct wire_span *span,
                        const char *expected, size_t len)
{
    char copy[MESSAGE_MAX];
    assert_int_equal(span->len, len);
    wire_span_copy(pieces, count, span, copy);
    assert_memory_equal(copy, expected, len);

    struct iovec parts[2 * MESSAGE_MAX];
    size_t parts_count = wire_span_piece_count(pieces, count, span);
    assert_true(parts_count <= count);
    wire_span_pieces(pieces, count, span, parts);
    size_t at = 0;
    for (size_t i = 0; i < parts_count; i++) {
        assert_true(parts[i].iov_len > 0);
        assert_memory_equal(parts[i].iov_base, expected + at, parts[i].iov_len);
        at += parts[i].iov_len;
    }
    assert_int_equal(at, len);
}

static void assert_parses(const struct iovec *pieces, size_t count, const char *id, size_t id_len,
                          const char *data, size_t data_len)
{
    struct wire_cache_item item = junk;
    assert_int_equal(wire_cache_item_parse(pieces, count, &item), APP_OK);
    assert_span(pieces, count, &item.id, id, id_len);
    assert_span(pieces, count, &item.data, data, data_len);
}

static void assert_malformed(const struct iovec *pieces, size_t count)
{
    struct wire_cache_item item = junk;
    assert_int_equal(wire_cache_item_parse(pieces, count, &item), APP_BAD_REQUEST);
    assert_memory_equal(&item, &junk, sizeof(item));
}

/* A byte a piece, each followed by an empty one. Returns the count. */
static size_t shred(char *message, size_t len, struct iovec *pieces)
{
    for (size_t i = 0; i < len; i++) {
        pieces[2 * i] = (struct iovec){message + i, 1};
        pieces[2 * i + 1] = (struct iovec){NULL, 0};
    }
    return 2 * len;
}

/* `text` in memory of exactly its size, so that AddressSanitizer sees a read beyond it. */
static char *exact(const char *text, size_t len)
{
    char *copy = malloc(len > 0 ? len : 1);
    assert_non_null(copy);
    memcpy(copy, text, len);
    return copy;
}

static void check_every_cut(const char *text, size_t len, const char *id, size_t id_len,
                            const char *data, size_t data_len)
{
    for (size_t cut = 0; cut <= len; cut++) {
        char *first = exact(text, cut);
        char *second = exact(text + cut, len - cut);
        struct iovec pieces[2] = {{first, cut}, {second, len - cut}};
        assert_parses(pieces, 2, id, id_len, data, data_len);
        free(first);
        free(second);
    }
    char *message = exact(text, len);
    struct iovec shreds[2 * MESSAGE_MAX];
    assert_parses(shreds, shred(message, len, shreds), id, id_len, data, data_len);
    free(message);
}

static void check_every_cut_malformed(const char *text, size_t len)
{
    for (size_t cut = 0; cut <= len; cut++) {
        char *first = exact(text, cut);
        char *second = exact(text + cut, len - cut);
        struct iovec pieces[2] = {{first, cut}, {second, len - cut}};
        assert_malformed(pieces, 2);
        free(first);
        free(second);
    }
}

static void id_and_data_are_found_wherever_the_message_is_cut(void **state)
{
    (void)state;
    check_every_cut(BYTES("\x0a\x03key\x12\x05world"), BYTES("key"), BYTES("world"));
}

static void a_length_of_two_bytes_may_straddle_pieces(void **state)
{
    (void)state;
    char message[MESSAGE_MAX] = "\x0a\x01k\x12\xac\x02";
    char data[300];
    memset(data, 'x', sizeof(data));
    memcpy(message + 6, data, sizeof(data));
    check_every_cut(message, 6 + sizeof(data), BYTES("k"), data, sizeof(data));
}

static void fields_may_come_in_any_order(void **state)
{
    (void)state;
    check_every_cut(BYTES("\x12\x02hi\x0a\x01k"), BYTES("k"), BYTES("hi"));
}

static void the_last_value_of_a_field_wins(void **state)
{
    (void)state;
    check_every_cut(BYTES("\x0a\x01"
                          "a\x12\x01x\x0a\x02"
                          "bc\x12\x03yzz"),
                    BYTES("bc"), BYTES("yzz"));
    check_every_cut(BYTES("\x0a\x01"
                          "a\x0a\x00"),
                    BYTES(""), BYTES(""));
}

static void absent_fields_are_empty(void **state)
{
    (void)state;
    check_every_cut(BYTES(""), BYTES(""), BYTES(""));
    check_every_cut(BYTES("\x0a\x01k"), BYTES("k"), BYTES(""));
    check_every_cut(BYTES("\x12\x01"
                          "d"),
                    BYTES(""), BYTES("d"));

    struct wire_cache_item item = junk;
    assert_int_equal(wire_cache_item_parse(NULL, 0, &item), APP_OK);
    assert_int_equal(item.data.len, 0);
    assert_int_equal(wire_span_piece_count(NULL, 0, &item.data), 0);
}

static void unknown_fields_of_every_type_are_skipped(void **state)
{
    (void)state;
    check_every_cut(BYTES("\x18\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01" /* 3: varint */
                          "\x21\x01\x02\x03\x04\x05\x06\x07\x08"         /* 4: fixed64 */
                          "\x0a\x01k"
                          "\x2a\x02zz"                   /* 5: bytes */
                          "\x35\x01\x02\x03\x04"         /* 6: fixed32 */
                          "\xfa\xff\xff\xff\x0f\x01\x2e" /* the highest number */
                          "\x12\x01"
                          "d"),
                    BYTES("k"), BYTES("d"));
}

static void a_field_of_ours_with_another_type_is_an_unknown_one(void **state)
{
    (void)state;
    check_every_cut(BYTES("\x0a\x01k\x08\x05\x10\x07"), BYTES("k"), BYTES(""));
}

static void data_with_nul_bytes_is_whole(void **state)
{
    (void)state;
    check_every_cut(BYTES("\x0a\x03k\0k\x12\x04\0\0x\0"), BYTES("k\0k"), BYTES("\0\0x\0"));
}

static void a_message_that_ends_early_is_malformed(void **state)
{
    (void)state;
    static const char whole[] = "\x0a\x03key\x12\x05world\x18\x81\x01\x35\x01\x02\x03\x04";
    /* The lengths at which a field ends: there the message is a shorter, valid one. */
    static const size_t valid[] = {0, 5, 12, 15, 20};
    for (size_t len = 0; len < sizeof(whole); len++) {
        bool is_valid = false;
        for (size_t i = 0; i < sizeof(valid) / sizeof(valid[0]); i++)
            is_valid |= valid[i] == len;
        if (!is_valid)
            check_every_cut_malformed(whole, len);
    }
}

static void lengths_beyond_the_message_are_malformed(void **state)
{
    (void)state;
    check_every_cut_malformed(BYTES("\x12\x06world"));
    check_every_cut_malformed(BYTES("\x12\xff\xff\xff\xff\x0fworld"));
    check_every_cut_malformed(BYTES("\x12\xff\xff\xff\xff\xff\xff\xff\xff\x7fworld"));
    check_every_cut_malformed(BYTES("\x12\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01world"));
    check_every_cut_malformed(BYTES("\x19\x01\x02\x03\x04\x05\x06\x07"));
    check_every_cut_malformed(BYTES("\x1d\x01\x02\x03"));
}

static void varints_of_more_than_ten_bytes_are_malformed(void **state)
{
    (void)state;
    check_every_cut_malformed(BYTES("\x18\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"));
    check_every_cut_malformed(BYTES("\x8a\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x00\x01k"));
}

static void field_number_zero_and_wire_types_that_do_not_exist_are_malformed(void **state)
{
    (void)state;
    check_every_cut_malformed(BYTES("\x00\x01"));
    check_every_cut_malformed(BYTES("\x02\x01x"));
    check_every_cut_malformed(BYTES("\x0b\x0c")); /* a group */
    check_every_cut_malformed(BYTES("\x0c"));
    check_every_cut_malformed(BYTES("\x0e\x01"));
    check_every_cut_malformed(BYTES("\x0f\x01"));
    check_every_cut_malformed(BYTES("\x8a\x80\x80\x80\x10\x01k")); /* above 2^29 */
}

static void no_short_message_makes_the_parser_read_outside(void **state)
{
    (void)state;
    unsigned seed = 20220601;
    for (int round = 0; round < 20000; round++) {
        char message[24];
        size_t len = (size_t)rand_r(&seed) % sizeof(message);
        for (size_t i = 0; i < len; i++) /* small values, so that many get past the first field */
            message[i] = (char)(rand_r(&seed) % (rand_r(&seed) % 8 ? 24 : 256));
        struct iovec shreds[2 * sizeof(message)];
        char *copy = exact(message, len);
        size_t count = shred(copy, len, shreds);
        struct wire_cache_item item;
        struct iovec whole = {copy, len};
        struct wire_cache_item same;
        enum app_err err = wire_cache_item_parse(shreds, count, &item);
        assert_int_equal(wire_cache_item_parse(&whole, 1, &same), err);
        if (!err) {
            assert_true(item.data.len <= len);
            assert_span(shreds, count, &item.data, copy + same.data.offset, same.data.len);
        }
        free(copy);
    }
}

static void pieces_may_be_written_over_their_source(void **state)
{
    (void)state;
    char message[] = "\x0a\x01k\x12\x04"
                     "abcd";
    struct iovec pieces[] = {{message, 6}, {message + 6, 2}, {message + 8, 1}};
    struct wire_cache_item item;
    assert_int_equal(wire_cache_item_parse(pieces, 3, &item), APP_OK);
    assert_int_equal(wire_span_piece_count(pieces, 3, &item.data), 3);
    wire_span_pieces(pieces, 3, &item.data, pieces);
    assert_ptr_equal(pieces[0].iov_base, message + 5);
    assert_int_equal(pieces[0].iov_len, 1);
    assert_ptr_equal(pieces[1].iov_base, message + 6);
    assert_int_equal(pieces[1].iov_len, 2);
    assert_int_equal(pieces[2].iov_len, 1);
}

static void a_head_and_the_data_after_it_are_an_item(void **state)
{
    (void)state;
    static const size_t sizes[] = {0, 1, 127, 128, 200};
    char id[200];
    char data[200];
    memset(id, 'i', sizeof(id));
    memset(data, 'd', sizeof(data));
    for (size_t i = 0; i < 5; i++) {
        for (size_t j = 0; j < 5; j++) {
            char *head = malloc(WIRE_CACHE_ITEM_HEAD_MAX + sizes[i]);
            assert_non_null(head);
            size_t len = wire_cache_item_head(id, sizes[i], sizes[j], head);
            assert_true(len <= WIRE_CACHE_ITEM_HEAD_MAX + sizes[i]);
            struct iovec pieces[] = {{head, len}, {data, sizes[j]}};
            assert_parses(pieces, 2, id, sizes[i], data, sizes[j]);
            free(head);
        }
    }
}

static void the_head_has_the_bytes_that_protobuf_writes(void **state)
{
    (void)state;
    char head[WIRE_CACHE_ITEM_HEAD_MAX + 3];
    assert_int_equal(wire_cache_item_head("key", 3, 300, head), 8);
    assert_memory_equal(head, "\x0a\x03key\x12\xac\x02", 8);
    assert_int_equal(wire_cache_item_head(NULL, 0, 0, head), 0);
    assert_int_equal(wire_cache_item_head(NULL, 0, SIZE_MAX, head), 11);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(id_and_data_are_found_wherever_the_message_is_cut),
        cmocka_unit_test(a_length_of_two_bytes_may_straddle_pieces),
        cmocka_unit_test(fields_may_come_in_any_order),
        cmocka_unit_test(the_last_value_of_a_field_wins),
        cmocka_unit_test(absent_fields_are_empty),
        cmocka_unit_test(unknown_fields_of_every_type_are_skipped),
        cmocka_unit_test(a_field_of_ours_with_another_type_is_an_unknown_one),
        cmocka_unit_test(data_with_nul_bytes_is_whole),
        cmocka_unit_test(a_message_that_ends_early_is_malformed),
        cmocka_unit_test(lengths_beyond_the_message_are_malformed),
        cmocka_unit_test(varints_of_more_than_ten_bytes_are_malformed),
        cmocka_unit_test(field_number_zero_and_wire_types_that_do_not_exist_are_malformed),
        cmocka_unit_test(no_short_message_makes_the_parser_read_outside),
        cmocka_unit_test(pieces_may_be_written_over_their_source),
        cmocka_unit_test(a_head_and_the_data_after_it_are_an_item),
        cmocka_unit_test(the_head_has_the_bytes_that_protobuf_writes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
