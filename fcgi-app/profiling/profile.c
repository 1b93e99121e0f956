/* SPDX-License-Identifier: MIT */
/*
 * Everything is an array with a hash index beside it, so that adding a sample is
 * a lookup a frame and one for the whole stack.
 */
#include "profiling/profile.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/utf8.h"
#include "profiling/profile_data.h"

const struct profile_kind profile_kind_cpu = {
    .name = "profile",
    .values = {{"samples", "count"}, {"cpu", "nanoseconds"}},
    .value_count = 2,
    .period_type = {"cpu", "nanoseconds"},
};

const struct profile_kind profile_kind_heap = {
    .name = "heap",
    .values = {{"alloc_objects", "count"},
               {"alloc_space", "bytes"},
               {"inuse_objects", "count"},
               {"inuse_space", "bytes"}},
    .value_count = 4,
    .period_type = {"space", "bytes"},
    .default_value = "inuse_space",
};

const struct profile_kind profile_kind_contention = {
    .name = "block",
    .values = {{"contentions", "count"}, {"delay", "nanoseconds"}},
    .value_count = 2,
    .period_type = {"contentions", "count"},
    .default_value = "delay",
};

const struct profile_kind profile_kind_goroutine = {
    .name = "goroutine",
    .values = {{"goroutine", "count"}},
    .value_count = 1,
    .period_type = {"goroutine", "count"},
};

const struct profile_kind profile_kind_threads = {
    .name = "threadcreate",
    .values = {{"threadcreate", "count"}},
    .value_count = 1,
    .period_type = {"threadcreate", "count"},
};

struct profile *profile_new(const struct profile_kind *kind)
{
    struct profile *profile = calloc(1, sizeof(*profile));
    if (!profile)
        return NULL;
    profile->kind = kind;
    /* The arena rounds up; text_bytes is the ceiling that counts. */
    profile->arena = arena_new((size_t)PROFILE_MAX_TEXTS * 8);
    uint32_t empty;
    if (!profile->arena || profile_text(profile, "", 0, &empty))
        profile_free(&profile);
    return profile;
}

void profile_free(struct profile **profile)
{
    struct profile *old = *profile;
    *profile = NULL;
    if (!old)
        return;
    arena_free(&old->arena);
    free(old->texts);
    profile_table_release(&old->text_table);
    free(old->mappings);
    free(old->functions);
    profile_table_release(&old->function_table);
    free(old->locations);
    profile_table_release(&old->location_table);
    free(old->lines);
    free(old->line_functions);
    free(old->frames);
    free(old->samples);
    profile_table_release(&old->sample_table);
    free(old);
}

const struct profile_kind *profile_kind_of(const struct profile *profile)
{
    return profile->kind;
}

size_t profile_value_index(const struct profile_kind *kind, const char *type)
{
    for (size_t i = 0; i < kind->value_count; i++) {
        if (strcmp(kind->values[i].type, type) == 0)
            return i;
    }
    return SIZE_MAX;
}

size_t profile_value_default(const struct profile_kind *kind)
{
    size_t index = kind->default_value ? profile_value_index(kind, kind->default_value) : SIZE_MAX;
    return index == SIZE_MAX ? kind->value_count - 1 : index;
}

void profile_set_time(struct profile *profile, int64_t time_ns, int64_t duration_ns, int64_t period)
{
    profile->time_ns = time_ns;
    profile->duration_ns = duration_ns;
    profile->period = period;
}

/* --- texts ---------------------------------------------------------------------- */

struct text_key {
    const struct profile *profile;
    const char *text;
    size_t len;
};

static bool text_equal(const void *context, size_t index)
{
    const struct text_key *key = context;
    const char *text = key->profile->texts[index];
    return strncmp(text, key->text, key->len) == 0 && text[key->len] == '\0';
}

