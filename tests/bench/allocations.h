/* SPDX-License-Identifier: MIT */
/*
 * The file in which count_allocations.c counts, while allocations_main.c reads it: who
 * asked for memory how often. A caller is an address in an object (the program or a
 * library), of those that are no mere middlemen as libc is.
 */
#ifndef TESTS_BENCH_ALLOCATIONS_H
#define TESTS_BENCH_ALLOCATIONS_H

#include <stdint.h>

enum { ALLOCATIONS_OBJECTS = 128, ALLOCATIONS_CALLERS = 16384, ALLOCATIONS_NAME = 128 };

struct allocations_caller {
    uint32_t object; /* index + 1; 0: the place is free */
    uint32_t unused;
    uint64_t address; /* inside the call, as the object's file has it */
    uint64_t count;
    uint64_t bytes;
};

struct allocations {
    char objects[ALLOCATIONS_OBJECTS][ALLOCATIONS_NAME]; /* file names; "": the end */
    struct allocations_caller callers[ALLOCATIONS_CALLERS];
    uint64_t lost; /* what had no place */
};

#endif
