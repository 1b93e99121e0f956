/* SPDX-License-Identifier: MIT */
/* Looking for a secret in the memory of another process. For root. */
#ifndef TESTS_SUPPORT_PROCESS_MEMORY_H
#define TESTS_SUPPORT_PROCESS_MEMORY_H

#include <stddef.h>
#include <sys/types.h>

/*
 * How often `text` is in the readable and writable memory of a process; `where` names the
 * last place. Fails the running test when the memory cannot be read.
 */
size_t process_memory_find(pid_t pid, const char *text, char *where, size_t size);

#endif
