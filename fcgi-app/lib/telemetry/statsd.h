/* SPDX-License-Identifier: MIT */
/*
 * Counters and timings for a statsd server, in DogStatsD's form:
 *
 *     api.service.cache.get:12.300|ms|#version:0.1.0,status:200
 *
 * Lines are put together into datagrams of at most STATSD_DATAGRAM_MAX bytes, and
 * what is there is sent ten times a second by a thread of its own. Sending never
 * waits: what the system does not take at once is lost, as it is when the server is
 * down. A server's name that cannot be looked up is tried again by the thread.
 *
 * statsd_new, the others from any thread, statsd_free, which sends what is left.
 * Every function takes NULL, which is what statsd_new gives without a server, and
 * does nothing then.
 * https://docs.datadoghq.com/developers/dogstatsd/datagram_shell/
 */
#ifndef LIB_TELEMETRY_STATSD_H
#define LIB_TELEMETRY_STATSD_H

#include <stdint.h>

#include "lib/base/err.h"
#include "lib/base/log.h"

enum {
    STATSD_DATAGRAM_MAX = 1400,
    STATSD_TAGS_MAX = 256,
    STATSD_FLUSH_MS = 100,
    STATSD_RETRY_MS = 10000
};

struct statsd;

struct statsd_options {
    const char *server;    /* host:port, [IPv6]:port; "": none */
    const char *prefix;    /* of every name: "api.service." */
    const char *tags;      /* of every line: "version:0.1.0" */
    const char *more_tags; /* behind those, as statsd_check_tags takes them; "": none */
    const struct log *log; /* outlives it */
};

/* A server for statsd_options, as a check in a configuration table. APP_CONFIG. */
enum app_err statsd_check_server(const char *server, struct err_buf *why);

/*
 * The same for more_tags: at most STATSD_TAGS_MAX bytes, with commas between the tags, and
 * no control character, '|' or '#', which would end or begin a part of the line.
 */
enum app_err statsd_check_tags(const char *tags, struct err_buf *why);

/*
 * Signals must be blocked before it. *statsd is NULL when there is no server. APP_CONFIG
 * (not host:port), APP_NO_MEMORY.
 */
enum app_err statsd_new(const struct statsd_options *options, struct statsd **statsd,
                        struct err_buf *why) __attribute__((warn_unused_result));
/* NULLs the caller's pointer. May wait for the look-up of a name. */
void statsd_free(struct statsd **statsd);

/* One more of `name`. */
void statsd_count(struct statsd *statsd, const char *name);

/* Something took `ns` and ended with an HTTP status, which is a tag; 0: no such tag. */
void statsd_timing(struct statsd *statsd, const char *name, int64_t ns, int status);

#endif
