/* SPDX-License-Identifier: MIT */
/*
 * What works on whole profiles: adding one to another, and giving locations
 * their names. Indices of the one are translated to those of the other once, so
 * a merge costs one lookup a sample.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "profiling/profile_data.h"

/* --- lines ------------------------------------------------------------------------ */

struct function_key {
    const struct profile *profile;
    const struct profile_function_data *function;
};

static bool function_equal(const void *context, size_t index)
{
    const struct function_key *key = context;
    const struct profile_function_data *have = &key->profile->functions[index];
    const struct profile_function_data *want = key->function;
    return have->name == want->name && have->system_name == want->system_name &&
           have->file == want->file && have->start_line == want->start_line;
}

static enum app_err add_function(struct profile *profile,
                                 const struct profile_function_data *function, uint32_t *index)
{
    struct function_key key = {profile, function};
    uint64_t hash = profile_hash_number(PROFILE_HASH_START, function->name);
    hash = profile_hash_number(hash, function->system_name);
    hash = profile_hash_number(hash, function->file);
    hash = profile_hash_number(hash, (uint64_t)function->start_line);
    size_t found = profile_table_find(&profile->function_table, hash, function_equal, &key);
    if (found == SIZE_MAX) {
        enum app_err err = profile_array_grow(&profile->functions, &profile->function_capacity,
                                              profile->function_count, sizeof(*profile->functions));
        if (!err)
            err = profile_table_put(&profile->function_table, hash, profile->function_count);
        if (err)
            return err;
        found = profile->function_count++;
        profile->functions[found] = *function;
    }
    *index = (uint32_t)found;
    return APP_OK;
}

static enum app_err line_texts(struct profile *profile, const struct profile_line *line,
                               struct profile_function_data *function)
{
    const char *name = line->function ? line->function : "";
    const char *system_name = line->system_name ? line->system_name : name;
    const char *file = line->file ? line->file : "";
    function->start_line = line->start_line;
    enum app_err err = profile_text(profile, name, strlen(name), &function->name);
    if (!err)
        err = profile_text(profile, system_name, strlen(system_name), &function->system_name);
    return err ? err : profile_text(profile, file, strlen(file), &function->file);
}

/* Append a line to the arrays. */
static enum app_err add_line(struct profile *profile, const struct profile_line *line)
{
    struct profile_function_data function;
    uint32_t index;
    enum app_err err = line_texts(profile, line, &function);
    if (!err)
        err = add_function(profile, &function, &index);
    if (!err)
        err = profile_array_grow(&profile->lines, &profile->line_capacity, profile->line_count,
                                 sizeof(*profile->lines));
    if (!err)
        err = profile_array_grow(&profile->line_functions, &profile->line_function_capacity,
                                 profile->line_count, sizeof(*profile->line_functions));
    if (err)
        return err;
    profile->lines[profile->line_count] = (struct profile_line){
        .function = profile->texts[function.name],
        .system_name = profile->texts[function.system_name],
        .file = function.file ? profile->texts[function.file] : NULL,
        .line = line->line,
        .start_line = line->start_line,
    };
    profile->line_functions[profile->line_count++] = index;
    return APP_OK;
}

enum app_err profile_location_lines(struct profile *profile, uint32_t location,
                                    const struct profile_line *lines, size_t count)
{
    struct profile_location_data *data = &profile->locations[location];
    if (count > PROFILE_MAX_LINES)
        count = PROFILE_MAX_LINES;
    if (data->line_count > 0 || count == 0 || count > PROFILE_MAX_ALL_LINES - profile->line_count)
        return APP_OK;
    size_t first = profile->line_count;
    for (size_t i = 0; i < count; i++) {
        enum app_err err = add_line(profile, &lines[i]);
        if (err)
            return err;
    }
    data->first_line = (uint32_t)first;
    data->line_count = (uint32_t)(profile->line_count - first);
    if (data->mapping != PROFILE_NO_MAPPING)
        profile->mappings[data->mapping].has_names = true;
    return APP_OK;
}

/* --- symbolizing --------------------------------------------------------------------- */

typedef size_t resolve_function(void *context, const struct profile_mapping *mapping,
                                uint64_t address, struct profile_line *lines, size_t max);

static enum app_err symbolize_mapping(struct profile *profile, uint32_t mapping,
                                      resolve_function *resolve, void *context)
{
    const struct profile_mapping *view =
        mapping == PROFILE_NO_MAPPING ? NULL : &profile->mappings[mapping].view;
    for (size_t i = 0; i < profile->location_count; i++) {
        const struct profile_location_data *location = &profile->locations[i];
        if (location->mapping != mapping || location->line_count > 0)
            continue;
        struct profile_line lines[PROFILE_MAX_LINES];
        size_t count = resolve(context, view, location->address, lines, PROFILE_MAX_LINES);
        enum app_err err = profile_location_lines(profile, (uint32_t)i, lines, count);
        if (err)
            return err;
    }
    return APP_OK;
}

