/* SPDX-License-Identifier: MIT */
/*
 * The reader. Fields may come in any order, so the bytes are walked once for the
 * texts and once for each kind of message, those that others refer to first.
 * Every index is checked where it is used; every array has a ceiling.
 */
#include <stdlib.h>
#include <string.h>

#include "profiling/profile_data.h"
#include "profiling/profile_fields.h"
#include "profiling/profile_proto.h"
#include "profiling/proto_wire.h"

enum { MAX_TEXT_COUNT = 2 * PROFILE_MAX_LOCATIONS };

struct function {
    uint32_t name, system_name, file; /* texts */
    int start_line;
};

struct reader {
    struct proto_reader all;
    struct profile *profile;
    struct err_buf *why;

    struct proto_reader *texts;
    size_t text_count, text_capacity;
    struct function *functions;
    size_t function_count, function_capacity;
    size_t *mappings; /* by id less one: index in the profile */
    size_t mapping_count, mapping_capacity;
    uint32_t *locations; /* by id less one: index in the profile */
    size_t location_count, location_capacity;
    size_t value_type_count;

    int64_t time_ns, duration_ns, period;
};

static enum app_err malformed(struct reader *reader, const char *what)
{
    err_detail(reader->why, "profile: %s", what);
    return APP_BAD_REQUEST;
}

/* Calls `handle` for each top-level field of that number. */
static enum app_err for_each(struct reader *reader, uint32_t number,
                             enum app_err (*handle)(struct reader *reader,
                                                    const struct proto_field *field))
{
    struct proto_reader bytes = reader->all;
    struct proto_field field;
    enum proto_step step;
    while ((step = proto_next(&bytes, &field)) == PROTO_FIELD) {
        enum app_err err = field.number == number ? handle(reader, &field) : APP_OK;
        if (err)
            return err;
    }
    return step == PROTO_END ? APP_OK : malformed(reader, "cut or malformed");
}

/* A number that the format has as int64 and we as int; what does not fit is unknown. */
static int to_int(uint64_t value)
{
    return value <= INT32_MAX ? (int)value : 0;
}

/* --- texts -------------------------------------------------------------------------- */

static enum app_err read_text(struct reader *reader, const struct proto_field *field)
{
    if (!field->is_bytes || (reader->text_count == 0 && field->bytes.at != field->bytes.end))
        return malformed(reader, "text 0 is not empty");
    if (reader->text_count == MAX_TEXT_COUNT)
        return malformed(reader, "too many texts");
    enum app_err err = profile_array_grow(&reader->texts, &reader->text_capacity,
                                          reader->text_count, sizeof(*reader->texts));
    if (!err)
        reader->texts[reader->text_count++] = field->bytes;
    return err;
}

/* The index of a text in the profile, from its index in the file. */
static enum app_err take_text(struct reader *reader, uint64_t text, uint32_t *index)
{
    if (text >= reader->text_count)
        return malformed(reader, "refers to a text that is not there");
    const struct proto_reader *bytes = &reader->texts[text];
    return profile_text(reader->profile, (const char *)bytes->at, (size_t)(bytes->end - bytes->at),
                        index);
}

static bool text_is(const struct reader *reader, uint64_t text, const char *expected)
{
    if (text >= reader->text_count)
        return false;
    const struct proto_reader *bytes = &reader->texts[text];
    size_t len = strlen(expected);
    return (size_t)(bytes->end - bytes->at) == len && memcmp(bytes->at, expected, len) == 0;
}

static enum app_err read_comment(struct reader *reader, const struct proto_field *field)
{
    uint64_t texts[PROFILE_MAX_COMMENTS];
    size_t count = 0;
    if (!proto_numbers(field, texts, PROFILE_MAX_COMMENTS, &count))
        return malformed(reader, "bad comments");
    for (size_t i = 0; i < count && i < PROFILE_MAX_COMMENTS; i++) {
        uint32_t index;
        enum app_err err = take_text(reader, texts[i], &index);
        if (!err)
            err = profile_add_comment(reader->profile, reader->profile->texts[index]);
        if (err)
            return err;
    }
    return APP_OK;
}