static enum app_err intern(struct profile *profile, const char *text, size_t len, uint32_t *index)
{
    struct text_key key = {profile, text, len};
    uint64_t hash = profile_hash_bytes(PROFILE_HASH_START, text, len);
    size_t found = profile_table_find(&profile->text_table, hash, text_equal, &key);
    if (found != SIZE_MAX) {
        *index = (uint32_t)found;
        return APP_OK;
    }
    if (len + 1 > PROFILE_MAX_TEXTS - profile->text_bytes) {
        *index = 0;
        return APP_OK;
    }
    enum app_err err = profile_array_grow(&profile->texts, &profile->text_capacity,
                                          profile->text_count, sizeof(*profile->texts));
    if (err)
        return err;
    const char *copy = arena_strndup(profile->arena, text, len);
    if (!copy)
        return APP_NO_MEMORY;
    err = profile_table_put(&profile->text_table, hash, profile->text_count);
    if (err)
        return err;
    profile->text_bytes += len + 1;
    profile->texts[profile->text_count] = copy;
    *index = (uint32_t)profile->text_count++;
    return APP_OK;
}

enum app_err profile_text(struct profile *profile, const char *text, size_t len, uint32_t *index)
{
    len = strnlen(text, len);
    if (len <= PROFILE_MAX_TEXT && utf8_is_valid(text, len))
        return intern(profile, text, len, index);

    char clean[PROFILE_MAX_TEXT];
    size_t used = 0;
    for (size_t i = 0; i < len;) {
        size_t step = utf8_char_len(text + i, len - i);
        size_t bytes = step ? step : 1;
        if (used + bytes > sizeof(clean))
            break;
        memcpy(clean + used, step ? text + i : "?", bytes);
        used += bytes;
        i += bytes;
    }
    return intern(profile, clean, used, index);
}

static enum app_err text_or_empty(struct profile *profile, const char *text, uint32_t *index)
{
    if (!text)
        text = "";
    return profile_text(profile, text, strlen(text), index);
}

enum app_err profile_add_comment(struct profile *profile, const char *text)
{
    uint32_t index;
    enum app_err err = profile_text(profile, text, strlen(text), &index);
    if (err || profile->comment_count == PROFILE_MAX_COMMENTS)
        return err;
    for (size_t i = 0; i < profile->comment_count; i++) {
        if (profile->comments[i] == index)
            return APP_OK;
    }
    profile->comments[profile->comment_count++] = index;
    return APP_OK;
}

/* --- mappings and locations ------------------------------------------------------ */

static bool same_mapping(const struct profile_mapping_data *a, const struct profile_mapping_data *b)
{
    /* Text 0 is "": a file without a build id is known by its path. */
    bool same_file = a->build_id == b->build_id && (a->build_id != 0 || a->path == b->path);
    return same_file && a->view.start == b->view.start && a->view.limit == b->view.limit &&
           a->view.file_offset == b->view.file_offset;
}

enum app_err profile_mapping(struct profile *profile, const struct profile_mapping *mapping,
                             size_t *index)
{
    struct profile_mapping_data data = {.view = *mapping};
    enum app_err err = text_or_empty(profile, mapping->path, &data.path);
    if (!err)
        err = text_or_empty(profile, mapping->build_id, &data.build_id);
    if (err)
        return err;
    for (size_t i = 0; i < profile->mapping_count; i++) {
        if (same_mapping(&profile->mappings[i], &data)) {
            *index = i;
            return APP_OK;
        }
    }
    if (profile->mapping_count == PROFILE_MAX_MAPPINGS)
        return APP_TOO_LARGE;
    err = profile_array_grow(&profile->mappings, &profile->mapping_capacity, profile->mapping_count,
                             sizeof(*profile->mappings));
    if (err)
        return err;
    data.view.path = profile->texts[data.path];
    data.view.build_id = profile->texts[data.build_id];
    profile->mappings[profile->mapping_count] = data;
    *index = profile->mapping_count++;
    return APP_OK;
}

struct location_key {
    const struct profile *profile;
    uint64_t address;
    uint32_t mapping;
};

static bool location_equal(const void *context, size_t index)
{
    const struct location_key *key = context;
    const struct profile_location_data *location = &key->profile->locations[index];
    return location->address == key->address && location->mapping == key->mapping;
}

