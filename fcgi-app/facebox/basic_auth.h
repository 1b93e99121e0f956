/* SPDX-License-Identifier: MIT */
/* HTTP Basic authorization (RFC 7617). Pure, any thread. */
#ifndef FACEBOX_BASIC_AUTH_H
#define FACEBOX_BASIC_AUTH_H

#include <stdbool.h>

#include "lib/base/err.h"

/*
 * Whether the Authorization header `header` (NULL: none was sent) says this user
 * and password. The time it takes does not depend on where they differ.
 */
bool basic_auth_matches(const char *header, const char *user, const char *password);

/* For the configuration table: a user's name has no colon. APP_CONFIG. */
enum app_err basic_auth_check_user(const char *user, struct err_buf *why);

#endif
