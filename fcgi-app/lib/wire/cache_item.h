/* SPDX-License-Identifier: MIT */
/*
 * CacheItem of proto/cache.proto on the wire, without copying its data: a
 * message arrives as pieces (a transport's slices), and a field or even a
 * varint may straddle two of them. Rules of proto3 that are kept: fields in any
 * order, the last value of a field wins, unknown fields are skipped, an absent
 * field is empty. Groups, which proto3 does not have, count as malformed.
 * google.protobuf.StringValue has the layout of a CacheItem without data, so
 * the parser reads that too: its value is the id.
 * Source: protobuf.dev "Encoding". Pure, any thread.
 */
#ifndef LIB_WIRE_CACHE_ITEM_H
#define LIB_WIRE_CACHE_ITEM_H

#include <stddef.h>
#include <sys/uio.h>

#include "lib/base/err.h"

/* The id of an entry with this in front is a record about it, see proto/cache.proto. */
#define CACHE_RECORD_PREFIX "source:"

/* A run of bytes inside a list of pieces. */
struct wire_span {
    size_t piece;  /* index of the piece that it begins in */
    size_t offset; /* within that piece */
    size_t len;
};

struct wire_cache_item {
    struct wire_span id;
    struct wire_span data;
};

/* Find id and data; whether the id is UTF-8 is not looked at. APP_BAD_REQUEST: malformed. */
enum app_err wire_cache_item_parse(const struct iovec *pieces, size_t count,
                                   struct wire_cache_item *item)
    __attribute__((warn_unused_result));

/* How many pieces `span` touches. */
size_t wire_span_piece_count(const struct iovec *pieces, size_t count,
                             const struct wire_span *span);

/*
 * Write the pieces of `span` to `out`, which has room for wire_span_piece_count
 * and may be `pieces` itself. None of them is empty.
 */
void wire_span_pieces(const struct iovec *pieces, size_t count, const struct wire_span *span,
                      struct iovec *out);

/* Copy a span's bytes to `out`, which has room for span->len. */
void wire_span_copy(const struct iovec *pieces, size_t count, const struct wire_span *span,
                    void *out);

enum { WIRE_CACHE_ITEM_HEAD_MAX = 32 }; /* besides the id's own bytes */

/*
 * Everything of a CacheItem but the data's bytes, which follow it directly.
 * `out` has room for WIRE_CACHE_ITEM_HEAD_MAX + id_len. Returns the length.
 */
size_t wire_cache_item_head(const char *id, size_t id_len, size_t data_len, void *out);

#endif
