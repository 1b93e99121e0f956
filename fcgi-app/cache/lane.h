/* SPDX-License-Identifier: MIT */
/*
 * A lane is one thread's share of the service: a completion queue, and the
 * calls that are awaited and answered on it. Private to the service.
 *
 * Each method is awaited by LANE_AWAITED calls at any time, so that gRPC need
 * not queue what comes while one is handled. A method of another name is
 * awaited too: gRPC keeps such calls for ever if nobody takes them.
 *
 * lane_open before the thread starts, lane_event in the thread for each of the
 * queue's events, lane_close after it has ended.
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
    _Atomic int64_t answer_bytes; /* data being sent, up to LIMIT_CACHE_ANSWERS */
};

struct lane_call;

struct lane {
    struct lane_shared *shared;
    grpc_completion_queue *queue;
    pthread_t thread;
    struct lane_call *spare; /* a list */
    unsigned awaited[LANE_METHODS];
    pthread_mutex_t lock; /* guards `shut`; a batch is started under it */
    bool shut;            /* the queue takes no more batches */
};

/* Make the queue and register it: before grpc_server_start. */
void lane_open(struct lane *lane, struct lane_shared *shared);

/* Await the first calls: after grpc_server_start, before or in the lane's thread. */
void lane_begin(struct lane *lane);

/* Handle an event of the queue that is GRPC_OP_COMPLETE. */
void lane_event(struct lane *lane, const grpc_event *event);

/*
 * After the server's notice that all its connections are gone. A call may still
 * be in hand then, and gRPC aborts the process when a batch is started on a
 * queue that was shut down, so its answer is dropped. The thread must go on
 * until the queue is drained.
 */
void lane_shut(struct lane *lane);

/* The queue is drained and the thread has ended. */
void lane_close(struct lane *lane);

#endif