/* --- what kind it is ------------------------------------------------------------------ */

static enum app_err read_value_type(struct reader *reader, const struct proto_field *field)
{
    const struct profile_kind *kind = reader->profile->kind;
    uint64_t type = 0;
    uint64_t unit = 0;
    struct proto_reader bytes = field->bytes;
    struct proto_field part;
    while (proto_next(&bytes, &part) == PROTO_FIELD) {
        if (part.number == VALUE_TYPE_TYPE)
            type = part.value;
        else if (part.number == VALUE_TYPE_UNIT)
            unit = part.value;
    }
    size_t i = reader->value_type_count++;
    if (i >= kind->value_count || !text_is(reader, type, kind->values[i].type) ||
        !text_is(reader, unit, kind->values[i].unit))
        return malformed(reader, "of another kind");
    return APP_OK;
}

static enum app_err read_scalars(struct reader *reader)
{
    struct proto_reader bytes = reader->all;
    struct proto_field field;
    while (proto_next(&bytes, &field) == PROTO_FIELD) {
        int64_t value = (int64_t)field.value > 0 ? (int64_t)field.value : 0;
        if (field.number == PROFILE_TIME_NANOS)
            reader->time_ns = value;
        else if (field.number == PROFILE_DURATION_NANOS)
            reader->duration_ns = value;
        else if (field.number == PROFILE_PERIOD)
            reader->period = value;
    }
    profile_set_time(reader->profile, reader->time_ns, reader->duration_ns, reader->period);
    return APP_OK;
}

/* --- mappings, functions, locations ----------------------------------------------------- */

static enum app_err add_mapping(struct reader *reader, struct profile_mapping *mapping,
                                uint64_t path, uint64_t build_id)
{
    uint32_t path_index;
    uint32_t build_id_index;
    enum app_err err = take_text(reader, path, &path_index);
    if (!err)
        err = take_text(reader, build_id, &build_id_index);
    if (!err)
        err = profile_array_grow(&reader->mappings, &reader->mapping_capacity,
                                 reader->mapping_count, sizeof(*reader->mappings));
    if (err)
        return err;
    mapping->path = reader->profile->texts[path_index];
    mapping->build_id = reader->profile->texts[build_id_index];
    size_t *index = &reader->mappings[reader->mapping_count];
    err = profile_mapping(reader->profile, mapping, index);
    if (err == APP_TOO_LARGE)
        return malformed(reader, "too many mappings");
    reader->mapping_count++;
    return err;
}

static enum app_err read_mapping(struct reader *reader, const struct proto_field *field)
{
    struct profile_mapping mapping = {0};
    uint64_t id = 0;
    uint64_t path = 0;
    uint64_t build_id = 0;
    struct proto_reader bytes = field->bytes;
    struct proto_field part;
    enum proto_step step;
    while ((step = proto_next(&bytes, &part)) == PROTO_FIELD) {
        if (part.number == MAPPING_ID)
            id = part.value;
        else if (part.number == MAPPING_START)
            mapping.start = part.value;
        else if (part.number == MAPPING_LIMIT)
            mapping.limit = part.value;
        else if (part.number == MAPPING_OFFSET)
            mapping.file_offset = part.value;
        else if (part.number == MAPPING_FILENAME)
            path = part.value;
        else if (part.number == MAPPING_BUILD_ID)
            build_id = part.value;
    }
    if (step != PROTO_END || id != reader->mapping_count + 1 || id > PROFILE_MAX_MAPPINGS)
        return malformed(reader, "bad mapping");
    return add_mapping(reader, &mapping, path, build_id);
}

