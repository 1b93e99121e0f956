/* SPDX-License-Identifier: MIT */
/*
 * IP addresses, ranges of them and of ports, and the comma lists in which a
 * configuration names such ranges. Private to lib/net. Pure, any thread.
 */
#ifndef LIB_NET_CIDR_H
#define LIB_NET_CIDR_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/err.h"

/* An address without its port; an IPv4 address uses the first four bytes. */
struct address {
    int family; /* AF_INET or AF_INET6 */
    uint8_t bytes[16];
};

struct cidr {
    struct address base;
    unsigned bits; /* length of the prefix; base is zero behind it */
};

struct port_range {
    unsigned first;
    unsigned last;
};

/* The IPv4 address at `bytes`, each of them XORed with `mask`. */
struct address address_v4_at(const uint8_t *bytes, uint8_t mask);

/* Whether it is one of ::ffff:0:0/96, which stand for IPv4 addresses (RFC 4291). */
bool address_is_v4_mapped(const struct address *address);

void address_print(const struct address *address, char out[INET6_ADDRSTRLEN]);

/* False when the families differ. */
bool cidr_has(const struct cidr *cidr, const struct address *address);

/*
 * Read "10.0.0.0/8, ::1" or "8080, 9000-9100"; an empty list has no items. The
 * array is the caller's to free. A range of mapped addresses becomes one of
 * IPv4. APP_CONFIG with the bad item in why->text, APP_NO_MEMORY.
 */
enum app_err cidr_parse_list(const char *list, struct cidr **ranges, size_t *count,
                             struct err_buf *why) __attribute__((warn_unused_result));
enum app_err port_range_parse_list(const char *list, struct port_range **ranges, size_t *count,
                                   struct err_buf *why) __attribute__((warn_unused_result));

#endif
