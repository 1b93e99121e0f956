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
    unsigned ours;         /* requests that run or wait in this process */
    unsigned ours_fetched; /* requests that fetch in this process */
    unsigned first;        /* that wait for the cores and were there before */
};

static bool is_ours(struct table_owner us, const struct table_turn *turn)
{
    return turn->kind == TURN_REQUEST && turn->owner.process == us.process &&
           turn->owner.incarnation == us.incarnation;
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
        bool fetches = turn->state == TURN_FETCHING;
        if (turn->state == TURN_RUNNING)
            counts.pool.running++;
        else if (fetches)
            counts.pool.fetching++;
        else if (turn->kind == TURN_REQUEST)
            counts.pool.waiting++;
        if (turn->state == TURN_WAITING && turn->sequence < before &&
            now_ns - turn->seen_ns < ABSENT_NS)
            counts.first++;
        counts.ours += is_ours(us, turn) && !fetches;
        counts.ours_fetched += is_ours(us, turn) && fetches;
    }
    return counts;
}

/* Turns of an origin that fetch, or requests of it that wait. */
static unsigned count_origin(const struct table_memory *memory, uint64_t origin, bool fetching)
{
    unsigned found = 0;
    for (size_t i = 0; i < TABLE_TURNS; i++) {
        const struct table_turn *turn = &memory->turns[i];
        if (turn->state == TURN_FREE || turn->state == TURN_RUNNING || turn->origin != origin)
            continue;
        bool fetches = turn->state == TURN_FETCHING;
        found += fetching ? fetches : !fetches && turn->kind == TURN_REQUEST;
    }
    return found;
}

/* --- Limits ---------------------------------------------------------------------- */

/* What one process may have. */
struct own_limits {
    unsigned turns;
    unsigned fetches;
};

static unsigned at_least_one(unsigned number)
{
    return number > 0 ? number : 1;
}

static unsigned budget_of(unsigned workers)
{
    return workers / 2 > 3 ? workers / 2 - 2 : 1;
}

/* The pool's limits; returns what this process alone may have. */
static struct own_limits set_limits(const struct table *table, const struct table_memory *memory,
                                    const struct turn_call *call, struct turn_state *state)
{
    bool is_small = table->workers < TURN_WORKERS_MIN;
    unsigned workers = table_workers(table, memory);
    unsigned budget = budget_of(is_small ? workers : table->workers);
    unsigned running = table->cores < budget ? table->cores : budget;
    state->running_max = call->running > 0 ? call->running : running;
    unsigned rest = budget > state->running_max ? budget - state->running_max : 1;
    state->waiting_max = call->waiting > 0 ? call->waiting : rest;
    state->fetching_max = call->fetching > 0 ? call->fetching : at_least_one(workers / 4);
    return is_small ? (struct own_limits){UINT32_MAX, UINT32_MAX}
                    : (struct own_limits){budget, table->workers / 4};
}

/* Whether an origin that has `own` of `total` may have one more; a last part is for others. */
static bool has_share(unsigned own, unsigned total, unsigned max)
{
    return total < max && (own < at_least_one(max / 4) || total < max - max / 4);
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
    room->origin = call->origin;
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
                     const struct turn_call *call, enum turn_place place)
{
    struct counts counts = count(table, memory, UINT64_MAX);
    struct own_limits own = set_limits(table, memory, call, &counts.pool);
    if (call->kind == TURN_JOB)
        return true;
    if (counts.ours >= own.turns)
        return false;
    if (place == TURN_WAITING && counts.first == 0 && counts.pool.running < counts.pool.running_max)
        return true;
    return call->origin == 0 ? counts.pool.waiting < counts.pool.waiting_max
                             : has_share(count_origin(memory, call->origin, false),
                                         counts.pool.waiting, counts.pool.waiting_max);
}

