/* SPDX-License-Identifier: MIT */
/* The tree of stacks as JSON in the page's place for it; drawing is the script's work. */
#include "profiling/flamegraph.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/page.h"
#include "profiling/flame_tree.h"

/* Made by the linker from page/; the names are its own. */
extern const char _binary_flamegraph_html_start[], _binary_flamegraph_html_end[];
extern const char _binary_flamegraph_css_start[], _binary_flamegraph_css_end[];
extern const char _binary_flamegraph_js_start[], _binary_flamegraph_js_end[];

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

static void put_modules(struct json *json, const struct flame_tree *tree)
{
    put_key(json, "modules");
    for (size_t i = 0; i < tree->module_count; i++) {
        put(json, i ? "," : "[");
        put_text(json, tree->modules[i]);
    }
    put(json, "]");
}

static void put_frame_name(struct json *json, const struct flame_tree *tree,
                           const struct flame_frame *frame)
{
    const char *module = tree->modules[frame->module];
    char label[FLAME_TREE_MAX_LABEL + 2];
    (void)snprintf(label, sizeof(label), *module == '[' ? "%s" : "[%s]", module);
    put_text(json, *frame->name ? frame->name : label);
}

static void put_frames(struct json *json, const struct flame_tree *tree)
{
    put_key(json, "frames");
    put(json, "[");
    for (size_t i = 0; i < tree->frame_count; i++) {
        const struct flame_frame *frame = &tree->frames[i];
        put(json, i ? ",[" : "[");
        put_frame_name(json, tree, frame);
        put(json, ",");
        put_number(json, (int64_t)frame->module);
        put(json, ",");
        put_text(json, frame->file ? frame->file : "");
        put(json, "]");
    }
    put(json, "]");
}

static void put_groups(struct json *json, const struct flame_tree *tree)
{
    put_key(json, "groups");
    put(json, "[");
    for (size_t i = 0; i < tree->group_count; i++) {
        put(json, i ? ",[" : "[");
        put_number(json, tree->groups[i].pid);
        put(json, ",");
        put_text(json, tree->groups[i].route);
        put(json, "]");
    }
    put(json, "]");
}

static void put_nodes(struct json *json, const struct flame_tree *tree, bool with_base)
{
    put_key(json, "nodes");
    put(json, "[");
    for (size_t i = 0; i < tree->node_count && !json->err; i++) {
        const struct flame_node *node = &tree->nodes[i];
        json->err = buf_printf(json->out, "%s%" PRId32 ",%" PRIu32 ",%" PRId64, i ? "," : "",
                               node->parent, node->frame, node->self);
        if (with_base && !json->err)
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

static enum app_err put_data(const struct flamegraph_options *options,
                             const struct flame_tree *tree, struct buf *out)
{
    struct json json = {.out = out};
    put_head(&json, options);
    put_base(&json, options);
    put_comments(&json, options->profile);
    put_modules(&json, tree);
    put_frames(&json, tree);
    put_groups(&json, tree);
    put_nodes(&json, tree, options->base != NULL);
    put(&json, "}");
    return json.err;
}

/* --- the page --------------------------------------------------------------------------------- */

static struct page_text page_css(void)
{
    return PAGE_EMBEDDED(flamegraph_css);
}

static struct page_text page_js(void)
{
    return PAGE_EMBEDDED(flamegraph_js);
}

static enum app_err put_page(const struct flamegraph_options *options,
                             const struct flame_tree *tree, struct buf *out)
{
    struct page_text rest = PAGE_EMBEDDED(flamegraph_html);
    enum app_err err = page_put_until(&rest, "<!--style-->", out);
    if (!err)
        err = buf_append(out, page_css().data, page_css().len);
    if (!err)
        err = page_put_until(&rest, "<!--data-->", out);
    if (!err)
        err = put_data(options, tree, out);
    if (!err)
        err = page_put_until(&rest, "<!--script-->", out);
    if (!err)
        err = buf_append(out, page_js().data, page_js().len);
    return err ? err : buf_append(out, rest.data, rest.len);
}

enum app_err flamegraph_write(const struct flamegraph_options *options, struct buf *out)
{
    assert(!options->base || profile_kind_of(options->base) == profile_kind_of(options->profile));
    struct flame_tree tree = {.value_index = options->value_index};
    enum app_err err = flame_tree_add(&tree, options->profile, false);
    if (!err && options->base)
        err = flame_tree_add(&tree, options->base, true);
    if (!err)
        err = put_page(options, &tree, out);
    flame_tree_release(&tree);
    return err;
}

enum app_err flamegraph_csp(struct buf *out)
{
    enum app_err err = buf_append_str(out, "default-src 'none'; style-src ");
    if (!err)
        err = page_put_hash(page_css(), out);
    if (!err)
        err = buf_append_str(out, "; script-src ");
    if (!err)
        err = page_put_hash(page_js(), out);
    return err ? err
               : buf_append_str(out, "; img-src data:; base-uri 'none'; form-action 'none'; "
                                     "frame-ancestors 'none'");
}
