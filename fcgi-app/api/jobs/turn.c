/* SPDX-License-Identifier: MIT */
/* All numbers are counted when they are needed, see table_private.h. */
#include "api/jobs/turn.h"

#include "api/jobs/table_private.h"
#include "lib/base/clock.h"
#include "lib/telemetry/wait.h"

/* Not looked at for so long: others may go first. */
#define ABSENT_NS (NS_PER_S)

/* --- Counting -------------------------------------------------------------------- */

struct counts {
    struct turn_state pool;
    unsigned ours;  /* requests that run or wait in this process */
    unsigned first; /* that wait for their turn and were there before */
};

static void count_one(struct counts *counts, const struct table_turn *turn, uint64_t before,
                      int64_t now_ns)
{
    if (turn->state == TURN_RUNNING)
        counts->pool.running++;
    else if (turn->kind == TURN_REQUEST)
        counts->pool.waiting++;
    if (turn->state == TURN_WAITING && turn->sequence < before &&
        now_ns - turn->seen_ns < ABSENT_NS)
        counts->first++;
}

static struct counts count(const struct table *table, const struct table_memory *memory,
                           uint64_t before)
{
    struct counts counts = {.ours = 0};
    struct table_owner us = table_us(table, memory);
    int64_t now_ns = clock_now_ns();
    for (size_t i = 0; i < TABLE_TURNS; i++) {
        const struct table_turn *turn = &memory->turns[i];
        if (turn->state == TURN_FREE)
            continue;
        count_one(&counts, turn, before, now_ns);
        if (turn->kind == TURN_REQUEST && turn->owner.process == us.process &&
            turn->owner.incarnation == us.incarnation)
            counts.ours++;
    }
    return counts;
}

/* --- Limits ---------------------------------------------------------------------- */

static unsigned budget_of(unsigned workers)
{
    return workers / 2 > 3 ? workers / 2 - 2 : 1;
}

/* running_max and waiting_max; returns what this process alone may have. */
static unsigned set_limits(const struct table *table, const struct table_memory *memory,
                           const struct turn_call *call, struct turn_state *state)
{
    bool is_small = table->workers < TURN_WORKERS_MIN;
    unsigned budget = budget_of(is_small ? table_workers(table, memory) : table->workers);
    unsigned running = table->cores < budget ? table->cores : budget;
    state->running_max = call->running > 0 ? call->running : running;
    unsigned rest = budget > state->running_max ? budget - state->running_max : 1;
    state->waiting_max = call->waiting > 0 ? call->waiting : rest;
    return is_small ? UINT32_MAX : budget;
}

/* --- Places ---------------------------------------------------------------------- */

static struct table_turn *find_free(struct table_memory *memory)
{
    for (size_t i = 0; i < TABLE_TURNS; i++)
        if (memory->turns[i].state == TURN_FREE)
            return &memory->turns[i];
    return NULL;
}

static bool place(struct table *table, struct table_memory *memory, const struct turn_call *call,
                  enum turn_place state, struct turn *turn)
{
    struct table_turn *room = find_free(memory);
    if (!room)
        return false;
    room->kind = call->kind;
    room->owner = table_us(table, memory);
    room->sequence = table_next(memory);
    room->deadline_ns = call->deadline_ns;
    room->seen_ns = clock_now_ns();
    room->state = state;
    *turn = (struct turn){table, memory, (size_t)(room - memory->turns), room->sequence};
    return true;
}

/* Our entry; NULL when there is none in this memory, or it was taken away. */
static struct table_turn *entry_of(const struct turn *turn, struct table_memory *memory)
{
    if (turn->memory != memory)
        return NULL;
    struct table_turn *entry = &memory->turns[turn->index];
    return entry->state != TURN_FREE && entry->sequence == turn->sequence ? entry : NULL;
}

/* Whether one more may wait. */
static bool has_room(const struct table *table, const struct table_memory *memory,
                     const struct turn_call *call, bool wants_to_wait)
{
    struct counts counts = count(table, memory, UINT64_MAX);
    unsigned own_max = set_limits(table, memory, call, &counts.pool);
    if (call->kind == TURN_JOB)
        return true;
    if (counts.ours >= own_max)
        return false;
    if (!wants_to_wait && counts.first == 0 && counts.pool.running < counts.pool.running_max)
        return true;
    return counts.pool.waiting < counts.pool.waiting_max;
}

