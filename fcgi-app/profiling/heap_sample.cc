/* SPDX-License-Identifier: MIT */
/*
 * ReadStackTraces is a virtual function of a C++ class; GetHeapSample, which is
 * too, would give the same as text to be parsed.
 */
#include "profiling/heap_sample.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)

void **heap_sample_read(int64_t *period)
{
    *period = 0;
    return nullptr;
}

void heap_sample_free(void **)
{
}

bool heap_sample_add_hook(void (*)(const void *, size_t))
{
    return false;
}

bool heap_sample_remove_hook(void (*)(const void *, size_t))
{
    return false;
}

void heap_sample_release_memory(void)
{
}

#else

#include <gperftools/malloc_extension.h>
#include <gperftools/malloc_hook_c.h>

void **heap_sample_read(int64_t *period)
{
    int sample_period = 0;
    void **entries = MallocExtension::instance()->ReadStackTraces(&sample_period);
    *period = sample_period;
    return entries;
}

void heap_sample_free(void **entries)
{
    delete[] entries;
}

bool heap_sample_add_hook(void (*hook)(const void *, size_t))
{
    return MallocHook_AddNewHook(hook) != 0;
}

bool heap_sample_remove_hook(void (*hook)(const void *, size_t))
{
    return MallocHook_RemoveNewHook(hook) != 0;
}

void heap_sample_release_memory(void)
{
    MallocExtension::instance()->ReleaseFreeMemory();
}

#endif
