/* SPDX-License-Identifier: MIT */
/*
 * Stacks share most of their addresses, so each address is looked up once and
 * remembered: its mapping, its canonical form, and the route it belongs to.
 */
#include "profiling/stack_profile.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "profiling/symbols_map.h"
#include "profiling/unwind.h"

enum { PLACES_AT_FIRST = 1024 };

/* What is known about an address. */
struct place {
    uintptr_t pc; /* 0: free */
    struct profile_frame frame;
    const char *route; /* NULL: in no route's function */
};

struct stack_profile {
    struct profile *profile;
    struct symbols_map *map;
    const struct route_table *routes;
    struct place *places;  /* a hash table with open addressing */
    size_t place_capacity; /* a power of two */
    size_t place_count;
    int64_t pid;
};

enum app_err stack_profile_new(const struct profile_kind *kind, const struct route_table *routes,
                               struct stack_profile **builder)
{
    size_t index;
    struct stack_profile *made = calloc(1, sizeof(*made));
    if (!made)
        return APP_NO_MEMORY;

    made->routes = routes;
    made->pid = getpid();
    made->place_capacity = PLACES_AT_FIRST;
    made->places = calloc(made->place_capacity, sizeof(*made->places));
    made->profile = profile_new(kind);
    enum app_err err = made->places && made->profile ? APP_OK : APP_NO_MEMORY;
    if (!err)
        err = symbols_map_new(&made->map);
    if (!err)
        err = profile_mapping(made->profile, symbols_map_program(made->map), &index);
    if (err)
        stack_profile_free(&made);
    else
        *builder = made;
    return err;
}

void stack_profile_free(struct stack_profile **builder)
{
    if (!*builder)
        return;
    profile_free(&(*builder)->profile);
    symbols_map_free(&(*builder)->map);
    free((*builder)->places);
    free(*builder);
    *builder = NULL;
}

static const char *route_of(const struct route_table *routes, uintptr_t pc)
{
    uintptr_t function = routes->count > 0 ? unwind_function(pc) : 0;
    for (size_t i = 0; function && i < routes->count; i++)
        if (routes->routes[i].function == function)
            return routes->routes[i].name;
    return NULL;
}

/* The place of `pc` in the table, or the free one where it belongs. */
static struct place *slot_of(struct place *places, size_t capacity, uintptr_t pc)
{
    size_t at = (size_t)((pc * UINT64_C(0x9e3779b97f4a7c15)) >> 32) & (capacity - 1);
    while (places[at].pc && places[at].pc != pc)
        at = (at + 1) & (capacity - 1);
    return &places[at];
}

static enum app_err grow(struct stack_profile *builder)
{
    size_t capacity = builder->place_capacity * 2;
    struct place *places = calloc(capacity, sizeof(*places));
    if (!places)
        return APP_NO_MEMORY;
    for (size_t i = 0; i < builder->place_capacity; i++)
        if (builder->places[i].pc)
            *slot_of(places, capacity, builder->places[i].pc) = builder->places[i];
    free(builder->places);
    builder->places = places;
    builder->place_capacity = capacity;
    return APP_OK;
}

static enum app_err find_frame(struct stack_profile *builder, uintptr_t pc,
                               struct profile_frame *frame)
{
    struct profile_mapping mapping;
    *frame = (struct profile_frame){SIZE_MAX, 0};
    if (!symbols_map_find(builder->map, pc, &mapping, &frame->address))
        return APP_OK;
    enum app_err err = profile_mapping(builder->profile, &mapping, &frame->mapping);
    if (err != APP_TOO_LARGE)
        return err;
    *frame = (struct profile_frame){SIZE_MAX, 0}; /* more files than a profile holds */
    return APP_OK;
}

/* The address with all that is known about it. `pc` is not 0. */
static enum app_err find_place(struct stack_profile *builder, uintptr_t pc,
                               const struct place **place)
{
    struct place *slot = slot_of(builder->places, builder->place_capacity, pc);
    if (!slot->pc) {
        enum app_err err = APP_OK;
        if (builder->place_count * 2 >= builder->place_capacity)
            err = grow(builder);
        if (err)
            return err;
        slot = slot_of(builder->places, builder->place_capacity, pc);
        err = find_frame(builder, pc, &slot->frame);
        if (err)
            return err;
        slot->route = route_of(builder->routes, pc);
        slot->pc = pc;
        builder->place_count++;
    }
    *place = slot;
    return APP_OK;
}

static enum app_err add_sample(struct stack_profile *builder, const uintptr_t *pcs, size_t depth,
                               const char *thread, const int64_t *values)
{
    struct profile_frame frames[UNWIND_MAX_DEPTH];
    struct profile_labels labels = {.pid = builder->pid, .thread = thread};
    const struct place *place;

    if (depth > UNWIND_MAX_DEPTH)
        depth = UNWIND_MAX_DEPTH;
    for (size_t i = 0; i < depth; i++) {
        enum app_err err = find_place(builder, pcs[i], &place);
        if (err)
            return err;
        frames[i] = place->frame;
        if (!labels.route)
            labels.route = place->route;
    }
    return profile_add(builder->profile, frames, depth, &labels, values);
}

enum app_err stack_profile_add(struct stack_profile *builder, const struct stacks *stacks,
                               const struct stack_values *values)
{
    enum app_err err = APP_OK;
    for (const struct stack *stack = stacks_next(stacks, NULL); stack && !err;
         stack = stacks_next(stacks, stack)) {
        int64_t numbers[PROFILE_MAX_VALUES] = {0};
        numbers[values->count_index] = (int64_t)llround(stack->count * values->count_scale);
        numbers[values->value_index] = (int64_t)llround(stack->value * values->value_scale);
        err = add_sample(builder, stack->pcs, stack->depth, NULL, numbers);
    }
    if (!err && stacks_dropped(stacks) > 0) {
        char text[96];
        (void)snprintf(text, sizeof(text), "%.0f samples of process %lld did not fit",
                       stacks_dropped(stacks), (long long)builder->pid);
        err = profile_add_comment(builder->profile, text);
    }
    return err;
}

enum app_err stack_profile_add_one(struct stack_profile *builder, const uintptr_t *pcs,
                                   size_t depth, int64_t value, const char *thread)
{
    int64_t numbers[PROFILE_MAX_VALUES] = {value};
    return add_sample(builder, pcs, depth, thread, numbers);
}

struct profile *stack_profile_get(struct stack_profile *builder)
{
    return builder->profile;
}

struct profile *stack_profile_take(struct stack_profile *builder)
{
    struct profile *profile = builder->profile;
    builder->profile = NULL;
    return profile;
}
