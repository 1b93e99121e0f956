/* SPDX-License-Identifier: MIT */
/* Open addressing with linear probing; the hash is kept, so growing needs no element. */
#include "profiling/profile_table.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { FIRST_SLOTS = 64, FIRST_ITEMS = 16 };

void profile_table_release(struct profile_table *table)
{
    free(table->slots);
    *table = (struct profile_table){0};
}

/* The finalizer of MurmurHash3: every bit of the input reaches every bit of the output. */
uint64_t profile_hash_number(uint64_t hash, uint64_t number)
{
    hash ^= number + PROFILE_HASH_START + (hash << 6);
    hash ^= hash >> 33;
    hash *= UINT64_C(0xff51afd7ed558ccd);
    hash ^= hash >> 33;
    hash *= UINT64_C(0xc4ceb9fe1a85ec53);
    return hash ^ (hash >> 33);
}

uint64_t profile_hash_bytes(uint64_t hash, const void *data, size_t len)
{
    const char *bytes = data;
    size_t total = len;
    for (; len >= sizeof(uint64_t); len -= sizeof(uint64_t), bytes += sizeof(uint64_t)) {
        uint64_t word;
        memcpy(&word, bytes, sizeof(word));
        hash = profile_hash_number(hash, word);
    }
    uint64_t rest = 0;
    if (len > 0)
        memcpy(&rest, bytes, len);
    return profile_hash_number(profile_hash_number(hash, rest), total);
}

size_t profile_table_find(const struct profile_table *table, uint64_t hash,
                          bool (*equal)(const void *context, size_t index), const void *context)
{
    if (table->capacity == 0)
        return SIZE_MAX;
    size_t mask = table->capacity - 1;
    for (size_t i = hash & mask;; i = (i + 1) & mask) {
        const struct profile_table_slot *slot = &table->slots[i];
        if (slot->next_index == 0)
            return SIZE_MAX;
        if (slot->hash == (uint32_t)hash && equal(context, slot->next_index - 1))
            return slot->next_index - 1;
    }
}

static void place(struct profile_table_slot *slots, size_t capacity, struct profile_table_slot slot)
{
    size_t i = slot.hash & (capacity - 1);
    while (slots[i].next_index != 0)
        i = (i + 1) & (capacity - 1);
    slots[i] = slot;
}

static enum app_err grow(struct profile_table *table)
{
    size_t capacity = table->capacity ? table->capacity * 2 : FIRST_SLOTS;
    struct profile_table_slot *slots = calloc(capacity, sizeof(*slots));
    if (!slots)
        return APP_NO_MEMORY;
    for (size_t i = 0; i < table->capacity; i++) {
        if (table->slots[i].next_index != 0)
            place(slots, capacity, table->slots[i]);
    }
    free(table->slots);
    table->slots = slots;
    table->capacity = capacity;
    return APP_OK;
}

enum app_err profile_table_put(struct profile_table *table, uint64_t hash, size_t index)
{
    assert(index < UINT32_MAX);
    if (table->count >= table->capacity / 2) {
        enum app_err err = grow(table);
        if (err)
            return err;
    }
    place(table->slots, table->capacity,
          (struct profile_table_slot){(uint32_t)hash, (uint32_t)index + 1});
    table->count++;
    return APP_OK;
}

enum app_err profile_array_grow(void *items, size_t *capacity, size_t count, size_t size)
{
    if (count < *capacity)
        return APP_OK;
    size_t wanted = *capacity ? *capacity * 2 : FIRST_ITEMS;
    void *old;
    memcpy(&old, items, sizeof(old));
    void *grown = reallocarray(old, wanted, size);
    if (!grown)
        return APP_NO_MEMORY;
    memcpy(items, &grown, sizeof(grown));
    *capacity = wanted;
    return APP_OK;
}
