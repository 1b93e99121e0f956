/* SPDX-License-Identifier: MIT */
/*
 * Notices that our own listener has died. gRPC's stops for good when accept
 * fails once for want of descriptors, while the kernel goes on taking
 * connections for it, so only something that the server says proves it alive:
 * its first HTTP/2 frame, which comes without being asked for, or with TLS its
 * answer to a ClientHello, which is all that is said to it.
 *
 * A thread of its own connects every few seconds. After three failures in a row
 * it logs an error and has the program stopped by SIGTERM, so that whoever
 * supervises it starts it anew.
 */
#ifndef CACHE_SELF_CHECK_H
#define CACHE_SELF_CHECK_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/err.h"
#include "lib/base/log.h"

struct self_check;

struct self_check_options {
    const char *address; /* what a client connects to: host:port or unix:/path; copied */
    int64_t interval_ms; /* between two tries; also how long one may take */
    bool tls;
    const struct log *log;
};

/* APP_INTERNAL with the reason in why->text, APP_NO_MEMORY. */
enum app_err self_check_start(const struct self_check_options *options, struct self_check **check,
                              struct err_buf *why) __attribute__((warn_unused_result));

/* End the thread; NULLs the pointer. NULL allowed. True: it was this that stopped the program. */
bool self_check_stop(struct self_check **check);

/* One try: whether the server says anything within the interval. */
bool self_check_answers(const struct self_check_options *options);

#endif
