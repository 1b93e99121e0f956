/* SPDX-License-Identifier: MIT */
/*
 * The authentication server's keys, kept so that a token costs no request.
 *
 * The set is fetched when it is first needed and is good for an hour. Once it is
 * 45 minutes old one request fetches it anew, while the others go on with what is
 * there; if that fails, another tries a minute later. It is also
 * fetched anew when a token names a key that is not in it, for that is how a new
 * key shows. Since anybody can make such names up, that happens at most once in
 * ten seconds, not for the same name within a minute, and after a failure not
 * within a second. One thread fetches while those wait that need a key which is not
 * there; only `patient` threads in all wait as long as it takes, the rest until half
 * a second after the fetch began, 100 ms at least (wait_budget.h), so that a server
 * that hangs does not take every thread.
 *
 * A server that is down does no harm to keys that are in the set and younger
 * than an hour. jwks_new at start, jwks_get from any thread, jwks_free.
 */
#ifndef API_AUTH_JWKS_H
#define API_AUTH_JWKS_H

#include <stdint.h>

#include "api/auth/jwt.h"
#include "api/clients/jwks_client.h"
#include "lib/base/err.h"

struct jwks;

struct jwks_options {
    const char *server;      /* base URL; must outlive the object */
    unsigned patient;        /* threads that may wait for a slow server, at least 1 */
    int64_t (*now_ns)(void); /* the clock by which keys age; NULL: clock_now_ns */
};

enum app_err jwks_new(const struct jwks_options *options, struct jwks **jwks)
    __attribute__((warn_unused_result));
/* NULLs the caller's pointer. NULL allowed. */
void jwks_free(struct jwks **jwks);

/*
 * The key of that id; the caller gives it back with jwt_key_put. At most three
 * seconds, within call->deadline_ns. APP_NOT_FOUND: the server has no such key.
 * APP_UNAVAILABLE: whether it has cannot be known now, the reason is in
 * why->detail. APP_NO_MEMORY.
 */
enum app_err jwks_get(struct jwks *jwks, const struct jwks_call *call, const char *id,
                      struct jwt_key **key, struct err_buf *why)
    __attribute__((warn_unused_result));

#endif
