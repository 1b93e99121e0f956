/* SPDX-License-Identifier: MIT */
/*
 * The stacks are folded into a tree here, which is many times smaller than the
 * samples; drawing is the script's work. What a frame is called and in which file it
 * lies is compared as text, since two profiles of a difference share no indices.
 */
#include "api/profiling/flamegraph.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/evp.h>

#include "api/profiling/profile_table.h"

/* Made by the linker from page/; the names are its own. */
extern const char _binary_flamegraph_html_start[], _binary_flamegraph_html_end[];
extern const char _binary_flamegraph_css_start[], _binary_flamegraph_css_end[];
extern const char _binary_flamegraph_js_start[], _binary_flamegraph_js_end[];

enum { MAX_LABEL = 256, SHA256_BYTES = 32, SHA256_BASE64 = 45 };

struct frame {
    const char *name; /* of one of the profiles, or its module's label */
    const char *file; /* NULL: unknown */
    size_t module;
};

struct node {
    int32_t parent; /* -1 - group at the outer end */
    uint32_t frame;
    int64_t self;
    int64_t base;
};

struct group {
    int64_t pid;
    const char *route; /* "" : none */
};

struct graph {
    const struct flamegraph_options *options;
    struct frame *frames;
    size_t frame_count, frame_capacity;
    struct profile_table frame_table;
    struct node *nodes;
    size_t node_count, node_capacity;
    struct profile_table node_table;
    struct group *groups;
    size_t group_count, group_capacity;
    struct profile_table group_table;
    char (*modules)[MAX_LABEL]; /* "libc.so.6", "[vdso]", "[unknown]" */
    size_t module_count, module_capacity;
};

/* --- interning ------------------------------------------------------------------------- */

struct key {
    const struct graph *graph;
    const void *wanted;
};

static bool frame_equal(const void *context, size_t index)
{
    const struct key *key = context;
    const struct frame *have = &key->graph->frames[index];
    const struct frame *wanted = key->wanted;
    return have->module == wanted->module && strcmp(have->name, wanted->name) == 0;
}

static bool node_equal(const void *context, size_t index)
{
    const struct key *key = context;
    const struct node *have = &key->graph->nodes[index];
    const struct node *wanted = key->wanted;
    return have->parent == wanted->parent && have->frame == wanted->frame;
}

static bool group_equal(const void *context, size_t index)
{
    const struct key *key = context;
    const struct group *have = &key->graph->groups[index];
    const struct group *wanted = key->wanted;
    return have->pid == wanted->pid && strcmp(have->route, wanted->route) == 0;
}

static enum app_err find_frame(struct graph *graph, const struct frame *wanted, uint32_t *index)
{
    const struct key key = {graph, wanted};
    uint64_t hash = profile_hash_bytes(PROFILE_HASH_START, wanted->name, strlen(wanted->name));
    hash = profile_hash_number(hash, wanted->module);
    size_t found = profile_table_find(&graph->frame_table, hash, frame_equal, &key);
    if (found == SIZE_MAX) {
        enum app_err err = profile_array_grow(&graph->frames, &graph->frame_capacity,
                                              graph->frame_count, sizeof(*graph->frames));
        if (!err)
            err = profile_table_put(&graph->frame_table, hash, graph->frame_count);
        if (err)
            return err;
        found = graph->frame_count++;
        graph->frames[found] = *wanted;
    }
    *index = (uint32_t)found;
    return APP_OK;
}

/* APP_TOO_LARGE: there are FLAMEGRAPH_MAX_NODES. */
static enum app_err find_node(struct graph *graph, int32_t parent, uint32_t frame, int32_t *index)
{
    const struct node wanted = {.parent = parent, .frame = frame};
    const struct key key = {graph, &wanted};
    uint64_t hash = profile_hash_number(PROFILE_HASH_START, (uint64_t)parent);
    hash = profile_hash_number(hash, frame);
    size_t found = profile_table_find(&graph->node_table, hash, node_equal, &key);
    if (found == SIZE_MAX) {
        if (graph->node_count == FLAMEGRAPH_MAX_NODES)
            return APP_TOO_LARGE;
        enum app_err err = profile_array_grow(&graph->nodes, &graph->node_capacity,
                                              graph->node_count, sizeof(*graph->nodes));
        if (!err)
            err = profile_table_put(&graph->node_table, hash, graph->node_count);
        if (err)
            return err;
        found = graph->node_count++;
        graph->nodes[found] = wanted;
    }
    *index = (int32_t)found;
    return APP_OK;
}

