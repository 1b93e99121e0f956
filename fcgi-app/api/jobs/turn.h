/* SPDX-License-Identifier: MIT */
/*
 * How much is done at a time in the whole pool: FETCH_CONCURRENCY pictures are fetched,
 * EMOJIFY_CONCURRENCY are worked on, EMOJIFY_QUEUE requests wait for either, and further ones
 * are refused. Turns are given in the order of arrival, but a thread that does not look for
 * its turn holds up nobody.
 *
 * A picture that is fetched waits for the network, so it holds none of the turns at the cores.
 * The last quarter of the fetches, and of the queue, is for origins that have less than a
 * quarter of them; while another origin waits, none is given more than a quarter of the
 * fetches. So an origin that never answers holds up its own pictures only.
 *
 * A request holds a worker thread all the time. Therefore those that run or wait in one process
 * never have more than half its workers less two, and those that fetch no more than a quarter,
 * whatever the settings say. A process with fewer than TURN_WORKERS_MIN workers counts over
 * the threads of the pool instead.
 *
 * Any thread. A turn that was taken must be given back by turn_end; the turns of a
 * process that dies come free by themselves.
 */
#ifndef API_JOBS_TURN_H
#define API_JOBS_TURN_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "api/jobs/table.h"
#include "lib/base/err.h"

enum { TURN_WORKERS_MIN = 16 };

enum turn_kind {
    TURN_REQUEST, /* a pipeline, for a request that waits for it */
    TURN_JOB      /* a pipeline, for a job in the background, which is never refused */
};

struct turn_call {
    enum turn_kind kind;
    unsigned running;    /* EMOJIFY_CONCURRENCY, 0: the cores */
    unsigned waiting;    /* EMOJIFY_QUEUE, 0: the rest of half the workers less two */
    unsigned fetching;   /* FETCH_CONCURRENCY, 0: a quarter of the workers */
    uint64_t origin;     /* of what is fetched, equal for equal ones; 0: nothing is */
    int64_t deadline_ns; /* of waiting, and of the work: see table.h */
    const atomic_bool
        *cancelled; /* set by another thread: as if the deadline had passed; or NULL */
};

/* Zeroed: none. */
struct turn {
    struct table *table;
    struct table_memory *memory; /* NULL: none */
    size_t index;
    uint64_t sequence;
};

/*
 * A place in the queue, for one who waits for equal work that another does. Its turn
 * may be taken later, and has this place in the queue then. APP_BUSY: the queue is
 * full. No effect on a turn that is there already.
 */
enum app_err turn_follow(struct table *table, const struct turn_call *call, struct turn *turn,
                         struct err_buf *why) __attribute__((warn_unused_result));

/*
 * Wait until the picture of call->origin may be fetched; turn_take follows. APP_BUSY: the
 * queue is full, or this origin's part of it. APP_UNAVAILABLE as of turn_take.
 */
enum app_err turn_fetch(struct table *table, const struct turn_call *call, struct turn *turn,
                        struct err_buf *why) __attribute__((warn_unused_result));

/*
 * Wait for a turn at the cores. APP_BUSY: the queue is full. APP_UNAVAILABLE: the deadline
 * has passed; then there is no turn to give back.
 */
enum app_err turn_take(struct table *table, const struct turn_call *call, struct turn *turn,
                       struct err_buf *why) __attribute__((warn_unused_result));

/* Give it back. Safe to call twice, and on none. */
void turn_end(struct turn *turn);

/* What goes on in the pool now. `call` says which settings to tell the limits by. */
struct turn_state {
    unsigned running;  /* pipelines */
    unsigned waiting;  /* requests, for the network or the cores */
    unsigned fetching; /* pictures */
    unsigned running_max;
    unsigned waiting_max;
    unsigned fetching_max;
};
struct turn_state turn_state_read(struct table *table, const struct turn_call *call);

#endif
