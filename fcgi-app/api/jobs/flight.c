/* SPDX-License-Identifier: MIT */
#include "api/jobs/flight.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "api/jobs/table_private.h"
#include "lib/base/clock.h"
#include "lib/telemetry/wait.h"

static struct table_flight *find_running(struct table *table, struct table_memory *memory,
                                         const struct flight_call *call)
{
    int64_t overdue_ns = clock_now_ns() - TABLE_OVERDUE_MS * NS_PER_MS;
    for (size_t i = 0; i < TABLE_FLIGHTS; i++) {
        struct table_flight *flight = &memory->flights[i];
        if (flight->state != FLIGHT_RUNNING || flight->kind != call->kind ||
            strcmp(flight->key, call->key) != 0)
            continue;
        if (flight->deadline_ns >= overdue_ns && table_is_alive(table, memory, flight->owner))
            return flight;
        table_sweep(table, memory);
        return NULL;
    }
    return NULL;
}

/* One that succeeded after the caller saw the need for it. */
static const struct table_flight *find_done(const struct table_memory *memory,
                                            const struct flight_call *call)
{
    for (size_t i = 0; i < TABLE_FLIGHTS; i++) {
        const struct table_flight *flight = &memory->flights[i];
        if (flight->state == FLIGHT_ENDED && flight->kind == call->kind &&
            flight->outcome.err == APP_OK && flight->ended_ns >= call->since_ns &&
            strcmp(flight->key, call->key) == 0)
            return flight;
    }
    return NULL;
}

/* A free one, or the one that ended first. Those who still wait for it will begin again. */
static struct table_flight *find_room(struct table_memory *memory)
{
    struct table_flight *oldest = NULL;
    for (size_t i = 0; i < TABLE_FLIGHTS; i++) {
        struct table_flight *flight = &memory->flights[i];
        if (flight->state == FLIGHT_FREE)
            return flight;
        if (flight->state != FLIGHT_RUNNING && (!oldest || flight->ended_ns < oldest->ended_ns))
            oldest = flight;
    }
    return oldest;
}

static void own(struct table *table, struct table_memory *memory, const struct flight_call *call,
                struct flight *flight)
{
    struct table_flight *room = find_room(memory);
    *flight = (struct flight){.table = table};
    if (!room)
        return;
    room->state = FLIGHT_FREE;
    room->kind = call->kind;
    room->owner = table_us(table, memory);
    room->sequence = table_next(memory);
    room->deadline_ns = call->deadline_ns;
    (void)snprintf(room->key, sizeof(room->key), "%s", call->key);
    room->state = FLIGHT_RUNNING;
    flight->memory = memory;
    flight->index = (size_t)(room - memory->flights);
    flight->sequence = room->sequence;
}

static bool is_over(const struct flight_call *call)
{
    return call->no_wait || clock_now_ns() >= call->deadline_ns ||
           (call->cancelled && atomic_load(call->cancelled));
}

/* The one that is waited for, so that its failure is told from an earlier one's. */
struct followed {
    const struct table_memory *memory;
    const struct table_flight *flight;
    uint64_t sequence;
};

/* What is known now, with the lock held. False: wait for `followed`. */
static bool look(struct table *table, struct table_memory *memory, const struct flight_call *call,
                 struct followed *followed, struct flight *flight, struct flight_outcome *outcome,
                 enum flight_role *role)
{
    const struct table_flight *done = NULL;
    if (followed->flight && followed->memory == memory &&
        followed->flight->sequence == followed->sequence && followed->flight->state == FLIGHT_ENDED)
        done = followed->flight;
    if (!done)
        done = find_done(memory, call);
    if (done) {
        *outcome = done->outcome;
        *role = FLIGHT_DONE;
        return true;
    }
    const struct table_flight *running = find_running(table, memory, call);
    if (!running) {
        own(table, memory, call, flight);
        *role = FLIGHT_OWNER;
        return true;
    }
    *followed = (struct followed){memory, running, running->sequence};
    *role = FLIGHT_TIMEOUT;
    return is_over(call);
}

enum flight_role flight_begin(struct table *table, const struct flight_call *call,
                              struct flight *flight, struct flight_outcome *outcome)
{
    enum flight_role role;
    struct followed followed = {.flight = NULL};
    struct wait wait = {.since_ns = 0};
    bool waits = false;
    assert(strlen(call->key) <= LIMIT_CACHE_ID);
    struct table_memory *memory = table_lock(table);
    while (!look(table, memory, call, &followed, flight, outcome, &role)) {
        if (!waits)
            wait = wait_begin(WAIT_QUEUE);
        waits = true;
        table_wait(memory, call->deadline_ns);
        memory = table_lock(table);
    }
    table_unlock(memory);
    wait_end(&wait);
    return role;
}

void flight_end(struct flight *flight, const struct flight_outcome *outcome)
{
    struct table_memory *memory = flight->memory;
    flight->memory = NULL;
    if (!memory || !table_lock_again(flight->table, memory))
        return;
    struct table_flight *ended = &memory->flights[flight->index];
    /* Who was taken for hung, and was not, has nothing to say any more. */
    if (ended->sequence == flight->sequence && ended->state == FLIGHT_RUNNING) {
        if (outcome)
            ended->outcome = *outcome;
        ended->ended_ns = clock_now_ns();
        ended->state = outcome ? FLIGHT_ENDED : FLIGHT_ABANDONED;
        table_changed(memory);
    }
    table_unlock(memory);
}
