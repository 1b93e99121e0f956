/* SPDX-License-Identifier: MIT */
/*
 * The writer. A nested message is put together in a scratch buffer, since its
 * length comes before it. Indices become ids by adding one.
 */
#include "profiling/profile_proto.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

#include <zlib.h>

#include "profiling/profile_data.h"
#include "profiling/profile_fields.h"
#include "profiling/proto_wire.h"

enum {
    /* Types and units of four values and the period, default type, two label keys, one comment. */
    MAX_EXTRA_TEXTS = 2 * (PROFILE_MAX_VALUES + 1) + 5,
    MAX_MESSAGE = 1024 * 1024,
    DROPPED_COMMENT_SIZE = 64,
    GZIP_LEVEL = 6,
    GZIP_WINDOW = 15 + 16, /* zlib: the largest window, in gzip's format */
    GZIP_CHUNK = 64 * 1024
};

struct writer {
    struct proto_writer out;
    const struct profile *profile;
    struct buf message;                 /* scratch: one message of the profile */
    struct buf inner;                   /* scratch: one message or packed field in it */
    const char *extra[MAX_EXTRA_TEXTS]; /* behind the profile's own texts */
    size_t extra_count;
    char dropped[DROPPED_COMMENT_SIZE];
};

static struct proto_writer start(struct writer *writer, struct buf *scratch)
{
    buf_reset(scratch);
    return (struct proto_writer){scratch, writer->out.err};
}

/* Put a finished scratch message into the one around it. */
static void nest(struct proto_writer *outer, uint32_t field, const struct proto_writer *inner)
{
    if (inner->err)
        outer->err = inner->err;
    proto_put_bytes(outer, field, inner->out->data, inner->out->len);
}

static uint64_t extra_text(struct writer *writer, const char *text)
{
    size_t i = 0;
    while (i < writer->extra_count && strcmp(writer->extra[i], text) != 0)
        i++;
    if (i == writer->extra_count)
        writer->extra[writer->extra_count++] = text;
    return writer->profile->text_count + i;
}

static void put_value_type(struct writer *writer, uint32_t field,
                           const struct profile_value_type *type)
{
    struct proto_writer message = start(writer, &writer->message);
    proto_put_number(&message, VALUE_TYPE_TYPE, extra_text(writer, type->type));
    proto_put_number(&message, VALUE_TYPE_UNIT, extra_text(writer, type->unit));
    nest(&writer->out, field, &message);
}

static void put_frames(struct writer *writer, struct proto_writer *message,
                       const struct profile_sample_data *sample)
{
    if (sample->depth == 0)
        return;
    struct proto_writer packed = start(writer, &writer->inner);
    const uint32_t *frames = writer->profile->frames + sample->first_frame;
    for (size_t i = 0; i < sample->depth; i++)
        proto_put_varint(&packed, (uint64_t)frames[i] + 1);
    nest(message, SAMPLE_LOCATION_ID, &packed);
}

static void put_values(struct writer *writer, struct proto_writer *message,
                       const struct profile_sample_data *sample)
{
    struct proto_writer packed = start(writer, &writer->inner);
    for (size_t i = 0; i < writer->profile->kind->value_count; i++)
        proto_put_varint(&packed, (uint64_t)sample->values[i]);
    nest(message, SAMPLE_VALUE, &packed);
}

static void put_labels(struct writer *writer, struct proto_writer *message,
                       const struct profile_sample_data *sample)
{
    if (sample->labels.pid != 0) {
        struct proto_writer label = start(writer, &writer->inner);
        proto_put_number(&label, LABEL_KEY, extra_text(writer, "pid"));
        proto_put_number(&label, LABEL_NUM, (uint64_t)sample->labels.pid);
        nest(message, SAMPLE_LABEL, &label);
    }
    if (sample->route != 0) {
        struct proto_writer label = start(writer, &writer->inner);
        proto_put_number(&label, LABEL_KEY, extra_text(writer, "route"));
        proto_put_number(&label, LABEL_STR, sample->route);
        nest(message, SAMPLE_LABEL, &label);
    }
    if (sample->thread != 0) {
        struct proto_writer label = start(writer, &writer->inner);
        proto_put_number(&label, LABEL_KEY, extra_text(writer, "thread"));
        proto_put_number(&label, LABEL_STR, sample->thread);
        nest(message, SAMPLE_LABEL, &label);
    }
}

