/* SPDX-License-Identifier: MIT */
/*
 * REDIS_URL, read:
 *     redis://[[user]:password@]host[:port][/database]
 *     unix://[[user]:password@]/path[?db=database]
 * A host may be a name, an IPv4 address or an IPv6 address in brackets; user,
 * password and path may be percent-encoded. Port 6379 and database 0 are the
 * defaults. rediss:// (TLS) is refused: bookworm's hiredis has none.
 * Pure, any thread.
 */
#ifndef CACHE_REDIS_URL_H
#define CACHE_REDIS_URL_H

#include "lib/base/err.h"

enum {
    REDIS_HOST_MAX = 256,
    REDIS_PATH_MAX = 108, /* what a socket's address holds */
    REDIS_USER_MAX = 256,
    REDIS_PASSWORD_MAX = 2048, /* some clouds' are tokens */
};

/* What is not given is "". */
struct redis_url {
    char path[REDIS_PATH_MAX]; /* of a Unix socket, else host and port count */
    char host[REDIS_HOST_MAX];
    char port[6];
    char user[REDIS_USER_MAX];
    char password[REDIS_PASSWORD_MAX];
    char database[8];
};

/* APP_CONFIG with why->text, which repeats nothing of the URL, since that may hold a password. */
enum app_err redis_url_parse(const char *text, struct redis_url *url, struct err_buf *why)
    __attribute__((warn_unused_result));

#endif