/* A place for one who has none. The dead are asked to leave before the living. */
static enum app_err enter(struct table *table, struct table_memory *memory,
                          const struct turn_call *call, enum turn_place state, struct turn *turn,
                          struct err_buf *why)
{
    bool room = has_room(table, memory, call, state);
    if (!room) {
        table_sweep(table, memory);
        room = has_room(table, memory, call, state);
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

static bool may_run(struct table *table, struct table_memory *memory, const struct turn_call *call,
                    const struct table_turn *entry)
{
    struct counts counts = count(table, memory, entry->sequence);
    (void)set_limits(table, memory, call, &counts.pool);
    return counts.pool.running + counts.first < counts.pool.running_max;
}

/* Of those that wait to fetch: whether other origins' are among them, and how many go first. */
static bool others_wait(const struct table_memory *memory, const struct table_turn *entry,
                        unsigned quarter, unsigned *first)
{
    bool others = false;
    int64_t now_ns = clock_now_ns();
    *first = 0;
    for (size_t i = 0; i < TABLE_TURNS; i++) {
        const struct table_turn *turn = &memory->turns[i];
        if (turn->state != TURN_QUEUED || now_ns - turn->seen_ns >= ABSENT_NS)
            continue;
        bool other = turn->origin != entry->origin;
        others = others || other;
        *first += turn->sequence < entry->sequence &&
                  (!other || count_origin(memory, turn->origin, true) < quarter);
    }
    return others;
}

static bool may_fetch(struct table *table, struct table_memory *memory,
                      const struct turn_call *call, const struct table_turn *entry)
{
    unsigned first;
    struct counts counts = count(table, memory, entry->sequence);
    struct own_limits ours = set_limits(table, memory, call, &counts.pool);
    unsigned max = counts.pool.fetching_max, quarter = at_least_one(max / 4);
    unsigned own = count_origin(memory, entry->origin, true);
    bool contended = others_wait(memory, entry, quarter, &first);
    if (call->kind == TURN_REQUEST && counts.ours_fetched >= ours.fetches)
        return false;
    if (contended && own >= quarter)
        return false;
    return has_share(own, counts.pool.fetching + first, max);
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

/* Wait in the place that `goal` has, until it may be reached. */
struct taking {
    struct table *table;
    const struct turn_call *call;
    struct turn *turn;
    enum turn_place goal; /* TURN_FETCHING or TURN_RUNNING */
    struct err_buf *why;
};

/* One look, with the lock held. True: it is over, with *err. */
static bool look(const struct taking *taking, struct table_memory *memory, enum app_err *err)
{
    const struct turn_call *call = taking->call;
    bool fetches = taking->goal == TURN_FETCHING;
    enum turn_place queue = fetches ? TURN_QUEUED : TURN_WAITING;
    if (!entry_of(taking->turn, memory))
        *err = enter(taking->table, memory, call, queue, taking->turn, taking->why);
    if (*err)
        return true;
    struct table_turn *entry = &memory->turns[taking->turn->index];
    bool has_fetched = entry->state == TURN_FETCHING;
    entry->seen_ns = clock_now_ns();
    entry->state = queue;
    if (has_fetched)
        table_changed(memory);
    if (fetches ? may_fetch(taking->table, memory, call, entry)
                : may_run(taking->table, memory, call, entry)) {
        entry->state = taking->goal;
        return true;
    }
    if (!is_over(call))
        return false;
    leave(memory, taking->turn);
    *err = err_set(taking->why, APP_UNAVAILABLE,
                   "the queue of pictures did not get to this one in time");
    return true;
}

static enum app_err take(const struct taking *taking)
{
    enum app_err err = APP_OK;
    struct wait wait = {.since_ns = 0};
    bool waits = false;
    struct table_memory *memory = table_lock(taking->table);
    while (!look(taking, memory, &err)) {
        if (!waits)
            wait = wait_begin(WAIT_QUEUE);
        waits = true;
        table_wait(memory, taking->call->deadline_ns);
        memory = table_lock(taking->table);
        table_sweep(taking->table, memory); /* who died in his turn gives none back */
    }
    table_unlock(memory);
    wait_end(&wait);
    return err;
}

enum app_err turn_fetch(struct table *table, const struct turn_call *call, struct turn *turn,
                        struct err_buf *why)
{
    return take(&(struct taking){table, call, turn, TURN_FETCHING, why});
}

enum app_err turn_take(struct table *table, const struct turn_call *call, struct turn *turn,
                       struct err_buf *why)
{
    return take(&(struct taking){table, call, turn, TURN_RUNNING, why});
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
