/* SPDX-License-Identifier: MIT */
/*
 * Asks a profiler of this process (profiling/pprof.h) as a server would, without one: what
 * it answers is kept. One thread at a time.
 *
 *     struct pprof_asker asker = {.pprof = pprof};
 *     err = pprof_ask(&asker, "GET", "/debug/pprof/heap?debug=1", NULL);
 *     ...
 *     pprof_asker_release(&asker);
 */
#ifndef SUPPORT_PPROF_ASKER_H
#define SUPPORT_PPROF_ASKER_H

#include "lib/base/buf.h"
#include "profiling/pprof.h"

struct pprof_asker {
    struct pprof *pprof;
    const struct log *log; /* NULL: a silent one */
    enum app_err send_err; /* that `send` gives, without sending */
    /* Of the last answer. */
    int status;     /* 0: none was sent */
    unsigned sends; /* how often one was to be sent */
    char content_type[64];
    struct buf headers; /* "Name: value\n"... */
    struct buf body;    /* never NULL once an answer was sent */
    struct err_buf why;
    const char *posted; /* private */
};

/* `body` NULL: none. Returns what pprof_handle does. */
enum app_err pprof_ask(struct pprof_asker *asker, const char *method, const char *uri,
                       const char *body);

/* The same, and fails the test when it is not answered 200. Returns the body. */
const char *pprof_ask_text(struct pprof_asker *asker, const char *uri);

void pprof_asker_release(struct pprof_asker *asker);

#endif