enum app_err profile_location(struct profile *profile, uint32_t mapping, uint64_t address,
                              uint32_t *index)
{
    struct location_key key = {profile, address, mapping};
    uint64_t hash = profile_hash_number(profile_hash_number(PROFILE_HASH_START, mapping), address);
    size_t found = profile_table_find(&profile->location_table, hash, location_equal, &key);
    if (found != SIZE_MAX) {
        *index = (uint32_t)found;
        return APP_OK;
    }
    if (profile->location_count == PROFILE_MAX_LOCATIONS)
        return APP_TOO_LARGE;
    enum app_err err = profile_array_grow(&profile->locations, &profile->location_capacity,
                                          profile->location_count, sizeof(*profile->locations));
    if (!err)
        err = profile_table_put(&profile->location_table, hash, profile->location_count);
    if (err)
        return err;
    profile->locations[profile->location_count] =
        (struct profile_location_data){.address = address, .mapping = mapping};
    *index = (uint32_t)profile->location_count++;
    return APP_OK;
}

/* --- samples ---------------------------------------------------------------------- */

struct stack_key {
    const struct profile *profile;
    const struct profile_stack *stack;
};

static bool stack_equal(const void *context, size_t index)
{
    const struct stack_key *key = context;
    const struct profile_stack *stack = key->stack;
    const struct profile_sample_data *sample = &key->profile->samples[index];
    return sample->depth == stack->depth && sample->labels.pid == stack->pid &&
           sample->route == stack->route && sample->thread == stack->thread &&
           (stack->depth == 0 || memcmp(key->profile->frames + sample->first_frame, stack->frames,
                                        stack->depth * sizeof(*stack->frames)) == 0);
}

static uint64_t stack_hash(const struct profile_stack *stack)
{
    uint64_t hash = profile_hash_number(PROFILE_HASH_START, (uint64_t)stack->pid);
    hash = profile_hash_number(hash, stack->route);
    hash = profile_hash_number(hash, stack->thread);
    return profile_hash_bytes(hash, stack->frames, stack->depth * sizeof(*stack->frames));
}

static enum app_err reserve_frames(struct profile *profile, size_t extra)
{
    size_t capacity = profile->frame_capacity ? profile->frame_capacity : 1024;
    while (capacity - profile->frame_count < extra)
        capacity *= 2;
    if (capacity == profile->frame_capacity)
        return APP_OK;
    uint32_t *frames = reallocarray(profile->frames, capacity, sizeof(*frames));
    if (!frames)
        return APP_NO_MEMORY;
    profile->frames = frames;
    profile->frame_capacity = capacity;
    return APP_OK;
}

/* Append the sample, with values of zero. */
static enum app_err new_sample(struct profile *profile, const struct profile_stack *stack,
                               uint64_t hash)
{
    enum app_err err = reserve_frames(profile, stack->depth);
    if (!err)
        err = profile_array_grow(&profile->samples, &profile->sample_capacity,
                                 profile->sample_count, sizeof(*profile->samples));
    if (!err)
        err = profile_table_put(&profile->sample_table, hash, profile->sample_count);
    if (err)
        return err;
    if (stack->depth > 0)
        memcpy(profile->frames + profile->frame_count, stack->frames,
               stack->depth * sizeof(*stack->frames));
    profile->samples[profile->sample_count++] = (struct profile_sample_data){
        .first_frame = (uint32_t)profile->frame_count,
        .depth = (uint32_t)stack->depth,
        .route = stack->route,
        .thread = stack->thread,
        .labels = {stack->pid, stack->route ? profile->texts[stack->route] : NULL,
                   stack->thread ? profile->texts[stack->thread] : NULL},
    };
    profile->frame_count += stack->depth;
    return APP_OK;
}

enum app_err profile_add_stack(struct profile *profile, const struct profile_stack *stack,
                               const int64_t *values)
{
    struct stack_key key = {profile, stack};
    uint64_t hash = stack_hash(stack);
    size_t index = profile_table_find(&profile->sample_table, hash, stack_equal, &key);
    if (index == SIZE_MAX) {
        if (profile->sample_count == PROFILE_MAX_SAMPLES ||
            stack->depth > PROFILE_MAX_FRAMES - profile->frame_count) {
            profile->dropped++;
            return APP_OK;
        }
        index = profile->sample_count;
        enum app_err err = new_sample(profile, stack, hash);
        if (err)
            return err;
    }
    for (size_t i = 0; i < profile->kind->value_count; i++)
        profile->samples[index].values[i] =
            profile_value_sum(profile->samples[index].values[i], values[i]);
    return APP_OK;
}

