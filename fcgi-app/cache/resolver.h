/* SPDX-License-Identifier: MIT */
/*
 * Looking up a host name with a time limit, which getaddrinfo(3) has not: with
 * no name server answering it takes half a minute. One thread at a time.
 */
#ifndef CACHE_RESOLVER_H
#define CACHE_RESOLVER_H

#include <netdb.h>
#include <stdint.h>

#include "lib/base/err.h"

struct resolver;

/* Both are copied. APP_NO_MEMORY. */
enum app_err resolver_new(const char *host, const char *port, struct resolver **resolver)
    __attribute__((warn_unused_result));

/*
 * Look it up anew, for stream sockets; the caller frees the list, which is not
 * empty, by freeaddrinfo. APP_UPSTREAM_TIMEOUT: no answer by the deadline; the
 * next lookup goes on waiting for it. APP_UPSTREAM_FAILED: no such name, or the
 * like. Both with why->detail.
 */
enum app_err resolver_lookup(struct resolver *resolver, int64_t deadline_ns, struct addrinfo **list,
                             struct err_buf *why) __attribute__((warn_unused_result));

/* NULLs the pointer, does not wait: a lookup that is under way frees the rest. NULL allowed. */
void resolver_free(struct resolver **resolver);

#endif
