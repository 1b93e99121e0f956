/* SPDX-License-Identifier: MIT */
/*
 * The table of profile types: a new one is a row in provider.c and a file that collects
 * it. The routes, the commands among siblings, the index and other programs' pages read
 * the table; nothing else knows a type by its name. Constant data, any thread.
 */
#ifndef PROFILING_PROVIDER_H
#define PROFILING_PROVIDER_H

#include "profiling/contention.h"
#include "profiling/heap.h"
#include "profiling/pprof.h"
#include "profiling/profile.h"
#include "profiling/sampler.h"
#include "profiling/threads.h"

/* What collects in one process. */
struct provider_sources {
    struct sampler *sampler;
    struct heap *heap;
    struct contention *contention;
    struct threads *threads;
};

struct provider;

/* What one process is asked for. */
struct provider_call {
    const struct provider *provider;
    double seconds;
    double ago;
    bool (*gone)(void *gone_context); /* nobody waits any more */
    void *gone_context;
};

/* What seconds=N of a client means. */
enum provider_seconds {
    PROVIDER_IGNORES,  /* nothing */
    PROVIDER_GROWS,    /* what was added in that time, for the profile has all since the start */
    PROVIDER_COLLECTS, /* collect for so long */
};

/* A line of the index. */
struct provider_view {
    const char *link; /* below /debug/pprof/ */
    const char *name;
    const char *text; /* what it shows */
    /* A word of the program's own: what follows the text, and what it needs. NULL: none. */
    const char *(*more)(const struct pprof_words *words);
    const char *(*needs)(const struct pprof_words *words);
    const char *label; /* on other pages of the program, see pprof_link_at; NULL: not there */
};

enum { PROVIDER_VIEWS_MAX = 2 };

struct provider {
    const char *name; /* of its path and of the command among siblings */
    const struct profile_kind *kind;
    const char *title; /* of a flame graph; NULL: the kind's name */
    enum provider_seconds seconds;
    bool is_variant; /* of another row: it has no path, and that row's views */

    /* Collect in this process; a profile of the kind, without names. Any error. */
    enum app_err (*collect)(const struct provider_sources *sources,
                            const struct provider_call *call, struct profile **profile,
                            struct err_buf *why);
    /* Add a sibling's part to the whole. APP_NO_MEMORY. */
    enum app_err (*merge)(struct profile *whole, const struct profile *part);

    /* debug=1: at most `rows` rows or stacks as plain text. */
    enum app_err (*text)(const struct profile *profile, size_t value_index, size_t rows,
                         struct buf *out);
    size_t text_rows;
    /* The same below /pprof/ in gperftools' format; NULL: there is none. */
    enum app_err (*legacy)(const struct profile *profile, struct buf *out);

    /* The variant that is asked for instead with ago=M, or with debug=2; NULL: there is none. */
    const char *past;
    const char *each;

    struct provider_view views[PROVIDER_VIEWS_MAX]; /* those with a link */
};

/* The rows in the order of the index; NULL: there are no more. */
const struct provider *provider_at(size_t index);

/* The row of that name, variants too; NULL: there is none. */
const struct provider *provider_find(const char *name);

#endif
