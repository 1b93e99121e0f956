/* SPDX-License-Identifier: MIT */
/*
 * The calling thread's stack, by libgcc's unwinder. The only module that
 * includes unwind.h; it knows addresses and no names.
 *
 * Addresses are of this process and innermost first; a caller's frame is given
 * as the address inside its call instruction (the return address less one), so
 * that a function that ends in a call is not taken for its neighbour. A stack
 * deeper than `max` loses its outermost frames.
 *
 * Both may be called in a signal handler: bookworm's libgcc finds a function's
 * unwind data by glibc's _dl_find_object, which takes no lock and allocates
 * nothing, where libunwind takes the loader's lock (dl_iterate_phdr) and hangs
 * when the signal interrupted a thread that holds it. The one thing that
 * happens only once, in the first call of a process, is not for a handler:
 * unwind_warm_up does it. A frame without unwind data (code made at run time)
 * ends the stack.
 */
#ifndef PROFILING_UNWIND_H
#define PROFILING_UNWIND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* As many frames as any stack has here; gperftools and profile.h use the same. */
enum { UNWIND_MAX_DEPTH = 254 };

void unwind_warm_up(void);

/*
 * The calling thread's stack, from the frame on to which `return_address` goes
 * back (a hook knows it by __builtin_return_address); from the caller on when
 * it is NULL. Returns the depth.
 */
size_t unwind_here(const void *return_address, uintptr_t *pcs, size_t max);

/*
 * In a signal handler: the stack that the signal interrupted, its first frame
 * the instruction that was about to run. Returns the depth, 0 outside a handler.
 */
size_t unwind_interrupted(uintptr_t *pcs, size_t max);

/*
 * Where the function begins that contains `pc`, 0 when nobody knows. Taken from
 * the unwind data, so a part that the compiler moved elsewhere (".cold") is a
 * function of its own. Not for handlers.
 */
uintptr_t unwind_function(uintptr_t pc);

/*
 * Where the program or library is mapped that contains `pc`. False: in none. Takes
 * no lock, as above.
 */
bool unwind_object(uintptr_t pc, uintptr_t *start, uintptr_t *end);

#endif
