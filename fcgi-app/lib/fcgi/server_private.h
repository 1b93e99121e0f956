/* SPDX-License-Identifier: MIT */
/* A server as its threads see it: worker.c starts and stops them, look.c is what they do. */
#ifndef LIB_FCGI_SERVER_PRIVATE_H
#define LIB_FCGI_SERVER_PRIVATE_H

#include <pthread.h>
#include <stdatomic.h>

#include "lib/fcgi/connection.h"
#include "lib/fcgi/lookout.h"
#include "lib/fcgi/watch.h"
#include "lib/fcgi/worker.h"

enum phase { PHASE_STARTING, PHASE_RUNNING, PHASE_STOPPING };

struct fcgi_thread {
    struct fcgi_server *server;
    pthread_t thread;
    unsigned number;
    int epoll_fd; /* not quick: the listening socket, the stop, and that the watch needs somebody */
    struct lookout_member member;
    struct connection_worker lent;
};

/* For the thread on the lookout. Atomic, since the guard may have made it two for a moment. */
struct lookout_state {
    atomic_uint accepts;      /* connections accepted since the last event */
    atomic_bool accept_first; /* the last event was a new connection, so the next may be, too */
    _Atomic int64_t sweep_ns; /* when to sweep next */
    _Atomic int64_t stop_ns;  /* while stopping: until when to accept */
    atomic_bool stopped_accepting;
};

struct fcgi_server {
    struct fcgi_server_options options;
    struct log log; /* options.log points here, so that the caller's need not live on */
    int stop_fd;
    struct lookout *lookout;
    struct watch *watch;
    atomic_bool watched; /* not quick: a thread waits at the watch */
    int watch_fd;        /* an eventfd: the watch needs another thread */
    struct connection_context context;
    struct lookout_state look;
    bool is_tcp;
    atomic_bool shut;       /* nobody can come to the socket any more */
    atomic_bool has_let_go; /* what stop does about the socket is done */
    atomic_bool abandon;    /* the grace is over */
    atomic_uint in_hand;    /* threads that hold a connection */

    pthread_mutex_t lock;   /* guards what follows */
    pthread_cond_t changed; /* any of it */
    enum phase phase;
    unsigned starting; /* threads that have not run worker_init yet */
    unsigned busy;     /* threads that have not ended */
    enum app_err start_err;
    struct err_buf start_why;

    unsigned created; /* threads to join; start's and stop's only */
    struct fcgi_thread threads[];
};

/* Answer requests until the server has stopped. */
void look_take_connections(struct fcgi_thread *self);

#endif
