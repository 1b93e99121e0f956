/* SPDX-License-Identifier: MIT */
#include "lib/net/address_guard.h"

#include <arpa/inet.h>
#include <errno.h>
#include <ifaddrs.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>

#include <cmocka.h>

/*
 * The machine's addresses as the guard sees them: this program's getifaddrs
 * comes before the C library's.
 */
static struct {
    const char *address; /* of the one interface; NULL: it has none */
    bool fails;
    struct sockaddr_storage storage;
    struct ifaddrs interface;
} machine;

static socklen_t fill_sockaddr(struct sockaddr_storage *out, const char *address, uint16_t port)
{
    memset(out, 0, sizeof(*out));
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(port)};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
    if (inet_pton(AF_INET, address, &v4.sin_addr) == 1) {
        memcpy(out, &v4, sizeof(v4));
        return sizeof(v4);
    }
    assert_int_equal(inet_pton(AF_INET6, address, &v6.sin6_addr), 1);
    memcpy(out, &v6, sizeof(v6));
    return sizeof(v6);
}

int getifaddrs(struct ifaddrs **list)
{
    if (machine.fails) {
        errno = EAFNOSUPPORT;
        return -1;
    }
    /* An interface without an address comes first, as tunnels do. */
    static struct ifaddrs bare = {.ifa_next = &machine.interface};
    machine.interface.ifa_addr = NULL;
    if (machine.address) {
        (void)fill_sockaddr(&machine.storage, machine.address, 0);
        machine.interface.ifa_addr = (struct sockaddr *)&machine.storage;
    }
    *list = &bare;
    return 0;
}

void freeifaddrs(struct ifaddrs *list)
{
    assert_non_null(list);
}

static struct address_guard *new_guard(const char *allow_cidr, const char *allow_ports)
{
    struct address_guard *guard = NULL;
    struct err_buf why = {.text = ""};
    enum app_err err = address_guard_new(allow_cidr, allow_ports, &guard, &why);
    if (err)
        print_error("%s, %s: %s\n", allow_cidr, allow_ports, why.text);
    assert_int_equal(err, APP_OK);
    return guard;
}

static enum app_err ask(const struct address_guard *guard, const char *address, uint16_t port,
                        struct err_buf *why)
{
    struct sockaddr_storage storage;
    (void)fill_sockaddr(&storage, address, port);
    return address_guard_check(guard, (const struct sockaddr *)&storage, why);
}

static void assert_asks(const char *allow_cidr, const char *address, enum app_err expected)
{
    struct address_guard *guard = new_guard(allow_cidr, "");
    struct err_buf why = {.text = ""};
    enum app_err err = ask(guard, address, 80, &why);
    if (err != expected)
        print_error("%s with \"%s\" allowed: %s\n", address, allow_cidr, why.detail);
    assert_int_equal(err, expected);
    address_guard_free(&guard);
}