static enum app_err find_group(struct graph *graph, const struct profile_labels *labels,
                               int32_t *index)
{
    const struct group wanted = {labels->pid, labels->route ? labels->route : ""};
    const struct key key = {graph, &wanted};
    uint64_t hash = profile_hash_bytes(PROFILE_HASH_START, wanted.route, strlen(wanted.route));
    hash = profile_hash_number(hash, (uint64_t)wanted.pid);
    size_t found = profile_table_find(&graph->group_table, hash, group_equal, &key);
    if (found == SIZE_MAX) {
        enum app_err err = profile_array_grow(&graph->groups, &graph->group_capacity,
                                              graph->group_count, sizeof(*graph->groups));
        if (!err)
            err = profile_table_put(&graph->group_table, hash, graph->group_count);
        if (err)
            return err;
        found = graph->group_count++;
        graph->groups[found] = wanted;
    }
    *index = (int32_t)found;
    return APP_OK;
}

/* The module of a mapping by its file's name: builds of one program are one module. */
static enum app_err find_module(struct graph *graph, const struct profile_mapping *mapping,
                                size_t *index)
{
    char label[MAX_LABEL];
    const char *slash = mapping ? strrchr(mapping->path, '/') : NULL;
    if (slash)
        (void)snprintf(label, sizeof(label), "%s", slash + 1);
    else
        profile_mapping_label(mapping, label, sizeof(label));
    for (size_t i = 0; i < graph->module_count; i++) {
        if (strcmp(graph->modules[i], label) == 0) {
            *index = i;
            return APP_OK;
        }
    }
    enum app_err err = profile_array_grow(&graph->modules, &graph->module_capacity,
                                          graph->module_count, sizeof(*graph->modules));
    if (err)
        return err;
    memcpy(graph->modules[graph->module_count], label, sizeof(label));
    *index = graph->module_count++;
    return APP_OK;
}

/* --- the tree ------------------------------------------------------------------------------ */

/* One profile on its way into the graph. */
struct source {
    const struct profile *profile;
    bool is_base;
    size_t *modules; /* by mapping, the unknown one last */
};

static enum app_err step_into(struct graph *graph, const struct frame *frame, int32_t *node)
{
    uint32_t index;
    enum app_err err = find_frame(graph, frame, &index);
    if (err)
        return err;
    /* Nameless frames of one file say it all in one. */
    if (!*frame->name && *node >= 0 && graph->nodes[*node].frame == index)
        return APP_OK;
    return find_node(graph, *node, index, node);
}

/* A frame and what is inlined in it, from the outside in; *node goes along. */
static enum app_err add_frame(struct graph *graph, const struct source *source, size_t sample,
                              size_t index, int32_t *node)
{
    const struct profile_line *lines;
    size_t count = profile_frame_lines(source->profile, sample, index, &lines, NULL);
    size_t mapping = profile_frame_mapping(source->profile, sample, index);
    if (mapping == SIZE_MAX)
        mapping = profile_mapping_count(source->profile);
    struct frame frame = {.module = source->modules[mapping]};
    if (count == 0) {
        frame.name = ""; /* shown as its module */
        return step_into(graph, &frame, node);
    }
    enum app_err err = APP_OK;
    for (size_t i = count; i > 0 && !err; i--) {
        frame.name = lines[i - 1].function;
        frame.file = lines[i - 1].file;
        err = step_into(graph, &frame, node);
    }
    return err;
}

static enum app_err add_sample(struct graph *graph, const struct source *source, size_t sample)
{
    struct profile_sample_view view;
    profile_sample_at(source->profile, sample, &view);
    int64_t value = view.values[graph->options->value_index];
    if (value == 0 || view.depth == 0)
        return APP_OK;
    int32_t group;
    enum app_err err = find_group(graph, view.labels, &group);
    if (err)
        return err;
    int32_t node = -1 - group;
    for (size_t i = view.depth; i > 0 && !err; i--)
        err = add_frame(graph, source, sample, i - 1, &node);
    if (err && (err != APP_TOO_LARGE || node < 0))
        return err == APP_TOO_LARGE ? APP_OK : err;
    int64_t *sum = source->is_base ? &graph->nodes[node].base : &graph->nodes[node].self;
    *sum = profile_value_sum(*sum, value);
    return APP_OK;
}

static enum app_err add_profile(struct graph *graph, const struct profile *profile, bool is_base)
{
    size_t mapping_count = profile_mapping_count(profile);
    struct source source = {profile, is_base, calloc(mapping_count + 1, sizeof(size_t))};
    if (!source.modules)
        return APP_NO_MEMORY;
    enum app_err err = APP_OK;
    for (size_t i = 0; i <= mapping_count && !err; i++)
        err = find_module(graph, i < mapping_count ? profile_mapping_at(profile, i) : NULL,
                          &source.modules[i]);
    for (size_t i = 0; i < profile_sample_count(profile) && !err; i++)
        err = add_sample(graph, &source, i);
    free(source.modules);
    return err;
}

