/* SPDX-License-Identifier: MIT */
/*
 * A library for LD_PRELOAD that counts what a program with tcmalloc asks it for, malloc
 * and its sisters and C++'s new, by who called, in the file that ALLOCATIONS_FILE names.
 *
 * The stack is walked outwards to the first object that is not the C or C++ library or
 * the allocator, so that what strdup takes counts for who called strdup.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <unwind.h>

#include "bench/allocations.h"

static struct allocations *counts;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
/* Looking for the caller may allocate itself. */
static __thread bool counting __attribute__((tls_model("initial-exec")));

static bool is_middleman(const char *object)
{
    static const char *const names[] = {"libc.so",  "libstdc++.so", "libtcmalloc",
                                        "ld-linux", "libgcc_s.so",  "count_allocations.so"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (strncmp(object, names[i], strlen(names[i])) == 0)
            return true;
    }
    return false;
}

struct caller {
    const char *object;
    uint64_t address;
};

static _Unwind_Reason_Code look(struct _Unwind_Context *context, void *argument)
{
    struct caller *caller = argument;
    struct link_map *map = NULL;
    Dl_info info;
    uintptr_t address = _Unwind_GetIP(context) - 1;
    if (!dladdr1((void *)address, &info, (void **)&map, RTLD_DL_LINKMAP) || !info.dli_fname)
        return _URC_NO_REASON;
    const char *slash = strrchr(info.dli_fname, '/');
    caller->object = slash ? slash + 1 : info.dli_fname;
    caller->address = address - map->l_addr;
    return is_middleman(caller->object) ? _URC_NO_REASON : _URC_END_OF_STACK;
}

/* Index + 1. The last one is for all that come when there is no room. */
static uint32_t object_number(const char *name)
{
    uint32_t i = 0;
    while (i < ALLOCATIONS_OBJECTS - 1 && counts->objects[i][0] &&
           strncmp(counts->objects[i], name, ALLOCATIONS_NAME - 1) != 0)
        i++;
    if (!counts->objects[i][0])
        strncpy(counts->objects[i], name, ALLOCATIONS_NAME - 1);
    return i + 1;
}

static void add(const struct caller *caller, size_t bytes)
{
    uint32_t object = object_number(caller->object);
    size_t start = (size_t)(caller->address * UINT64_C(0x9e3779b97f4a7c15) >> 40);
    for (size_t i = 0; i < ALLOCATIONS_CALLERS; i++) {
        struct allocations_caller *place = &counts->callers[(start + i) % ALLOCATIONS_CALLERS];
        if (place->object == 0) {
            place->address = caller->address;
            place->object = object;
        }
        if (place->object == object && place->address == caller->address) {
            place->count++;
            place->bytes += bytes;
            return;
        }
    }
    counts->lost++;
}

static void count(const void *memory, size_t bytes)
{
    (void)memory;
    struct caller caller = {.object = "unknown", .address = 0};
    int error = errno;
    if (counting)
        return;
    counting = true;
    (void)_Unwind_Backtrace(look, &caller);
    (void)pthread_mutex_lock(&lock);
    add(&caller, bytes);
    (void)pthread_mutex_unlock(&lock);
    counting = false;
    errno = error;
}

static void *map_counts(const char *path)
{
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    void *map = MAP_FAILED;
    if (fd >= 0 && ftruncate(fd, sizeof(*counts)) == 0)
        map = mmap(NULL, sizeof(*counts), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (fd >= 0)
        (void)close(fd);
    return map == MAP_FAILED ? NULL : map;
}

/* The symbol is tcmalloc's, which other programs (a shell, say) do not have. */
__attribute__((constructor)) static void begin(void)
{
    union {
        void *symbol;
        int (*add_hook)(void (*hook)(const void *memory, size_t bytes));
    } tcmalloc = {dlsym(RTLD_DEFAULT, "MallocHook_AddNewHook")};
    const char *path = getenv("ALLOCATIONS_FILE");
    if (!path || !tcmalloc.symbol)
        return;
    counts = map_counts(path);
    if (counts)
        (void)tcmalloc.add_hook(count);
}
