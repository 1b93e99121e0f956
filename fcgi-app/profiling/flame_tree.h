/* SPDX-License-Identifier: MIT */
/*
 * The stacks of one profile, or of two to compare, folded into a tree: a place
 * for each chain of callers, outermost first, with what was spent just there.
 * It is many times smaller than the samples.
 *
 * Life cycle: set value_index in a zeroed struct, flame_tree_add once or twice,
 * read, flame_tree_release. It refers to texts of the profiles, which must stay
 * as they are meanwhile. One thread at a time.
 */
#ifndef PROFILING_FLAME_TREE_H
#define PROFILING_FLAME_TREE_H

#include "profiling/profile.h"
#include "profiling/profile_table.h"

enum { FLAME_TREE_MAX_NODES = 200000, FLAME_TREE_MAX_LABEL = 256 };

struct flame_frame {
    const char *name; /* "": none but its module's */
    const char *file; /* the source; NULL: unknown */
    size_t module;
};

struct flame_node {
    int32_t parent; /* a node before this one; -1 - group at the outer end */
    uint32_t frame;
    int64_t self; /* spent just there */
    int64_t base; /* the same in the base */
};

/* What the samples below an outermost node are labelled with. */
struct flame_group {
    int64_t pid;
    const char *route; /* "": none */
};

struct flame_tree {
    size_t value_index; /* which value of the samples */
    struct flame_frame *frames;
    size_t frame_count, frame_capacity;
    struct profile_table frame_table;
    struct flame_node *nodes; /* parents first */
    size_t node_count, node_capacity;
    struct profile_table node_table;
    struct flame_group *groups;
    size_t group_count, group_capacity;
    struct profile_table group_table;
    char (*modules)[FLAME_TREE_MAX_LABEL]; /* "libc.so.6", "[vdso]", "[unknown]" */
    size_t module_count, module_capacity;
};

/*
 * Add a profile's stacks, as the base or as what is compared with it. Of a stack
 * that does not fit any more, the value goes to the innermost place that did.
 * APP_NO_MEMORY.
 */
enum app_err flame_tree_add(struct flame_tree *tree, const struct profile *profile, bool is_base)
    __attribute__((warn_unused_result));

/* Free the memory; the tree is then zeroed. */
void flame_tree_release(struct flame_tree *tree);

#endif