static void each_refused_range_is_refused_from_end_to_end_and_no_further(void **state)
{
    (void)state;
    /* The address before, the first, the last and the one behind; NULL where there is none or it is
     * refused for another reason. */
    static const char *const ranges[][4] = {
        {NULL, "0.0.0.0", "0.255.255.255", "1.0.0.0"},
        {"9.255.255.255", "10.0.0.0", "10.255.255.255", "11.0.0.0"},
        {"100.63.255.255", "100.64.0.0", "100.127.255.255", "100.128.0.0"},
        {"126.255.255.255", "127.0.0.0", "127.255.255.255", "128.0.0.0"},
        {"168.63.129.15", "168.63.129.16", "168.63.129.16", "168.63.129.17"},
        {"169.253.255.255", "169.254.0.0", "169.254.255.255", "169.255.0.0"},
        {"172.15.255.255", "172.16.0.0", "172.31.255.255", "172.32.0.0"},
        {"191.255.255.255", "192.0.0.0", "192.0.0.255", "192.0.1.0"},
        {"192.0.1.255", "192.0.2.0", "192.0.2.255", "192.0.3.0"},
        {"192.88.98.255", "192.88.99.0", "192.88.99.255", "192.88.100.0"},
        {"192.167.255.255", "192.168.0.0", "192.168.255.255", "192.169.0.0"},
        {"198.17.255.255", "198.18.0.0", "198.19.255.255", "198.20.0.0"},
        {"198.51.99.255", "198.51.100.0", "198.51.100.255", "198.51.101.0"},
        {"203.0.112.255", "203.0.113.0", "203.0.113.255", "203.0.114.0"},
        {"223.255.255.255", "224.0.0.0", "239.255.255.255", NULL},
        {NULL, "240.0.0.0", "255.255.255.255", NULL},
        {NULL, "::", "::1", NULL},
        {NULL, "::2", "::ffff:ffff", "::1:0:0"},
        {"::fffe:ffff:ffff:ffff", "::ffff:0:0:0", "::ffff:0:ffff:ffff", "::ffff:1:0:0"},
        {"64:ff9b:0:ffff:ffff:ffff:ffff:ffff", "64:ff9b:1::", "64:ff9b:1:ffff:ffff:ffff:ffff:ffff",
         "64:ff9b:2::"},
        {"ff:ffff::", "100::", "100::ffff:ffff:ffff:ffff", "100:0:0:2::"},
        {NULL, "100:0:0:1::", "100:0:0:1:ffff:ffff:ffff:ffff", "100:0:0:2::"},
        {"2001:1:ffff::", "2001:2::", "2001:2:0:ffff:ffff:ffff:ffff:ffff", "2001:2:1::"},
        {"2001:f:ffff::", "2001:10::", "2001:1f:ffff:ffff:ffff:ffff:ffff:ffff", NULL},
        {NULL, "2001:20::", "2001:2f:ffff:ffff:ffff:ffff:ffff:ffff", "2001:30::"},
        {"2001:db7:ffff::", "2001:db8::", "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff", "2001:db9::"},
        {"3ffe:ffff::", "3fff::", "3fff:fff:ffff:ffff:ffff:ffff:ffff:ffff", "3fff:1000::"},
        {"5eff:ffff::", "5f00::", "5f00:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "5f01::"},
        {"fbff:ffff::", "fc00::", "fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "fe00::"},
        {"fe7f:ffff::", "fe80::", "febf:ffff:ffff:ffff:ffff:ffff:ffff:ffff", NULL},
        {NULL, "fec0::", "feff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", NULL},
        {NULL, "ff00::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", NULL},
    };
    for (size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++) {
        if (ranges[i][0])
            assert_asks("", ranges[i][0], APP_OK);
        assert_asks("", ranges[i][1], APP_FORBIDDEN_ADDRESS);
        assert_asks("", ranges[i][2], APP_FORBIDDEN_ADDRESS);
        if (ranges[i][3])
            assert_asks("", ranges[i][3], APP_OK);
    }
}

static void addresses_of_the_world_are_allowed(void **state)
{
    (void)state;
    assert_asks("", "8.8.8.8", APP_OK);
    assert_asks("", "93.184.216.34", APP_OK);
    assert_asks("", "2606:2800:220:1:248:1893:25c8:1946", APP_OK);
    assert_asks("", "2001:4860:4860::8888", APP_OK);
}

static void an_ipv4_address_inside_an_ipv6_address_decides(void **state)
{
    (void)state;
    static const char *const refused[] = {
        "64:ff9b::7f00:1",                 /* NAT64 of 127.0.0.1 */
        "64:ff9b::a9fe:a9fe",              /* NAT64 of 169.254.169.254 */
        "2002:a00:1::",                    /* 6to4 of 10.0.0.1 */
        "2002:7f00:1:1234::1",             /* 6to4 of 127.0.0.1 */
        "2001:0:7f00:1:0:ffff:f7f7:f7f7",  /* Teredo, server 127.0.0.1 */
        "2001:0:808:808:0:ffff:80ff:fffe", /* Teredo, client 127.0.0.1 */
        "2606:2800:220:1:0:5efe:7f00:1",   /* ISATAP of 127.0.0.1 */
        "2606:2800:220:1:200:5efe:c0a8:1", /* ISATAP of 192.168.0.1 */
        "2002:808:808:0:0:5efe:a00:1",     /* both, the inner one is bad */
    };
    static const char *const allowed[] = {
        "64:ff9b::808:808",
        "2002:808:808::1",
        "2001:0:808:808:0:ffff:f7f7:f7f7",
        "2606:2800:220:1:0:5efe:808:808",
        "2606:2800:220:1:200:5efe:808:808",
        "2606:2800:220:1:100:5efe:7f00:1", /* not an ISATAP identifier */
        "2606:2800:220:1:0:5eff:7f00:1",
    };
    for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++)
        assert_asks("", refused[i], APP_FORBIDDEN_ADDRESS);
    for (size_t i = 0; i < sizeof(allowed) / sizeof(allowed[0]); i++)
        assert_asks("", allowed[i], APP_OK);
}

static void a_mapped_address_is_the_ipv4_address(void **state)
{
    (void)state;
    struct address_guard *guard = new_guard("10.1.0.0/16", "");
    struct err_buf why = {.text = ""};
    assert_int_equal(ask(guard, "::ffff:8.8.8.8", 80, &why), APP_OK);
    assert_int_equal(ask(guard, "::ffff:10.1.2.3", 80, &why), APP_OK);
    assert_int_equal(ask(guard, "::ffff:10.2.2.3", 80, &why), APP_FORBIDDEN_ADDRESS);
    assert_string_equal(why.detail, "10.2.2.3 is in 10.0.0.0/8 (private use, RFC 1918)");
    address_guard_free(&guard);
}

static void the_reason_names_the_range(void **state)
{
    (void)state;
    struct address_guard *guard = new_guard("", "");
    struct err_buf why = {.text = "junk", .detail = "junk"};
    assert_int_equal(ask(guard, "127.0.0.1", 80, &why), APP_FORBIDDEN_ADDRESS);
    assert_string_equal(why.detail, "127.0.0.1 is in 127.0.0.0/8 (loopback, RFC 1122)");
    assert_string_equal(why.text, "this address may not be fetched");
    assert_int_equal(ask(guard, "64:ff9b::7f00:1", 80, &why), APP_FORBIDDEN_ADDRESS);
    assert_string_equal(why.detail,
                        "64:ff9b::7f00:1 holds an address (NAT64, RFC 6052) that may not be "
                        "fetched: 127.0.0.1 is in 127.0.0.0/8 (loopback, RFC 1122)");
    assert_int_equal(ask(guard, "8.8.8.8", 22, &why), APP_FORBIDDEN_ADDRESS);
    assert_string_equal(why.detail, "8.8.8.8 may not be asked on port 22");
    assert_int_equal(ask(guard, "127.0.0.1", 80, NULL), APP_FORBIDDEN_ADDRESS);
    address_guard_free(&guard);
}

static void an_allowed_range_beats_every_refusal_but_that_of_the_port(void **state)
{
    (void)state;
    machine.address = "192.0.2.7";
    assert_asks("127.0.0.1", "127.0.0.1", APP_OK);
    assert_asks("127.0.0.1", "127.0.0.2", APP_FORBIDDEN_ADDRESS);
    assert_asks(" 10.0.0.0/8 ,127.0.0.0/30", "127.0.0.3", APP_OK);
    assert_asks("10.0.0.0/8,127.0.0.0/30", "127.0.0.4", APP_FORBIDDEN_ADDRESS);
    assert_asks("192.0.2.0/24", "192.0.2.7", APP_OK);
    assert_asks("::1/128", "::1", APP_OK);
    assert_asks("::1/128", "127.0.0.1", APP_FORBIDDEN_ADDRESS);
    assert_asks("::/0", "fe80::1", APP_OK);
    assert_asks("::/0", "10.0.0.1", APP_FORBIDDEN_ADDRESS);
    assert_asks("0.0.0.0/0", "10.0.0.1", APP_OK);
    assert_asks("0.0.0.0/0", "fe80::1", APP_FORBIDDEN_ADDRESS);
    assert_asks("::ffff:10.0.0.0/104", "10.1.2.3", APP_OK);
    assert_asks("64:ff9b::a00:0/104", "64:ff9b::a00:1", APP_OK);
    assert_asks("10.0.0.0/8", "64:ff9b::a00:1", APP_FORBIDDEN_ADDRESS);

    struct address_guard *guard = new_guard("127.0.0.1", "");
    struct err_buf why = {.text = ""};
    assert_int_equal(ask(guard, "127.0.0.1", 81, &why), APP_FORBIDDEN_ADDRESS);
    address_guard_free(&guard);
    machine.address = NULL;
}

static void only_web_ports_and_the_allowed_ones_may_be_asked(void **state)
{
    (void)state;
    struct address_guard *guard = new_guard("", "8080, 9000-9100,65535");
    static const uint16_t allowed[] = {80, 443, 8080, 9000, 9050, 9100, 65535};
    static const uint16_t refused[] = {0,    22,   79,   81,   442,   444,  8079,
                                       8081, 8999, 9101, 6379, 11211, 65534};
    struct err_buf why = {.text = ""};
    for (size_t i = 0; i < sizeof(allowed) / sizeof(allowed[0]); i++)
        assert_int_equal(ask(guard, "8.8.8.8", allowed[i], &why), APP_OK);
    for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
        assert_int_equal(ask(guard, "8.8.8.8", refused[i], &why), APP_FORBIDDEN_ADDRESS);
        assert_int_equal(ask(guard, "2606:2800::1", refused[i], &why), APP_FORBIDDEN_ADDRESS);
    }
    address_guard_free(&guard);
}

