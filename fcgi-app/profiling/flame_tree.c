/* SPDX-License-Identifier: MIT */
/*
 * What a frame is called and in which file it lies is compared as text, since
 * the two profiles of a difference share no indices.
 */
#include "profiling/flame_tree.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- interning ------------------------------------------------------------------------- */

struct key {
    const struct flame_tree *tree;
    const void *wanted;
};

static bool frame_equal(const void *context, size_t index)
{
    const struct key *key = context;
    const struct flame_frame *have = &key->tree->frames[index];
    const struct flame_frame *wanted = key->wanted;
    return have->module == wanted->module && strcmp(have->name, wanted->name) == 0;
}

static bool node_equal(const void *context, size_t index)
{
    const struct key *key = context;
    const struct flame_node *have = &key->tree->nodes[index];
    const struct flame_node *wanted = key->wanted;
    return have->parent == wanted->parent && have->frame == wanted->frame;
}

static bool group_equal(const void *context, size_t index)
{
    const struct key *key = context;
    const struct flame_group *have = &key->tree->groups[index];
    const struct flame_group *wanted = key->wanted;
    return have->pid == wanted->pid && strcmp(have->route, wanted->route) == 0;
}

static enum app_err find_frame(struct flame_tree *tree, const struct flame_frame *wanted,
                               uint32_t *index)
{
    const struct key key = {tree, wanted};
    uint64_t hash = profile_hash_bytes(PROFILE_HASH_START, wanted->name, strlen(wanted->name));
    hash = profile_hash_number(hash, wanted->module);
    size_t found = profile_table_find(&tree->frame_table, hash, frame_equal, &key);
    if (found == SIZE_MAX) {
        enum app_err err = profile_array_grow(&tree->frames, &tree->frame_capacity,
                                              tree->frame_count, sizeof(*tree->frames));
        if (!err)
            err = profile_table_put(&tree->frame_table, hash, tree->frame_count);
        if (err)
            return err;
        found = tree->frame_count++;
        tree->frames[found] = *wanted;
    }
    *index = (uint32_t)found;
    return APP_OK;
}

/* APP_TOO_LARGE: there are FLAME_TREE_MAX_NODES. */
static enum app_err find_node(struct flame_tree *tree, int32_t parent, uint32_t frame,
                              int32_t *index)
{
    const struct flame_node wanted = {.parent = parent, .frame = frame};
    const struct key key = {tree, &wanted};
    uint64_t hash = profile_hash_number(PROFILE_HASH_START, (uint64_t)parent);
    hash = profile_hash_number(hash, frame);
    size_t found = profile_table_find(&tree->node_table, hash, node_equal, &key);
    if (found == SIZE_MAX) {
        if (tree->node_count == FLAME_TREE_MAX_NODES)
            return APP_TOO_LARGE;
        enum app_err err = profile_array_grow(&tree->nodes, &tree->node_capacity, tree->node_count,
                                              sizeof(*tree->nodes));
        if (!err)
            err = profile_table_put(&tree->node_table, hash, tree->node_count);
        if (err)
            return err;
        found = tree->node_count++;
        tree->nodes[found] = wanted;
    }
    *index = (int32_t)found;
    return APP_OK;
}

static enum app_err find_group(struct flame_tree *tree, const struct profile_labels *labels,
                               int32_t *index)
{
    const struct flame_group wanted = {labels->pid, labels->route ? labels->route : ""};
    const struct key key = {tree, &wanted};
    uint64_t hash = profile_hash_bytes(PROFILE_HASH_START, wanted.route, strlen(wanted.route));
    hash = profile_hash_number(hash, (uint64_t)wanted.pid);
    size_t found = profile_table_find(&tree->group_table, hash, group_equal, &key);
    if (found == SIZE_MAX) {
        enum app_err err = profile_array_grow(&tree->groups, &tree->group_capacity,
                                              tree->group_count, sizeof(*tree->groups));
        if (!err)
            err = profile_table_put(&tree->group_table, hash, tree->group_count);
        if (err)
            return err;
        found = tree->group_count++;
        tree->groups[found] = wanted;
    }
    *index = (int32_t)found;
    return APP_OK;
}

