/* SPDX-License-Identifier: MIT */
/*
 * gperftools could unwind too (ProfilerGetStackTrace), but it counts frames to
 * find the interrupted one, and goes on to the end of a stack whose top it has
 * long cut off. _Unwind_GetIPInfo says which frame a signal interrupted.
 */
#include "profiling/unwind.h"

#include <dlfcn.h>
#include <unwind.h>

struct walk {
    uintptr_t *pcs;
    size_t max;
    size_t depth;
    uintptr_t start; /* leave out everything before this return address */
    bool started;
    bool interrupted; /* start at the first interrupted frame instead */
};

static _Unwind_Reason_Code take_frame(struct _Unwind_Context *context, void *argument)
{
    struct walk *walk = argument;
    int before_instruction = 0;
    uintptr_t pc = _Unwind_GetIPInfo(context, &before_instruction);

    if (pc == 0)
        return _URC_END_OF_STACK;
    if (!walk->started)
        walk->started = walk->interrupted ? before_instruction != 0 : pc == walk->start;
    if (!walk->started)
        return _URC_NO_REASON;
    walk->pcs[walk->depth++] = before_instruction ? pc : pc - 1;
    return walk->depth < walk->max ? _URC_NO_REASON : _URC_END_OF_STACK;
}

__attribute__((noinline)) size_t unwind_here(const void *return_address, uintptr_t *pcs, size_t max)
{
    struct walk walk = {.pcs = pcs, .max = max};
    walk.start = (uintptr_t)(return_address ? return_address : __builtin_return_address(0));
    if (max > 0)
        _Unwind_Backtrace(take_frame, &walk);
    return walk.depth;
}

size_t unwind_interrupted(uintptr_t *pcs, size_t max)
{
    struct walk walk = {.pcs = pcs, .max = max, .interrupted = true};
    if (max > 0)
        _Unwind_Backtrace(take_frame, &walk);
    return walk.depth;
}

void unwind_warm_up(void)
{
    uintptr_t pcs[4];
    unwind_here(NULL, pcs, sizeof(pcs) / sizeof(*pcs));
}

/*
 * A sampled address was never a pointer of ours, and both look-ups take one: hence
 * the casts.
 */
uintptr_t unwind_function(uintptr_t pc)
{
    /* It looks up pc - 1, since it is made for return addresses. */
    /* NOLINTNEXTLINE(performance-no-int-to-ptr) */
    return (uintptr_t)_Unwind_FindEnclosingFunction((void *)(pc + 1));
}

bool unwind_object(uintptr_t pc, uintptr_t *start, uintptr_t *end)
{
    struct dl_find_object object;
    /* NOLINTNEXTLINE(performance-no-int-to-ptr) */
    if (_dl_find_object((void *)pc, &object) != 0)
        return false;
    *start = (uintptr_t)object.dlfo_map_start;
    *end = (uintptr_t)object.dlfo_map_end;
    return true;
}
