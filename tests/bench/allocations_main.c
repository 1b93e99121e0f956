/* SPDX-License-Identifier: MIT */
/*
 * What count_allocations.c has counted between two copies of its file:
 *
 *     allocations objects BEFORE AFTER    "OBJECT COUNT BYTES", a line each
 *     allocations callers BEFORE AFTER    "OBJECT ADDRESS COUNT BYTES", a line each
 */
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/allocations.h"

static void die(const char *what)
{
    (void)fprintf(stderr, "allocations: %s\n", what);
    exit(EXIT_FAILURE);
}

static void load(const char *path, struct allocations *counts)
{
    FILE *file = fopen(path, "re");
    if (!file || fread(counts, sizeof(*counts), 1, file) != 1)
        die(path);
    (void)fclose(file);
    if (counts->lost > 0)
        die("there were more callers than there is room for");
}

/* Callers stay where they were, and are only added. */
static struct allocations_caller difference(const struct allocations *before,
                                            const struct allocations *after, size_t i)
{
    struct allocations_caller result = after->callers[i];
    result.count -= before->callers[i].count;
    result.bytes -= before->callers[i].bytes;
    return result;
}

static void print_callers(const struct allocations *before, const struct allocations *after)
{
    for (size_t i = 0; i < ALLOCATIONS_CALLERS; i++) {
        struct allocations_caller caller = difference(before, after, i);
        if (caller.count > 0)
            printf("%s 0x%" PRIx64 " %" PRIu64 " %" PRIu64 "\n", after->objects[caller.object - 1],
                   caller.address, caller.count, caller.bytes);
    }
}

static void print_objects(const struct allocations *before, const struct allocations *after)
{
    static uint64_t counts[ALLOCATIONS_OBJECTS], bytes[ALLOCATIONS_OBJECTS];
    for (size_t i = 0; i < ALLOCATIONS_CALLERS; i++) {
        struct allocations_caller caller = difference(before, after, i);
        if (caller.count > 0) {
            counts[caller.object - 1] += caller.count;
            bytes[caller.object - 1] += caller.bytes;
        }
    }
    for (size_t i = 0; i < ALLOCATIONS_OBJECTS && after->objects[i][0]; i++)
        printf("%s %" PRIu64 " %" PRIu64 "\n", after->objects[i], counts[i], bytes[i]);
}

int main(int argc, char **argv)
{
    static struct allocations before, after;
    bool callers = argc == 4 && strcmp(argv[1], "callers") == 0;
    if (!callers && (argc != 4 || strcmp(argv[1], "objects") != 0))
        die("usage: allocations objects|callers BEFORE AFTER");
    load(argv[2], &before);
    load(argv[3], &after);
    if (callers)
        print_callers(&before, &after);
    else
        print_objects(&before, &after);
    return EXIT_SUCCESS;
}
