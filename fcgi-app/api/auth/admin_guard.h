/* SPDX-License-Identifier: MIT */
/*
 * The guard before the admin's routes (profiles, admin page): the admin token,
 * as `Authorization: Bearer TOKEN` or as the password of Basic, so that
 * http://any:TOKEN@host/ works in go tool pprof and in a browser; and no
 * requests that a browser sends on behalf of another site.
 *
 * Wrong tokens are counted by the client's address, REMOTE_ADDR as the web server tells it
 * (guess_limit.h). The token is never logged.
 *
 * Where no token is asked for, the Host must be one of ours. Otherwise a page of another site
 * could have its own name lead to this machine after it was loaded, and read the answers as its
 * own (DNS rebinding). Known are `localhost`, the names of ADMIN_HOSTS, and every address in
 * place of a name: with an address no name was looked up, so nothing can be rebound. A
 * request without a Host (HTTP/1.0) is not a browser's.
 *
 * Any thread.
 */
#ifndef API_AUTH_ADMIN_GUARD_H
#define API_AUTH_ADMIN_GUARD_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/base/err.h"
#include "lib/fcgi/request.h"
#include "lib/fcgi/response.h"

enum { ADMIN_TOKEN_MIN = 16 };

struct guess_limit;

/* All of it must outlive the guard. */
struct admin_guard {
    const char *token; /* PROFILE_TOKEN */
    const char *hosts; /* ADMIN_HOSTS */
    struct guess_limit *guesses;
};

/* May this request pass, by its Host? APP_FORBIDDEN, which is logged with the client's address. */
enum app_err admin_guard_check_host(const struct admin_guard *guard, const struct request *request,
                                    struct err_buf *why) __attribute__((warn_unused_result));

/*
 * May this request pass where the web server asks for a password? As above, and APP_FORBIDDEN
 * for one from another site's page.
 */
enum app_err admin_guard_check_site(const struct admin_guard *guard, const struct request *request,
                                    struct err_buf *why) __attribute__((warn_unused_result));

/*
 * May this request pass, by its token? APP_FORBIDDEN for one from another site's page;
 * APP_UNAUTHORIZED, with WWW-Authenticate added to the response; APP_BUSY, with Retry-After, when
 * too many wrong tokens came from its address. Refusals are logged.
 */
enum app_err admin_guard_check(const struct admin_guard *guard, const struct request *request,
                               struct response *response, struct err_buf *why)
    __attribute__((warn_unused_result));

/* Whether two byte strings are equal, in a time that does not depend on where they differ. */
bool admin_guard_equal(const char *a, size_t a_len, const char *b, size_t b_len);

#endif
