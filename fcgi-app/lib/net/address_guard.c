/* SPDX-License-Identifier: MIT */
/*
 * One table of refused ranges. An IPv4-mapped address is an IPv4 address here;
 * the other addresses that carry an IPv4 address inside are refused when that
 * one is. The machine's own addresses are listed anew at each check that gets
 * so far: they come and go (DHCP, containers, a public address put on later),
 * listing them takes some 10 microseconds next to a fetch of milliseconds, and so
 * the guard needs no lock and is never out of date.
 */
#include "lib/net/address_guard.h"

#include <errno.h>
#include <ifaddrs.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/net/cidr.h"

struct address_guard {
    struct cidr *allowed;
    size_t allowed_count;
    struct port_range *ports;
    size_t port_count;
};

/* What IANA's special-purpose registries list as not globally reachable, and a few besides. */
static const struct refused_range {
    struct cidr range;
    const char *name;
} refused_ranges[] = {
    {{{AF_INET, {0}}, 8}, "this network, RFC 791"},
    {{{AF_INET, {10}}, 8}, "private use, RFC 1918"},
    {{{AF_INET, {100, 64}}, 10}, "carrier-grade NAT, RFC 6598"},
    {{{AF_INET, {127}}, 8}, "loopback, RFC 1122"},
    {{{AF_INET, {168, 63, 129, 16}}, 32}, "Azure's platform address"},
    {{{AF_INET, {169, 254}}, 16}, "link-local, RFC 3927"},
    {{{AF_INET, {172, 16}}, 12}, "private use, RFC 1918"},
    {{{AF_INET, {192, 0, 0}}, 24}, "protocol assignments, RFC 6890"},
    {{{AF_INET, {192, 0, 2}}, 24}, "documentation, RFC 5737"},
    {{{AF_INET, {192, 88, 99}}, 24}, "6to4 relays, RFC 7526"},
    {{{AF_INET, {192, 168}}, 16}, "private use, RFC 1918"},
    {{{AF_INET, {198, 18}}, 15}, "benchmarking, RFC 2544"},
    {{{AF_INET, {198, 51, 100}}, 24}, "documentation, RFC 5737"},
    {{{AF_INET, {203, 0, 113}}, 24}, "documentation, RFC 5737"},
    {{{AF_INET, {224}}, 4}, "multicast, RFC 1112"},
    {{{AF_INET, {240}}, 4}, "reserved and broadcast, RFC 1112 and 919"},

    {{{AF_INET6, {0}}, 128}, "unspecified, RFC 4291"},
    {{{AF_INET6, {[15] = 1}}, 128}, "loopback, RFC 4291"},
    {{{AF_INET6, {0}}, 96}, "IPv4-compatible, RFC 4291"},
    {{{AF_INET6, {[8] = 0xff, 0xff}}, 96}, "IPv4-translated, RFC 2765"},
    /* Where the IPv4 address is in these differs from network to network (RFC 6052, 2.2). */
    {{{AF_INET6, {0, 0x64, 0xff, 0x9b, 0, 1}}, 48}, "local-use NAT64, RFC 8215"},
    {{{AF_INET6, {1, 0}}, 64}, "discard, RFC 6666"},
    {{{AF_INET6, {1, [7] = 1}}, 64}, "dummy prefix, RFC 9780"},
    {{{AF_INET6, {0x20, 1, 0, 2}}, 48}, "benchmarking, RFC 5180"},
    {{{AF_INET6, {0x20, 1, 0, 0x10}}, 28}, "ORCHID, RFC 4843"},
    {{{AF_INET6, {0x20, 1, 0, 0x20}}, 28}, "ORCHIDv2, RFC 7343"},
    {{{AF_INET6, {0x20, 1, 0x0d, 0xb8}}, 32}, "documentation, RFC 3849"},
    {{{AF_INET6, {0x3f, 0xff}}, 20}, "documentation, RFC 9637"},
    {{{AF_INET6, {0x5f}}, 16}, "segment routing, RFC 9602"},
    {{{AF_INET6, {0xfc}}, 7}, "unique local, RFC 4193"},
    {{{AF_INET6, {0xfe, 0x80}}, 10}, "link-local, RFC 4291"},
    {{{AF_INET6, {0xfe, 0xc0}}, 10}, "site-local, RFC 3879"},
    {{{AF_INET6, {0xff}}, 8}, "multicast, RFC 4291"},
};

