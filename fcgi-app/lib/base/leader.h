/* SPDX-License-Identifier: MIT */
/*
 * Which process of a pool does what is to be done once for all of them: the one
 * that holds the lock on a file in their directory. The kernel gives the lock
 * back when that process ends, whichever way, and the next one that asks has it.
 *
 * One thread at a time.
 */
#ifndef LIB_BASE_LEADER_H
#define LIB_BASE_LEADER_H

#include <stdbool.h>

struct leader {
    int fd; /* -1: not the leader */
};

#define LEADER_NONE ((struct leader){-1})

/*
 * Whether this process is the leader, or becomes it now. False also when the file
 * cannot be made or locked. A file that was removed, with its directory or
 * alone, makes another leader possible, so the old one steps back.
 */
bool leader_is_us(struct leader *leader, const char *path);

/* Step back. */
void leader_release(struct leader *leader);

#endif