static void the_machines_own_addresses_are_refused_as_they_come_and_go(void **state)
{
    (void)state;
    struct address_guard *guard = new_guard("", "");
    struct err_buf why = {.text = ""};
    assert_int_equal(ask(guard, "8.8.4.4", 80, &why), APP_OK);
    machine.address = "8.8.4.4";
    assert_int_equal(ask(guard, "8.8.4.4", 80, &why), APP_FORBIDDEN_ADDRESS);
    assert_string_equal(why.detail, "8.8.4.4 is an address of this machine");
    assert_int_equal(ask(guard, "::ffff:8.8.4.4", 80, &why), APP_FORBIDDEN_ADDRESS);
    assert_int_equal(ask(guard, "64:ff9b::808:404", 80, &why), APP_FORBIDDEN_ADDRESS);
    assert_int_equal(ask(guard, "8.8.4.5", 80, &why), APP_OK);
    machine.address = "2606:2800::1";
    assert_int_equal(ask(guard, "8.8.4.4", 80, &why), APP_OK);
    assert_int_equal(ask(guard, "2606:2800::1", 80, &why), APP_FORBIDDEN_ADDRESS);
    machine.address = NULL;
    assert_int_equal(ask(guard, "2606:2800::1", 80, &why), APP_OK);
    address_guard_free(&guard);
}

