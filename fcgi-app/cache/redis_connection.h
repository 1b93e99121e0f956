/* SPDX-License-Identifier: MIT */
/*
 * One connection to Redis: connect, log in, and commands, each with a deadline
 * that holds for all of it, whatever the other end does. The only module that
 * knows hiredis, of which it uses what writes and reads Redis's protocol
 * (RESP 2); hiredis's own blocking calls limit each read and not the whole.
 *
 * One thread at a time. Errors, with why->text naming Redis and why->detail for
 * the log; neither has the password in it:
 *   APP_UPSTREAM_FAILED   refused, broken, closed by Redis, not its protocol,
 *                         an answer larger than LIMIT_REDIS_REPLY
 *   APP_UPSTREAM_TIMEOUT  the deadline
 *   APP_NO_MEMORY
 * After one of them the connection is good for nothing but redis_connection_free.
 */
#ifndef CACHE_REDIS_CONNECTION_H
#define CACHE_REDIS_CONNECTION_H

#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "cache/redis_url.h"
#include "lib/base/err.h"

struct redis_connection;

/* Where a server listens: the path of `url`, or an address of its host. */
struct redis_address {
    struct sockaddr_storage name;
    socklen_t len;
};

/* The address of a url that has a path. */
struct redis_address redis_address_of_path(const struct redis_url *url);

/*
 * Connect to `address`, log in and choose the database as `url` says, and see
 * that Redis answers. APP_UPSTREAM_FAILED also when Redis refuses one of that.
 */
enum app_err redis_connection_new(const struct redis_address *address, const struct redis_url *url,
                                  int64_t deadline_ns, struct redis_connection **connection,
                                  struct err_buf *why) __attribute__((warn_unused_result));

/* Closes it. NULLs the pointer. NULL allowed. */
void redis_connection_free(struct redis_connection **connection);

/* A word of a command. */
struct redis_word {
    const void *data;
    size_t len;
};

#define REDIS_WORD(text) ((struct redis_word){(text), strlen(text)})

enum redis_type { REDIS_NIL, REDIS_BYTES, REDIS_STATUS, REDIS_ERROR, REDIS_NUMBER };

struct redis_reply {
    enum redis_type type;
    char *data; /* of BYTES, STATUS and ERROR, with a NUL behind it; malloc'ed, may be taken */
    size_t len;
    int64_t number; /* of NUMBER */
};

enum { REDIS_WORDS_MAX = 8 };

/*
 * Run a command of 1 to REDIS_WORDS_MAX words. On APP_OK there is a reply, which
 * may be an error of Redis's; release it.
 */
enum app_err redis_connection_call(struct redis_connection *connection,
                                   const struct redis_word *words, size_t count,
                                   int64_t deadline_ns, struct redis_reply *reply,
                                   struct err_buf *why) __attribute__((warn_unused_result));

/* Safe to call twice. */
void redis_reply_release(struct redis_reply *reply);

#endif
