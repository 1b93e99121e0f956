/* SPDX-License-Identifier: MIT */
/*
 * A hash index over an array that somebody else keeps: it answers "which element
 * equals this key?" so that equal things are stored once. Elements are known by
 * their index; the caller compares them.
 *
 * Life cycle: zero-initialise, profile_table_find and profile_table_put,
 * profile_table_release. One thread at a time.
 */
#ifndef PROFILING_PROFILE_TABLE_H
#define PROFILING_PROFILE_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/err.h"

struct profile_table_slot {
    uint32_t hash;
    uint32_t next_index; /* the element's index plus one; 0: free */
};

struct profile_table {
    struct profile_table_slot *slots; /* a power of two of them, at most half in use */
    size_t capacity;
    size_t count;
};

/* Free the memory; the table is then empty. */
void profile_table_release(struct profile_table *table);

/* Start of a hash, and the same with more data mixed in. */
#define PROFILE_HASH_START UINT64_C(0x9e3779b97f4a7c15)
uint64_t profile_hash_number(uint64_t hash, uint64_t number);
uint64_t profile_hash_bytes(uint64_t hash, const void *data, size_t len);

/* Index of the element with this hash that `equal(context, index)` accepts; SIZE_MAX: none. */
size_t profile_table_find(const struct profile_table *table, uint64_t hash,
                          bool (*equal)(const void *context, size_t index), const void *context);

/* Add the element `index`, which was not found. APP_NO_MEMORY. */
enum app_err profile_table_put(struct profile_table *table, uint64_t hash, size_t index)
    __attribute__((warn_unused_result));

/*
 * Make room for one more element in an array: `*items` has `count` elements of
 * `size` bytes and room for `*capacity`. APP_NO_MEMORY.
 */
enum app_err profile_array_grow(void *items, size_t *capacity, size_t count, size_t size)
    __attribute__((warn_unused_result));

#endif
