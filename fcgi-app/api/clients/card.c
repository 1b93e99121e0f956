/* SPDX-License-Identifier: MIT */
/* Each member has one reader, which is told nothing but the text and where to put it. */
#include "api/clients/card.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <jansson.h>

#include "lib/base/secret.h"
#include "lib/base/utf8.h"

/* --- Memory --- */

void card_memory_init(void)
{
    json_set_alloc_funcs(malloc, secret_free);
}

void card_wipe(struct card *card)
{
    explicit_bzero(card, sizeof(*card));
}

/* --- Members --- */

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool read_name(const char *text, struct card *card)
{
    size_t len = strlen(text);
    size_t at = 0;
    if (len > CARD_NAME_MAX || text[strspn(text, " ")] == '\0')
        return false;
    while (at < len) {
        size_t step = utf8_printable_len(text + at, len - at);
        if (step == 0)
            return false;
        at += step;
    }
    memcpy(card->name, text, len + 1);
    return true;
}

/* From the right, every second digit counts twice; 9 is cast out. */
static bool is_luhn(const char *digits, size_t len)
{
    int sum = 0;
    for (size_t i = 0; i < len; i++) {
        int digit = digits[len - 1 - i] - '0';
        if (i % 2 == 1)
            digit = digit < 5 ? digit * 2 : digit * 2 - 9;
        sum += digit;
    }
    return sum % 10 == 0;
}

static bool read_number(const char *text, struct card *card)
{
    size_t len = 0;
    for (size_t i = 0; text[i]; i++) {
        bool is_gap = (text[i] == ' ' || text[i] == '-') && i > 0 && is_digit(text[i - 1]) &&
                      is_digit(text[i + 1]);
        if (is_gap)
            continue;
        if (!is_digit(text[i]) || len == CARD_NUMBER_MAX)
            return false;
        card->number[len++] = text[i];
    }
    card->number[len] = '\0';
    return len >= CARD_NUMBER_MIN && is_luhn(card->number, len);
}

static bool read_cvc(const char *text, struct card *card)
{
    size_t len = strlen(text);
    if (len < 3 || len > CARD_CVC_MAX || strspn(text, "0123456789") != len)
        return false;
    memcpy(card->cvc, text, len + 1);
    return true;
}

static bool read_expiry(const char *text, struct card *card)
{
    if (strlen(text) != CARD_EXPIRY_LEN || !is_digit(text[0]) || !is_digit(text[1]) ||
        text[2] != '/' || !is_digit(text[3]) || !is_digit(text[4]))
        return false;
    int month = (text[0] - '0') * 10 + text[1] - '0';
    if (month < 1 || month > 12)
        return false;
    memcpy(card->expiry, text, CARD_EXPIRY_LEN + 1);
    return true;
}

static bool read_type(const char *text, struct card *card)
{
    size_t len = strlen(text);
    if (len > CARD_TYPE_MAX || strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                                            "0123456789 -") != len)
        return false;
    memcpy(card->type, text, len + 1);
    return true;
}

/* It is the last month's last day for twelve hours longer somewhere on Earth. */
static bool has_expired(const struct card *card, int64_t now_s)
{
    time_t latest = (time_t)now_s - (time_t)12 * 3600;
    struct tm today;
    int month = (card->expiry[0] - '0') * 10 + card->expiry[1] - '0';
    int year = 2000 + (card->expiry[3] - '0') * 10 + card->expiry[4] - '0';
    if (!gmtime_r(&latest, &today))
        return true;
    return year * 12 + month < (today.tm_year + 1900) * 12 + today.tm_mon + 1;
}

static const struct {
    const char *name;
    bool (*read)(const char *text, struct card *card);
    bool is_optional;
    const char *expected;
} members[] = {
    {"name", read_name, false, "name must be 1 to 100 bytes of printable text"},
    {"number", read_number, false, "number must be a card number"},
    {"cvc", read_cvc, false, "cvc must be 3 or 4 digits"},
    {"expiry", read_expiry, false, "expiry must be MM/YY"},
    {"type", read_type, true, "type must be up to 32 letters, digits, spaces and hyphens"},
};
enum { MEMBER_COUNT = sizeof(members) / sizeof(members[0]) };

static enum app_err read_members(const json_t *object, struct card *card, struct err_buf *why)
{
    size_t found = 0;
    for (size_t i = 0; i < MEMBER_COUNT; i++) {
        const json_t *value = json_object_get(object, members[i].name);
        if (!value && members[i].is_optional)
            continue;
        found++;
        const char *text = json_string_value(value);
        if (!text || !members[i].read(text, card))
            return err_set(why, APP_BAD_REQUEST, "%s", members[i].expected);
    }
    if (json_object_size(object) != found)
        return err_set(why, APP_BAD_REQUEST,
                       "there may be name, number, cvc, expiry and type only");
    return APP_OK;
}

/* --- The whole --- */

enum app_err card_read(const char *json, size_t len, int64_t now_s, struct card *card,
                       struct err_buf *why)
{
    json_error_t error; /* its text repeats the input: not for anybody's eyes */
    struct card read = {.type = ""};
    json_t *object = json_loadb(len > 0 ? json : "", len, JSON_REJECT_DUPLICATES, &error);
    enum app_err err = APP_OK;
    if (!object && json_error_code(&error) == json_error_out_of_memory)
        err = APP_NO_MEMORY;
    else if (!json_is_object(object))
        err = err_set(why, APP_BAD_REQUEST, "the body must be a JSON object");
    else
        err = read_members(object, &read, why);
    if (!err && has_expired(&read, now_s))
        err = err_set(why, APP_BAD_REQUEST, "the card has expired");
    json_decref(object);
    explicit_bzero(&error, sizeof(error));
    if (!err)
        *card = read;
    else
        card_wipe(card);
    card_wipe(&read);
    return err;
}

enum app_err card_write(const struct card *card, char out[CARD_JSON_MAX], size_t *len)
{
    json_t *object =
        json_pack("{s:s, s:s, s:s, s:s, s:s}", "name", card->name, "number", card->number, "cvc",
                  card->cvc, "expiry", card->expiry, "type", card->type);
    size_t needed = object ? json_dumpb(object, out, CARD_JSON_MAX, JSON_COMPACT) : 0;
    json_decref(object);
    if (needed == 0 || needed > CARD_JSON_MAX)
        return APP_NO_MEMORY;
    *len = needed;
    return APP_OK;
}
