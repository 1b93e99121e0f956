/* SPDX-License-Identifier: MIT */
/*
 * A Redis server of a test's own, with its socket and its files in a directory
 * of the test's. For the test's main thread, with which the server dies. What
 * goes wrong fails the running test.
 */
#ifndef TESTS_SUPPORT_REDIS_SERVER_H
#define TESTS_SUPPORT_REDIS_SERVER_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "support/temp_dir.h"

struct redis_server {
    char socket[PATH_MAX];
    uint16_t port; /* on 127.0.0.1; the same after each start */
    pid_t pid;     /* 0: not running */
};

/* Whether redis-server is installed; a test skips otherwise. */
bool redis_server_is_installed(void);

/* Choose socket and port in `dir`; nothing runs yet. */
void redis_server_init(struct redis_server *server, const struct temp_dir *dir);

/* Start it with an empty memory and options such as "--maxmemory", "1mb"; NULL ends, NULL: none. */
void redis_server_start(struct redis_server *server, const char *const *options);

/* End it at once, as by a crash. Does nothing when it does not run. */
void redis_server_kill(struct redis_server *server);

/* Stop its process for a while (SIGSTOP), and let it go on. */
void redis_server_freeze(struct redis_server *server);
void redis_server_thaw(struct redis_server *server);

/*
 * Have redis-cli run a command of up to eight words, NULL ends, as somebody else
 * who uses the server; its raw output without the last newline in `out`.
 */
void redis_server_ask(const struct redis_server *server, const char *const *words, char *out,
                      size_t size);

#endif
