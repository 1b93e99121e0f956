/* SPDX-License-Identifier: MIT */
/*
 * A lane is a completion queue, the calls that are awaited and answered on it,
 * and a few threads of which one at a time waits for events: it has the turn. It
 * answers at once what needs no waiting, and goes on. Before a store waits for a
 * disk or a server the turn goes to the next thread (leader and followers,
 * Schmidt 2000). So a Get from memory wakes no thread but its own, and none
 * waits behind a slow one. Private to the service.
 *
 * Each method is awaited by LANE_AWAITED calls at any time, so that gRPC need
 * not queue what comes while one is handled. A method of another name is
 * awaited too: gRPC keeps such calls for ever if nobody takes them.
 *
 * lane_open before the threads start, lane_run in each of them, lane_close after
 * they have ended.
 */
#ifndef CACHE_LANE_H
#define CACHE_LANE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include <grpc/grpc.h>

#include "cache/methods.h"
#include "cache/telemetry.h"

enum { LANE_AWAITED = 16 };
enum { METHOD_OTHER = METHOD__MAX, LANE_METHODS }; /* besides enum method */

/* What all lanes have in common; read-only but for the last three. */
struct lane_shared {
    grpc_server *server;
    void *methods[METHOD__MAX]; /* gRPC's handles */
    struct store *store;
    const struct log *log;
    struct telemetry *telemetry;  /* its functions take any thread */
    _Atomic bool stopping;        /* set before the server stops: await no more calls */
    _Atomic int64_t answer_bytes; /* of all contents being sent, up to LIMIT_CACHE_ANSWERS */
};

struct lane_call;

struct lane {
    struct lane_shared *shared;
    grpc_completion_queue *queue;
    pthread_mutex_t turn;           /* held by the thread that waits for events */
    unsigned awaited[LANE_METHODS]; /* whose turn it is */
    pthread_mutex_t lock;           /* guards what follows; a batch is started under it */
    struct lane_call *spare;        /* a list */
    bool shut;                      /* the queue takes no more batches */
};

/* Make the queue and register it: before grpc_server_start. */
void lane_open(struct lane *lane, struct lane_shared *shared);

/* Await the first calls: after grpc_server_start, before the lane's threads. */
void lane_begin(struct lane *lane);

/* Handle events until the queue is shut down and drained. */
void lane_run(struct lane *lane);

/* Give the turn away if this thread has one. A store's before_wait. */
void lane_yield_turn(void);

/*
 * After the server's notice that all its connections are gone. A call may still
 * be in hand then, and gRPC aborts the process when a batch is started on a
 * queue that was shut down, so its answer is dropped. Some thread must
 * go on until the queue is drained.
 */
void lane_shut(struct lane *lane);

/* The queue is drained and the threads have ended. */
void lane_close(struct lane *lane);

#endif
