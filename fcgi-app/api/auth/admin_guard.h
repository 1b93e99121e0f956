/* SPDX-License-Identifier: MIT */
/*
 * The guard before the admin's routes (profiles, admin page): the admin token,
 * as `Authorization: Bearer TOKEN` or as the password of Basic, so that
 * http://any:TOKEN@host/ works in go tool pprof and in a browser; and no
 * requests that a browser sends on behalf of another site.
 *
 * A wrong token costs its sender some time, though only so many at once, since
 * a waiting request holds a worker thread. The token is never logged.
 *
 * Any thread.
 */
#ifndef API_AUTH_ADMIN_GUARD_H
#define API_AUTH_ADMIN_GUARD_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#include "lib/base/err.h"
#include "lib/fcgi/request.h"
#include "lib/fcgi/response.h"

enum { ADMIN_TOKEN_MIN = 16 };

struct admin_guard {
    const char *token;  /* PROFILE_TOKEN */
    _Atomic int slowed; /* requests that are being made to wait now */
};

/*
 * May this request pass where the web server asks for a password? APP_FORBIDDEN for one
 * from another site, which is logged with the requester's address.
 */
enum app_err admin_guard_check_site(const struct request *request, struct err_buf *why)
    __attribute__((warn_unused_result));

/*
 * May this request pass, by its token? As above, and APP_UNAUTHORIZED, with WWW-Authenticate added
 * to the response; APP_BUSY when too many wrong tokens come at once. Refusals are logged.
 */
enum app_err admin_guard_check(struct admin_guard *guard, const struct request *request,
                               struct response *response, struct err_buf *why)
    __attribute__((warn_unused_result));

/* Whether two byte strings are equal, in a time that does not depend on where they differ. */
bool admin_guard_equal(const char *a, size_t a_len, const char *b, size_t b_len);

#endif
