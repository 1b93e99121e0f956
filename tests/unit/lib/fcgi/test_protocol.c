/* SPDX-License-Identifier: MIT */
#include "lib/fcgi/protocol.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* On the heap with its exact size, so that AddressSanitizer sees every byte too far. */
static char *copy(const void *data, size_t len)
{
    char *copied = malloc(len > 0 ? len : 1);
    assert_non_null(copied);
    memcpy(copied, data, len);
    return copied;
}

static void a_header_is_read_as_it_was_written(void **state)
{
    (void)state;
    unsigned char header[FCGI_HEADER_LEN];
    struct protocol_record record;
    protocol_write_header(header, FCGI_STDOUT, 0x1234, 0xfedc);
    assert_memory_equal(header, "\1\6\x12\x34\xfe\xdc\0\0", sizeof(header));
    header[6] = 255;
    assert_true(protocol_read_header(header, &record));
    assert_int_equal(record.type, FCGI_STDOUT);
    assert_int_equal(record.id, 0x1234);
    assert_int_equal(record.content_len, 0xfedc);
    assert_int_equal(record.padding_len, 255);
    header[0] = 2;
    assert_false(protocol_read_header(header, &record));
}

static void pairs_are_read_one_after_the_other(void **state)
{
    (void)state;
    static const char data[] = "\1\2Abc\0\0\200\0\0\1\200\0\0\2Abc";
    size_t len = sizeof(data) - 1;
    char *pairs = copy(data, len), *at = pairs;
    struct protocol_pair pair;
    assert_int_equal(protocol_next_pair(&at, pairs + len, &pair), PAIR_READ);
    assert_int_equal(pair.name_len, 1);
    assert_memory_equal(pair.name, "A", 1);
    assert_int_equal(pair.value_len, 2);
    assert_memory_equal(pair.value, "bc", 2);
    assert_int_equal(protocol_next_pair(&at, pairs + len, &pair), PAIR_READ);
    assert_int_equal(pair.name_len + pair.value_len, 0);
    assert_int_equal(protocol_next_pair(&at, pairs + len, &pair), PAIR_READ);
    assert_int_equal(pair.value_len, 2);
    assert_memory_equal(pair.value, "bc", 2);
    assert_int_equal(protocol_next_pair(&at, pairs + len, &pair), PAIR_END);
    free(pairs);
}

static void a_pair_that_goes_beyond_the_end_is_broken(void **state)
{
    (void)state;
    static const char data[] = "\200\0\0\1\200\0\0\2Abc";
    for (size_t len = 1; len < sizeof(data) - 1; len++) {
        char *pairs = copy(data, len), *at = pairs;
        struct protocol_pair pair;
        assert_int_equal(protocol_next_pair(&at, pairs + len, &pair), PAIR_BROKEN);
        free(pairs);
    }
    char *huge = copy("\377\377\377\377\377\377\377\377", 8), *at = huge;
    struct protocol_pair pair;
    assert_int_equal(protocol_next_pair(&at, huge + 8, &pair), PAIR_BROKEN);
    free(huge);
}

static void short_records_are_as_specified(void **state)
{
    (void)state;
    unsigned char record[PROTOCOL_SHORT_LEN];
    protocol_write_end(record, 258, FCGI_CANT_MPX_CONN);
    assert_memory_equal(record, "\1\3\1\2\0\10\0\0\0\0\0\0\1\0\0\0", sizeof(record));
    protocol_write_unknown_type(record, 200);
    assert_memory_equal(record, "\1\13\0\0\0\10\0\0\310\0\0\0\0\0\0\0", sizeof(record));
}

static void assert_values(const char *asked, size_t len, const char *expected, size_t expected_len)
{
    unsigned char record[PROTOCOL_VALUES_MAX];
    char *pairs = copy(asked, len);
    assert_int_equal(protocol_write_values(record, pairs, len, 4294967295U),
                     FCGI_HEADER_LEN + expected_len);
    assert_int_equal(record[1], FCGI_GET_VALUES_RESULT);
    assert_int_equal(record[5], expected_len);
    assert_memory_equal(record + FCGI_HEADER_LEN, expected, expected_len);
    free(pairs);
}

/* Names that are not known are left out, and each is told once. */
static void the_values_that_are_asked_for_are_told(void **state)
{
    (void)state;
#define VALUES(asked, expected)                                                                    \
    assert_values(asked, sizeof(asked) - 1, expected, sizeof(expected) - 1)
    VALUES("", "");
    VALUES("\17\0FCGI_MPXS_CONNS", "\17\1FCGI_MPXS_CONNS0");
    VALUES("\16\0FCGI_MAX_CONNS\4\1OTHEx\15\0FCGI_MAX_REQS\17\0FCGI_MPXS_CONNS\15\0FCGI_MAX_REQS",
           "\16\12FCGI_MAX_CONNS4294967295\15\12FCGI_MAX_REQS4294967295\17\1FCGI_MPXS_CONNS0");
    VALUES("\15\0FCGI_MAX_REQS\16\0FCGI_MA", "\15\12FCGI_MAX_REQS4294967295");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_header_is_read_as_it_was_written),
        cmocka_unit_test(pairs_are_read_one_after_the_other),
        cmocka_unit_test(a_pair_that_goes_beyond_the_end_is_broken),
        cmocka_unit_test(short_records_are_as_specified),
        cmocka_unit_test(the_values_that_are_asked_for_are_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
