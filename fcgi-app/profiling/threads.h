/* SPDX-License-Identifier: MIT */
/*
 * The stacks of all threads of this process, also those of libraries, as they
 * are at one moment: what Go calls the goroutine profile.
 *
 * Each thread is sent a real-time signal whose handler writes the thread's own
 * stack into a place prepared for it (unwind.h says why that is safe). A thread
 * that has not answered after THREADS_WAIT_MS, because it blocks the signal or
 * hangs in the kernel, is listed without a stack. The signal interrupts system
 * calls of every thread: those that SA_RESTART does not cover (epoll_wait, poll,
 * nanosleep) return EINTR.
 *
 * Life cycle: threads_new installs the handler; threads_dump at any time from
 * any thread, one after the other; threads_free leaves the signal ignored. One
 * per process.
 */
#ifndef PROFILING_THREADS_H
#define PROFILING_THREADS_H

#include <stdbool.h>
#include <sys/types.h>

#include "profiling/stack_profile.h"

enum {
    THREADS_MAX = 4096, /* in one dump; what is beyond is left out */
    THREADS_MAX_DEPTH = 128,
    THREADS_WAIT_MS = 200,
    THREADS_NAME_SIZE = 16,
};

struct threads;
struct threads_dump;

/* The routes must outlive it. APP_UNAVAILABLE: no signal is free; APP_NO_MEMORY. */
enum app_err threads_new(const struct route_table *routes, struct threads **threads,
                         struct err_buf *why) __attribute__((warn_unused_result));
/* NULLs the caller's pointer. NULL allowed. */
void threads_free(struct threads **threads);

/*
 * All threads now. APP_NO_MEMORY; APP_UNAVAILABLE: /proc is not there, or a thread is stuck
 * in the handler of the dump before. The caller frees the dump.
 */
enum app_err threads_dump(struct threads *threads, struct threads_dump **dump, struct err_buf *why)
    __attribute__((warn_unused_result));
/* NULLs the caller's pointer. NULL allowed. */
void threads_dump_free(struct threads_dump **dump);

struct threads_entry {
    pid_t tid;
    char name[THREADS_NAME_SIZE];
    bool answered;
    size_t depth; /* 0 when it did not answer */
};

/* The entries, ordered by thread id. */
size_t threads_dump_count(const struct threads_dump *dump);
void threads_dump_at(const struct threads_dump *dump, size_t index, struct threads_entry *entry);

/*
 * Entries first to first + count - 1 as a profile of `kind` (profile_kind_goroutine or
 * profile_kind_threads), each thread a sample of value 1; count 1 gives one
 * thread's stack, for a text that lists them. A comment names the threads that
 * did not answer. Not symbolized. APP_NO_MEMORY.
 */
enum app_err threads_dump_profile(const struct threads_dump *dump, const struct profile_kind *kind,
                                  size_t first, size_t count, struct profile **profile)
    __attribute__((warn_unused_result));

/*
 * All entries as a profile of goroutines in which each thread is a sample, equal stacks
 * or not, with its id and name as the label `thread`. APP_NO_MEMORY.
 */
enum app_err threads_dump_each(const struct threads_dump *dump, struct profile **profile)
    __attribute__((warn_unused_result));

#endif
