/* SPDX-License-Identifier: MIT */
/*
 * A table begins with the distance back to its vtable: 16-bit numbers, the vtable's own
 * length, the table's length, then for each field where it lies in the table, 0 when
 * it is absent. References are distances forward. All numbers are little-endian.
 */
#include "facebox/flatbuffer.h"

enum { VTABLE_HEAD = 4 };

static bool is_inside(const struct flatbuffer *file, size_t at, size_t len)
{
    return at <= file->len && len <= file->len - at;
}

static uint32_t read_u16(const struct flatbuffer *file, size_t at)
{
    return is_inside(file, at, 2) ? (uint32_t)file->data[at] | (uint32_t)file->data[at + 1] << 8
                                  : 0;
}

static uint32_t read_u32(const struct flatbuffer *file, size_t at)
{
    return read_u16(file, at) | read_u16(file, at + 2) << 16;
}

/* Where the reference at `at` leads; 0 when that is outside. */
static flatbuffer_place follow(const struct flatbuffer *file, size_t at)
{
    size_t distance = read_u32(file, at);
    return distance > 0 && is_inside(file, at, distance) ? at + distance : 0;
}

/* Where a field of `size` bytes lies; 0: absent. */
static size_t find_field(const struct flatbuffer *file, flatbuffer_place table, unsigned field,
                         size_t size)
{
    if (table == 0 || !is_inside(file, table, 4))
        return 0;
    int64_t vtable = (int64_t)table - (int32_t)read_u32(file, table);
    if (vtable < 0 || !is_inside(file, (size_t)vtable, VTABLE_HEAD))
        return 0;
    size_t entry = VTABLE_HEAD + 2 * (size_t)field;
    if (entry + 2 > read_u16(file, (size_t)vtable))
        return 0;
    size_t offset = read_u16(file, (size_t)vtable + entry);
    return offset > 0 && is_inside(file, table + offset, size) ? table + offset : 0;
}

flatbuffer_place flatbuffer_root(const struct flatbuffer *file)
{
    return follow(file, 0);
}

int64_t flatbuffer_int32(const struct flatbuffer *file, flatbuffer_place table, unsigned field,
                         int32_t otherwise)
{
    size_t at = find_field(file, table, field, 4);
    return at > 0 ? (int32_t)read_u32(file, at) : otherwise;
}

int64_t flatbuffer_int8(const struct flatbuffer *file, flatbuffer_place table, unsigned field,
                        int8_t otherwise)
{
    size_t at = find_field(file, table, field, 1);
    return at > 0 ? (int8_t)file->data[at] : otherwise;
}

flatbuffer_place flatbuffer_table(const struct flatbuffer *file, flatbuffer_place table,
                                  unsigned field)
{
    size_t at = find_field(file, table, field, 4);
    return at > 0 ? follow(file, at) : 0;
}

struct flatbuffer_vector flatbuffer_vector(const struct flatbuffer *file, flatbuffer_place table,
                                           unsigned field, size_t size)
{
    struct flatbuffer_vector vector = {0};
    flatbuffer_place at = flatbuffer_table(file, table, field);
    if (at == 0 || !is_inside(file, at, 4))
        return vector;
    size_t count = read_u32(file, at);
    if (count <= (file->len - at - 4) / size)
        vector = (struct flatbuffer_vector){at + 4, count};
    return vector;
}

int32_t flatbuffer_vector_int32(const struct flatbuffer *file,
                                const struct flatbuffer_vector *vector, size_t index)
{
    return (int32_t)read_u32(file, vector->at + 4 * index);
}

flatbuffer_place flatbuffer_vector_table(const struct flatbuffer *file,
                                         const struct flatbuffer_vector *vector, size_t index)
{
    return follow(file, vector->at + 4 * index);
}