static void without_a_list_of_own_addresses_nothing_is_let_through(void **state)
{
    (void)state;
    struct address_guard *guard = new_guard("", "");
    struct err_buf why = {.text = ""};
    machine.fails = true;
    assert_int_equal(ask(guard, "8.8.8.8", 80, &why), APP_FORBIDDEN_ADDRESS);

    struct address_guard *second = (struct address_guard *)&why;
    assert_int_equal(address_guard_new("", "", &second, &why), APP_CONFIG);
    assert_ptr_equal(second, &why);
    assert_non_null(strstr(why.text, "this machine's addresses cannot be listed"));
    machine.fails = false;
    address_guard_free(&guard);
}

static void an_address_that_is_not_ip_is_refused(void **state)
{
    (void)state;
    struct address_guard *guard = new_guard("0.0.0.0/0, ::/0", "1-65535");
    struct sockaddr_un local = {.sun_family = AF_UNIX, .sun_path = "/run/docker.sock"};
    struct err_buf why = {.text = ""};
    assert_int_equal(address_guard_check(guard, (const struct sockaddr *)&local, &why),
                     APP_FORBIDDEN_ADDRESS);
    address_guard_free(&guard);
}

static void a_bad_list_names_its_bad_item(void **state)
{
    (void)state;
    static const char *const bad_cidrs[][2] = {
        {"10.0.0.0/33", "\"10.0.0.0/33\""},
        {"10.0.0.0/8,x", "\"x\""},
        {"10.0.0.0/", "\"10.0.0.0/\""},
        {"/8", "\"/8\""},
        {"10.0.0.0/8,", "\"\""},
        {",10.0.0.0/8", "\"\""},
        {"10.0.0.0/8,,::1", "\"\""},
        {"10.0.0.1/8", "\"10.0.0.1/8\""},
        {"::1/129", "\"::1/129\""},
        {"10.0.0.0/8/8", "\"10.0.0.0/8/8\""},
        {"10.0.0.0 /8", "\"10.0.0.0 /8\""},
        {"10.0.0/8", "\"10.0.0/8\""},
        {"010.0.0.0/8", "\"010.0.0.0/8\""},
        {"10.0.0.0/-8", "\"10.0.0.0/-8\""},
        {"fe80::1%lo", "\"fe80::1%lo\""},
        {"10.0.0.0/4294967304", "\"10.0.0.0/4294967304\""},
        {"localhost", "\"localhost\""},
    };
    static const char *const bad_ports[][2] = {
        {"0", "\"0\""},
        {"65536", "\"65536\""},
        {"80-", "\"80-\""},
        {"-80", "\"-80\""},
        {"90-80", "\"90-80\""},
        {"http", "\"http\""},
        {"80 81", "\"80 81\""},
        {"80,", "\"\""},
        {"80-90-100", "\"80-90-100\""},
        {"4294967376", "\"4294967376\""},
        {"1-65536", "\"1-65536\""},
    };
    for (size_t i = 0; i < sizeof(bad_cidrs) / sizeof(bad_cidrs[0]); i++) {
        struct err_buf why = {.text = "junk"};
        assert_int_equal(address_guard_check_cidr_list(bad_cidrs[i][0], &why), APP_CONFIG);
        assert_ptr_equal(strstr(why.text, bad_cidrs[i][1]), why.text);
        struct address_guard *guard = (struct address_guard *)&why;
        assert_int_equal(address_guard_new(bad_cidrs[i][0], "", &guard, NULL), APP_CONFIG);
        assert_ptr_equal(guard, &why);
    }
    for (size_t i = 0; i < sizeof(bad_ports) / sizeof(bad_ports[0]); i++) {
        struct err_buf why = {.text = "junk"};
        assert_int_equal(address_guard_check_port_list(bad_ports[i][0], &why), APP_CONFIG);
        assert_ptr_equal(strstr(why.text, bad_ports[i][1]), why.text);
        struct address_guard *guard = (struct address_guard *)&why;
        assert_int_equal(address_guard_new("10.0.0.0/8", bad_ports[i][0], &guard, NULL),
                         APP_CONFIG);
        assert_ptr_equal(guard, &why);
    }
}