/* Ranges of IPv6 with an IPv4 address inside that a relay or host may send packets on to. */
static const struct wrapping {
    struct cidr range;
    size_t at;    /* byte of the IPv4 address */
    uint8_t mask; /* XORed to its bytes */
    const char *name;
} wrappings[] = {
    {{{AF_INET6, {0, 0x64, 0xff, 0x9b}}, 96}, 12, 0, "NAT64, RFC 6052"},
    {{{AF_INET6, {0x20, 1}}, 32}, 4, 0, "Teredo server, RFC 4380"},
    {{{AF_INET6, {0x20, 1}}, 32}, 12, 0xff, "Teredo client, RFC 4380"},
    {{{AF_INET6, {0x20, 2}}, 16}, 2, 0, "6to4, RFC 3056"},
};

enum app_err address_guard_check_cidr_list(const char *list, struct err_buf *why)
{
    struct cidr *ranges = NULL;
    size_t count;
    enum app_err err = cidr_parse_list(list, &ranges, &count, why);
    free(ranges);
    return err;
}

enum app_err address_guard_check_port_list(const char *list, struct err_buf *why)
{
    struct port_range *ranges = NULL;
    size_t count;
    enum app_err err = port_range_parse_list(list, &ranges, &count, why);
    free(ranges);
    return err;
}

/* Better to stop at the start than to refuse every fetch later on. */
static enum app_err check_interfaces_can_be_listed(struct err_buf *why)
{
    struct ifaddrs *own;
    if (getifaddrs(&own) != 0)
        return err_set(why, APP_CONFIG,
                       "this machine's addresses cannot be listed: %s (AF_NETLINK "
                       "sockets must be permitted)",
                       strerrordesc_np(errno));
    freeifaddrs(own);
    return APP_OK;
}

enum app_err address_guard_new(const char *allow_cidr, const char *allow_ports,
                               struct address_guard **guard, struct err_buf *why)
{
    struct address_guard *made = calloc(1, sizeof(*made));
    if (!made)
        return APP_NO_MEMORY;

    enum app_err err = cidr_parse_list(allow_cidr, &made->allowed, &made->allowed_count, why);
    if (!err)
        err = port_range_parse_list(allow_ports, &made->ports, &made->port_count, why);
    if (!err)
        err = check_interfaces_can_be_listed(why);
    if (err) {
        address_guard_free(&made);
        return err;
    }
    *guard = made;
    return APP_OK;
}

void address_guard_free(struct address_guard **guard)
{
    if (*guard) {
        free((*guard)->allowed);
        free((*guard)->ports);
        free(*guard);
    }
    *guard = NULL;
}

/* False for a family that is neither IPv4 nor IPv6. Mapped addresses come out as IPv4. */
static bool read_sockaddr(const struct sockaddr *from, struct address *address, unsigned *port)
{
    *address = (struct address){.family = from->sa_family};
    if (from->sa_family == AF_INET) {
        struct sockaddr_in v4;
        memcpy(&v4, from, sizeof(v4));
        memcpy(address->bytes, &v4.sin_addr, 4);
        *port = ntohs(v4.sin_port);
    } else if (from->sa_family == AF_INET6) {
        struct sockaddr_in6 v6;
        memcpy(&v6, from, sizeof(v6));
        memcpy(address->bytes, &v6.sin6_addr, 16);
        *port = ntohs(v6.sin6_port);
        if (address_is_v4_mapped(address))
            *address = address_v4_at(address->bytes + 12, 0);
    } else {
        return false;
    }
    return true;
}

static bool port_is_allowed(const struct address_guard *guard, unsigned port)
{
    if (port == 80 || port == 443)
        return true;
    for (size_t i = 0; i < guard->port_count; i++) {
        if (port >= guard->ports[i].first && port <= guard->ports[i].last)
            return true;
    }
    return false;
}

static bool address_is_allowed(const struct address_guard *guard, const struct address *address)
{
    for (size_t i = 0; i < guard->allowed_count; i++) {
        if (cidr_has(&guard->allowed[i], address))
            return true;
    }
    return false;
}

