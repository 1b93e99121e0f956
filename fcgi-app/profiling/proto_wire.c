/* SPDX-License-Identifier: MIT */
/* Every length is compared with what is left before it is used. */
#include "profiling/proto_wire.h"

enum { WIRE_VARINT = 0, WIRE_FIXED64 = 1, WIRE_BYTES = 2, WIRE_FIXED32 = 5, VARINT_MAX = 10 };

static void put(struct proto_writer *writer, const void *data, size_t len)
{
    if (!writer->err)
        writer->err = buf_append(writer->out, data, len);
}

void proto_put_varint(struct proto_writer *writer, uint64_t value)
{
    unsigned char bytes[VARINT_MAX];
    size_t len = 0;
    for (; value >= 0x80; value >>= 7)
        bytes[len++] = (unsigned char)(value | 0x80);
    bytes[len++] = (unsigned char)value;
    put(writer, bytes, len);
}

void proto_put_number(struct proto_writer *writer, uint32_t field, uint64_t value)
{
    if (value == 0)
        return;
    proto_put_varint(writer, (uint64_t)field << 3 | WIRE_VARINT);
    proto_put_varint(writer, value);
}

void proto_put_bytes(struct proto_writer *writer, uint32_t field, const void *data, size_t len)
{
    proto_put_varint(writer, (uint64_t)field << 3 | WIRE_BYTES);
    proto_put_varint(writer, len);
    put(writer, data, len);
}

static bool read_varint(struct proto_reader *reader, uint64_t *value)
{
    uint64_t result = 0;
    for (unsigned shift = 0; shift < 7 * VARINT_MAX && reader->at < reader->end; shift += 7) {
        unsigned char byte = *reader->at++;
        if (shift == 63 && byte > 1)
            return false;
        result |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80) {
            *value = result;
            return true;
        }
    }
    return false;
}

static bool skip(struct proto_reader *reader, size_t len)
{
    if ((size_t)(reader->end - reader->at) < len)
        return false;
    reader->at += len;
    return true;
}

static bool read_bytes(struct proto_reader *reader, struct proto_reader *bytes)
{
    uint64_t len;
    if (!read_varint(reader, &len) || len > (uint64_t)(reader->end - reader->at))
        return false;
    *bytes = (struct proto_reader){reader->at, reader->at + len};
    return skip(reader, (size_t)len);
}

static enum proto_step malformed_at(struct proto_reader *reader)
{
    reader->at = reader->end;
    return PROTO_MALFORMED;
}

enum proto_step proto_next(struct proto_reader *reader, struct proto_field *field)
{
    while (reader->at < reader->end) {
        uint64_t tag;
        if (!read_varint(reader, &tag) || tag >> 3 == 0 || tag >> 3 > UINT32_MAX >> 3)
            return malformed_at(reader);
        *field = (struct proto_field){.number = (uint32_t)(tag >> 3)};
        bool good;
        switch (tag & 7) {
        case WIRE_VARINT:
            good = read_varint(reader, &field->value);
            break;
        case WIRE_BYTES:
            good = read_bytes(reader, &field->bytes);
            field->is_bytes = true;
            break;
        case WIRE_FIXED64:
            good = skip(reader, 8);
            break;
        case WIRE_FIXED32:
            good = skip(reader, 4);
            break;
        default:
            good = false;
        }
        if (!good)
            return malformed_at(reader);
        if ((tag & 7) == WIRE_VARINT || field->is_bytes)
            return PROTO_FIELD;
    }
    return PROTO_END;
}

bool proto_numbers(const struct proto_field *field, uint64_t *numbers, size_t max, size_t *count)
{
    struct proto_reader packed = field->bytes;
    uint64_t number = field->value;
    bool more = !field->is_bytes;
    while (more || packed.at < packed.end) {
        if (!more && !read_varint(&packed, &number))
            return false;
        more = false;
        if (*count < max)
            numbers[*count] = number;
        ++*count;
    }
    return true;
}
