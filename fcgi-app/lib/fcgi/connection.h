/* SPDX-License-Identifier: MIT */
/*
 * One connection of a web server: its requests, one after the other, until it is closed.
 * Nothing here waits for the web server, but for a moment while an answer is sent. Each step
 * says what the connection needs next. The worker that holds it goes on with it, or hands
 * it to the watch (watch.h) until its socket is ready.
 *
 *     connection_new, connection_go_on -> NEED_WORKER, connection_answer -> NEED_INPUT ...
 *     until NEED_CLOSE: connection_free
 *
 * One thread at a time.
 */
#ifndef LIB_FCGI_CONNECTION_H
#define LIB_FCGI_CONNECTION_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/arena.h"
#include "lib/base/log.h"
#include "lib/fcgi/intake.h"
#include "lib/fcgi/request.h"
#include "lib/fcgi/response.h"

/* How long web servers may take. Rates in bytes a second, times in milliseconds. */
struct fcgi_limits {
    int64_t keepalive_ms;    /* without a request */
    int64_t beginning_ms;    /* from a request's first byte to the end of its variables */
    int64_t upload_ms;       /* for a body */
    int64_t upload_grace_ms; /* from then on a body must come at upload_rate on average */
    int64_t upload_rate;
    int64_t send_stall_ms; /* while nothing of an answer is taken */
    int64_t send_ms;       /* for an answer */
    size_t body_max;       /* bytes; a longer body is not read */
    size_t memory;         /* of bodies that are coming, and of answers that are read slowly */
    unsigned connections;  /* beyond that idle ones are closed */
};

/* What connections of one server share. All of it must outlive them. */
struct connection_context {
    const struct fcgi_limits *limits;
    struct intake_limits intake;
    struct budget memory;
    struct watch *watch;             /* whose connections give memory back */
    atomic_uint alive;               /* connections */
    _Atomic bool stopping;           /* connections are closed after the request in hand */
    _Atomic int64_t last_warning_ns; /* how often we warn of web servers */
    const struct log *log;
    void *handler_context;
    /* As of struct fcgi_server_options. */
    void (*handle)(void *context, void *worker, struct request *request, struct response *response);
};

enum connection_need {
    NEED_INPUT,  /* wait until it can be read */
    NEED_OUTPUT, /* wait until it can be written */
    NEED_WORKER, /* a request is ready: connection_answer */
    NEED_CLOSE   /* connection_free */
};

enum connection_stage {
    STAGE_IDLE,    /* between two requests */
    STAGE_READING, /* a request has begun */
    STAGE_SENDING, /* what a slow reader has left of an answer */
    STAGE_LEAVING  /* all is said: waiting for the web server to close it */
};

struct connection {
    bool registered; /* the watch's */
    int fd;
    enum connection_stage stage;
    int64_t since_ns; /* the beginning of the stage */
    int64_t moved_ns; /* when something was sent */
    struct intake intake;

    /* private */
    struct connection_context *context;
    unsigned char *ahead; /* bytes behind the request in hand */
    size_t ahead_len;
    char *left; /* of an answer */
    size_t left_len, left_at;
    bool is_local; /* a Unix socket */
    bool broken;   /* an answer could not be written */
};

/* What a worker thread lends to the connection in hand. */
struct connection_worker {
    void *worker; /* the handler's */
    struct arena *arena;
    unsigned char *scratch; /* CONNECTION_SCRATCH bytes */
};

enum { CONNECTION_SCRATCH = 64 * 1024 };

/* For `fd`, a non-blocking stream socket, which it owns from now on. NULL: no memory. */
struct connection *connection_new(int fd, bool is_local, struct connection_context *context);

/* Closes it; NULLs the caller's pointer. */
void connection_free(struct connection **connection);

/* Go on where it stands: read what has come, send what is left. */
enum connection_need connection_go_on(struct connection *connection,
                                      const struct connection_worker *self);

/* Have the request that is ready answered. */
enum connection_need connection_answer(struct connection *connection,
                                       const struct connection_worker *self);

/* When to look whether it may still wait as it does, on the monotonic clock. */
int64_t connection_deadline(const struct connection *connection);

/* It has passed, and connection_go_on has changed nothing. */
enum connection_need connection_give_up(struct connection *connection);

/* Bytes that it has taken from context->memory, and how fast it earns them, bytes a second. */
size_t connection_memory(const struct connection *connection);
int64_t connection_rate(const struct connection *connection);

/* Give the memory back, since others need it; the request is answered with 503, or cut. */
enum connection_need connection_yield_memory(struct connection *connection);

/* Whether a second has passed since it was true last, for any thread. */
bool connection_may_warn(_Atomic int64_t *last_warning_ns);

#endif
