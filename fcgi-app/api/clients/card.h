/* SPDX-License-Identifier: MIT */
/*
 * A payment card as POST /payments takes it: a JSON object with the members that
 * the Go service's payment handler had, all of them strings.
 *
 *     name    1 to 100 bytes of printable text, not only blanks
 *     number  12 to 19 digits whose Luhn sum is right (ISO/IEC 7812-1, annex B);
 *             there may be one space or hyphen between two digits
 *     cvc     3 or 4 digits
 *     expiry  MM/YY, this month or later
 *     type    "" or up to 32 letters, digits, spaces and hyphens; may be absent
 *
 * Another member, or one twice, is an error. Nothing of a card is ever written
 * into an error's text or detail. Pure but for card_memory_init, any thread.
 */
#ifndef API_CLIENTS_CARD_H
#define API_CLIENTS_CARD_H

#include <stddef.h>
#include <stdint.h>

#include "lib/base/err.h"

enum {
    CARD_NAME_MAX = 100,
    CARD_NUMBER_MIN = 12,
    CARD_NUMBER_MAX = 19,
    CARD_CVC_MAX = 4,
    CARD_EXPIRY_LEN = 5,
    CARD_TYPE_MAX = 32,
    CARD_JSON_MAX = 2048 /* what card_write needs at most, every byte escaped */
};

/* NUL-terminated texts; the number has its digits only. */
struct card {
    char name[CARD_NAME_MAX + 1];
    char number[CARD_NUMBER_MAX + 1];
    char cvc[CARD_CVC_MAX + 1];
    char expiry[CARD_EXPIRY_LEN + 1];
    char type[CARD_TYPE_MAX + 1];
};

/*
 * Have the JSON library overwrite what it frees, from now on and everywhere in
 * the process: what it has read is in pieces that nobody else can reach. Once in
 * main, before the first thread and the first JSON.
 */
void card_memory_init(void);

/*
 * Read a card; `now_s` (since 1970) decides whether it has expired. APP_BAD_REQUEST
 * with what is wrong in why->text; APP_NO_MEMORY. On an error nothing of it is
 * left in `*card`.
 */
enum app_err card_read(const char *json, size_t len, int64_t now_s, struct card *card,
                       struct err_buf *why) __attribute__((warn_unused_result));

/* Write it as JSON with all five members; `*len` bytes, no NUL. APP_NO_MEMORY. */
enum app_err card_write(const struct card *card, char out[CARD_JSON_MAX], size_t *len)
    __attribute__((warn_unused_result));

/* Overwrite it. */
void card_wipe(struct card *card);

#endif
