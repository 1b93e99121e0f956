/* SPDX-License-Identifier: MIT */
/*
 * Memory that may have held a secret (a card, a token, a password) is overwritten before it
 * is given back, so that neither a core dump nor a later bug shows it. The functions have the
 * contracts of malloc's, also for libraries that take an allocator. Any thread.
 */
#ifndef LIB_BASE_SECRET_H
#define LIB_BASE_SECRET_H

#include <malloc.h>
#include <stdlib.h>
#include <string.h>

static inline void secret_free(void *memory)
{
    if (memory)
        explicit_bzero(memory, malloc_usable_size(memory));
    free(memory);
}

/* realloc may leave the old bytes behind when it moves them. */
static inline void *secret_realloc(void *memory, size_t size)
{
    size_t old = memory ? malloc_usable_size(memory) : 0;
    if (memory && size <= old)
        return memory;
    void *larger = malloc(size);
    if (!larger || !memory)
        return larger;
    memcpy(larger, memory, old);
    secret_free(memory);
    return larger;
}

#endif
