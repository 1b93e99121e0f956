/* SPDX-License-Identifier: MIT */
/*
 * A message of proto/cache.proto, in one piece and cut at every place and at each
 * byte: where a transport cuts changes nothing.
 */
#include "fuzz/input.h"

#include "lib/wire/cache_item.h"

enum { INPUT_MAX = 2048 };

struct found {
    enum app_err err;
    char *id, *data;
    size_t id_len, data_len;
};

static char *copy(const struct iovec *pieces, size_t count, const struct wire_span *span)
{
    size_t piece_count = wire_span_piece_count(pieces, count, span);
    struct iovec *parts = calloc(piece_count + 1, sizeof(*parts));
    char *text = malloc(span->len + 1);
    size_t total = 0;
    must(piece_count <= count && parts && text);
    wire_span_pieces(pieces, count, span, parts);
    for (size_t i = 0; i < piece_count; i++) {
        must(parts[i].iov_len > 0);
        total += parts[i].iov_len;
    }
    must(total == span->len);
    wire_span_copy(pieces, count, span, text);
    text[span->len] = '\0';
    free(parts);
    return text;
}

static struct found parse(const struct iovec *pieces, size_t count)
{
    struct wire_cache_item item;
    struct found found = {.err = wire_cache_item_parse(pieces, count, &item)};
    if (found.err)
        return found;
    found.id_len = item.id.len;
    found.data_len = item.data.len;
    found.id = copy(pieces, count, &item.id);
    found.data = copy(pieces, count, &item.data);
    return found;
}

static void release(struct found *found)
{
    free(found->id);
    free(found->data);
}

static void compare(const struct found *whole, const struct iovec *pieces, size_t count)
{
    struct found found = parse(pieces, count);
    must(found.err == whole->err);
    if (!found.err)
        must(found.id_len == whole->id_len && found.data_len == whole->data_len &&
             memcmp(found.id, whole->id, found.id_len) == 0 &&
             memcmp(found.data, whole->data, found.data_len) == 0);
    release(&found);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input input = {data, size};
    if (size > INPUT_MAX)
        return 0;
    char *bytes = fuzz_text(&input, size);
    struct iovec all = {bytes, size};
    struct found whole = parse(&all, 1);
    struct iovec *pieces = calloc(size + 1, sizeof(*pieces));
    must(pieces != NULL);
    for (size_t cut = 0; cut <= size; cut++) {
        const struct iovec two[] = {{bytes, cut}, {bytes + cut, size - cut}};
        compare(&whole, two, 2);
        pieces[cut] = (struct iovec){bytes + cut, cut < size};
    }
    compare(&whole, pieces, size + 1);
    free(pieces);
    release(&whole);
    free(bytes);
    return 0;
}
