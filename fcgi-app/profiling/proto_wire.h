/* SPDX-License-Identifier: MIT */
/*
 * The wire format of protocol buffers, as far as profile.proto needs it: numbers
 * (varints) and length-delimited fields (protobuf.dev/programming-guides/encoding).
 * Pure, any thread.
 */
#ifndef PROFILING_PROTO_WIRE_H
#define PROFILING_PROTO_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/buf.h"

/* Appends to a buffer; the first error stays and makes all that follows a no-op. */
struct proto_writer {
    struct buf *out;
    enum app_err err;
};

/* A bare number, as in a packed field. */
void proto_put_varint(struct proto_writer *writer, uint64_t value);
/* A numeric field; 0 is the default and not written. */
void proto_put_number(struct proto_writer *writer, uint32_t field, uint64_t value);
/* A string, bytes, message or packed field; an empty one is written. */
void proto_put_bytes(struct proto_writer *writer, uint32_t field, const void *data, size_t len);

/* Bytes that are still to be read; they stay the caller's. */
struct proto_reader {
    const unsigned char *at;
    const unsigned char *end;
};

struct proto_field {
    uint32_t number;
    bool is_bytes;
    uint64_t value;            /* unless is_bytes */
    struct proto_reader bytes; /* when is_bytes */
};

enum proto_step { PROTO_FIELD, PROTO_END, PROTO_MALFORMED };

/*
 * The next field; those of the two fixed-size wire types are skipped. Never
 * reads behind the end; after PROTO_MALFORMED the reader is at its end.
 */
enum proto_step proto_next(struct proto_reader *reader, struct proto_field *field);

/*
 * Numbers of a repeated numeric field, packed or not: *count grows by each, and
 * those below `max` are stored. False: malformed.
 */
bool proto_numbers(const struct proto_field *field, uint64_t *numbers, size_t max, size_t *count);

#endif
