/* SPDX-License-Identifier: MIT */
/* Texts of a profile are stored once, so a function is known by its name's address. */
#include "profiling/profile_top.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/utf8.h"
#include "profiling/profile_table.h"

enum { MAX_SHOWN_NAME = 512, VALUE_SIZE = 32 };

struct tally {
    const char *name; /* NULL: known by its mapping only */
    size_t mapping;
    int64_t flat;
    int64_t cum;
    size_t last_sample; /* plus one: the stack that was counted last */
};

struct tallies {
    const struct profile *profile;
    size_t value_index;
    struct tally *items;
    size_t count, capacity;
    struct profile_table table;
};

struct tally_key {
    const struct tallies *tallies;
    const char *name;
    size_t mapping;
};

static bool tally_equal(const void *context, size_t index)
{
    const struct tally_key *key = context;
    const struct tally *tally = &key->tallies->items[index];
    return tally->name == key->name && (key->name || tally->mapping == key->mapping);
}

static enum app_err find_tally(struct tallies *tallies, const char *name, size_t mapping,
                               struct tally **tally)
{
    struct tally_key key = {tallies, name, mapping};
    uint64_t hash = profile_hash_number(PROFILE_HASH_START, (uintptr_t)name);
    if (!name)
        hash = profile_hash_number(hash, mapping);
    size_t index = profile_table_find(&tallies->table, hash, tally_equal, &key);
    if (index == SIZE_MAX) {
        enum app_err err = profile_array_grow(&tallies->items, &tallies->capacity, tallies->count,
                                              sizeof(*tallies->items));
        if (!err)
            err = profile_table_put(&tallies->table, hash, tallies->count);
        if (err)
            return err;
        index = tallies->count++;
        tallies->items[index] = (struct tally){.name = name, .mapping = mapping};
    }
    *tally = &tallies->items[index];
    return APP_OK;
}

static enum app_err count_line(struct tallies *tallies, size_t sample, const char *name,
                               size_t mapping, int64_t value, bool innermost)
{
    struct tally *tally;
    enum app_err err = find_tally(tallies, name, mapping, &tally);
    if (err)
        return err;
    if (innermost)
        tally->flat = profile_value_sum(tally->flat, value);
    if (tally->last_sample != sample + 1)
        tally->cum = profile_value_sum(tally->cum, value);
    tally->last_sample = sample + 1;
    return APP_OK;
}

static enum app_err count_sample(struct tallies *tallies, size_t sample)
{
    struct profile_sample_view view;
    profile_sample_at(tallies->profile, sample, &view);
    int64_t value = view.values[tallies->value_index];
    enum app_err err = APP_OK;
    for (size_t frame = 0; frame < view.depth && !err; frame++) {
        const struct profile_line *lines;
        size_t count = profile_frame_lines(tallies->profile, sample, frame, &lines, NULL);
        size_t mapping = profile_frame_mapping(tallies->profile, sample, frame);
        if (count == 0)
            err = count_line(tallies, sample, NULL, mapping, value, frame == 0);
        for (size_t i = 0; i < count && !err; i++)
            err = count_line(tallies, sample, lines[i].function, mapping, value,
                             frame == 0 && i == 0);
    }
    return err;
}

static uint64_t magnitude(int64_t value)
{
    return value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
}

static int compare_tallies(const void *a, const void *b)
{
    const struct tally *left = a;
    const struct tally *right = b;
    if (left->flat != right->flat)
        return magnitude(left->flat) < magnitude(right->flat) ? 1 : -1;
    if (left->cum != right->cum)
        return magnitude(left->cum) < magnitude(right->cum) ? 1 : -1;
    if (left->name && right->name)
        return strcmp(left->name, right->name);
    return (left->name == NULL) - (right->name == NULL);
}

/* --- text ------------------------------------------------------------------------------ */

struct unit {
    const char *name;
    double size;
};