static enum app_err read_function(struct reader *reader, const struct proto_field *field)
{
    struct function function = {0};
    uint64_t id = 0;
    struct proto_reader bytes = field->bytes;
    struct proto_field part;
    enum app_err err = APP_OK;
    enum proto_step step = PROTO_FIELD;
    while (!err && (step = proto_next(&bytes, &part)) == PROTO_FIELD) {
        if (part.number == FUNCTION_ID)
            id = part.value;
        else if (part.number == FUNCTION_NAME)
            err = take_text(reader, part.value, &function.name);
        else if (part.number == FUNCTION_SYSTEM_NAME)
            err = take_text(reader, part.value, &function.system_name);
        else if (part.number == FUNCTION_FILENAME)
            err = take_text(reader, part.value, &function.file);
        else if (part.number == FUNCTION_START_LINE)
            function.start_line = to_int(part.value);
    }
    if (err)
        return err;
    if (step != PROTO_END || id != reader->function_count + 1 || id > PROFILE_MAX_LOCATIONS)
        return malformed(reader, "bad function");
    err = profile_array_grow(&reader->functions, &reader->function_capacity, reader->function_count,
                             sizeof(*reader->functions));
    if (!err)
        reader->functions[reader->function_count++] = function;
    return err;
}

static enum app_err read_line(struct reader *reader, struct proto_reader bytes,
                              struct profile_line *line)
{
    uint64_t id = 0;
    *line = (struct profile_line){0};
    struct proto_field part;
    enum proto_step step;
    while ((step = proto_next(&bytes, &part)) == PROTO_FIELD) {
        if (part.number == LINE_FUNCTION_ID)
            id = part.value;
        else if (part.number == LINE_LINE)
            line->line = to_int(part.value);
    }
    if (step != PROTO_END || id == 0 || id > reader->function_count)
        return malformed(reader, "bad line");
    const struct function *function = &reader->functions[id - 1];
    const char **texts = reader->profile->texts;
    line->function = texts[function->name];
    line->system_name = texts[function->system_name];
    line->file = texts[function->file];
    line->start_line = function->start_line;
    return APP_OK;
}

static enum app_err add_location(struct reader *reader, uint64_t mapping_id, uint64_t address,
                                 uint32_t *index)
{
    if (mapping_id > reader->mapping_count)
        return malformed(reader, "refers to a mapping that is not there");
    uint32_t mapping = mapping_id ? (uint32_t)reader->mappings[mapping_id - 1] : PROFILE_NO_MAPPING;
    return profile_location(reader->profile, mapping, address, index);
}

static enum app_err read_location(struct reader *reader, const struct proto_field *field)
{
    struct profile_line lines[PROFILE_MAX_LINES];
    size_t line_count = 0;
    uint64_t id = 0;
    uint64_t mapping_id = 0;
    uint64_t address = 0;
    struct proto_reader bytes = field->bytes;
    struct proto_field part;
    enum app_err err = APP_OK;
    enum proto_step step = PROTO_FIELD;
    while (!err && (step = proto_next(&bytes, &part)) == PROTO_FIELD) {
        if (part.number == LOCATION_ID)
            id = part.value;
        else if (part.number == LOCATION_MAPPING_ID)
            mapping_id = part.value;
        else if (part.number == LOCATION_ADDRESS)
            address = part.value;
        else if (part.number == LOCATION_LINE && line_count < PROFILE_MAX_LINES)
            err = read_line(reader, part.bytes, &lines[line_count++]);
    }
    if (err)
        return err;
    if (step != PROTO_END || id != reader->location_count + 1 || id > PROFILE_MAX_LOCATIONS)
        return malformed(reader, "bad location");
    err = profile_array_grow(&reader->locations, &reader->location_capacity, reader->location_count,
                             sizeof(*reader->locations));
    if (err)
        return err;
    uint32_t *index = &reader->locations[reader->location_count++];
    err = add_location(reader, mapping_id, address, index);
    return err ? err : profile_location_lines(reader->profile, *index, lines, line_count);
}

/* --- samples ----------------------------------------------------------------------------- */

