/* SPDX-License-Identifier: MIT */
/*
 * A profile in memory: samples that are stacks of canonical locations, with
 * values and labels. What the sampler and its sisters produce, what siblings
 * send each other, what is merged, symbolized, and written in the formats that
 * clients read. Knows nothing of how it was collected.
 *
 * A location's address is canonical: the address that the ELF file itself gives
 * it (its virtual address), never where this process happens to have it mapped,
 * so that siblings agree and nothing tells a stranger our address space layout.
 * A sample's frames are innermost first; the address of a caller's frame lies
 * inside the call instruction (the return address less one).
 *
 * Equal samples (frames and labels) are one sample with summed values, equal
 * locations one location, equal strings one string. One thread at a time. Every
 * size has a ceiling (PROFILE_MAX_* below): what does not fit is counted in
 * `dropped` and never an error.
 */
#ifndef API_PROFILING_PROFILE_H
#define API_PROFILING_PROFILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/buf.h"
#include "lib/base/err.h"

enum {
    PROFILE_MAX_VALUES = 4,
    PROFILE_MAX_DEPTH = 254,
    PROFILE_MAX_SAMPLES = 200000,
    PROFILE_MAX_ENCODED = 64 * 1024 * 1024
};

struct profile_value_type {
    const char *type; /* "cpu"; static */
    const char *unit; /* "nanoseconds"; static */
};

/* What kind of profile it is: one of the static ones below. */
struct profile_kind {
    const char *name; /* "profile", "heap", ... as in the route */
    struct profile_value_type values[PROFILE_MAX_VALUES];
    size_t value_count;
    struct profile_value_type period_type;
    const char *default_value; /* the type that clients show first; NULL: the last */
};

extern const struct profile_kind profile_kind_cpu; /* samples/count cpu/nanoseconds */
extern const struct profile_kind
    profile_kind_heap; /* alloc_objects alloc_space inuse_objects inuse_space */
extern const struct profile_kind profile_kind_contention; /* contentions/count delay/nanoseconds */
extern const struct profile_kind profile_kind_goroutine;  /* goroutine/count */
extern const struct profile_kind profile_kind_threads;    /* threadcreate/count */

struct profile;

/* An empty profile. NULL: no memory. */
struct profile *profile_new(const struct profile_kind *kind);
/* NULLs the caller's pointer. NULL allowed. */
void profile_free(struct profile **profile);

const struct profile_kind *profile_kind_of(const struct profile *profile);

/* When it began (UNIX time), how long it lasted, what one sample stands for. */
void profile_set_time(struct profile *profile, int64_t time_ns, int64_t duration_ns,
                      int64_t period);
/* A comment line for humans ("processes 4/4", "build id ..."); copied. */
enum app_err profile_add_comment(struct profile *profile, const char *text);

/* One mapped file. The first added is the program itself, as clients expect. */
struct profile_mapping {
    const char *path;
    const char *build_id; /* lower-case hex; "" when unknown */
    uint64_t start;       /* first canonical address */
    uint64_t limit;       /* one behind the last */
    uint64_t file_offset; /* of start */
};

/* Index (from 0) of an equal mapping, added when it is new. APP_NO_MEMORY, APP_TOO_LARGE. */
enum app_err profile_mapping(struct profile *profile, const struct profile_mapping *mapping,
                             size_t *index);

struct profile_frame {
    size_t mapping; /* index; SIZE_MAX: unknown, e.g. vdso */
    uint64_t address;
};

struct profile_labels {
    int64_t pid;       /* 0: none */
    const char *route; /* NULL: none */
};

/* Add one sample; values has the kind's value_count numbers. APP_NO_MEMORY. */
enum app_err profile_add(struct profile *profile, const struct profile_frame *frames, size_t depth,
                         const struct profile_labels *labels, const int64_t *values);

/*
 * Add all of `other` (same kind) to `profile`: values are summed, the earliest
 * time and the longest duration are kept (they ran side by side), the period is
 * the longer. Comments are joined without repeats. APP_BAD_REQUEST: another kind.
 */
enum app_err profile_merge(struct profile *profile, const struct profile *other);

/* Add `other` with every value negated, for a difference. */
enum app_err profile_subtract(struct profile *profile, const struct profile *other);

/* One line of a location: a function, or one that was inlined into the next. */
struct profile_line {
    const char *function;    /* as a person would name it; copied */
    const char *system_name; /* as the linker does; NULL: the same */
    const char *file;        /* NULL: unknown */
    int line;                /* 0: unknown */
    int start_line;          /* of the function; 0: unknown */
};

/*
 * Ask `resolve` for every location that has no lines yet. It writes up to `max`
 * lines, innermost inlined function first, and returns how many; their strings
 * need to live until it is called again. A mapping counts as symbolized (all
 * four has_* flags of the format) when any of its locations got a name.
 */
enum app_err
profile_symbolize(struct profile *profile,
                  size_t (*resolve)(void *context, const struct profile_mapping *mapping,
                                    uint64_t address, struct profile_line *lines, size_t max),
                  void *context);

/* Sums and walks, for tables and pictures. */
size_t profile_sample_count(const struct profile *profile);
int64_t profile_total(const struct profile *profile, size_t value_index);
int64_t profile_duration_ns(const struct profile *profile);
int64_t profile_period(const struct profile *profile);
uint64_t profile_dropped(const struct profile *profile);

struct profile_sample_view {
    const struct profile_labels *labels;
    const int64_t *values;
    size_t depth; /* frames */
};
void profile_sample_at(const struct profile *profile, size_t index,
                       struct profile_sample_view *view);
/* Lines of a sample's frame, innermost first; 0 when it has no names. `*address` may be NULL. */
size_t profile_frame_lines(const struct profile *profile, size_t sample, size_t frame,
                           const struct profile_line **lines, uint64_t *address);

#endif
