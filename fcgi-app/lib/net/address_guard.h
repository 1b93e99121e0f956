/* SPDX-License-Identifier: MIT */
/*
 * Which addresses a stranger's URL may lead to. Private, loopback, link-local,
 * multicast, reserved and documentation ranges, carrier NAT, the addresses of
 * this machine's own interfaces, and all of these inside IPv4-mapped, NAT64,
 * 6to4, Teredo and ISATAP addresses are refused (IANA special-purpose address
 * registries, RFC 6890 and the RFCs named at the table). Ports other than 80
 * and 443 are refused too. FETCH_ALLOW_CIDR and FETCH_ALLOW_PORTS open more.
 *
 * The check is made on the address that is actually connected to, so a DNS
 * answer that changes in between does not help anybody.
 *
 * address_guard_new at start, then read-only from any thread.
 */
#ifndef LIB_NET_ADDRESS_GUARD_H
#define LIB_NET_ADDRESS_GUARD_H

#include <stdbool.h>
#include <sys/socket.h>

#include "lib/base/err.h"

struct address_guard;

/*
 * `allow_cidr`: "10.0.0.0/8, ::1/128" or ""; `allow_ports`: "8080, 9000-9100" or
 * "". APP_CONFIG with the bad item in why->text, also when the addresses of this
 * machine cannot be listed (no netlink sockets); APP_NO_MEMORY.
 */
enum app_err address_guard_new(const char *allow_cidr, const char *allow_ports,
                               struct address_guard **guard, struct err_buf *why)
    __attribute__((warn_unused_result));

/* NULLs the caller's pointer. NULL allowed. */
void address_guard_free(struct address_guard **guard);

/* For the configuration tables: is this list well-formed? APP_CONFIG. */
enum app_err address_guard_check_cidr_list(const char *list, struct err_buf *why);
enum app_err address_guard_check_port_list(const char *list, struct err_buf *why);

/*
 * May this address and port be connected to? APP_FORBIDDEN_ADDRESS with the
 * reason in why->detail ("127.0.0.1 is in 127.0.0.0/8 (loopback, RFC 1122)").
 * An allowed range beats every refusal but that of the port.
 */
enum app_err address_guard_check(const struct address_guard *guard, const struct sockaddr *address,
                                 struct err_buf *why) __attribute__((warn_unused_result));

#endif
