/* SPDX-License-Identifier: MIT */
#include "support/cmocka.h"

#include "lib/http/accept.h"

static void json_is_sent_to_who_prefers_it(void **state)
{
    (void)state;
    static const char *const headers[] = {
        "application/json",
        "application/problem+json",
        "APPLICATION/Json;charset=utf-8",
        "application/json, text/plain, */*", /* axios */
        "text/plain, application/json",
        "application/json;q=0.9, text/plain;q=0.8",
        "text/html, application/json;q=0.5",
        "application/json ; q=0.001",
        "application/*",
        "text/plain;q=0.5, */*",
        "text/*;q=0, */*;q=0.1",
        "application/json;q=0, application/problem+json",
        "application/json;profile=\"a,b;q=0\", text/plain;q=0.9",
        ",, application/json",
        "application/json;q=2, text/plain;q=0.9", /* no weight at all, so none was given */
    };
    for (size_t i = 0; i < sizeof(headers) / sizeof(headers[0]); i++) {
        if (!accept_prefers_json(headers[i]))
            fail_msg("%s", headers[i]);
    }
}

static void text_is_sent_to_everybody_else(void **state)
{
    (void)state;
    static const char *const headers[] = {
        NULL,
        "",
        "*/*",                                       /* curl */
        "text/html,application/xhtml+xml,*/*;q=0.8", /* browsers */
        "image/avif,image/webp,*/*",
        "text/plain, application/json;q=0.9",
        "text/plain;q=0.9, application/json;q=0.8, */*;q=1",
        "text/*, application/json;q=0.999",
        "application/json;q=0",
        "application/json; Q=0.000, text/plain;q=1",
        "*/*, application/json;q=0, application/problem+json;q=0.0",
        "application/jsonp",
        "application/jso",
        "xapplication/json",
        "text/html;a=\"application/json\"",
        "json",
        "*",
        ";;;,,,",
        "\"application/json",
        "application/json;q=0;q=1", /* the first counts */
    };
    for (size_t i = 0; i < sizeof(headers) / sizeof(headers[0]); i++) {
        if (accept_prefers_json(headers[i]))
            fail_msg("%s", headers[i] ? headers[i] : "no header");
    }
}

static void the_most_specific_range_decides(void **state)
{
    (void)state;
    static const struct {
        const char *header;
        enum accept_fit fit;
        unsigned thousandths;
    } cases[] = {
        {NULL, ACCEPT_ANY, 1000},
        {"", ACCEPT_NONE, 0},
        {"*/*;q=0.3, text/*;q=0.2, text/plain;q=0.1", ACCEPT_NAMED, 100},
        {"text/plain;q=0.1, text/*;q=0.2, */*;q=0.3", ACCEPT_NAMED, 100},
        {"*/*;q=0.3, text/*;q=0.25", ACCEPT_MAJOR, 250},
        {"image/*, */*;q=0.125", ACCEPT_ANY, 125},
        {"image/*, text/html", ACCEPT_NONE, 0},
        {"text/plain;q=1.000", ACCEPT_NAMED, 1000},
        {"text/plain;q=1.5", ACCEPT_NAMED, 1000},
        {"text/plain;q=0.12345", ACCEPT_NAMED, 1000},
        {"text/plain;q=0.1x", ACCEPT_NAMED, 1000},
        {"text/plain;q=", ACCEPT_NAMED, 1000},
        {"text/plain;q=0.", ACCEPT_NAMED, 0},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct accept_weight weight = accept_weigh(cases[i].header, "text/plain");
        if (weight.fit != cases[i].fit || weight.thousandths != cases[i].thousandths)
            fail_msg("%s: %d, %u", cases[i].header ? cases[i].header : "no header", (int)weight.fit,
                     weight.thousandths);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(json_is_sent_to_who_prefers_it),
        cmocka_unit_test(text_is_sent_to_everybody_else),
        cmocka_unit_test(the_most_specific_range_decides),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
