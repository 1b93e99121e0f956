/* SPDX-License-Identifier: MIT */
#include "lib/fcgi/protocol.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "support/fcgi_peer.h"

#define BEGIN  "\1\1\0\1\0\10\0\0\0\1\0\0\0\0\0\0"
#define PAIR   "\1\4\0\1\0\4\0\0\1\1AB"
#define PARAMS "\1\4\0\1\0\0\0\0"
#define INPUT  "\1\5\0\1\0\0\0\0"

/* On the heap with its exact size, so that AddressSanitizer sees every byte too far. */
static enum beginning_state check(const void *data, size_t len, struct beginning *beginning)
{
    unsigned char *copy = malloc(len > 0 ? len : 1);
    assert_non_null(copy);
    memcpy(copy, data, len);
    memset(beginning, 0x5a, sizeof(*beginning));
    enum beginning_state state = protocol_check_beginning(copy, len, beginning);
    free(copy);
    return state;
}

#define CHECK(literal, beginning) check(literal, sizeof(literal) - 1, beginning)

static void assert_bad(const void *data, size_t len)
{
    struct beginning beginning;
    assert_int_equal(check(data, len, &beginning), BEGINNING_BAD);
    assert_non_null(beginning.reason);
}

#define ASSERT_BAD(literal) assert_bad(literal, sizeof(literal) - 1)

static void a_whole_request_is_ready_and_complete(void **state)
{
    (void)state;
    struct beginning beginning;
    assert_int_equal(CHECK(BEGIN PAIR PARAMS INPUT, &beginning), BEGINNING_READY);
    assert_true(beginning.complete);
    assert_int_equal(CHECK(BEGIN PARAMS INPUT, &beginning), BEGINNING_READY);
    assert_true(beginning.complete);
}

static void without_the_end_of_the_input_it_is_not_complete(void **state)
{
    (void)state;
    struct beginning beginning;
    assert_int_equal(CHECK(BEGIN PAIR PARAMS, &beginning), BEGINNING_READY);
    assert_false(beginning.complete);
    assert_int_equal(CHECK(BEGIN PAIR PARAMS "\1\5\0\1\0\1\0\0x", &beginning), BEGINNING_READY);
    assert_false(beginning.complete);
    assert_int_equal(CHECK(BEGIN PAIR PARAMS "\1\5\0\2\0\0\0\0", &beginning), BEGINNING_READY);
    assert_false(beginning.complete);
    assert_int_equal(CHECK(BEGIN PAIR PARAMS "\1\2\0\1\0\0\0\0", &beginning), BEGINNING_READY);
    assert_false(beginning.complete);
}

static void every_part_of_a_beginning_is_partial(void **state)
{
    (void)state;
    static const char *const environment[] = {"REQUEST_METHOD=GET", "REQUEST_URI=/a?b=c",
                                              "EMPTY=", NULL};
    size_t len;
    char *request = fcgi_peer_encode(0, environment, "body", 4, &len);
    size_t input = 3 * (size_t)PROTOCOL_HEADER_LEN; /* body with padding, and the end */
    struct beginning beginning;
    for (size_t part = 0; part < len - input; part++)
        assert_int_equal(check(request, part, &beginning), BEGINNING_PARTIAL);
    for (size_t part = len - input; part < len; part++) {
        assert_int_equal(check(request, part, &beginning), BEGINNING_READY);
        assert_false(beginning.complete);
    }
    assert_int_equal(check(request, len, &beginning), BEGINNING_READY);
    assert_true(beginning.complete);
    free(request);
}

static void padding_and_any_cut_of_the_params_are_fine(void **state)
{
    (void)state;
    struct beginning beginning;
    assert_int_equal(CHECK(BEGIN "\1\4\0\1\0\1\2\0\1__"
                                 "\1\4\0\1\0\2\0\0\1A"
                                 "\1\4\0\1\0\1\1\0B_"
                                 "\1\4\0\1\0\0\0\0"
                                 "\1\5\0\1\0\0\1\0_",
                           &beginning),
                     BEGINNING_READY);
    assert_true(beginning.complete);
}

/* Found by fuzzing: libfcgi does not skip it, and reads what a peer hides there. */
static void padding_that_the_library_takes_for_a_record_is_bad(void **state)
{
    (void)state;
    ASSERT_BAD(BEGIN PAIR "\1\4\0\1\0\0\1\0x" INPUT);
    ASSERT_BAD(BEGIN "\1\4\0\1\0\0\10\0" INPUT INPUT);
    ASSERT_BAD("\1\1\0\1\0\10\3\0\0\1\0\0\0\0\0\0___" PAIR PARAMS INPUT);
}

static void long_names_and_values_are_fine(void **state)
{
    (void)state;
    char variable[70000];
    memset(variable, 'n', sizeof(variable));
    variable[300] = '=';
    variable[sizeof(variable) - 1] = '\0';
    const char *const environment[] = {variable, NULL};
    size_t len;
    char *request = fcgi_peer_encode(0, environment, NULL, 0, &len);
    struct beginning beginning;
    assert_int_equal(check(request, len, &beginning), BEGINNING_READY);
    assert_true(beginning.complete);
    free(request);
}

