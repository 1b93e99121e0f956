/* SPDX-License-Identifier: MIT */
/*
 * What lies in the table, for api/jobs/{table,turn,flight,job}.c and their tests.
 *
 * The lock may be left by a process that died at any instruction under it, so
 * nothing in here needs two writes to be right: there are no lists and no counts,
 * only entries in arrays, which are looked through. An entry's state is written
 * last when it begins and alone when it ends. At worst a dead process's entry is
 * half written, and those are swept away.
 *
 * Waiting is by a futex on `changes` and not by a condition variable: glibc's
 * counts its waiters, and a process that is killed among them can make every later
 * signal wait for it for ever. Of a futex the kernel removes the dead. A wait ends
 * after TABLE_TICK_MS in any case, for whoever was to wake us may be dead, and so may be
 * whom we wait for.
 */
#ifndef API_JOBS_TABLE_PRIVATE_H
#define API_JOBS_TABLE_PRIVATE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "api/jobs/flight.h"
#include "api/jobs/table.h"
#include "api/picture_key.h"
#include "lib/base/err.h"
#include "lib/base/limits.h"
#include "lib/base/log.h"
#include "lib/base/shared_file.h"

enum {
    TABLE_PROCESSES = 128,
    TABLE_TURNS = 1024,
    TABLE_FLIGHTS = 512,
    TABLE_JOBS = 256,
    TABLE_TICK_MS = 100,
    TABLE_OVERDUE_MS = 5000 /* after its own deadline who holds something counts as hung */
};

/* A slot of the file, and which of the processes that held it one after the other. */
struct table_owner {
    uint32_t process;
    uint32_t incarnation;
};

struct table_process {
    uint32_t incarnation;
    uint32_t workers;
};

enum turn_place {
    TURN_FREE,
    TURN_FOLLOWING, /* waits for equal work */
    TURN_QUEUED,    /* waits until it may fetch */
    TURN_FETCHING,
    TURN_WAITING, /* waits for the cores */
    TURN_RUNNING
};

struct table_turn {
    uint32_t state; /* enum turn_place */
    uint32_t kind;  /* enum turn_kind */
    struct table_owner owner;
    uint64_t sequence; /* lower is earlier in the queue */
    uint64_t origin;   /* as of turn_call */
    int64_t deadline_ns;
    int64_t seen_ns; /* when its thread last looked whether it is its turn */
};

enum flight_state { FLIGHT_FREE, FLIGHT_RUNNING, FLIGHT_ENDED, FLIGHT_ABANDONED };

struct table_flight {
    uint32_t state; /* enum flight_state */
    uint32_t kind;  /* enum flight_kind */
    struct table_owner owner;
    uint64_t sequence;
    int64_t deadline_ns; /* of the owner */
    int64_t ended_ns;
    char key[LIMIT_CACHE_ID + 1];
    struct flight_outcome outcome;
};

struct table_job {
    uint32_t status; /* enum job_status; JOB_UNKNOWN: free */
    uint32_t step;   /* enum pipeline_step */
    struct table_owner owner;
    uint64_t sequence; /* lower is earlier in the queue */
    int64_t ended_ns;
    int32_t faces; /* -1: not known */
    uint32_t err;  /* enum app_err; of one that failed */
    char key[PICTURE_KEY_LEN + 1];
    char error[ERR_TEXT_MAX];
};

struct table_memory {
    struct shared_file_header header;
    pthread_mutex_t lock;     /* guards all below but the two that are atomic */
    _Atomic uint32_t holders; /* of the lock so far; who waits for it sees that nobody is stuck */
    _Atomic uint32_t changes; /* counts up with each; what waiters wait on */
    uint32_t incarnations;
    uint64_t sequences;
    struct table_process processes[TABLE_PROCESSES];
    struct table_turn turns[TABLE_TURNS];
    struct table_flight flights[TABLE_FLIGHTS];
    struct table_job jobs[TABLE_JOBS];
};

struct table {
    struct table_memory *_Atomic memory; /* the shared one, or the local one */
    struct shared_file shared;
    struct shared_file local;
    struct table_owner us; /* in the shared one */
    unsigned workers;
    unsigned cores;
    struct log log;
};

/*
 * Lock the table; never fails. When the shared one cannot be locked this process
 * uses its local one from then on.
 */
struct table_memory *table_lock(struct table *table);

/* Lock that memory, to end what was begun in it. False: it cannot be locked; leave it. */
bool table_lock_again(struct table *table, struct table_memory *memory)
    __attribute__((warn_unused_result));

void table_unlock(struct table_memory *memory);

/* With the lock held: wake all who wait for a change. */
void table_changed(struct table_memory *memory);

/*
 * Give up the lock and sleep until something changes, the deadline, or a tick. Then the
 * caller locks again, and looks.
 */
void table_wait(struct table_memory *memory, int64_t deadline_ns);

/* With the lock held: us as an owner, and a number that is higher than all before. */
struct table_owner table_us(const struct table *table, const struct table_memory *memory);
uint64_t table_next(struct table_memory *memory);

/* With the lock held: whether an owner's process still runs. */
bool table_is_alive(const struct table *table, const struct table_memory *memory,
                    struct table_owner owner);

/* With the lock held: end what belongs to processes that have died, or is overdue. */
void table_sweep(struct table *table, struct table_memory *memory);

/* With the lock held: worker threads of all living processes. */
unsigned table_workers(const struct table *table, const struct table_memory *memory);

#endif
