/* SPDX-License-Identifier: MIT */
#include "lib/base/host_port.h"

#include <stdio.h>
#include <string.h>

#include "support/cmocka.h"

static void assert_reads(const char *text, const char *host, const char *port, unsigned number)
{
    struct host_port found;
    memset(&found, 0x5a, sizeof(found));
    if (!host_port_read(text, strlen(text), &found))
        fail_msg("%s is refused", text);
    assert_string_equal(found.host, host);
    assert_string_equal(found.port, port);
    assert_int_equal(found.number, number);
}

static void assert_refuses(const char *text, size_t len)
{
    struct host_port found;
    if (host_port_read(text, len, &found))
        fail_msg("%.*s is taken", (int)len, text);
}

static void a_host_is_a_name_or_an_address(void **state)
{
    (void)state;
    assert_reads("cache:9090", "cache", "9090", 9090);
    assert_reads("cache.example.org:1", "cache.example.org", "1", 1);
    assert_reads("10.1.0.1:65535", "10.1.0.1", "65535", 65535);
    assert_reads("[::1]:9090", "::1", "9090", 9090);
    assert_reads("[fe80::1%eth0]:80", "fe80::1%eth0", "80", 80);
    assert_reads("[a]:80", "a", "80", 80);
    assert_reads(":9090", "", "9090", 9090);
    assert_reads("a:0", "a", "0", 0);
    assert_reads("a:00080", "a", "00080", 80);
}

static void what_has_no_port_from_0_to_65535_is_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {"",     "a",     "a:",     "a:b",     "a:1b",    "a: 1",
                                        "a:1 ", "a:-1",  "a:+1",   "a:65536", "a:99999", "a:123456",
                                        "a:1:", "[::1]", "[::1]:", "[::1]9"};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        assert_refuses(texts[i], strlen(texts[i]));
}

static void a_colon_or_bracket_in_a_host_is_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {"::1:9090", "a:b:1", "[::1:9090", "::1]:9090",
                                        "a[:1",     "a]:1",  "[]:1",      "[:1"};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        assert_refuses(texts[i], strlen(texts[i]));
}

static void only_the_bytes_that_are_given_are_read(void **state)
{
    (void)state;
    struct host_port found;
    assert_true(host_port_read("a:12,b:34", 4, &found));
    assert_string_equal(found.host, "a");
    assert_int_equal(found.number, 12);
    assert_refuses("a:12", 2);
    assert_refuses("a:12", 1);
    assert_refuses("a\0b:1", 5);
    assert_refuses("a:1\0", 4);
}

static void a_host_has_253_bytes_at_most(void **state)
{
    (void)state;
    struct host_port found;
    char text[HOST_PORT_HOST_MAX + 4];
    memset(text, 'a', sizeof(text));
    (void)snprintf(text + HOST_PORT_HOST_MAX, 4, ":1");
    assert_true(host_port_read(text, strlen(text), &found));
    assert_int_equal(strlen(found.host), HOST_PORT_HOST_MAX);
    (void)snprintf(text + HOST_PORT_HOST_MAX, 4, "a:1");
    assert_refuses(text, strlen(text));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_host_is_a_name_or_an_address),
        cmocka_unit_test(what_has_no_port_from_0_to_65535_is_refused),
        cmocka_unit_test(a_colon_or_bracket_in_a_host_is_refused),
        cmocka_unit_test(only_the_bytes_that_are_given_are_read),
        cmocka_unit_test(a_host_has_253_bytes_at_most),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