/* "1.5s": at most two decimals, and none that say nothing. */
static void format_value(int64_t value, const char *unit, char text[VALUE_SIZE])
{
    static const struct unit times[] = {{"ns", 1}, {"us", 1e3}, {"ms", 1e6}, {"s", 1e9}};
    static const struct unit sizes[] = {
        {"B", 1}, {"kB", 1024}, {"MB", 1048576}, {"GB", 1073741824}};
    const struct unit *units = strcmp(unit, "nanoseconds") == 0 ? times
                               : strcmp(unit, "bytes") == 0     ? sizes
                                                                : NULL;
    if (!units || value == 0) {
        (void)snprintf(text, VALUE_SIZE, "%" PRId64, value);
        return;
    }
    size_t i = 0;
    while (i < 3 && fabs((double)value) >= units[i + 1].size)
        i++;
    double scaled = round((double)value / units[i].size * 100) / 100;
    (void)snprintf(text, VALUE_SIZE, "%.10g%s", scaled, units[i].name);
}

static double percent(int64_t part, int64_t whole)
{
    return whole ? 100.0 * (double)part / (double)whole : 0;
}

static enum app_err write_summary(const struct tallies *tallies, int64_t total, struct buf *out)
{
    const struct profile *profile = tallies->profile;
    const struct profile_value_type *type = &profile_kind_of(profile)->values[tallies->value_index];
    int64_t duration = profile_duration_ns(profile);
    char total_text[VALUE_SIZE];
    char duration_text[VALUE_SIZE];
    format_value(total, type->unit, total_text);
    format_value(duration, "nanoseconds", duration_text);
    enum app_err err = APP_OK;
    for (size_t i = 0; i < profile_comment_count(profile) && !err; i++)
        err = buf_printf(out, "%s\n", profile_comment_at(profile, i));
    if (!err)
        err = buf_printf(out, "Type: %s\n", type->type);
    if (err || duration == 0)
        return err;
    if (strcmp(type->unit, "nanoseconds") != 0)
        return buf_printf(out, "Duration: %s, Total samples = %s\n", duration_text, total_text);
    return buf_printf(out, "Duration: %s, Total samples = %s (%.4g%%)\n", duration_text, total_text,
                      percent(total, duration));
}

static enum app_err write_row(const struct tallies *tallies, const struct tally *tally, int64_t sum,
                              int64_t total, struct buf *out)
{
    const struct profile *profile = tallies->profile;
    const char *unit = profile_kind_of(profile)->values[tallies->value_index].unit;
    char flat[VALUE_SIZE];
    char cum[VALUE_SIZE];
    char label[MAX_SHOWN_NAME];
    char name[MAX_SHOWN_NAME + 1];
    format_value(tally->flat, unit, flat);
    format_value(tally->cum, unit, cum);
    profile_mapping_label(tally->mapping == SIZE_MAX ? NULL
                                                     : profile_mapping_at(profile, tally->mapping),
                          label, sizeof(label));
    const char *shown = tally->name ? tally->name : label;
    utf8_copy_printable(name, MAX_SHOWN_NAME, shown, strlen(shown));
    return buf_printf(out, "%10s %5.2f%% %5.2f%% %10s %5.2f%%  %s\n", flat,
                      percent(tally->flat, total), percent(sum, total), cum,
                      percent(tally->cum, total), name);
}

static enum app_err write_table(const struct tallies *tallies, size_t rows, struct buf *out)
{
    int64_t total = profile_total(tallies->profile, tallies->value_index);
    enum app_err err = write_summary(tallies, total, out);
    size_t shown = rows < tallies->count ? rows : tallies->count;
    if (!err)
        err = buf_printf(out,
                         "Showing %zu of %zu functions\n"
                         "      flat  flat%%   sum%%        cum   cum%%\n",
                         shown, tallies->count);
    int64_t sum = 0;
    for (size_t i = 0; i < shown && !err; i++) {
        sum = profile_value_sum(sum, tallies->items[i].flat);
        err = write_row(tallies, &tallies->items[i], sum, total, out);
    }
    return err;
}

enum app_err profile_top_text(const struct profile *profile, size_t value_index, size_t rows,
                              struct buf *out)
{
    struct tallies tallies = {.profile = profile, .value_index = value_index};
    enum app_err err = APP_OK;
    for (size_t i = 0; i < profile_sample_count(profile) && !err; i++)
        err = count_sample(&tallies, i);
    if (!err) {
        if (tallies.count > 0)
            qsort(tallies.items, tallies.count, sizeof(*tallies.items), compare_tallies);
        err = write_table(&tallies, rows, out);
    }
    free(tallies.items);
    profile_table_release(&tallies.table);
    return err;
}