enum app_err profile_add(struct profile *profile, const struct profile_frame *frames, size_t depth,
                         const struct profile_labels *labels, const int64_t *values)
{
    uint32_t locations[PROFILE_MAX_DEPTH];
    struct profile_stack stack = {.frames = locations,
                                  .depth = depth < PROFILE_MAX_DEPTH ? depth : PROFILE_MAX_DEPTH,
                                  .pid = labels ? labels->pid : 0};
    enum app_err err = text_or_empty(profile, labels ? labels->route : NULL, &stack.route);
    if (!err)
        err = text_or_empty(profile, labels ? labels->thread : NULL, &stack.thread);
    for (size_t i = 0; i < stack.depth && !err; i++) {
        bool known = frames[i].mapping != SIZE_MAX;
        assert(!known || frames[i].mapping < profile->mapping_count);
        err = profile_location(profile, known ? (uint32_t)frames[i].mapping : PROFILE_NO_MAPPING,
                               frames[i].address, &locations[i]);
    }
    if (err == APP_TOO_LARGE) {
        profile->dropped++;
        return APP_OK;
    }
    return err ? err : profile_add_stack(profile, &stack, values);
}

/* --- sums and walks ----------------------------------------------------------------- */

size_t profile_sample_count(const struct profile *profile)
{
    return profile->sample_count;
}

int64_t profile_total(const struct profile *profile, size_t value_index)
{
    assert(value_index < profile->kind->value_count);
    int64_t total = 0;
    for (size_t i = 0; i < profile->sample_count; i++)
        total = profile_value_sum(total, profile->samples[i].values[value_index]);
    return total;
}

int64_t profile_time_ns(const struct profile *profile)
{
    return profile->time_ns;
}

int64_t profile_duration_ns(const struct profile *profile)
{
    return profile->duration_ns;
}

int64_t profile_period(const struct profile *profile)
{
    return profile->period;
}

uint64_t profile_dropped(const struct profile *profile)
{
    return profile->dropped;
}

size_t profile_comment_count(const struct profile *profile)
{
    return profile->comment_count;
}

const char *profile_comment_at(const struct profile *profile, size_t index)
{
    assert(index < profile->comment_count);
    return profile->texts[profile->comments[index]];
}

size_t profile_mapping_count(const struct profile *profile)
{
    return profile->mapping_count;
}

const struct profile_mapping *profile_mapping_at(const struct profile *profile, size_t index)
{
    assert(index < profile->mapping_count);
    return &profile->mappings[index].view;
}

void profile_sample_at(const struct profile *profile, size_t index,
                       struct profile_sample_view *view)
{
    assert(index < profile->sample_count);
    const struct profile_sample_data *sample = &profile->samples[index];
    *view = (struct profile_sample_view){&sample->labels, sample->values, sample->depth};
}

static const struct profile_location_data *location_of(const struct profile *profile, size_t sample,
                                                       size_t frame)
{
    assert(sample < profile->sample_count && frame < profile->samples[sample].depth);
    return &profile->locations[profile->frames[profile->samples[sample].first_frame + frame]];
}

size_t profile_frame_lines(const struct profile *profile, size_t sample, size_t frame,
                           const struct profile_line **lines, uint64_t *address)
{
    const struct profile_location_data *location = location_of(profile, sample, frame);
    *lines = location->line_count ? profile->lines + location->first_line : NULL;
    if (address)
        *address = location->address;
    return location->line_count;
}

size_t profile_frame_mapping(const struct profile *profile, size_t sample, size_t frame)
{
    const struct profile_location_data *location = location_of(profile, sample, frame);
    return location->mapping == PROFILE_NO_MAPPING ? SIZE_MAX : location->mapping;
}

void profile_mapping_label(const struct profile_mapping *mapping, char *name, size_t size)
{
    const char *path = mapping && *mapping->path ? mapping->path : "unknown";
    const char *slash = strrchr(path, '/');
    const char *base = slash ? slash + 1 : path;
    /* "[vdso]" has its brackets already. */
    (void)snprintf(name, size, *base == '[' ? "%s" : "[%s]", base);
}
