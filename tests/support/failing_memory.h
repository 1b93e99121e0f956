/* SPDX-License-Identifier: MIT */
/*
 * Memory that runs out at a chosen allocation of our own code: the linker puts
 * these functions in front of malloc and its relatives (--wrap, in the Makefile)
 * for whatever is linked into the test, not for the shared libraries. A library
 * that takes allocation functions can be handed failing_memory_malloc.
 */
#ifndef TESTS_SUPPORT_FAILING_MEMORY_H
#define TESTS_SUPPORT_FAILING_MEMORY_H

#include <stdbool.h>
#include <stddef.h>

enum failing_memory_mode {
    FAILING_ONCE, /* the one allocation */
    FAILING_ON    /* and all after it */
};

/* From now on the nth (1: the next) allocation of this thread fails. */
void failing_memory_arm(size_t nth, enum failing_memory_mode mode);

/* All is well again. Whether one has failed. */
bool failing_memory_disarm(void);

void *failing_memory_malloc(size_t size);

#endif
