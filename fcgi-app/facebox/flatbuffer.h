/* SPDX-License-Identifier: MIT */
/*
 * Reading a FlatBuffer (flatbuffers.dev, "FlatBuffer Internals") that may hold any
 * bytes: what lies outside of the file is read as absent. Pure, any thread.
 */
#ifndef FACEBOX_FLATBUFFER_H
#define FACEBOX_FLATBUFFER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct flatbuffer {
    const unsigned char *data;
    size_t len;
};

/* Places in the file; 0 means absent, since nothing begins there but the root's offset. */
typedef size_t flatbuffer_place;

/* `count` elements, all of them inside the file. */
struct flatbuffer_vector {
    flatbuffer_place at;
    size_t count;
};

/* The root table; 0: none. */
flatbuffer_place flatbuffer_root(const struct flatbuffer *file);

/* Scalar field number `field` of a table; `otherwise` when it is absent. */
int64_t flatbuffer_int32(const struct flatbuffer *file, flatbuffer_place table, unsigned field,
                         int32_t otherwise);
int64_t flatbuffer_int8(const struct flatbuffer *file, flatbuffer_place table, unsigned field,
                        int8_t otherwise);

/* A field that is a table; 0: absent. */
flatbuffer_place flatbuffer_table(const struct flatbuffer *file, flatbuffer_place table,
                                  unsigned field);

/* A field that is a vector of elements of `size` bytes; no elements when it is absent. */
struct flatbuffer_vector flatbuffer_vector(const struct flatbuffer *file, flatbuffer_place table,
                                           unsigned field, size_t size);

/* Element `index` < count of a vector of 32-bit numbers, or of tables (0: absent). */
int32_t flatbuffer_vector_int32(const struct flatbuffer *file,
                                const struct flatbuffer_vector *vector, size_t index);
flatbuffer_place flatbuffer_vector_table(const struct flatbuffer *file,
                                         const struct flatbuffer_vector *vector, size_t index);

#endif
