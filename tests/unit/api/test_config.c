/* SPDX-License-Identifier: MIT */
#include "support/cmocka.h"

#include <stdio.h>
#include <string.h>

#include "api/config.h"
#include "lib/base/config.h"

/* The one setting that is set. */
static const char *set_name;
static char set_value[512];

static char *lookup(const char *name)
{
    return strcmp(name, set_name) == 0 ? set_value : NULL;
}

/* The reason why it is refused; "" when it is taken. */
static const char *refusal(const char *name, const char *value)
{
    static struct err_buf why;
    struct api_config config;
    memset(&config, 0, sizeof(config));
    set_name = name;
    (void)snprintf(set_value, sizeof(set_value), "%s", value);
    enum app_err err = config_load(&api_config_table, &config, lookup, &why);
    assert_true(err == APP_OK || err == APP_CONFIG);
    if (err)
        return why.text;
    config_release(&api_config_table, &config);
    return "";
}

static bool is_taken(const char *value)
{
    const char *reason = refusal("CACHE_ADDRESS", value);
    if (*reason)
        assert_non_null(strstr(reason, "must be host:port"));
    return *reason == '\0';
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
        "host:99999",
        "host:65536",
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

static void the_apis_path_has_a_slash_at_both_ends_and_no_parameter(void **state)
{
    (void)state;
    assert_string_equal(refusal("API_PATH", "/"), "");
    assert_string_equal(refusal("API_PATH", "/a/b/"), "");
    assert_non_null(strstr(refusal("API_PATH", "/a"), "must begin and end with /"));
    assert_non_null(strstr(refusal("API_PATH", "a/"), "must begin and end with /"));
    assert_non_null(strstr(refusal("API_PATH", "/{a}/"), "without {"));
}

static void tags_for_statsd_are_checked(void **state)
{
    (void)state;
    assert_string_equal(refusal("STATSD_TAGS", ""), "");
    assert_string_equal(refusal("STATSD_TAGS", "env:prod,region:eu"), "");
    assert_non_null(strstr(refusal("STATSD_TAGS", "env|prod"), "STATSD_TAGS"));
    assert_non_null(strstr(refusal("STATSD_TAGS", "a\nb"), "must have no control characters"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_cache_may_be_one_address_a_socket_or_several_addresses),
        cmocka_unit_test(the_apis_path_has_a_slash_at_both_ends_and_no_parameter),
        cmocka_unit_test(tags_for_statsd_are_checked),
        cmocka_unit_test(an_address_whose_port_or_host_is_missing_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
