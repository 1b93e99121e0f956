/* SPDX-License-Identifier: MIT */
/* A payment card; what is taken can be written, and is taken again. */
#include "fuzz/input.h"

#include "api/clients/card.h"

enum { NOVEMBER_2026 = 1795478400 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input input = {data, size};
    struct err_buf why = {.text = ""};
    struct card card;
    struct card again;
    char written[CARD_JSON_MAX];
    size_t len = 0;
    char *json = fuzz_text(&input, size);
    enum app_err err = card_read(json, size, NOVEMBER_2026, &card, &why);
    must(err == APP_OK || (err == APP_BAD_REQUEST && why.text[0]));
    if (!err) {
        must(card_write(&card, written, &len) == APP_OK && len <= sizeof(written));
        must(card_read(written, len, NOVEMBER_2026, &again, &why) == APP_OK);
        must(strcmp(card.number, again.number) == 0 && strcmp(card.name, again.name) == 0);
    }
    free(json);
    return 0;
}
