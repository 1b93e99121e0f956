/* SPDX-License-Identifier: MIT */
/*
 * A circuit breaker before one upstream: when it keeps failing, calls are refused
 * at once instead of each holding a thread until its deadline.
 *
 * Closed, everything passes. It opens when BREAKER_IN_ROW calls in a row failed,
 * or half of the last BREAKER_HISTORY. Then nothing passes for BREAKER_PAUSE_MS;
 * after that it is half open: one call at a time passes as a probe. A probe that
 * is answered closes it, one that fails begins another pause. Who comes while a
 * probe is under way is refused, unless the last failure is BREAKER_STALE_MS past:
 * that a call failed so long ago says little of now, so it waits for the probe. In
 * an outage under load somebody probes all the time, and nobody waits.
 *
 * Only failures of the upstream as a whole count: no connection, a reset, a 5xx,
 * no answer in the time that it is due. What it says of one picture does not,
 * for a stranger could send such pictures on purpose.
 *
 * State is one process's: every process of a pool sees the upstream fail by
 * itself within a few calls, and none can close the service for the others.
 *
 * breaker_init, then breaker_enter before each call and, when it let the call
 * pass, breaker_leave once after it; breaker_release. Any thread. Time comes
 * from the caller, CLOCK_MONOTONIC.
 */
#ifndef API_CLIENTS_BREAKER_H
#define API_CLIENTS_BREAKER_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "lib/base/err.h"

enum { BREAKER_IN_ROW = 5, BREAKER_HISTORY = 20, BREAKER_PAUSE_MS = 500, BREAKER_STALE_MS = 1500 };

enum breaker_state { BREAKER_CLOSED, BREAKER_OPEN, BREAKER_HALF_OPEN };

enum breaker_outcome {
    BREAKER_ANSWERED, /* whatever the answer was */
    BREAKER_FAILED,
    BREAKER_UNKNOWN /* the call was cut short by us: it says nothing */
};

struct breaker {
    const char *upstream; /* for the client: "the cache" */
    /* Told, under the lock, when it opens and when it closes. NULL: nobody. */
    void (*changed)(void *context, bool open);
    void *context;

    pthread_mutex_t lock; /* guards the rest */
    pthread_cond_t probed;
    bool open;
    bool probing;
    bool waited_for;   /* the probe under way is a stale one */
    int64_t failed_ns; /* when it opened, or when its last probe failed */
    uint64_t round;    /* counts changes: a call from before one says nothing after it */
    unsigned in_row;   /* failures since the last answer */
    uint32_t history;  /* a bit a call, the last one lowest, set: it failed */
    unsigned known;    /* bits of history that are calls */
};

/* What lets a call pass. */
struct breaker_pass {
    uint64_t round;
    bool probe; /* the breaker is half open, and this call decides */
    bool stale; /* a probe that others may be waiting for */
};

void breaker_init(struct breaker *breaker, const char *upstream,
                  void (*changed)(void *context, bool open), void *context);
void breaker_release(struct breaker *breaker);

/*
 * APP_OK: go on, `pass` is filled in. APP_UNAVAILABLE, with a text for the client:
 * do not call. It waits for a probe until `patience_ns` at most, which is a deadline:
 * 0 for who cannot. A NULL breaker lets everything pass.
 */
enum app_err breaker_enter(struct breaker *breaker, int64_t now_ns, int64_t patience_ns,
                           struct breaker_pass *pass, struct err_buf *why)
    __attribute__((warn_unused_result));

/*
 * The upstream answered a question that costs it little, and the call itself is still
 * to come. A stale probe is told here and is an ordinary call from now on, so that
 * nobody waits for what may take long. Any other pass stays what it is. NULL breaker
 * allowed.
 */
void breaker_vouch(struct breaker *breaker, struct breaker_pass *pass);

/* How the call went. NULL breaker allowed. */
void breaker_leave(struct breaker *breaker, const struct breaker_pass *pass,
                   enum breaker_outcome outcome, int64_t now_ns);

/*
 * Whether a call until `deadline_ns` has the time that the upstream is due, but for
 * what has gone by since its deadline was set.
 */
bool breaker_is_full_time(int64_t now_ns, int64_t deadline_ns, int64_t timeout_ms);

/*
 * What an HTTP exchange says, from http_client_request's error and the status.
 * `in_full`: it had all the time that the upstream is due.
 */
enum breaker_outcome breaker_judge_http(enum app_err err, int status, bool in_full);

enum breaker_state breaker_state(struct breaker *breaker, int64_t now_ns);

/* "closed", "open", "half-open". */
const char *breaker_state_name(enum breaker_state state);

#endif