static void release_graph(struct graph *graph)
{
    free(graph->frames);
    profile_table_release(&graph->frame_table);
    free(graph->nodes);
    profile_table_release(&graph->node_table);
    free(graph->groups);
    profile_table_release(&graph->group_table);
    free(graph->modules);
}

/* --- JSON ----------------------------------------------------------------------------------- */

/* Appends to a buffer; the first error stays. */
struct json {
    struct buf *out;
    enum app_err err;
};

static void put_bytes(struct json *json, const char *data, size_t len)
{
    if (!json->err)
        json->err = buf_append(json->out, data, len);
}

static void put(struct json *json, const char *text)
{
    put_bytes(json, text, strlen(text));
}

static void put_number(struct json *json, int64_t number)
{
    if (!json->err)
        json->err = buf_printf(json->out, "%" PRId64, number);
}

/* What would end a script element, or is none of JSON's business, goes as \u escape. */
static bool is_plain(unsigned char c)
{
    return c >= 0x20 && c != 0x7f && !strchr("\"\\<>&", c);
}

static void put_text(struct json *json, const char *text)
{
    put(json, "\"");
    while (*text) {
        size_t len = 0;
        while (is_plain((unsigned char)text[len]))
            len++;
        put_bytes(json, text, len);
        text += len;
        if (*text && !json->err)
            json->err = buf_printf(json->out, "\\u%04x", (unsigned char)*text++);
        else if (*text)
            return;
    }
    put(json, "\"");
}

static void put_key(struct json *json, const char *key)
{
    put(json, ",");
    put_text(json, key);
    put(json, ":");
}

static void put_modules(struct json *json, const struct graph *graph)
{
    put_key(json, "modules");
    for (size_t i = 0; i < graph->module_count; i++) {
        put(json, i ? "," : "[");
        put_text(json, graph->modules[i]);
    }
    put(json, "]");
}

static void put_frame_name(struct json *json, const struct graph *graph, const struct frame *frame)
{
    const char *module = graph->modules[frame->module];
    char label[MAX_LABEL + 2];
    (void)snprintf(label, sizeof(label), *module == '[' ? "%s" : "[%s]", module);
    put_text(json, *frame->name ? frame->name : label);
}

static void put_frames(struct json *json, const struct graph *graph)
{
    put_key(json, "frames");
    put(json, "[");
    for (size_t i = 0; i < graph->frame_count; i++) {
        const struct frame *frame = &graph->frames[i];
        put(json, i ? ",[" : "[");
        put_frame_name(json, graph, frame);
        put(json, ",");
        put_number(json, (int64_t)frame->module);
        put(json, ",");
        put_text(json, frame->file ? frame->file : "");
        put(json, "]");
    }
    put(json, "]");
}

static void put_groups(struct json *json, const struct graph *graph)
{
    put_key(json, "groups");
    put(json, "[");
    for (size_t i = 0; i < graph->group_count; i++) {
        put(json, i ? ",[" : "[");
        put_number(json, graph->groups[i].pid);
        put(json, ",");
        put_text(json, graph->groups[i].route);
        put(json, "]");
    }
    put(json, "]");
}

static void put_nodes(struct json *json, const struct graph *graph)
{
    put_key(json, "nodes");
    put(json, "[");
    for (size_t i = 0; i < graph->node_count && !json->err; i++) {
        const struct node *node = &graph->nodes[i];
        json->err = buf_printf(json->out, "%s%" PRId32 ",%" PRIu32 ",%" PRId64, i ? "," : "",
                               node->parent, node->frame, node->self);
        if (graph->options->base && !json->err)
            json->err = buf_printf(json->out, ",%" PRId64, node->base);
    }
    put(json, "]");
}

static void put_base(struct json *json, const struct flamegraph_options *options)
{
    put_key(json, "base");
    if (!options->base) {
        put(json, "null");
        return;
    }
    put(json, "{\"total\":");
    put_number(json, profile_total(options->base, options->value_index));
    put_key(json, "duration");
    put_number(json, profile_duration_ns(options->base));
    put_key(json, "title");
    put_text(json, options->base_title ? options->base_title : "");
    put(json, "}");
}

static void put_comments(struct json *json, const struct profile *profile)
{
    put_key(json, "comments");
    put(json, "[");
    for (size_t i = 0; i < profile_comment_count(profile); i++) {
        put(json, i ? "," : "");
        put_text(json, profile_comment_at(profile, i));
    }
    put(json, "]");
}

/* What the numbers are, in words. */
static const char *value_label(const char *type)
{
    static const struct {
        const char *type, *label;
    } labels[] = {{"cpu", "of CPU time"},    {"alloc_space", "allocated"},
                  {"inuse_space", "in use"}, {"alloc_objects", "objects allocated"},
                  {"delay", "of waiting"},   {"inuse_objects", "objects in use"},
                  {"goroutine", "threads"},  {"threadcreate", "threads"},
                  {"contentions", "waits"}};
    for (size_t i = 0; i < sizeof(labels) / sizeof(labels[0]); i++) {
        if (strcmp(labels[i].type, type) == 0)
            return labels[i].label;
    }
    return type;
}

