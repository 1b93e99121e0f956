/* SPDX-License-Identifier: MIT */
#include "support/cmocka.h"

#include <stdio.h>
#include <string.h>

#include "api/config.h"
#include "lib/base/config.h"

static char address[128];

static char *lookup(const char *name)
{
    return strcmp(name, "CACHE_ADDRESS") == 0 ? address : NULL;
}

static bool is_taken(const char *value)
{
    struct api_config config;
    struct err_buf why;
    memset(&config, 0, sizeof(config));
    (void)snprintf(address, sizeof(address), "%s", value);
    enum app_err err = config_load(&api_config_table, &config, lookup, &why);
    assert_true(err == APP_OK || err == APP_CONFIG);
    if (err)
        assert_non_null(strstr(why.text, "must be host:port"));
    else
        config_release(&api_config_table, &config);
    return err == APP_OK;
}

static void the_cache_may_be_one_address_a_socket_or_several_addresses(void **state)
{
    static const char *const values[] = {
        "127.0.0.1:9090",
        "cache.example.org:65535",
        "[::1]:9090",
        "unix:/run/cache.sock",
        "dns:///cache:9090",
        "ipv4:127.0.0.1:9090",
        "ipv4:10.1.0.11:9090,10.1.0.12:9090",
        "ipv6:[::1]:9090,[fe80::2]:9090",
    };
    (void)state;
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++)
        if (!is_taken(values[i]))
            fail_msg("%s is refused", values[i]);
}

static void an_address_whose_port_or_host_is_missing_is_refused(void **state)
{
    static const char *const values[] = {
        "nowhere",
        ":9090",
        "host:",
        "host:123456",
        "host:90x",
        "::1:9090",
        "unix:cache.sock",
        "dns:///cache",
        "dns:///:9090",
        "ipv4:",
        "ipv4:10.1.0.11",
        "ipv4:10.1.0.11:9090,",
        "ipv4:10.1.0.11:9090,10.1.0.12",
        "ipv6:::1:9090",
        /* gRPC would take it for one name. */
        "10.1.0.11:9090,10.1.0.12:9090",
    };
    (void)state;
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++)
        if (is_taken(values[i]))
            fail_msg("%s is taken", values[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_cache_may_be_one_address_a_socket_or_several_addresses),
        cmocka_unit_test(an_address_whose_port_or_host_is_missing_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
