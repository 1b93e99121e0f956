/* SPDX-License-Identifier: MIT */
#include "lib/http/status.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "lib/base/err.h"

static void known_statuses_have_their_registered_names(void **state)
{
    (void)state;
    assert_string_equal(http_status_reason(200), "OK");
    assert_string_equal(http_status_reason(202), "Accepted");
    assert_string_equal(http_status_reason(204), "No Content");
    assert_string_equal(http_status_reason(304), "Not Modified");
    assert_string_equal(http_status_reason(404), "Not Found");
    assert_string_equal(http_status_reason(414), "URI Too Long");
    assert_string_equal(http_status_reason(429), "Too Many Requests");
    assert_string_equal(http_status_reason(431), "Request Header Fields Too Large");
    assert_string_equal(http_status_reason(499), "Client Closed Request");
    assert_string_equal(http_status_reason(504), "Gateway Timeout");
}

static void other_numbers_are_unknown(void **state)
{
    (void)state;
    static const int others[] = {-1, 0, 1, 99, 199, 299, 499 + 1000, 505, 600, 20000};
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
        assert_string_equal(http_status_reason(others[i]), "Unknown");
}

static void every_error_has_a_status_with_a_name(void **state)
{
    (void)state;
    for (enum app_err err = APP_OK; err < APP_ERR__MAX; err++)
        assert_string_not_equal(http_status_reason(app_err_status(err)), "Unknown");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_statuses_have_their_registered_names),
        cmocka_unit_test(other_numbers_are_unknown),
        cmocka_unit_test(every_error_has_a_status_with_a_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