static void an_item_of_any_length_is_refused_not_cut(void **state)
{
    (void)state;
    /* 63 characters are taken in, 64 are not; either way it is no range. */
    for (int len = 60; len < 70; len++) {
        char list[100];
        struct err_buf why = {.text = ""};
        (void)snprintf(list, sizeof(list), "10.0.0.0/%0*d", len - 9, 8);
        enum app_err err = address_guard_check_cidr_list(list, &why);
        assert_int_equal(err, len < 64 ? APP_OK : APP_CONFIG);
    }
}

static void a_good_list_is_good(void **state)
{
    (void)state;
    static const char *const cidrs[] = {
        "", "  ", "::/0", "0.0.0.0/0", "1.2.3.4", "::1", " 10.0.0.0/8\t,\n::1/128 "};
    static const char *const ports[] = {"", " ", "1", "65535", "1-65535", "80-80", "1 , 2-3"};
    for (size_t i = 0; i < sizeof(cidrs) / sizeof(cidrs[0]); i++)
        assert_int_equal(address_guard_check_cidr_list(cidrs[i], NULL), APP_OK);
    for (size_t i = 0; i < sizeof(ports) / sizeof(ports[0]); i++)
        assert_int_equal(address_guard_check_port_list(ports[i], NULL), APP_OK);
}

static void freeing_sets_the_pointer_to_null_and_may_be_repeated(void **state)
{
    (void)state;
    struct address_guard *guard = new_guard("10.0.0.0/8", "81");
    address_guard_free(&guard);
    assert_null(guard);
    address_guard_free(&guard);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_refused_range_is_refused_from_end_to_end_and_no_further),
        cmocka_unit_test(addresses_of_the_world_are_allowed),
        cmocka_unit_test(an_ipv4_address_inside_an_ipv6_address_decides),
        cmocka_unit_test(a_mapped_address_is_the_ipv4_address),
        cmocka_unit_test(the_reason_names_the_range),
        cmocka_unit_test(an_allowed_range_beats_every_refusal_but_that_of_the_port),
        cmocka_unit_test(only_web_ports_and_the_allowed_ones_may_be_asked),
        cmocka_unit_test(the_machines_own_addresses_are_refused_as_they_come_and_go),
        cmocka_unit_test(without_a_list_of_own_addresses_nothing_is_let_through),
        cmocka_unit_test(an_address_that_is_not_ip_is_refused),
        cmocka_unit_test(a_bad_list_names_its_bad_item),
        cmocka_unit_test(an_item_of_any_length_is_refused_not_cut),
        cmocka_unit_test(a_good_list_is_good),
        cmocka_unit_test(freeing_sets_the_pointer_to_null_and_may_be_repeated),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