static void put_head(struct json *json, const struct flamegraph_options *options)
{
    const struct profile *profile = options->profile;
    const struct profile_kind *kind = profile_kind_of(profile);
    const struct profile_value_type *type = &kind->values[options->value_index];
    put(json, "{\"title\":");
    put_text(json, options->title);
    put_key(json, "processes");
    put_text(json, options->processes ? options->processes : "");
    put_key(json, "kind");
    put_text(json, kind->name);
    put_key(json, "label");
    put_text(json, value_label(type->type));
    put_key(json, "unit");
    put_text(json, type->unit);
    put_key(json, "total");
    put_number(json, profile_total(profile, options->value_index));
    put_key(json, "samples");
    put_number(json, profile_total(profile, 0));
    put_key(json, "duration");
    put_number(json, profile_duration_ns(profile));
    put_key(json, "period");
    put_number(json, profile_period(profile));
    put_key(json, "time");
    put_number(json, profile_time_ns(profile));
}

static enum app_err put_data(const struct graph *graph, struct buf *out)
{
    struct json json = {.out = out};
    put_head(&json, graph->options);
    put_base(&json, graph->options);
    put_comments(&json, graph->options->profile);
    put_modules(&json, graph);
    put_frames(&json, graph);
    put_groups(&json, graph);
    put_nodes(&json, graph);
    put(&json, "}");
    return json.err;
}

/* --- the page --------------------------------------------------------------------------------- */

struct text {
    const char *data;
    size_t len;
};

static struct text page_html(void)
{
    return (struct text){_binary_flamegraph_html_start,
                         (size_t)(_binary_flamegraph_html_end - _binary_flamegraph_html_start)};
}

static struct text page_css(void)
{
    return (struct text){_binary_flamegraph_css_start,
                         (size_t)(_binary_flamegraph_css_end - _binary_flamegraph_css_start)};
}

static struct text page_js(void)
{
    return (struct text){_binary_flamegraph_js_start,
                         (size_t)(_binary_flamegraph_js_end - _binary_flamegraph_js_start)};
}

/* Append the page up to `marker` and move *rest behind it. */
static enum app_err put_until(struct text *rest, const char *marker, struct buf *out)
{
    const char *at = memmem(rest->data, rest->len, marker, strlen(marker));
    assert(at);
    size_t len = (size_t)(at - rest->data);
    enum app_err err = buf_append(out, rest->data, len);
    rest->data += len + strlen(marker);
    rest->len -= len + strlen(marker);
    return err;
}

static enum app_err put_page(const struct graph *graph, struct buf *out)
{
    struct text rest = page_html();
    enum app_err err = put_until(&rest, "<!--style-->", out);
    if (!err)
        err = buf_append(out, page_css().data, page_css().len);
    if (!err)
        err = put_until(&rest, "<!--data-->", out);
    if (!err)
        err = put_data(graph, out);
    if (!err)
        err = put_until(&rest, "<!--script-->", out);
    if (!err)
        err = buf_append(out, page_js().data, page_js().len);
    return err ? err : buf_append(out, rest.data, rest.len);
}

enum app_err flamegraph_write(const struct flamegraph_options *options, struct buf *out)
{
    assert(!options->base || profile_kind_of(options->base) == profile_kind_of(options->profile));
    struct graph graph = {.options = options};
    enum app_err err = add_profile(&graph, options->profile, false);
    if (!err && options->base)
        err = add_profile(&graph, options->base, true);
    if (!err)
        err = put_page(&graph, out);
    release_graph(&graph);
    return err;
}

static enum app_err put_hash(const char *directive, struct text content, struct buf *out)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned char base64[SHA256_BASE64];
    unsigned int len = 0;
    if (!EVP_Digest(content.data, content.len, digest, &len, EVP_sha256(), NULL) ||
        len != SHA256_BYTES)
        return APP_INTERNAL;
    (void)EVP_EncodeBlock(base64, digest, SHA256_BYTES);
    return buf_printf(out, "; %s 'sha256-%s'", directive, (const char *)base64);
}

enum app_err flamegraph_csp(struct buf *out)
{
    enum app_err err = buf_append_str(out, "default-src 'none'");
    if (!err)
        err = put_hash("style-src", page_css(), out);
    if (!err)
        err = put_hash("script-src", page_js(), out);
    return err ? err
               : buf_append_str(out, "; img-src data:; base-uri 'none'; form-action 'none'; "
                                     "frame-ancestors 'none'");
}
