/* SPDX-License-Identifier: MIT */
#include "api/clients/card.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "support/cmocka.h"

enum { NOW = 1700000000 }; /* 14 November 2023 */

#define NUMBER "4111111111111111"
#define GOOD                                                                                       \
    "{\"name\":\"Mr Paul Banks\",\"number\":\"" NUMBER                                             \
    "\",\"cvc\":\"123\",\"expiry\":\"10/26\",\"type\":\"visa\"}"

/* In memory of its own, so that reading one byte too far is seen. */
static char *exact_copy(const char *text, size_t len)
{
    char *copy = malloc(len + (len == 0));
    assert_non_null(copy);
    memcpy(copy, text, len);
    return copy;
}

static enum app_err read_at(const char *json, int64_t now_s, struct card *card, struct err_buf *why)
{
    size_t len = strlen(json);
    char *copy = exact_copy(json, len);
    memset(card, 0x5a, sizeof(*card));
    *why = (struct err_buf){.text = ""};
    enum app_err err = card_read(copy, len, now_s, card, why);
    free(copy);
    return err;
}

static void assert_taken_at(const char *json, int64_t now_s)
{
    struct card card;
    struct err_buf why;
    enum app_err err = read_at(json, now_s, &card, &why);
    if (err)
        print_error("%s: %s\n", json, why.text);
    assert_int_equal(err, APP_OK);
}

static void assert_refused_at(const char *json, int64_t now_s, const char *text)
{
    static const struct card nothing;
    struct card card;
    struct err_buf why;
    enum app_err err = read_at(json, now_s, &card, &why);
    if (err != APP_BAD_REQUEST || strcmp(why.text, text) != 0)
        print_error("%s: wanted \"%s\", got \"%s\"\n", json, text, why.text);
    assert_int_equal(err, APP_BAD_REQUEST);
    assert_string_equal(why.text, text);
    assert_string_equal(why.detail, "");
    assert_memory_equal(&card, &nothing, sizeof(card));
}

/* A card that is good but for one member; `value` is JSON, NULL: the member is absent. */
static char *card_with(const char *member, const char *value)
{
    json_t *object = json_loads(GOOD, 0, NULL);
    assert_non_null(object);
    if (value)
        assert_int_equal(
            json_object_set_new(object, member, json_loads(value, JSON_DECODE_ANY, NULL)), 0);
    else
        assert_int_equal(json_object_del(object, member), 0);
    char *text = json_dumps(object, JSON_COMPACT);
    assert_non_null(text);
    json_decref(object);
    return text;
}

static void assert_member_taken(const char *member, const char *value)
{
    char *json = card_with(member, value);
    assert_taken_at(json, NOW);
    free(json);
}

static void assert_member_refused(const char *member, const char *value, const char *text)
{
    char *json = card_with(member, value);
    assert_refused_at(json, NOW, text);
    free(json);
}

/* A JSON string of `len` times `c`. */
static const char *repeated(char c, size_t len, char *out)
{
    memset(out, c, len + 2);
    out[0] = out[len + 1] = '"';
    out[len + 2] = '\0';
    return out;
}

static void a_card_is_read(void **state)
{
    (void)state;
    struct card card;
    struct err_buf why;
    assert_int_equal(read_at(GOOD, NOW, &card, &why), APP_OK);
    assert_string_equal(card.name, "Mr Paul Banks");
    assert_string_equal(card.number, NUMBER);
    assert_string_equal(card.cvc, "123");
    assert_string_equal(card.expiry, "10/26");
    assert_string_equal(card.type, "visa");
}

static void the_type_may_be_absent_and_nothing_else(void **state)
{
    (void)state;
    assert_member_taken("type", NULL);
    assert_member_taken("type", "\"\"");
    assert_member_refused("name", NULL, "name must be 1 to 100 bytes of printable text");
    assert_member_refused("number", NULL, "number must be a card number");
    assert_member_refused("cvc", NULL, "cvc must be 3 or 4 digits");
    assert_member_refused("expiry", NULL, "expiry must be MM/YY");
}

static void members_that_are_no_strings_are_refused(void **state)
{
    (void)state;
    static const char *const values[] = {"123", "null", "true", "[]", "{}", "[\"123\"]"};
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        assert_member_refused("name", values[i], "name must be 1 to 100 bytes of printable text");
        assert_member_refused("number", values[i], "number must be a card number");
        assert_member_refused("cvc", values[i], "cvc must be 3 or 4 digits");
        assert_member_refused("expiry", values[i], "expiry must be MM/YY");
        assert_member_refused("type", values[i],
                              "type must be up to 32 letters, digits, spaces and hyphens");
    }
}

