/* SPDX-License-Identifier: MIT */
/*
 * Memory that lives as long as one request.
 *
 * Everything a request needs is taken from its arena and given back at once by
 * arena_reset; nothing is freed singly. Handles of other libraries join by
 * arena_on_reset, which runs their release functions, last registered first.
 * An arena has a ceiling: beyond it arena_alloc returns NULL, as it does when
 * the system has no memory, and the request fails; nothing aborts.
 *
 * Life cycle: arena_new, (arena_alloc ..., arena_reset) again and again,
 * arena_free. One thread at a time. Built with -DARENA_MALLOC every allocation
 * is a malloc of its own, so that AddressSanitizer sees each bound.
 */
#ifndef LIB_BASE_ARENA_H
#define LIB_BASE_ARENA_H

#include <stdbool.h>
#include <stddef.h>

struct arena;

/* A new arena of at most `max` bytes; NULL when there is no memory. */
struct arena *arena_new(size_t max);

/* Reset and free it; NULLs the caller's pointer. NULL allowed. */
void arena_free(struct arena **arena);

/* Run the registered releases, then forget everything; keeps one block. */
void arena_reset(struct arena *arena);

/* `size` bytes, aligned for any type, not zeroed. NULL: ceiling or no memory. */
void *arena_alloc(struct arena *arena, size_t size) __attribute__((malloc));

/* A NUL-terminated copy of `len` bytes. NULL as arena_alloc. */
char *arena_strndup(struct arena *arena, const char *text, size_t len);

/* Formatted text. NULL as arena_alloc. */
char *arena_printf(struct arena *arena, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/*
 * Have `release(object)` called at the next reset. On false (no memory) the
 * object was not taken over: the caller still owns it.
 */
bool arena_on_reset(struct arena *arena, void (*release)(void *object), void *object)
    __attribute__((warn_unused_result));

#endif
