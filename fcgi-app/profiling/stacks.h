/* SPDX-License-Identifier: MIT */
/*
 * A set of different stacks, each with two sums: how often, and how much (CPU
 * nanoseconds, nanoseconds waited, bytes). What every sampler of this room
 * collects into, before addresses become locations of a profile.
 *
 * The sums are doubles, because scaled samples are fractions; whole numbers are
 * exact up to 2^53, which is 104 days in nanoseconds. The set has a ceiling in
 * bytes: a stack that does not fit is counted as dropped, and is no error.
 *
 * Life cycle: stacks_new, stacks_add ..., walks, stacks_free. One thread at a
 * time; not for signal handlers.
 */
#ifndef PROFILING_STACKS_H
#define PROFILING_STACKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct stacks;

struct stack {
    struct stack *next;  /* in its bucket */
    struct stack *newer; /* in order of arrival */
    uint64_t hash;
    double count;
    double value;
    size_t depth;
    uintptr_t pcs[]; /* as unwind.h has them */
};

/* An empty set that takes at most about `max_bytes`. NULL: no memory. */
struct stacks *stacks_new(size_t max_bytes);
/* NULLs the caller's pointer. NULL allowed. */
void stacks_free(struct stacks **stacks);

/* False when it did not fit or there was no memory: then it counts as dropped. */
bool stacks_add(struct stacks *stacks, const uintptr_t *pcs, size_t depth, double count,
                double value);
/* Add all of `other`, its dropped ones too. */
void stacks_add_all(struct stacks *stacks, const struct stacks *other);

/* The stacks in order of arrival: `stack` NULL gives the first, the result NULL is the end. */
const struct stack *stacks_next(const struct stacks *stacks, const struct stack *stack);

size_t stacks_count(const struct stacks *stacks);
size_t stacks_bytes(const struct stacks *stacks);
double stacks_dropped(const struct stacks *stacks); /* sum of the counts that did not fit */
void stacks_add_dropped(struct stacks *stacks, double count);

#endif
