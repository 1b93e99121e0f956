/* SPDX-License-Identifier: MIT */
/* A list of blocks, the newest first; small requests never leave the first. */
#include "lib/base/arena.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BLOCK_SIZE = 16 * 1024, ALIGNMENT = _Alignof(max_align_t) };

struct block {
    struct block *next;
    size_t size; /* of data */
    size_t used;
    _Alignas(max_align_t) char data[];
};

struct release {
    struct release *next;
    void (*function)(void *object);
    void *object;
};

struct arena {
    struct block *blocks;
    struct release *releases;
    size_t max;
    size_t total; /* bytes in all blocks */
};

struct arena *arena_new(size_t max)
{
    struct arena *arena = calloc(1, sizeof(*arena));
    if (arena)
        arena->max = max;
    return arena;
}

void arena_free(struct arena **arena)
{
    if (!*arena)
        return;
    arena_reset(*arena);
    free((*arena)->blocks);
    free(*arena);
    *arena = NULL;
}

void arena_reset(struct arena *arena)
{
    /* The records lie in the blocks, so the releases come first. */
    while (arena->releases) {
        struct release *release = arena->releases;
        arena->releases = release->next;
        release->function(release->object);
    }
    struct block *keep = NULL;
    while (arena->blocks) {
        struct block *block = arena->blocks;
        arena->blocks = block->next;
        if (!keep && block->size == BLOCK_SIZE)
            keep = block;
        else
            free(block);
    }
    arena->total = 0;
    if (keep) {
        keep->next = NULL;
        keep->used = 0;
        arena->blocks = keep;
        arena->total = keep->size;
    }
}

static struct block *add_block(struct arena *arena, size_t size)
{
    if (size > arena->max || arena->total > arena->max - size)
        return NULL;
    struct block *block = malloc(sizeof(*block) + size);
    if (!block)
        return NULL;
    *block = (struct block){.size = size};
    arena->total += size;
    /* A big block is full at once: keep allocating from the one in front. */
    if (arena->blocks && size > BLOCK_SIZE) {
        block->next = arena->blocks->next;
        arena->blocks->next = block;
    } else {
        block->next = arena->blocks;
        arena->blocks = block;
    }
    return block;
}

void *arena_alloc(struct arena *arena, size_t size)
{
    if (size > arena->max)
        return NULL;
#ifdef ARENA_MALLOC
    struct block *block = add_block(arena, size);
#else
    size = (size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    struct block *block = arena->blocks;
    if (!block || size > block->size - block->used)
        block = add_block(arena, size > BLOCK_SIZE ? size : BLOCK_SIZE);
#endif
    if (!block)
        return NULL;
    void *memory = block->data + block->used;
    block->used += size;
    return memory;
}

char *arena_strndup(struct arena *arena, const char *text, size_t len)
{
    char *copy = len < SIZE_MAX ? arena_alloc(arena, len + 1) : NULL;
    if (copy) {
        memcpy(copy, text, len);
        copy[len] = '\0';
    }
    return copy;
}

char *arena_printf(struct arena *arena, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int len = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (len < 0)
        return NULL;
    char *text = arena_alloc(arena, (size_t)len + 1);
    if (text) {
        va_start(args, format);
        (void)vsnprintf(text, (size_t)len + 1, format, args);
        va_end(args);
    }
    return text;
}

bool arena_on_reset(struct arena *arena, void (*function)(void *object), void *object)
{
    struct release *release = arena_alloc(arena, sizeof(*release));
    if (!release)
        return false;
    *release = (struct release){arena->releases, function, object};
    arena->releases = release;
    return true;
}
