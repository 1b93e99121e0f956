/* SPDX-License-Identifier: MIT */
/* What the three files of the pool share: registration, serving, asking. */
#ifndef PROFILING_POOL_PRIVATE_H
#define PROFILING_POOL_PRIVATE_H

#include <pthread.h>

#include "profiling/pool.h"

enum {
    POOL_NAME_MAX = 32,    /* "4194304.sock" */
    POOL_PATH_MAX = 64,    /* "/proc/self/fd/N/" and a name */
    POOL_MAX_COMMANDS = 16 /* served at once by one process */
};

struct pool {
    struct pool_options options;
    char *run_dir; /* our copy */
    int stop_fd;   /* eventfd: readable once pool_free began */
    pthread_t thread;

    pthread_mutex_t lock; /* guards the rest */
    pthread_cond_t idle;  /* commands became 0 */
    unsigned commands;    /* being served by threads of their own */
    /* The registration; -1 while there is none. dir_fd is an O_PATH descriptor. */
    int dir_fd;
    int lock_fd;
    int listen_fd;
};

/*
 * Write the path of a file in RUN_DIR by way of its descriptor: as long as
 * RUN_DIR's own path may be, this one fits a socket address.
 */
void pool_path(int dir_fd, const char *name, char out[POOL_PATH_MAX]);

/* Answer one accepted connection in a thread of its own; takes `fd` over. */
void pool_serve_connection(struct pool *pool, int fd);

/* Whether the process at the other end runs as our own user. */
bool pool_peer_is_ours(int fd);

#endif
