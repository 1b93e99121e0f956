/* SPDX-License-Identifier: MIT */
/*
 * Other programs as children of a test: started with exactly the environment
 * they are given, and looked at while they run. One thread at a time.
 */
#ifndef TESTS_SUPPORT_PROCESS_H
#define TESTS_SUPPORT_PROCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/resource.h>
#include <sys/types.h>

struct process_options {
    const char *const *arguments;   /* the first one is looked for in PATH; ended by NULL */
    const char *const *environment; /* "NAME=value", ended by NULL; NULL: ours */
    int in;                         /* -1: /dev/null */
    int out;                        /* -1: ours */
    bool errors_too;                /* standard error goes to `out` as well, else it is ours */
    bool new_session;
};

/* Returns the pid, 0 when it cannot be started. */
pid_t process_start(const struct process_options *options);

/* Wait for a child and tell its exit status; -1 when a signal ended it. */
int process_wait(pid_t pid);

/* What the child wrote, with a NUL at the end, and its exit status. -1 as above. */
int process_run(const char *const *arguments, const char *const *environment, bool errors_too,
                char *output, size_t size);

/* Wait until a process is gone, a child or not. False when it still is there after so long. */
bool process_wait_gone(pid_t pid, int timeout_ms);

/* NUL-terminated strings one after the other, as /proc has them, and pointers to them. */
struct process_strings {
    char *text;
    char **items; /* ended by NULL */
};

/* Read /proc/pid/`file`: cmdline or environ. False when there is nothing; release it all the same.
 */
bool process_strings_read(pid_t pid, const char *file, struct process_strings *strings);
void process_strings_release(struct process_strings *strings);

/* A value in kB out of /proc/pid/smaps_rollup: "Rss", "Pss". -1 when there is none. */
long process_memory_kb(pid_t pid, const char *name);

/* Its umask, 077 when it cannot be told. */
mode_t process_umask(pid_t pid);

/* Limit the size of files that it writes, as its own user may; RLIM_INFINITY: no more. */
bool process_limit_files(pid_t pid, rlim_t bytes);

void sleep_ms(long ms);

#endif
