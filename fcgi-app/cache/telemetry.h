/* SPDX-License-Identifier: MIT */
/*
 * What emojify-cache counts, in one table (telemetry.c), and the few functions by
 * which the rest of it says what happened. Everything goes to /metrics, and the
 * calls to statsd as well.
 *
 * telemetry_start after the signals are blocked, telemetry_stop after the last
 * call has ended; the others from any thread.
 */
#ifndef CACHE_TELEMETRY_H
#define CACHE_TELEMETRY_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include <grpc/status.h>

#include "cache/store.h"
#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/base/log.h"
#include "lib/telemetry/metrics.h"
#include "lib/telemetry/statsd.h"

struct telemetry {
    struct metrics *metrics;
    struct statsd *statsd; /* NULL also when nobody is told */
    _Atomic unsigned gets; /* so far, round and round */
};

/*
 * A thread's CPU time is a system call away, a tenth of what a Get takes here. So
 * one Get of so many is measured, and counts for all since the one before.
 */
enum { TELEMETRY_GETS_A_SAMPLE = 16 };

struct telemetry_options {
    const char *statsd_server; /* host:port; "": nobody is told */
    const char *statsd_tags;   /* of all that it is told; see statsd_check_tags */
    const struct log *log;     /* outlives it */
};

/*
 * APP_CONFIG with the reason in why->text, APP_NO_MEMORY, APP_INTERNAL; telemetry_stop
 * takes down what is up.
 */
enum app_err telemetry_start(struct telemetry *telemetry, const struct telemetry_options *options,
                             struct err_buf *why) __attribute__((warn_unused_result));
void telemetry_stop(struct telemetry *telemetry);

/* The text for a scrape, with the state of the store. Errors as metrics_write. */
enum app_err telemetry_write(struct telemetry *telemetry, struct store *store, struct buf *out)
    __attribute__((warn_unused_result));

/*
 * A call that is being answered; both by the thread that does it. `method` is an
 * enum method, METHOD__MAX for one that there is not. `telemetry` NULL: uncounted.
 */
struct telemetry_call {
    size_t method;
    int64_t started_ns;
    int64_t cpu_ns;      /* of the thread at its start */
    unsigned stands_for; /* so many calls' CPU time; 0: its own is not measured */
};
void telemetry_call_begin(struct telemetry *telemetry, size_t method, struct telemetry_call *call);

/* What has become of it. */
struct telemetry_outcome {
    grpc_status_code status;
    enum app_err err;         /* the same in our terms */
    enum app_err store_error; /* APP_OK: the store did its work */
    size_t received;          /* bytes of pictures */
    size_t sent;
};
void telemetry_call_end(struct telemetry *telemetry, const struct telemetry_call *call,
                        const struct telemetry_outcome *outcome);

/* One more of a statsd counter. */
void telemetry_count(struct telemetry *telemetry, const char *name);

#endif
