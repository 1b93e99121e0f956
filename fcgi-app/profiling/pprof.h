/* SPDX-License-Identifier: MIT */
/*
 * The profiler's public face: the one header of this folder that a program includes. It
 * serves profiles of all processes of a pool over HTTP, as Go's net/http/pprof does for
 * one, with the program's own server below it.
 *
 *     pprof_prepare(...)     first of all in main
 *     pprof_start(...)       once signals are blocked, and all that shall be in profiles is up
 *     pprof_handle(...)      for each request to /debug/pprof... and /pprof/...
 *     pprof_stop(...)        when no request runs any more
 *
 * Who may ask is the caller's business: it checks that before it calls pprof_handle.
 *
 * docs/profiling.md says what the paths answer. One profiler a process, since there is one
 * timer and one allocator. Functions between start and stop: any thread.
 */
#ifndef PROFILING_PPROF_H
#define PROFILING_PPROF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/err.h"
#include "lib/base/log.h"

struct pprof;

/*
 * Make sure that the environment has what gperftools and tcmalloc read when they are
 * loaded, by executing the program again with the same arguments, process id and
 * descriptors if it has not. `heap_sample_bytes`: one allocation in so many bytes is
 * sampled, 0: none. Not `enabled`: it only makes sure that gperftools starts no profile by
 * itself. Main thread, before any other runs. APP_INTERNAL: the execution failed, or did not help.
 */
enum app_err pprof_prepare(bool enabled, int64_t heap_sample_bytes, char **argv,
                           struct err_buf *why) __attribute__((warn_unused_result));

/* A function that serves a route: samples below it carry `name` as the label `route`. */
struct pprof_route {
    const char *name;
    uintptr_t function;
};

/* What the program calls things, for texts that people read. */
struct pprof_words {
    const char *program;      /* "my-service" */
    const char *version;      /* "1.0" */
    const char *waits;        /* what pprof_waited tells of but locks: "the database and files" */
    const char *heap_setting; /* what sets heap_sample_bytes: "PROFILE_HEAP" */
};

/* All that it points to must outlive the profiler. */
struct pprof_options {
    const char *run_dir; /* that the processes of the pool share; made if it is missing */
    struct pprof_words words;
    int hz;              /* samples a second of a profile that somebody asks for, 1 to 250 */
    int ring_hz;         /* of those that are always taken, for ago=M; 0: none */
    int64_t max_seconds; /* that a client may ask for */
    const struct pprof_route *routes;
    size_t route_count;
    const struct log *log;
};

/* APP_UNAVAILABLE: no profiling timer or signal; APP_NO_MEMORY, APP_INTERNAL. */
enum app_err pprof_start(const struct pprof_options *options, struct pprof **pprof,
                         struct err_buf *why) __attribute__((warn_unused_result));

/* Have profiles that are under way end now, and none begin. */
void pprof_close(struct pprof *pprof);

/* NULLs the caller's pointer. NULL allowed. */
void pprof_stop(struct pprof **pprof);

/* A request, and how its answer is given. Texts and callbacks are used during the call only. */
struct pprof_request {
    const char *method; /* "GET"; a HEAD is answered as a GET, and `send` drops the body */
    const char *path;   /* decoded: "/debug/pprof/heap" */
    const char *query;  /* what is behind '?', as it came; "" when there is none */
    const char *remote; /* who asks, and with what, for the log; NULL: not known */
    const char *agent;
    const struct log *log; /* of the request */

    void *context;
    /* The body, of at most `max` bytes, valid until pprof_handle returns. Any error. */
    enum app_err (*read_body)(void *context, size_t max, const char **body, size_t *len);
    /* Add a header; before `send`. Any error. */
    enum app_err (*header)(void *context, const char *name, const char *value);
    /* Send status, headers and body. Once. APP_CLIENT_GONE: it went out in part, or not at all. */
    enum app_err (*send)(void *context, int status, const char *content_type, const void *body,
                         size_t len);
};

/*
 * Answer a request; takes as long as the profile does. An error whose answer was not sent is
 * the caller's to send: its status with why->text as text/plain; the headers that were
 * added belong to it.
 */
enum app_err pprof_handle(struct pprof *pprof, const struct pprof_request *request,
                          struct err_buf *why) __attribute__((warn_unused_result));

enum pprof_wait { PPROF_WAIT_BLOCK, PPROF_WAIT_MUTEX }; /* an answer or a turn, a lock */

/*
 * This thread has waited so long. The stack begins with the frame that `return_address`
 * lies in; NULL: with the caller of this function.
 */
void pprof_waited(struct pprof *pprof, enum pprof_wait kind, int64_t waited_ns,
                  const void *return_address);

/* A CPU profile of the pool that is taken now and kept in RUN_DIR/profiles. */
struct pprof_keeping {
    double seconds;
    const char *reason;  /* becomes part of the file's name */
    const char *comment; /* in the profile; NULL: none */
};

/*
 * Take and keep it, which takes that long; the file's path goes to `path`. APP_BUSY: too
 * many are under way in this process. APP_UNAVAILABLE: no process had one, or with
 * why->detail, the file could not be written. APP_NO_MEMORY, APP_TOO_LARGE, APP_INTERNAL.
 */
enum app_err pprof_keep(struct pprof *pprof, const struct pprof_keeping *keeping, char *path,
                        size_t size, struct err_buf *why) __attribute__((warn_unused_result));

/* When one whose reason begins so was kept last, in seconds of UNIX time; 0: never. */
int64_t pprof_kept_newest(struct pprof *pprof, const char *reason);

/* Views that another page of the program may link. False: there are no more. */
struct pprof_link {
    const char *path; /* below /debug/pprof/ */
    const char *label;
};
bool pprof_link_at(size_t index, struct pprof_link *link);

#endif
