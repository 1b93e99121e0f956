/* SPDX-License-Identifier: MIT */
/*
 * The inside of struct profile, for the files that build and write it as a
 * whole (profile*.c), and symbols.c. Everybody else uses profile.h.
 *
 * Things refer to each other by index. Text 0 is always "".
 */
#ifndef PROFILING_PROFILE_DATA_H
#define PROFILING_PROFILE_DATA_H

#include "lib/base/arena.h"
#include "profiling/profile.h"
#include "profiling/profile_table.h"

#define PROFILE_NO_MAPPING UINT32_MAX

struct profile_mapping_data {
    struct profile_mapping view; /* its texts are interned */
    uint32_t path;
    uint32_t build_id;
    bool has_names;
};

struct profile_function_data {
    uint32_t name;
    uint32_t system_name;
    uint32_t file;
    int start_line;
};

struct profile_location_data {
    uint64_t address;
    uint32_t mapping; /* or PROFILE_NO_MAPPING */
    uint32_t first_line;
    uint32_t line_count; /* 0: not symbolized */
};

struct profile_sample_data {
    uint32_t first_frame; /* in frames */
    uint32_t depth;
    uint32_t route;  /* text; 0: none */
    uint32_t thread; /* the same */
    struct profile_labels labels;
    int64_t values[PROFILE_MAX_VALUES];
};

struct profile {
    const struct profile_kind *kind;
    int64_t time_ns;
    int64_t duration_ns;
    int64_t period;
    uint64_t dropped;

    struct arena *arena; /* of the texts */
    size_t text_bytes;
    const char **texts;
    size_t text_count, text_capacity;
    struct profile_table text_table;

    uint32_t comments[PROFILE_MAX_COMMENTS];
    size_t comment_count;

    struct profile_mapping_data *mappings;
    size_t mapping_count, mapping_capacity;

    struct profile_function_data *functions;
    size_t function_count, function_capacity;
    struct profile_table function_table;

    struct profile_location_data *locations;
    size_t location_count, location_capacity;
    struct profile_table location_table;

    struct profile_line *lines; /* for readers ... */
    uint32_t *line_functions;   /* ... and each one's function, for writers */
    size_t line_count, line_capacity, line_function_capacity;

    uint32_t *frames; /* locations */
    size_t frame_count, frame_capacity;

    struct profile_sample_data *samples;
    size_t sample_count, sample_capacity;
    struct profile_table sample_table;
};

/*
 * Index of a text, added when it is new. What is not UTF-8 is replaced, and what
 * is longer than PROFILE_MAX_TEXT cut. Beyond the ceiling of all texts it is
 * text 0. APP_NO_MEMORY.
 */
enum app_err profile_text(struct profile *profile, const char *text, size_t len, uint32_t *index)
    __attribute__((warn_unused_result));

/* Index of a location, added when it is new. APP_NO_MEMORY, APP_TOO_LARGE. */
enum app_err profile_location(struct profile *profile, uint32_t mapping, uint64_t address,
                              uint32_t *index) __attribute__((warn_unused_result));

/* Give a location its lines, if they fit; one that has some keeps them. APP_NO_MEMORY. */
enum app_err profile_location_lines(struct profile *profile, uint32_t location,
                                    const struct profile_line *lines, size_t count)
    __attribute__((warn_unused_result));

/* A stack of locations with its labels, pid and route (a text's index). */
struct profile_stack {
    const uint32_t *frames;
    size_t depth; /* at most PROFILE_MAX_DEPTH */
    int64_t pid;
    uint32_t route;
    uint32_t thread;
};

/* Add a sample whose parts are in the profile already. APP_NO_MEMORY. */
enum app_err profile_add_stack(struct profile *profile, const struct profile_stack *stack,
                               const int64_t *values) __attribute__((warn_unused_result));

#endif
