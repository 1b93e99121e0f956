/* SPDX-License-Identifier: MIT */
/*
 * Lists of hosts as a configuration names them: "example.org" is that host and
 * no other, "*.example.org" every host below it, "192.0.2.1" an address written
 * so in a URL. Case and a dot at the end do not matter; international names are
 * given in their ASCII form (RFC 5891). Pure, any thread.
 */
#ifndef LIB_NET_HOST_LIST_H
#define LIB_NET_HOST_LIST_H

#include <stdbool.h>

#include "lib/base/err.h"

/* For the configuration tables: is this list well-formed? APP_CONFIG. */
enum app_err host_list_check(const char *list, struct err_buf *why);

/* Whether a list that host_list_check takes has this host; an empty one has none. */
bool host_list_has(const char *list, const char *host);

#endif
