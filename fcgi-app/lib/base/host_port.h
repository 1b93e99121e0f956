/* SPDX-License-Identifier: MIT */
/*
 * An address that an operator writes as host:port, such as "cache:9090", "10.1.0.1:9090",
 * "[::1]:9090". Nothing is looked up. Pure.
 */
#ifndef LIB_BASE_HOST_PORT_H
#define LIB_BASE_HOST_PORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { HOST_PORT_HOST_MAX = 253 };

struct host_port {
    char host[HOST_PORT_HOST_MAX + 1]; /* without brackets; "" in ":9090" */
    char port[sizeof("65535")];        /* as it was written */
    uint16_t number;                   /* of the port */
};

/*
 * Read `len` bytes. False: there is no port from 0 to 65535, in up to five digits; the host
 * is too long; or it has a ':' or bracket, but is not in brackets.
 */
bool host_port_read(const char *text, size_t len, struct host_port *found)
    __attribute__((warn_unused_result));

#endif