static void another_version_is_bad_at_its_first_byte(void **state)
{
    (void)state;
    ASSERT_BAD("G");
    ASSERT_BAD("\0");
    ASSERT_BAD("GET / HTTP/1.1\r\n\r\n");
    ASSERT_BAD(BEGIN "\2");
}

static void what_is_no_begin_request_is_bad(void **state)
{
    (void)state;
    ASSERT_BAD("\1\4\0\1\0\0\0\0");                  /* PARAMS */
    ASSERT_BAD("\1\1\0\0\0\10\0\0");                 /* id 0 */
    ASSERT_BAD("\1\1\0\1\0\7\0\0");                  /* too short */
    ASSERT_BAD("\1\1\0\1\0\11\0\0");                 /* too long */
    ASSERT_BAD("\1\11\0\0\0\0\0\0");                 /* GET_VALUES */
    ASSERT_BAD("\1\1\0\1\0\10\0\0\0\2\0\0\0\0\0\0"); /* authorizer */
    ASSERT_BAD("\1\1\0\1\0\10\0\0\1\1\0\0\0\0\0\0"); /* role 257 */
}

static void other_records_among_the_params_are_bad(void **state)
{
    (void)state;
    ASSERT_BAD(BEGIN BEGIN);
    ASSERT_BAD(BEGIN "\1\2\0\1\0\0\0\0");      /* ABORT_REQUEST */
    ASSERT_BAD(BEGIN "\1\5\0\1\0\0\0\0");      /* STDIN */
    ASSERT_BAD(BEGIN "\1\11\0\0\0\0\0\0");     /* GET_VALUES */
    ASSERT_BAD(BEGIN "\1\4\0\2\0\0\0\0");      /* of another request */
    ASSERT_BAD(BEGIN PAIR "\1\4\1\1\0\0\0\0"); /* id 257 */
}

static void params_that_end_within_a_variable_are_bad(void **state)
{
    (void)state;
    ASSERT_BAD(BEGIN "\1\4\0\1\0\1\0\0\1" PARAMS);       /* no value length */
    ASSERT_BAD(BEGIN "\1\4\0\1\0\2\0\0\1\1" PARAMS);     /* no name */
    ASSERT_BAD(BEGIN "\1\4\0\1\0\3\0\0\1\1A" PARAMS);    /* no value */
    ASSERT_BAD(BEGIN "\1\4\0\1\0\3\0\0\x80\0\0" PARAMS); /* half a length */
    ASSERT_BAD(BEGIN "\1\4\0\1\0\10\0\0\xff\xff\xff\xff\xff\xff\xff\xff" PARAMS);
    ASSERT_BAD(BEGIN "\1\4\0\1\0\6\0\0\1\xff\xff\xff\xff"
                     "A" PARAMS);
    ASSERT_BAD(BEGIN PAIR "\1\4\0\1\0\1\0\0\1" PARAMS);
}

static void no_byte_that_is_changed_makes_it_read_too_far(void **state)
{
    (void)state;
    static const char whole[] = BEGIN PAIR PARAMS INPUT;
    for (size_t at = 0; at < sizeof(whole) - 1; at++) {
        for (int byte = 0; byte < 256; byte++) {
            char changed[sizeof(whole) - 1];
            memcpy(changed, whole, sizeof(changed));
            changed[at] = (char)byte;
            struct beginning beginning;
            enum beginning_state found = check(changed, sizeof(changed), &beginning);
            assert_true(found == BEGINNING_PARTIAL || found == BEGINNING_READY ||
                        beginning.reason != NULL);
        }
    }
}

static void a_header_is_written_in_network_order(void **state)
{
    (void)state;
    unsigned char header[PROTOCOL_HEADER_LEN];
    memset(header, 0x5a, sizeof(header));
    protocol_write_header(header, RECORD_STDOUT, 0x1234, PROTOCOL_CONTENT_MAX);
    assert_memory_equal(header, "\1\6\x12\x34\xff\xf8\0\0", sizeof(header));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_whole_request_is_ready_and_complete),
        cmocka_unit_test(without_the_end_of_the_input_it_is_not_complete),
        cmocka_unit_test(every_part_of_a_beginning_is_partial),
        cmocka_unit_test(padding_and_any_cut_of_the_params_are_fine),
        cmocka_unit_test(padding_that_the_library_takes_for_a_record_is_bad),
        cmocka_unit_test(long_names_and_values_are_fine),
        cmocka_unit_test(another_version_is_bad_at_its_first_byte),
        cmocka_unit_test(what_is_no_begin_request_is_bad),
        cmocka_unit_test(other_records_among_the_params_are_bad),
        cmocka_unit_test(params_that_end_within_a_variable_are_bad),
        cmocka_unit_test(no_byte_that_is_changed_makes_it_read_too_far),
        cmocka_unit_test(a_header_is_written_in_network_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