static enum app_err read_label(struct reader *reader, struct proto_reader bytes,
                               struct profile_stack *stack)
{
    uint64_t key = 0;
    uint64_t text = 0;
    uint64_t number = 0;
    struct proto_field part;
    enum proto_step step;
    while ((step = proto_next(&bytes, &part)) == PROTO_FIELD) {
        if (part.number == LABEL_KEY)
            key = part.value;
        else if (part.number == LABEL_STR)
            text = part.value;
        else if (part.number == LABEL_NUM)
            number = part.value;
    }
    if (step != PROTO_END)
        return malformed(reader, "bad label");
    if (text_is(reader, key, "pid"))
        stack->pid = (int64_t)number;
    else if (text_is(reader, key, "route"))
        return take_text(reader, text, &stack->route);
    else if (text_is(reader, key, "thread"))
        return take_text(reader, text, &stack->thread);
    return APP_OK;
}

/* Location ids to indices in the profile. */
static enum app_err take_frames(struct reader *reader, const uint64_t *ids, size_t count,
                                uint32_t *frames)
{
    for (size_t i = 0; i < count; i++) {
        if (ids[i] == 0 || ids[i] > reader->location_count)
            return malformed(reader, "refers to a location that is not there");
        frames[i] = reader->locations[ids[i] - 1];
    }
    return APP_OK;
}

static enum app_err read_sample(struct reader *reader, const struct proto_field *field)
{
    uint64_t ids[PROFILE_MAX_DEPTH];
    uint32_t frames[PROFILE_MAX_DEPTH];
    uint64_t numbers[PROFILE_MAX_VALUES] = {0};
    size_t depth = 0;
    size_t value_count = 0;
    struct profile_stack stack = {.frames = frames};
    struct proto_reader bytes = field->bytes;
    struct proto_field part;
    enum app_err err = APP_OK;
    enum proto_step step = PROTO_FIELD;
    bool good = true;
    while (!err && good && (step = proto_next(&bytes, &part)) == PROTO_FIELD) {
        if (part.number == SAMPLE_LOCATION_ID)
            good = proto_numbers(&part, ids, PROFILE_MAX_DEPTH, &depth);
        else if (part.number == SAMPLE_VALUE)
            good = proto_numbers(&part, numbers, PROFILE_MAX_VALUES, &value_count);
        else if (part.number == SAMPLE_LABEL)
            err = read_label(reader, part.bytes, &stack);
    }
    if (err)
        return err;
    if (!good || step != PROTO_END || value_count != reader->profile->kind->value_count)
        return malformed(reader, "bad sample");
    stack.depth = depth < PROFILE_MAX_DEPTH ? depth : PROFILE_MAX_DEPTH;
    err = take_frames(reader, ids, stack.depth, frames);
    int64_t values[PROFILE_MAX_VALUES];
    memcpy(values, numbers, sizeof(values));
    return err ? err : profile_add_stack(reader->profile, &stack, values);
}

static enum app_err read_all(struct reader *reader)
{
    enum app_err err = for_each(reader, PROFILE_STRING_TABLE, read_text);
    if (!err)
        err = for_each(reader, PROFILE_SAMPLE_TYPE, read_value_type);
    if (!err && reader->value_type_count != reader->profile->kind->value_count)
        err = malformed(reader, "of another kind");
    if (!err)
        err = for_each(reader, PROFILE_MAPPING, read_mapping);
    if (!err)
        err = for_each(reader, PROFILE_FUNCTION, read_function);
    if (!err)
        err = for_each(reader, PROFILE_LOCATION, read_location);
    if (!err)
        err = for_each(reader, PROFILE_SAMPLE, read_sample);
    if (!err)
        err = for_each(reader, PROFILE_COMMENT, read_comment);
    return err ? err : read_scalars(reader);
}

enum app_err profile_proto_read(const struct profile_kind *kind, const void *data, size_t len,
                                struct profile **profile, struct err_buf *why)
{
    struct reader reader = {.why = why};
    if (len > PROFILE_MAX_ENCODED)
        return malformed(&reader, "too large");
    reader.all = (struct proto_reader){data, (const unsigned char *)data + len};
    reader.profile = profile_new(kind);
    enum app_err err = reader.profile ? read_all(&reader) : APP_NO_MEMORY;
    if (!err) {
        *profile = reader.profile;
        reader.profile = NULL;
    }
    profile_free(&reader.profile);
    free(reader.texts);
    free(reader.functions);
    free(reader.mappings);
    free(reader.locations);
    return err;
}