static void names_are_printable_text_of_100_bytes_at_most(void **state)
{
    (void)state;
    char text[200];
    static const char refused[] = "name must be 1 to 100 bytes of printable text";
    assert_member_taken("name", "\"J\xc3\xb6rg \xe2\x80\x99 O\"");
    assert_member_taken("name", repeated('x', CARD_NAME_MAX, text));
    assert_member_refused("name", repeated('x', CARD_NAME_MAX + 1, text), refused);
    assert_member_refused("name", "\"\"", refused);
    assert_member_refused("name", "\"   \"", refused);
    assert_member_refused("name", "\"a\\nb\"", refused);
    assert_member_refused("name", "\"a\\u007fb\"", refused);
}

static void numbers_have_a_right_luhn_sum(void **state)
{
    (void)state;
    static const char *const good[] = {
        "\"4111111111111111\"", "\"5555555555554444\"",    "\"378282246310005\"",
        "\"6011111111111117\"", "\"4111 1111 1111 1111\"", "\"4111-1111-1111-1111\"",
        "\"30569309025904\"",   "\"3782 822463 10005\"",
    };
    static const char *const bad[] = {
        "\"4111111111111112\"",      "\"1411111111111111\"",
        "\"5355123442311234\"",      "\"\"",
        "\"4111  1111 1111 1111\"",  "\" 4111111111111111\"",
        "\"4111111111111111 \"",     "\"-4111111111111111\"",
        "\"4111 1111 1111 111x\"",   "\"4111.1111.1111.1111\"",
        "\"\u0664111111111111111\"", "\"4 - 111111111111111\"",
    };
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
        assert_member_taken("number", good[i]);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_member_refused("number", bad[i], "number must be a card number");
}

static void numbers_have_12_to_19_digits(void **state)
{
    (void)state;
    char text[40];
    for (size_t len = 1; len <= 30; len++) {
        repeated('0', len, text); /* whose sum is right */
        if (len >= CARD_NUMBER_MIN && len <= CARD_NUMBER_MAX)
            assert_member_taken("number", text);
        else
            assert_member_refused("number", text, "number must be a card number");
    }
}

static void what_separates_digits_is_not_kept(void **state)
{
    (void)state;
    struct card card;
    struct err_buf why;
    char *json = card_with("number", "\"4111 1111-1111 1111\"");
    assert_int_equal(read_at(json, NOW, &card, &why), APP_OK);
    assert_string_equal(card.number, NUMBER);
    free(json);
}

static void a_cvc_has_3_or_4_digits(void **state)
{
    (void)state;
    static const char *const bad[] = {"\"\"",    "\"12\"",   "\"12345\"",
                                      "\"12a\"", "\" 123\"", "\"-12\""};
    assert_member_taken("cvc", "\"000\"");
    assert_member_taken("cvc", "\"9999\"");
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_member_refused("cvc", bad[i], "cvc must be 3 or 4 digits");
}

static void an_expiry_is_a_month_and_a_year(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "\"\"",        "\"1/26\"", "\"00/26\"", "\"13/26\"", "\"10-26\"",
        "\"10/2026\"", "\"10/2\"", "\"1a/26\"", "\" 1/26\"", "\"10/2 \"",
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_member_refused("expiry", bad[i], "expiry must be MM/YY");
}

static void a_card_expires_when_its_month_is_over_everywhere(void **state)
{
    (void)state;
    enum { DECEMBER_2023 = 1701388800 }; /* its begin in UTC */
    char *november = card_with("expiry", "\"11/23\"");
    char *december = card_with("expiry", "\"12/23\"");
    char *january = card_with("expiry", "\"01/24\"");
    assert_taken_at(november, DECEMBER_2023 - 1);
    assert_taken_at(november, DECEMBER_2023 + 12 * 3600 - 1);
    assert_refused_at(november, DECEMBER_2023 + 12 * 3600, "the card has expired");
    assert_taken_at(december, DECEMBER_2023 + 12 * 3600);
    assert_taken_at(january, DECEMBER_2023 + 12 * 3600);
    free(november);
    free(december);
    free(january);
}

static void a_type_is_a_short_name(void **state)
{
    (void)state;
    char text[60];
    static const char refused[] = "type must be up to 32 letters, digits, spaces and hyphens";
    assert_member_taken("type", "\"American Express\"");
    assert_member_taken("type", repeated('x', CARD_TYPE_MAX, text));
    assert_member_refused("type", repeated('x', CARD_TYPE_MAX + 1, text), refused);
    assert_member_refused("type", "\"<b>\"", refused);
    assert_member_refused("type", "\"\\n\"", refused);
}

