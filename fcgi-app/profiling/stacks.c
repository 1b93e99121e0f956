/* SPDX-License-Identifier: MIT */
/*
 * A hash table of malloc'ed stacks, chained in their buckets. A stack is found
 * by a 64-bit hash first, so that long stacks are compared about once.
 */
#include "profiling/stacks.h"

#include <stdlib.h>
#include <string.h>

enum { BUCKETS_AT_FIRST = 64 };

struct stacks {
    struct stack **buckets;
    size_t bucket_count; /* a power of two */
    size_t count;
    size_t bytes;
    size_t max_bytes;
    double dropped;
    struct stack *oldest;
    struct stack *newest;
};

struct stacks *stacks_new(size_t max_bytes)
{
    struct stacks *stacks = calloc(1, sizeof(*stacks));
    if (!stacks)
        return NULL;
    stacks->buckets = calloc(BUCKETS_AT_FIRST, sizeof(struct stack *));
    if (!stacks->buckets) {
        free(stacks);
        return NULL;
    }
    stacks->bucket_count = BUCKETS_AT_FIRST;
    stacks->bytes = BUCKETS_AT_FIRST * sizeof(struct stack *);
    stacks->max_bytes = max_bytes;
    return stacks;
}

void stacks_free(struct stacks **stacks)
{
    if (!*stacks)
        return;
    for (struct stack *stack = (*stacks)->oldest; stack;) {
        struct stack *newer = stack->newer;
        free(stack);
        stack = newer;
    }
    free((*stacks)->buckets);
    free(*stacks);
    *stacks = NULL;
}

/* FNV-1a over whole words, with a last mix since buckets are the low bits. */
static uint64_t hash_of(const uintptr_t *pcs, size_t depth)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325) ^ depth;
    for (size_t i = 0; i < depth; i++)
        hash = (hash ^ pcs[i]) * UINT64_C(0x100000001b3);
    return hash ^ (hash >> 29);
}

static struct stack *find(const struct stacks *stacks, uint64_t hash, const uintptr_t *pcs,
                          size_t depth)
{
    struct stack *stack = stacks->buckets[hash & (stacks->bucket_count - 1)];
    while (stack && (stack->hash != hash || stack->depth != depth ||
                     memcmp(stack->pcs, pcs, depth * sizeof(*pcs)) != 0))
        stack = stack->next;
    return stack;
}

/* Double the buckets; without memory or room for it chains just get longer. */
static void grow(struct stacks *stacks)
{
    size_t count = stacks->bucket_count * 2;
    size_t added = stacks->bucket_count * sizeof(struct stack *);
    if (stacks->bytes + added > stacks->max_bytes)
        return;
    struct stack **buckets = calloc(count, sizeof(struct stack *));
    if (!buckets)
        return;
    for (struct stack *stack = stacks->oldest; stack; stack = stack->newer) {
        struct stack **bucket = &buckets[stack->hash & (count - 1)];
        stack->next = *bucket;
        *bucket = stack;
    }
    free(stacks->buckets);
    stacks->buckets = buckets;
    stacks->bucket_count = count;
    stacks->bytes += added;
}

static struct stack *insert(struct stacks *stacks, uint64_t hash, const uintptr_t *pcs,
                            size_t depth)
{
    size_t size = sizeof(struct stack) + depth * sizeof(*pcs);
    if (stacks->bytes + size > stacks->max_bytes)
        return NULL;
    if (stacks->count >= stacks->bucket_count)
        grow(stacks);
    struct stack *stack = malloc(size);
    if (!stack)
        return NULL;

    struct stack **bucket = &stacks->buckets[hash & (stacks->bucket_count - 1)];
    *stack = (struct stack){.next = *bucket, .hash = hash, .depth = depth};
    memcpy(stack->pcs, pcs, depth * sizeof(*pcs));
    *bucket = stack;
    if (stacks->newest)
        stacks->newest->newer = stack;
    else
        stacks->oldest = stack;
    stacks->newest = stack;
    stacks->count++;
    stacks->bytes += size;
    return stack;
}

bool stacks_add(struct stacks *stacks, const uintptr_t *pcs, size_t depth, double count,
                double value)
{
    uint64_t hash = hash_of(pcs, depth);
    struct stack *stack = find(stacks, hash, pcs, depth);
    if (!stack)
        stack = insert(stacks, hash, pcs, depth);
    if (!stack) {
        stacks->dropped += count;
        return false;
    }
    stack->count += count;
    stack->value += value;
    return true;
}

void stacks_add_all(struct stacks *stacks, const struct stacks *other)
{
    for (const struct stack *stack = other->oldest; stack; stack = stack->newer)
        stacks_add(stacks, stack->pcs, stack->depth, stack->count, stack->value);
    stacks->dropped += other->dropped;
}

const struct stack *stacks_next(const struct stacks *stacks, const struct stack *stack)
{
    return stack ? stack->newer : stacks->oldest;
}

size_t stacks_count(const struct stacks *stacks)
{
    return stacks->count;
}

size_t stacks_bytes(const struct stacks *stacks)
{
    return stacks->bytes;
}

double stacks_dropped(const struct stacks *stacks)
{
    return stacks->dropped;
}

void stacks_add_dropped(struct stacks *stacks, double count)
{
    stacks->dropped += count;
}
