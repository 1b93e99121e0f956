/* SPDX-License-Identifier: MIT */
/*
 * tcmalloc, as far as profiling uses it. Its samples of live memory are had by a
 * call that has no C form: this is the C side of heap_sample.cc. A build whose allocator is another
 * (the sanitizers bring their own) has none.
 */
#ifndef PROFILING_HEAP_SAMPLE_H
#define PROFILING_HEAP_SAMPLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * The allocations that were sampled and are not freed yet, one entry after the
 * other: count, bytes, depth, and as many return addresses, innermost first. An
 * entry with count 0 ends the list. `*period` is the mean number of bytes
 * between samples, 0 when sampling is off. NULL: none to be had. To be given
 * back with heap_sample_free.
 */
void **heap_sample_read(int64_t *period);
void heap_sample_free(void **entries);

/* Have `hook` called after each allocation, in its thread; or no longer. False: no tcmalloc. */
bool heap_sample_add_hook(void (*hook)(const void *memory, size_t size));
bool heap_sample_remove_hook(void (*hook)(const void *memory, size_t size));

/* Give memory that is free back to the system. */
void heap_sample_release_memory(void);

#ifdef __cplusplus
}
#endif

#endif
