/* SPDX-License-Identifier: MIT */
/*
 * Single flight: of all threads of all processes of the pool that are about to do
 * the same work, one does it and the others wait for what comes of it.
 *
 *     const struct flight_call call = {
 *         .kind = FLIGHT_GET, .key = file, .since_ns = looked_ns, .deadline_ns = deadline_ns};
 *     struct flight_outcome outcome;
 *     struct flight flight;
 *     switch (flight_begin(app->table, &call, &flight, &outcome)) {
 *     case FLIGHT_OWNER:   err = do_it(); flight_end(&flight, &outcome of it); break;
 *     case FLIGHT_DONE:    err = outcome.err; somebody else has done it, look there; break;
 *     case FLIGHT_TIMEOUT: err = APP_UNAVAILABLE; break;
 *     }
 *
 * An owner must call flight_end on every path. When its process dies, when it gives
 * up, or when it is not heard of some seconds after its own deadline, one of those
 * who wait becomes the owner. Failures are handed to those who waited while it
 * happened; who comes later begins anew.
 *
 * Any thread. Without room in the table, everybody is an owner.
 */
#ifndef API_JOBS_FLIGHT_H
#define API_JOBS_FLIGHT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "api/jobs/table.h"
#include "lib/base/err.h"

/* Keys of different kinds are different. */
enum flight_kind {
    FLIGHT_GET,     /* of a file that the local tier lacks; the key is the file's name */
    FLIGHT_PIPELINE /* see pipeline.h; the key is the picture's */
};

enum { FLIGHT_PAYLOAD_MAX = 64 };

struct flight_call {
    enum flight_kind kind;
    const char *key; /* at most LIMIT_CACHE_ID characters */
    /*
     * When it was seen that the work is needed, by CLOCK_MONOTONIC: a success that
     * ended after that is as good as one that was waited for.
     */
    int64_t since_ns;
    int64_t deadline_ns; /* of waiting; an owner's work should be over by then, too */
    const atomic_bool
        *cancelled; /* set by another thread: as if the deadline had passed; or NULL */
    bool no_wait;   /* FLIGHT_TIMEOUT at once while somebody else is at it */
};

/* What comes of the work. */
struct flight_outcome {
    enum app_err err;
    char text[ERR_TEXT_MAX];          /* for the client, when it failed */
    char payload[FLIGHT_PAYLOAD_MAX]; /* whatever the users of a kind agree on */
};

/* The owner's handle. */
struct flight {
    struct table *table;
    struct table_memory *memory; /* NULL: nobody waits for this one */
    size_t index;
    uint64_t sequence;
};

enum flight_role {
    FLIGHT_OWNER,  /* do the work, then flight_end */
    FLIGHT_DONE,   /* it is done, or it failed: see the outcome */
    FLIGHT_TIMEOUT /* the deadline has passed */
};

/* `flight` is set for an owner, `outcome` when it is done. */
enum flight_role flight_begin(struct table *table, const struct flight_call *call,
                              struct flight *flight, struct flight_outcome *outcome)
    __attribute__((warn_unused_result));

/*
 * The owner's end. `outcome` NULL: it gives up for a reason of its own (its client has
 * left, its time was over), and one of those who wait takes the work over.
 */
void flight_end(struct flight *flight, const struct flight_outcome *outcome);

#endif
