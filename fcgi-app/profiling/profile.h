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
 * locations one location, equal strings one string. All text in it is valid
 * UTF-8: what is not becomes '?' on its way in. One thread at a time; pointers
 * that come out are valid until the profile is changed or freed.
 *
 * Every size has a ceiling (PROFILE_MAX_* below). A sample that does not fit is
 * counted in `dropped` and never an error; a stack that is too deep loses its
 * outermost frames, a text that is too long its end.
 */
#ifndef PROFILING_PROFILE_H
#define PROFILING_PROFILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/buf.h"
#include "lib/base/err.h"

enum {
    PROFILE_MAX_VALUES = 4,
    PROFILE_MAX_DEPTH = 254,              /* frames of a stack */
    PROFILE_MAX_LINES = 64,               /* functions inlined at one location */
    PROFILE_MAX_SAMPLES = 200000,         /* different ones */
    PROFILE_MAX_FRAMES = 8 * 1024 * 1024, /* of all samples together */
    PROFILE_MAX_LOCATIONS = 500000,       /* and as many functions */
    PROFILE_MAX_ALL_LINES = 1000000,      /* of all locations together */
    PROFILE_MAX_MAPPINGS = 4096,          /* mapped files */
    PROFILE_MAX_TEXT = 4096,              /* bytes of one text */
    PROFILE_MAX_TEXTS = 32 * 1024 * 1024, /* bytes of all texts together */
    PROFILE_MAX_COMMENTS = 64,
    PROFILE_MAX_ENCODED = 64 * 1024 * 1024 /* bytes of profile.proto */
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

/* Index of a value type by its name, e.g. of a query; SIZE_MAX: the kind has none such. */
size_t profile_value_index(const struct profile_kind *kind, const char *type);
/* Index of the value type that clients show first. */
size_t profile_value_default(const struct profile_kind *kind);

/* When it began (UNIX time), how long it lasted, what one sample stands for. */
void profile_set_time(struct profile *profile, int64_t time_ns, int64_t duration_ns,
                      int64_t period);
/* A comment line for humans ("processes 4/4", "build id ..."); copied. One more than fits is
 * left out. APP_NO_MEMORY. */
enum app_err profile_add_comment(struct profile *profile, const char *text);

/* One mapped file. The first added is the program itself, as clients expect. */
struct profile_mapping {
    const char *path;
    const char *build_id; /* lower-case hex; "" when unknown */
    uint64_t start;       /* first canonical address */
    uint64_t limit;       /* one behind the last */
    uint64_t file_offset; /* of start */
};

/*
 * Index (from 0) of an equal mapping, added when it is new; all text is copied.
 * Files of one build id are one mapping wherever they lie. APP_NO_MEMORY,
 * APP_TOO_LARGE: there are PROFILE_MAX_MAPPINGS.
 */
enum app_err profile_mapping(struct profile *profile, const struct profile_mapping *mapping,
                             size_t *index);

struct profile_frame {
    size_t mapping; /* index; SIZE_MAX: unknown, e.g. vdso */
    uint64_t address;
};

struct profile_labels {
    int64_t pid;        /* 0: none */
    const char *route;  /* NULL: none */
    const char *thread; /* its id and name, where each thread is a sample; NULL: none */
};

/*
 * Add one sample; `values` has the kind's value_count numbers, `labels` may be
 * NULL. A frame's mapping is an index that profile_mapping gave. APP_NO_MEMORY.
 */
enum app_err profile_add(struct profile *profile, const struct profile_frame *frames, size_t depth,
                         const struct profile_labels *labels, const int64_t *values);

/*
 * Add all of `other` (same kind) to `profile`: values are summed, the earliest
 * time and the longest duration are kept (they ran side by side), the period is
 * the longer. Comments are joined without repeats. Lines of locations that are
 * symbolized there and not here are taken over. APP_BAD_REQUEST: another kind.
 * APP_NO_MEMORY: a part may have been added.
 */
enum app_err profile_merge(struct profile *profile, const struct profile *other);

/*
 * Add `other` with every value negated, for a difference. Times and comments
 * stay as they are. Errors as profile_merge.
 */
enum app_err profile_subtract(struct profile *profile, const struct profile *other);

/* One line of a location: a function, or one that was inlined into the next. */
struct profile_line {
    const char *function;    /* as a person would name it */
    const char *system_name; /* as the linker does; NULL: the same */
    const char *file;        /* NULL: unknown */
    int line;                /* 0: unknown */
    int start_line;          /* of the function; 0: unknown */
};

/*
 * Ask `resolve` for every location that has no lines yet, all of one mapping
 * together; `mapping` is NULL for an unknown one. It writes up to `max` lines,
 * innermost inlined function first, and returns how many; their strings, which
 * are copied, need to live until it is called again. A mapping counts as symbolized (all
 * four has_* flags of the format) when any of its locations got a name.
 * APP_NO_MEMORY: some may have names.
 */
enum app_err
profile_symbolize(struct profile *profile,
                  size_t (*resolve)(void *context, const struct profile_mapping *mapping,
                                    uint64_t address, struct profile_line *lines, size_t max),
                  void *context);

/* Sums and walks, for tables and pictures. Indices are below the counts. */
size_t profile_sample_count(const struct profile *profile);
int64_t profile_total(const struct profile *profile, size_t value_index);
/* a + b; it wraps, since values of a hostile profile may be anything. */
static inline int64_t profile_value_sum(int64_t a, int64_t b)
{
    return (int64_t)((uint64_t)a + (uint64_t)b);
}
int64_t profile_time_ns(const struct profile *profile);
int64_t profile_duration_ns(const struct profile *profile);
int64_t profile_period(const struct profile *profile);
uint64_t profile_dropped(const struct profile *profile);
size_t profile_comment_count(const struct profile *profile);
const char *profile_comment_at(const struct profile *profile, size_t index);
size_t profile_mapping_count(const struct profile *profile);
const struct profile_mapping *profile_mapping_at(const struct profile *profile, size_t index);

struct profile_sample_view {
    const struct profile_labels *labels;
    const int64_t *values;
    size_t depth; /* frames */
};
void profile_sample_at(const struct profile *profile, size_t index,
                       struct profile_sample_view *view);
/*
 * Lines of a sample's frame, innermost first; 0 when it has no names. Texts that
 * are equal are the same pointer. `*address` may be NULL.
 */
size_t profile_frame_lines(const struct profile *profile, size_t sample, size_t frame,
                           const struct profile_line **lines, uint64_t *address);
/* Index of the mapping that a sample's frame lies in; SIZE_MAX: none is known. */
size_t profile_frame_mapping(const struct profile *profile, size_t sample, size_t frame);
/*
 * Name of a frame that has no lines: "[libc.so.6]", or "[unknown]" without a
 * mapping. Written to `name`, cut to `size` bytes with its NUL.
 */
void profile_mapping_label(const struct profile_mapping *mapping, char *name, size_t size);

#endif