/* Nothing is left of it, in a difference. */
static bool is_zero(const struct profile_sample_data *sample)
{
    for (size_t i = 0; i < PROFILE_MAX_VALUES; i++) {
        if (sample->values[i] != 0)
            return false;
    }
    return true;
}

static void put_sample(struct writer *writer, const struct profile_sample_data *sample)
{
    if (is_zero(sample))
        return;
    struct proto_writer message = start(writer, &writer->message);
    put_frames(writer, &message, sample);
    put_values(writer, &message, sample);
    put_labels(writer, &message, sample);
    nest(&writer->out, PROFILE_SAMPLE, &message);
}

static void put_mapping(struct writer *writer, size_t index)
{
    const struct profile_mapping_data *mapping = &writer->profile->mappings[index];
    struct proto_writer message = start(writer, &writer->message);
    proto_put_number(&message, MAPPING_ID, index + 1);
    proto_put_number(&message, MAPPING_START, mapping->view.start);
    proto_put_number(&message, MAPPING_LIMIT, mapping->view.limit);
    proto_put_number(&message, MAPPING_OFFSET, mapping->view.file_offset);
    proto_put_number(&message, MAPPING_FILENAME, mapping->path);
    proto_put_number(&message, MAPPING_BUILD_ID, mapping->build_id);
    for (uint32_t has = MAPPING_HAS_FUNCTIONS; has <= MAPPING_HAS_INLINE_FRAMES; has++)
        proto_put_number(&message, has, mapping->has_names);
    nest(&writer->out, PROFILE_MAPPING, &message);
}

static void put_location(struct writer *writer, size_t index)
{
    const struct profile_location_data *location = &writer->profile->locations[index];
    struct proto_writer message = start(writer, &writer->message);
    proto_put_number(&message, LOCATION_ID, index + 1);
    if (location->mapping != PROFILE_NO_MAPPING)
        proto_put_number(&message, LOCATION_MAPPING_ID, (uint64_t)location->mapping + 1);
    proto_put_number(&message, LOCATION_ADDRESS, location->address);
    for (size_t i = 0; i < location->line_count; i++) {
        size_t line = location->first_line + i;
        struct proto_writer inner = start(writer, &writer->inner);
        proto_put_number(&inner, LINE_FUNCTION_ID,
                         (uint64_t)writer->profile->line_functions[line] + 1);
        proto_put_number(&inner, LINE_LINE, (uint64_t)writer->profile->lines[line].line);
        nest(&message, LOCATION_LINE, &inner);
    }
    nest(&writer->out, PROFILE_LOCATION, &message);
}

static void put_function(struct writer *writer, size_t index)
{
    const struct profile_function_data *function = &writer->profile->functions[index];
    struct proto_writer message = start(writer, &writer->message);
    proto_put_number(&message, FUNCTION_ID, index + 1);
    proto_put_number(&message, FUNCTION_NAME, function->name);
    proto_put_number(&message, FUNCTION_SYSTEM_NAME, function->system_name);
    proto_put_number(&message, FUNCTION_FILENAME, function->file);
    proto_put_number(&message, FUNCTION_START_LINE, (uint64_t)function->start_line);
    nest(&writer->out, PROFILE_FUNCTION, &message);
}

static void put_comments(struct writer *writer)
{
    const struct profile *profile = writer->profile;
    struct proto_writer packed = start(writer, &writer->message);
    for (size_t i = 0; i < profile->comment_count; i++)
        proto_put_varint(&packed, profile->comments[i]);
    if (profile->dropped > 0) {
        (void)snprintf(writer->dropped, sizeof(writer->dropped),
                       "%llu stacks did not fit and are missing",
                       (unsigned long long)profile->dropped);
        proto_put_varint(&packed, extra_text(writer, writer->dropped));
    }
    if (packed.err || packed.out->len > 0)
        nest(&writer->out, PROFILE_COMMENT, &packed);
}

