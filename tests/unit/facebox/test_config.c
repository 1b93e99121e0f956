/* SPDX-License-Identifier: MIT */
/* The program's own rows; the parser is tested with lib/base/config. */
#include "facebox/config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

/* An environment of one setting is enough for these tests. */
#define LOOKUP(function, setting, value)                                                           \
    static char *function(const char *name)                                                        \
    {                                                                                              \
        static char text[] = value;                                                                \
        return strcmp(name, setting) == 0 ? text : NULL;                                           \
    }

LOOKUP(nothing, "", "")
LOOKUP(three_workers, "FACEBOX_WORKERS", "3")
LOOKUP(too_many_workers, "FACEBOX_WORKERS", "257")
LOOKUP(bad_port, "BIND_PORT", "65536")
LOOKUP(bad_user, "FACEBOX_USER", "a:b")
LOOKUP(bad_cidr, "FETCH_ALLOW_CIDR", "10.0.0.0/33")
LOOKUP(bad_ports, "FETCH_ALLOW_PORTS", "80,x")

static void the_defaults_are_valid(void **state)
{
    (void)state;
    struct facebox_config config = {0};
    struct err_buf why = {0};
    assert_int_equal(config_load(&facebox_config_table, &config, nothing, &why), APP_OK);
    assert_string_equal(config.bind_address, "127.0.0.1");
    assert_int_equal(config.bind_port, 8090);
    assert_string_equal(config.user, "");
    assert_string_equal(config.password, "");
    assert_int_equal(config.log_level, LOG_INFO);
    assert_int_equal(config.log_format, LOG_FORMAT_TEXT);
    assert_true(facebox_config_workers(&config) >= 1);
    config_release(&facebox_config_table, &config);
}

static void the_number_of_workers_can_be_set(void **state)
{
    (void)state;
    struct facebox_config config = {0};
    struct err_buf why = {0};
    assert_int_equal(config_load(&facebox_config_table, &config, three_workers, &why), APP_OK);
    assert_int_equal(facebox_config_workers(&config), 3);
    config_release(&facebox_config_table, &config);
}

static void bad_values_are_named(void **state)
{
    (void)state;
    static const struct {
        config_lookup *lookup;
        const char *start;
    } cases[] = {
        {too_many_workers, "FACEBOX_WORKERS=257: must be"},
        {bad_port, "BIND_PORT=65536: must be"},
        {bad_user, "FACEBOX_USER=a:b: a user's name has no colon"},
        {bad_cidr, "FETCH_ALLOW_CIDR=10.0.0.0/33: "},
        {bad_ports, "FETCH_ALLOW_PORTS=80,x: "},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct facebox_config config = {0};
        struct err_buf why = {0};
        assert_int_equal(config_load(&facebox_config_table, &config, cases[i].lookup, &why),
                         APP_CONFIG);
        if (strncmp(why.text, cases[i].start, strlen(cases[i].start)) != 0)
            fail_msg("\"%s\" is not \"%s...\"", why.text, cases[i].start);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_defaults_are_valid),
        cmocka_unit_test(the_number_of_workers_can_be_set),
        cmocka_unit_test(bad_values_are_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