enum app_err profile_symbolize(struct profile *profile, resolve_function *resolve, void *context)
{
    for (size_t i = 0; i < profile->mapping_count; i++) {
        enum app_err err = symbolize_mapping(profile, (uint32_t)i, resolve, context);
        if (err)
            return err;
    }
    return symbolize_mapping(profile, PROFILE_NO_MAPPING, resolve, context);
}

/* --- merging --------------------------------------------------------------------------- */

/* Indices in the profile that is added to, by index in the other. */
struct translation {
    uint32_t *mappings;
    uint32_t *locations; /* UINT32_MAX: did not fit */
};

static enum app_err translate_mappings(struct profile *profile, const struct profile *other,
                                       uint32_t *indices)
{
    for (size_t i = 0; i < other->mapping_count; i++) {
        size_t index;
        enum app_err err = profile_mapping(profile, &other->mappings[i].view, &index);
        if (err == APP_TOO_LARGE)
            index = PROFILE_NO_MAPPING;
        else if (err)
            return err;
        indices[i] = (uint32_t)index;
    }
    return APP_OK;
}

static enum app_err translate_locations(struct profile *profile, const struct profile *other,
                                        struct translation *to)
{
    for (size_t i = 0; i < other->location_count; i++) {
        const struct profile_location_data *location = &other->locations[i];
        bool known = location->mapping != PROFILE_NO_MAPPING;
        enum app_err err =
            profile_location(profile, known ? to->mappings[location->mapping] : PROFILE_NO_MAPPING,
                             location->address, &to->locations[i]);
        if (err == APP_TOO_LARGE)
            to->locations[i] = UINT32_MAX;
        else if (!err && location->line_count > 0)
            err = profile_location_lines(profile, to->locations[i],
                                         other->lines + location->first_line, location->line_count);
        if (err && err != APP_TOO_LARGE)
            return err;
    }
    return APP_OK;
}

/* False: one of its locations did not fit. */
static bool translate_stack(const struct profile *other, const struct profile_sample_data *sample,
                            const struct translation *to, uint32_t *frames)
{
    for (size_t i = 0; i < sample->depth; i++) {
        frames[i] = to->locations[other->frames[sample->first_frame + i]];
        if (frames[i] == UINT32_MAX)
            return false;
    }
    return true;
}

static enum app_err add_sample(struct profile *profile, const struct profile *other,
                               const struct profile_sample_data *sample,
                               const struct translation *to, bool negate)
{
    uint32_t frames[PROFILE_MAX_DEPTH];
    if (!translate_stack(other, sample, to, frames)) {
        profile->dropped++;
        return APP_OK;
    }
    struct profile_stack stack = {
        .frames = frames, .depth = sample->depth, .pid = sample->labels.pid};
    const char *route = sample->labels.route ? sample->labels.route : "";
    const char *thread = sample->labels.thread ? sample->labels.thread : "";
    enum app_err err = profile_text(profile, route, strlen(route), &stack.route);
    if (!err)
        err = profile_text(profile, thread, strlen(thread), &stack.thread);
    if (err)
        return err;
    int64_t values[PROFILE_MAX_VALUES];
    for (size_t i = 0; i < PROFILE_MAX_VALUES; i++)
        values[i] = negate ? (int64_t)(0 - (uint64_t)sample->values[i]) : sample->values[i];
    return profile_add_stack(profile, &stack, values);
}

static enum app_err add_all(struct profile *profile, const struct profile *other, bool negate)
{
    assert(profile != other);
    if (profile->kind != other->kind)
        return APP_BAD_REQUEST;
    enum app_err err = APP_NO_MEMORY;
    struct translation to = {
        .mappings = calloc(other->mapping_count + 1, sizeof(*to.mappings)),
        .locations = calloc(other->location_count + 1, sizeof(*to.locations)),
    };
    if (!to.mappings || !to.locations)
        goto out;
    err = translate_mappings(profile, other, to.mappings);
    if (!err)
        err = translate_locations(profile, other, &to);
    for (size_t i = 0; i < other->sample_count && !err; i++)
        err = add_sample(profile, other, &other->samples[i], &to, negate);
    if (!err)
        profile->dropped += other->dropped;
out:
    free(to.mappings);
    free(to.locations);
    return err;
}

static int64_t earlier(int64_t a, int64_t b)
{
    if (a == 0 || b == 0)
        return a ? a : b;
    return a < b ? a : b;
}

static int64_t longer(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

enum app_err profile_merge(struct profile *profile, const struct profile *other)
{
    enum app_err err = add_all(profile, other, false);
    for (size_t i = 0; i < other->comment_count && !err; i++)
        err = profile_add_comment(profile, profile_comment_at(other, i));
    if (err)
        return err;
    profile_set_time(profile, earlier(profile->time_ns, other->time_ns),
                     longer(profile->duration_ns, other->duration_ns),
                     longer(profile->period, other->period));
    return APP_OK;
}

enum app_err profile_subtract(struct profile *profile, const struct profile *other)
{
    return add_all(profile, other, true);
}