static void put_texts(struct writer *writer)
{
    const struct profile *profile = writer->profile;
    for (size_t i = 0; i < profile->text_count; i++)
        proto_put_bytes(&writer->out, PROFILE_STRING_TABLE, profile->texts[i],
                        strlen(profile->texts[i]));
    for (size_t i = 0; i < writer->extra_count; i++)
        proto_put_bytes(&writer->out, PROFILE_STRING_TABLE, writer->extra[i],
                        strlen(writer->extra[i]));
}

static void put_head(struct writer *writer)
{
    const struct profile *profile = writer->profile;
    for (size_t i = 0; i < profile->kind->value_count; i++)
        put_value_type(writer, PROFILE_SAMPLE_TYPE, &profile->kind->values[i]);
    put_value_type(writer, PROFILE_PERIOD_TYPE, &profile->kind->period_type);
    proto_put_number(&writer->out, PROFILE_PERIOD, (uint64_t)profile->period);
    proto_put_number(&writer->out, PROFILE_TIME_NANOS, (uint64_t)profile->time_ns);
    proto_put_number(&writer->out, PROFILE_DURATION_NANOS, (uint64_t)profile->duration_ns);
    if (profile->kind->default_value)
        proto_put_number(&writer->out, PROFILE_DEFAULT_SAMPLE_TYPE,
                         extra_text(writer, profile->kind->default_value));
}

static enum app_err write_plain(const struct profile *profile, struct buf *out)
{
    struct writer writer = {.out = {.out = out}, .profile = profile};
    buf_init(&writer.message, MAX_MESSAGE);
    buf_init(&writer.inner, MAX_MESSAGE);
    put_head(&writer);
    for (size_t i = 0; i < profile->sample_count; i++)
        put_sample(&writer, &profile->samples[i]);
    for (size_t i = 0; i < profile->mapping_count; i++)
        put_mapping(&writer, i);
    for (size_t i = 0; i < profile->location_count; i++)
        put_location(&writer, i);
    for (size_t i = 0; i < profile->function_count; i++)
        put_function(&writer, i);
    put_comments(&writer);
    put_texts(&writer);
    buf_release(&writer.message);
    buf_release(&writer.inner);
    return writer.out.err;
}

static enum app_err deflate_all(z_stream *stream, struct buf *out)
{
    unsigned char chunk[GZIP_CHUNK];
    int status;
    do {
        stream->next_out = chunk;
        stream->avail_out = sizeof(chunk);
        status = deflate(stream, Z_FINISH);
        if (status != Z_OK && status != Z_STREAM_END && status != Z_BUF_ERROR)
            return APP_INTERNAL;
        enum app_err err = buf_append(out, chunk, sizeof(chunk) - stream->avail_out);
        if (err)
            return err;
    } while (status != Z_STREAM_END);
    return APP_OK;
}

static enum app_err compress_to(const struct buf *plain, struct buf *out)
{
    _Static_assert(PROFILE_MAX_ENCODED <= UINT_MAX, "zlib takes the whole profile at once");
    z_stream stream = {.next_in = (Bytef *)plain->data, .avail_in = (uInt)plain->len};
    if (deflateInit2(&stream, GZIP_LEVEL, Z_DEFLATED, GZIP_WINDOW, 8, Z_DEFAULT_STRATEGY) != Z_OK)
        return APP_NO_MEMORY;
    enum app_err err = deflate_all(&stream, out);
    (void)deflateEnd(&stream);
    return err;
}

enum app_err profile_proto_write(const struct profile *profile, bool gzip, struct buf *out)
{
    struct buf plain;
    buf_init(&plain, PROFILE_MAX_ENCODED);
    enum app_err err = write_plain(profile, &plain);
    if (!err)
        err = gzip ? compress_to(&plain, out) : buf_append(out, plain.data, plain.len);
    buf_release(&plain);
    return err;
}