/* A place for one who has none. The dead are asked to leave before the living. */
static enum app_err enter(struct table *table, struct table_memory *memory,
                          const struct turn_call *call, enum turn_place state, struct turn *turn,
                          struct err_buf *why)
{
    bool follows = state == TURN_FOLLOWING;
    bool room = has_room(table, memory, call, follows);
    if (!room) {
        table_sweep(table, memory);
        room = has_room(table, memory, call, follows);
    }
    if (room && place(table, memory, call, state, turn))
        return APP_OK;
    return err_set(why, APP_BUSY,
                   "too many pictures are being worked on, and the queue is full: try again later");
}

/* --- Taking ---------------------------------------------------------------------- */

enum app_err turn_follow(struct table *table, const struct turn_call *call, struct turn *turn,
                         struct err_buf *why)
{
    enum app_err err = APP_OK;
    struct table_memory *memory = table_lock(table);
    if (!entry_of(turn, memory))
        err = enter(table, memory, call, TURN_FOLLOWING, turn, why);
    table_unlock(memory);
    return err;
}

static bool is_over(const struct turn_call *call)
{
    return clock_now_ns() >= call->deadline_ns || (call->cancelled && atomic_load(call->cancelled));
}

/* With the lock held: whether it is our turn. */
static bool try_run(struct table *table, struct table_memory *memory, const struct turn_call *call,
                    struct table_turn *entry)
{
    entry->seen_ns = clock_now_ns();
    struct counts counts = count(table, memory, entry->sequence);
    (void)set_limits(table, memory, call, &counts.pool);
    if (counts.pool.running + counts.first >= counts.pool.running_max)
        return false;
    entry->state = TURN_RUNNING;
    return true;
}

static void leave(struct table_memory *memory, struct turn *turn)
{
    struct table_turn *entry = entry_of(turn, memory);
    turn->memory = NULL;
    if (!entry)
        return;
    entry->state = TURN_FREE;
    table_changed(memory);
}

/* One look, with the lock held. True: it is over, with *err. */
static bool look(struct table *table, struct table_memory *memory, const struct turn_call *call,
                 struct turn *turn, enum app_err *err, struct err_buf *why)
{
    if (!entry_of(turn, memory))
        *err = enter(table, memory, call, TURN_WAITING, turn, why);
    if (*err)
        return true;
    struct table_turn *entry = &memory->turns[turn->index];
    if (entry->state == TURN_FOLLOWING)
        entry->state = TURN_WAITING;
    if (try_run(table, memory, call, entry))
        return true;
    if (!is_over(call))
        return false;
    leave(memory, turn);
    *err = err_set(why, APP_UNAVAILABLE, "the queue of pictures did not get to this one in time");
    return true;
}

enum app_err turn_take(struct table *table, const struct turn_call *call, struct turn *turn,
                       struct err_buf *why)
{
    enum app_err err = APP_OK;
    struct wait wait = {.since_ns = 0};
    bool waits = false;
    struct table_memory *memory = table_lock(table);
    while (!look(table, memory, call, turn, &err, why)) {
        if (!waits)
            wait = wait_begin(WAIT_QUEUE);
        waits = true;
        table_wait(memory, call->deadline_ns);
        memory = table_lock(table);
        table_sweep(table, memory); /* who died in his turn gives none back */
    }
    table_unlock(memory);
    wait_end(&wait);
    return err;
}

void turn_end(struct turn *turn)
{
    struct table_memory *memory = turn->memory;
    if (!memory)
        return;
    if (!table_lock_again(turn->table, memory)) {
        turn->memory = NULL;
        return;
    }
    leave(memory, turn);
    table_unlock(memory);
}

struct turn_state turn_state_read(struct table *table, const struct turn_call *call)
{
    struct table_memory *memory = table_lock(table);
    struct counts counts = count(table, memory, UINT64_MAX);
    (void)set_limits(table, memory, call, &counts.pool);
    table_unlock(memory);
    return counts.pool;
}
