/* SPDX-License-Identifier: MIT */
/* Opening a TCP socket that listens, private to this room. Any thread. */
#ifndef LIB_HTTPD_LISTENER_H
#define LIB_HTTPD_LISTENER_H

#include <stdint.h>

#include "lib/base/err.h"

/*
 * Listen on `address`, numeric or a name (its IPv4 address is preferred); "" is
 * every address, IPv6 and IPv4. Port 0: any free one. The caller owns the
 * socket, which does not block; `*bound_port` is the port it got. APP_CONFIG
 * with the reason in why->text.
 */
enum app_err listener_open(const char *address, uint16_t port, int *listener, uint16_t *bound_port,
                           struct err_buf *why) __attribute__((warn_unused_result));

#endif
