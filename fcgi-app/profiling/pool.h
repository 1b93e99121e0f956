/* SPDX-License-Identifier: MIT */
/*
 * The sibling processes of the pool, whoever started them (lighttpd, mod_fcgid,
 * systemd, a hand): they find one another through RUN_DIR, where each keeps a
 * locked file and a Unix socket named after its pid. A lock that can be taken
 * belongs to a dead process, and whoever notices removes its files.
 *
 * Any process can ask all of them (itself included) a command, one line of
 * text, and gets one answer of bytes from each. What commands mean is the
 * caller's business: pool_options.serve answers them, in a thread of its own per
 * command, since some take as long as a profile does.
 *
 * The pool's thread is the process's control thread: it accepts siblings, calls
 * `tick` about once a second, and registers again when RUN_DIR was wiped. When
 * RUN_DIR cannot be used the process goes on alone: it then asks only itself.
 *
 * pool_new after the signals are blocked, pool_ask from any thread, pool_free
 * before what `serve` and `tick` use goes away.
 */
#ifndef PROFILING_POOL_H
#define PROFILING_POOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/base/log.h"

enum {
    POOL_MAX_SIBLINGS = 256,
    POOL_MAX_COMMAND = 256,            /* bytes of a command line */
    POOL_MAX_ANSWER = 64 * 1024 * 1024 /* bytes of one answer */
};

struct pool;

struct pool_options {
    const char *run_dir; /* made with mode 0700 when it does not exist */
    const struct log *log;
    void *context;
    /*
     * Answer `command` into `answer`. Errors reach the asker as their code and
     * why->text. `gone(gone_context)` tells that nobody waits any more.
     */
    enum app_err (*serve)(void *context, const char *command, bool (*gone)(void *gone_context),
                          void *gone_context, struct buf *answer, struct err_buf *why);
    void (*tick)(void *context); /* NULL: nothing to do */
};

/* Register and start the thread. APP_NO_MEMORY, APP_INTERNAL (no thread). */
enum app_err pool_new(const struct pool_options *options, struct pool **pool, struct err_buf *why)
    __attribute__((warn_unused_result));

/*
 * Have pool_ask return early, in all threads and from now on, and running commands
 * know that their asker is gone. For a thread that asks and must end before
 * pool_free. Any thread.
 */
void pool_stop(struct pool *pool);

/*
 * Take the registration away, tell running commands that their asker is gone,
 * wait for them and for the thread. NULLs the caller's pointer. NULL allowed.
 */
void pool_free(struct pool **pool);

/* The pids that are registered now, oldest file first; returns how many. */
size_t pool_siblings(struct pool *pool, pid_t pids[POOL_MAX_SIBLINGS]);

/*
 * Open a file of that name in RUN_DIR to read and write, making it if it is missing; the
 * caller closes it. -1: this process is alone, or it cannot be opened.
 */
int pool_open_file(struct pool *pool, const char *name);

/* One sibling's answer. */
struct pool_answer {
    pid_t pid;
    enum app_err err; /* APP_UPSTREAM_TIMEOUT: none in time; APP_UPSTREAM_FAILED: it died */
    const char *text; /* of the error; valid during the call */
    const char *data; /* the answer when err is APP_OK; valid during the call */
    size_t len;
};

/*
 * Ask every sibling `command` at once and call `answer` for each of them, in
 * the calling thread, as the answers come in; at the deadline those that are
 * missing are reported as timed out. `*asked` (may be NULL) is how many there
 * were. APP_INTERNAL when not even this process could be asked.
 */
enum app_err pool_ask(struct pool *pool, const char *command, int64_t deadline_ns,
                      void (*answer)(void *context, const struct pool_answer *answer),
                      void *context, size_t *asked, struct err_buf *why)
    __attribute__((warn_unused_result));

#endif