static enum app_err refuse(struct err_buf *why, const struct address *address, const char *reason)
{
    char text[INET6_ADDRSTRLEN];
    address_print(address, text);
    err_detail(why, "%s %s", text, reason);
    return err_set(why, APP_FORBIDDEN_ADDRESS, "%s", app_strerror(APP_FORBIDDEN_ADDRESS));
}

static enum app_err check_range(const struct address *address, struct err_buf *why)
{
    for (size_t i = 0; i < sizeof(refused_ranges) / sizeof(refused_ranges[0]); i++) {
        const struct refused_range *refused = &refused_ranges[i];
        if (cidr_has(&refused->range, address)) {
            char base[INET6_ADDRSTRLEN];
            char reason[INET6_ADDRSTRLEN + 80];
            address_print(&refused->range.base, base);
            (void)snprintf(reason, sizeof(reason), "is in %s/%u (%s)", base, refused->range.bits,
                           refused->name);
            return refuse(why, address, reason);
        }
    }
    return APP_OK;
}

/* Is it one that this machine has at this moment? Yes, when that cannot be found out. */
static enum app_err check_own(const struct address *address, struct err_buf *why)
{
    struct ifaddrs *own;
    if (getifaddrs(&own) != 0)
        return refuse(why, address, "cannot be compared with this machine's addresses");

    bool found = false;
    for (const struct ifaddrs *at = own; at && !found; at = at->ifa_next) {
        struct address interface;
        unsigned port;
        if (at->ifa_addr && read_sockaddr(at->ifa_addr, &interface, &port))
            found = interface.family == address->family &&
                    memcmp(interface.bytes, address->bytes, sizeof(interface.bytes)) == 0;
    }
    freeifaddrs(own);
    return found ? refuse(why, address, "is an address of this machine") : APP_OK;
}

static enum app_err check_one(const struct address *address, struct err_buf *why)
{
    enum app_err err = check_range(address, why);
    return err ? err : check_own(address, why);
}

static enum app_err check_inside(const struct address *outer, const struct address *inside,
                                 const char *name, struct err_buf *why)
{
    struct err_buf reason = {.text = ""};
    enum app_err err = check_one(inside, &reason);
    if (!err)
        return APP_OK;
    char text[ERR_TEXT_MAX];
    (void)snprintf(text, sizeof(text), "holds an address (%s) that may not be fetched: %.160s",
                   name, reason.detail);
    return refuse(why, outer, text);
}

/* RFC 5214: such an interface identifier may stand behind any prefix. */
static bool is_isatap(const struct address *address)
{
    const uint8_t *id = address->bytes + 8;
    return (id[0] == 0 || id[0] == 2) && id[1] == 0 && id[2] == 0x5e && id[3] == 0xfe;
}

static enum app_err check_wrapped(const struct address *address, struct err_buf *why)
{
    if (address->family != AF_INET6)
        return APP_OK;
    enum app_err err = APP_OK;
    for (size_t i = 0; i < sizeof(wrappings) / sizeof(wrappings[0]) && !err; i++) {
        const struct wrapping *wrapping = &wrappings[i];
        if (cidr_has(&wrapping->range, address)) {
            struct address inside = address_v4_at(address->bytes + wrapping->at, wrapping->mask);
            err = check_inside(address, &inside, wrapping->name, why);
        }
    }
    if (!err && is_isatap(address)) {
        struct address inside = address_v4_at(address->bytes + 12, 0);
        err = check_inside(address, &inside, "ISATAP, RFC 5214", why);
    }
    return err;
}

enum app_err address_guard_check(const struct address_guard *guard, const struct sockaddr *address,
                                 struct err_buf *why)
{
    struct address target;
    unsigned port;
    if (!read_sockaddr(address, &target, &port)) {
        err_detail(why, "address family %d is not IP", address->sa_family);
        return err_set(why, APP_FORBIDDEN_ADDRESS, "%s", app_strerror(APP_FORBIDDEN_ADDRESS));
    }
    if (!port_is_allowed(guard, port)) {
        char reason[40];
        (void)snprintf(reason, sizeof(reason), "may not be asked on port %u", port);
        return refuse(why, &target, reason);
    }
    if (address_is_allowed(guard, &target))
        return APP_OK;
    enum app_err err = check_wrapped(&target, why);
    return err ? err : check_one(&target, why);
}