/* The module of a mapping by its file's name: builds of one program are one module. */
static enum app_err find_module(struct flame_tree *tree, const struct profile_mapping *mapping,
                                size_t *index)
{
    char label[FLAME_TREE_MAX_LABEL];
    const char *slash = mapping ? strrchr(mapping->path, '/') : NULL;
    if (slash)
        (void)snprintf(label, sizeof(label), "%s", slash + 1);
    else
        profile_mapping_label(mapping, label, sizeof(label));
    for (size_t i = 0; i < tree->module_count; i++) {
        if (strcmp(tree->modules[i], label) == 0) {
            *index = i;
            return APP_OK;
        }
    }
    enum app_err err = profile_array_grow(&tree->modules, &tree->module_capacity,
                                          tree->module_count, sizeof(*tree->modules));
    if (err)
        return err;
    memcpy(tree->modules[tree->module_count], label, sizeof(label));
    *index = tree->module_count++;
    return APP_OK;
}

/* --- the tree ------------------------------------------------------------------------------ */

/* One profile on its way into the tree. */
struct source {
    const struct profile *profile;
    bool is_base;
    size_t *modules; /* by mapping, the unknown one last */
};

static enum app_err step_into(struct flame_tree *tree, const struct flame_frame *frame,
                              int32_t *node)
{
    uint32_t index;
    enum app_err err = find_frame(tree, frame, &index);
    if (err)
        return err;
    /* Nameless frames of one file say it all in one. */
    if (!*frame->name && *node >= 0 && tree->nodes[*node].frame == index)
        return APP_OK;
    return find_node(tree, *node, index, node);
}

/* A frame and what is inlined in it, from the outside in; *node goes along. */
static enum app_err add_frame(struct flame_tree *tree, const struct source *source, size_t sample,
                              size_t index, int32_t *node)
{
    const struct profile_line *lines;
    size_t count = profile_frame_lines(source->profile, sample, index, &lines, NULL);
    size_t mapping = profile_frame_mapping(source->profile, sample, index);
    if (mapping == SIZE_MAX)
        mapping = profile_mapping_count(source->profile);
    struct flame_frame frame = {.module = source->modules[mapping]};
    if (count == 0) {
        frame.name = ""; /* shown as its module */
        return step_into(tree, &frame, node);
    }
    enum app_err err = APP_OK;
    for (size_t i = count; i > 0 && !err; i--) {
        frame.name = lines[i - 1].function;
        frame.file = lines[i - 1].file;
        err = step_into(tree, &frame, node);
    }
    return err;
}

static enum app_err add_sample(struct flame_tree *tree, const struct source *source, size_t sample)
{
    struct profile_sample_view view;
    profile_sample_at(source->profile, sample, &view);
    int64_t value = view.values[tree->value_index];
    if (value == 0 || view.depth == 0)
        return APP_OK;
    int32_t group;
    enum app_err err = find_group(tree, view.labels, &group);
    if (err)
        return err;
    int32_t node = -1 - group;
    for (size_t i = view.depth; i > 0 && !err; i--)
        err = add_frame(tree, source, sample, i - 1, &node);
    if (err && (err != APP_TOO_LARGE || node < 0))
        return err == APP_TOO_LARGE ? APP_OK : err;
    int64_t *sum = source->is_base ? &tree->nodes[node].base : &tree->nodes[node].self;
    *sum = profile_value_sum(*sum, value);
    return APP_OK;
}

enum app_err flame_tree_add(struct flame_tree *tree, const struct profile *profile, bool is_base)
{
    size_t mapping_count = profile_mapping_count(profile);
    struct source source = {profile, is_base, calloc(mapping_count + 1, sizeof(size_t))};
    if (!source.modules)
        return APP_NO_MEMORY;
    enum app_err err = APP_OK;
    for (size_t i = 0; i <= mapping_count && !err; i++)
        err = find_module(tree, i < mapping_count ? profile_mapping_at(profile, i) : NULL,
                          &source.modules[i]);
    for (size_t i = 0; i < profile_sample_count(profile) && !err; i++)
        err = add_sample(tree, &source, i);
    free(source.modules);
    return err;
}

void flame_tree_release(struct flame_tree *tree)
{
    free(tree->frames);
    profile_table_release(&tree->frame_table);
    free(tree->nodes);
    profile_table_release(&tree->node_table);
    free(tree->groups);
    profile_table_release(&tree->group_table);
    free(tree->modules);
    *tree = (struct flame_tree){0};
}
