/* SPDX-License-Identifier: MIT */
/*
 * Where this process's memory comes from: what lives now (the heap profile, by
 * tcmalloc's own sampling), and all that was ever allocated since the start (the
 * allocs profile, by sampling of our own in tcmalloc's hook for new memory). Values
 * are not those of the samples but what the samples stand for: an allocation of s
 * bytes is met with the probability 1 - exp(-s / period).
 *
 * With a hook each malloc and free goes tcmalloc's longer way, sampled or not. So once
 * heap_tick is called the hook is there in one tick of HEAP_TURNS only, picked at
 * random, and what it meets then counts that many times; for HEAP_WATCHED_MS after
 * somebody asked for a profile, most likely to compare it with a next one, it is
 * there all the time. The memory that lives is little, so each sample of it matters;
 * of all that goes by there is more than enough.
 *
 * Both are there only when the program was started with a sampling period (see
 * sampler_prepare) and tcmalloc is the allocator. Of the heap profile's stacks
 * tcmalloc keeps the innermost 31 frames, and it begins to sample a thread when
 * that has allocated its first 16 MiB.
 *
 * Cost, measured: 12.7 ns instead of 9.3 ns for a malloc and free of 266 bytes by
 * tcmalloc's sampling, and 3.5 ns for our hook, at 512 KiB; and 10 to 20 us for each
 * stack, which is what counts where requests allocate much.
 *
 * Life cycle: heap_new (installs the hook), heap_tick by one thread, profiles at any
 * time from any thread, heap_free. One per process.
 */
#ifndef PROFILING_HEAP_H
#define PROFILING_HEAP_H

#include "profiling/stack_profile.h"

enum { HEAP_TURNS = 16, HEAP_WATCHED_MS = 120 * 1000 };

struct heap;

/* As profile_kind_heap, but clients show alloc_space first. */
extern const struct profile_kind profile_kind_allocs;

/*
 * The routes' array and names must outlive it, and so must `setting`, the name of what
 * switches sampling on. Without sampling it comes about as well, and its profiles give the
 * reason. APP_NO_MEMORY.
 */
enum app_err heap_new(const struct route_table *routes, const char *setting, struct heap **heap)
    __attribute__((warn_unused_result));
/* Takes the hook away; no other thread may run any more. NULLs the caller's pointer. NULL allowed.
 */
void heap_free(struct heap **heap);

/* To be called once a second, or at other even intervals: see above. CLOCK_MONOTONIC. */
void heap_tick(struct heap *heap, int64_t now_ns);

/*
 * What lives (inuse_objects, inuse_space) and what was ever allocated
 * (alloc_objects, alloc_space). `kind` is &profile_kind_heap or
 * &profile_kind_allocs: the numbers are the same, and which ones clients show
 * first is not. Not symbolized. APP_NOT_FOUND: sampling is off, why->text says
 * so. APP_NO_MEMORY.
 */
enum app_err heap_profile(struct heap *heap, const struct profile_kind *kind,
                          struct profile **profile, struct err_buf *why)
    __attribute__((warn_unused_result));

/* Have tcmalloc give the system back what is free: gc=1 of the routes. */
void heap_release_memory(void);

#endif