static void other_members_and_ones_said_twice_are_refused(void **state)
{
    (void)state;
    assert_member_refused("amount", "\"5\"",
                          "there may be name, number, cvc, expiry and type only");
    assert_member_refused("Name", "\"x\"", "there may be name, number, cvc, expiry and type only");
    assert_refused_at("{\"name\":\"a\",\"name\":\"b\",\"number\":\"" NUMBER
                      "\",\"cvc\":\"123\",\"expiry\":\"10/26\"}",
                      NOW, "the body must be a JSON object");
}

static void what_is_no_json_object_is_refused_without_a_word_of_it(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",
        " ",
        "{",
        "[]",
        "null",
        "\"" NUMBER "\"",
        "{\"number\":" NUMBER ",}",
        NUMBER,
        GOOD "x",
        "{'a'}",
        "\xff\xff",
        "[" GOOD "]",
    };
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        assert_refused_at(texts[i], NOW, "the body must be a JSON object");
}

static void a_card_is_written_with_all_its_members(void **state)
{
    (void)state;
    struct card card;
    struct err_buf why;
    char out[CARD_JSON_MAX];
    size_t len = 77;
    assert_int_equal(read_at(GOOD, NOW, &card, &why), APP_OK);
    assert_int_equal(card_write(&card, out, &len), APP_OK);
    assert_int_equal(len, strlen(GOOD));
    assert_memory_equal(out, GOOD, len);

    char *json = card_with("type", NULL);
    assert_int_equal(read_at(json, NOW, &card, &why), APP_OK);
    assert_int_equal(card_write(&card, out, &len), APP_OK);
    json_t *object = json_loadb(out, len, 0, NULL);
    assert_string_equal(json_string_value(json_object_get(object, "type")), "");
    json_decref(object);
    free(json);
}

static void the_longest_card_can_be_written(void **state)
{
    (void)state;
    struct card card = {.number = "0000000000000000000", .cvc = "0000", .expiry = "12/99"};
    char out[CARD_JSON_MAX];
    size_t len;
    memset(card.name, '"', CARD_NAME_MAX); /* escaped */
    memset(card.type, '-', CARD_TYPE_MAX);
    assert_int_equal(card_write(&card, out, &len), APP_OK);
    assert_true(len > 2 * CARD_NAME_MAX + CARD_TYPE_MAX && len < CARD_JSON_MAX);
}

static void a_wiped_card_has_nothing_left(void **state)
{
    (void)state;
    static const struct card nothing;
    struct card card;
    memset(&card, 0x5a, sizeof(card));
    card_wipe(&card);
    assert_memory_equal(&card, &nothing, sizeof(card));
}

/* What is freed cannot be looked at; that all goes on working can. */
static void json_works_when_its_memory_is_overwritten(void **state)
{
    (void)state;
    json_malloc_t allocate;
    json_free_t release;
    json_get_alloc_funcs(&allocate, &release);
    card_memory_init();
    a_card_is_read(NULL);
    a_card_is_written_with_all_its_members(NULL);
    what_is_no_json_object_is_refused_without_a_word_of_it(NULL);
    json_set_alloc_funcs(allocate, release);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_card_is_read),
        cmocka_unit_test(the_type_may_be_absent_and_nothing_else),
        cmocka_unit_test(members_that_are_no_strings_are_refused),
        cmocka_unit_test(names_are_printable_text_of_100_bytes_at_most),
        cmocka_unit_test(numbers_have_a_right_luhn_sum),
        cmocka_unit_test(numbers_have_12_to_19_digits),
        cmocka_unit_test(what_separates_digits_is_not_kept),
        cmocka_unit_test(a_cvc_has_3_or_4_digits),
        cmocka_unit_test(an_expiry_is_a_month_and_a_year),
        cmocka_unit_test(a_card_expires_when_its_month_is_over_everywhere),
        cmocka_unit_test(a_type_is_a_short_name),
        cmocka_unit_test(other_members_and_ones_said_twice_are_refused),
        cmocka_unit_test(what_is_no_json_object_is_refused_without_a_word_of_it),
        cmocka_unit_test(a_card_is_written_with_all_its_members),
        cmocka_unit_test(the_longest_card_can_be_written),
        cmocka_unit_test(a_wiped_card_has_nothing_left),
        cmocka_unit_test(json_works_when_its_memory_is_overwritten),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
