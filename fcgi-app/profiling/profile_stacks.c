/* SPDX-License-Identifier: MIT */
/* Names are foreign text and come out as one printable line each. */
#include "profiling/profile_stacks.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/utf8.h"

enum { NAME_MAX_BYTES = 240 };

struct ranked {
    size_t sample;
    int64_t value;
};

static int compare_ranked(const void *a, const void *b)
{
    const struct ranked *first = a, *second = b;
    if (first->value != second->value)
        return first->value < second->value ? 1 : -1;
    return (first->sample > second->sample) - (first->sample < second->sample);
}

static enum app_err append_name(struct buf *out, const char *name)
{
    char printable[NAME_MAX_BYTES + 1];
    utf8_copy_printable(printable, NAME_MAX_BYTES, name, strlen(name));
    return buf_append_str(out, printable);
}

static enum app_err append_line(struct buf *out, const struct profile_line *line)
{
    enum app_err err = buf_append_str(out, "    ");
    if (!err)
        err = append_name(out, line->function);
    if (!err && line->file)
        err = buf_append_str(out, "  ");
    if (!err && line->file)
        err = append_name(out, line->file);
    if (!err && line->file)
        err = buf_printf(out, ":%d", line->line);
    return err ? err : buf_append_str(out, "\n");
}

static enum app_err append_frame(const struct profile *profile, size_t sample, size_t frame,
                                 struct buf *out)
{
    const struct profile_line *lines;
    size_t count = profile_frame_lines(profile, sample, frame, &lines, NULL);
    if (count == 0) {
        char label[NAME_MAX_BYTES];
        size_t mapping = profile_frame_mapping(profile, sample, frame);
        profile_mapping_label(mapping == SIZE_MAX ? NULL : profile_mapping_at(profile, mapping),
                              label, sizeof(label));
        return append_line(out, &(struct profile_line){.function = label});
    }
    enum app_err err = APP_OK;
    for (size_t i = 0; i < count && !err; i++)
        err = append_line(out, &lines[i]);
    return err;
}

static enum app_err append_sample(const struct profile *profile, const struct ranked *ranked,
                                  struct buf *out)
{
    struct profile_sample_view view;
    profile_sample_at(profile, ranked->sample, &view);
    enum app_err err = buf_printf(out, "%" PRId64, ranked->value);
    if (!err && view.labels && view.labels->pid)
        err = buf_printf(out, " pid=%" PRId64, view.labels->pid);
    if (!err && view.labels && view.labels->thread)
        err = buf_append_str(out, " thread=");
    if (!err && view.labels && view.labels->thread)
        err = append_name(out, view.labels->thread);
    if (!err && view.labels && view.labels->route)
        err = buf_printf(out, " route=%s", view.labels->route);
    if (!err)
        err = buf_append_str(out, "\n");
    for (size_t frame = 0; frame < view.depth && !err; frame++)
        err = append_frame(profile, ranked->sample, frame, out);
    return err ? err : buf_append_str(out, "\n");
}

enum app_err profile_stacks_text(const struct profile *profile, size_t value_index, size_t count,
                                 struct buf *out)
{
    size_t total = profile_sample_count(profile);
    struct ranked *ranked = calloc(total ? total : 1, sizeof(*ranked));
    if (!ranked)
        return APP_NO_MEMORY;
    for (size_t i = 0; i < total; i++) {
        struct profile_sample_view view;
        profile_sample_at(profile, i, &view);
        ranked[i] = (struct ranked){i, view.values[value_index]};
    }
    qsort(ranked, total, sizeof(*ranked), compare_ranked);

    enum app_err err =
        buf_printf(out, "%s: %zu different stacks\n\n", profile_kind_of(profile)->name, total);
    for (size_t i = 0; i < total && i < count && !err; i++)
        err = append_sample(profile, &ranked[i], out);
    free(ranked);
    return err;
}
