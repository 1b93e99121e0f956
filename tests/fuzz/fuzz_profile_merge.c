/* SPDX-License-Identifier: MIT */
/*
 * Several siblings' profiles, merged as a gathering merges them, named, subtracted
 * and written. The input is one byte for the kind, then profiles that each have
 * their length, two bytes with the lower first, before them.
 */
#include <stdlib.h>

#include "profiling/heap.h"
#include "profiling/legacy.h"
#include "profiling/profile_proto.h"

enum { MAX_OUTPUT = 256 * 1024 * 1024, MAX_PROFILES = 16 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct profile_kind *const kinds[] = {&profile_kind_cpu, &profile_kind_heap,
                                                   &profile_kind_contention,
                                                   &profile_kind_goroutine, &profile_kind_allocs};

static size_t resolve(void *context, const struct profile_mapping *mapping, uint64_t address,
                      struct profile_line *lines, size_t max)
{
    (void)context;
    size_t count = address % (max + 1);
    for (size_t i = 0; i < count; i++)
        lines[i] = (struct profile_line){.function = mapping ? mapping->path : "nowhere",
                                         .line = (int)(address & 0xffff)};
    return count;
}

static void must(bool holds)
{
    if (!holds)
        abort();
}

/* No value is lost or counted twice: sums wrap, so they say so for any numbers. */
static void check_totals(const struct profile *sum, const struct profile *before,
                         const struct profile *added)
{
    if (profile_dropped(sum) != profile_dropped(before) + profile_dropped(added))
        return;
    for (size_t i = 0; i < profile_kind_of(sum)->value_count; i++)
        must(profile_total(sum, i) ==
             profile_value_sum(profile_total(before, i), profile_total(added, i)));
}

static void merge_one(struct profile *merged, const struct profile *read)
{
    struct profile *before = profile_new(profile_kind_of(merged));
    must(before && profile_merge(before, merged) == APP_OK);
    must(profile_merge(merged, read) == APP_OK);
    check_totals(merged, before, read);
    profile_free(&before);
}

/* Everything that a client may be sent, and what a sibling would read of it. */
static void write_all(const struct profile *merged)
{
    const struct profile_kind *kind = profile_kind_of(merged);
    struct profile *again;
    struct buf out;
    buf_init(&out, MAX_OUTPUT);
    must(profile_proto_write(merged, false, &out) == APP_OK);
    must(profile_proto_read(kind, out.data, out.len, &again, NULL) == APP_OK);
    for (size_t i = 0; i < kind->value_count; i++)
        must(profile_total(again, i) == profile_total(merged, i));
    profile_free(&again);
    buf_reset(&out);
    if (kind == &profile_kind_cpu)
        must(legacy_cpu_write(merged, &out) == APP_OK);
    if (kind == &profile_kind_heap)
        must(legacy_heap_write(merged, &out) == APP_OK);
    buf_release(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    const struct profile_kind *kind = kinds[data[0] % (sizeof(kinds) / sizeof(kinds[0]))];
    struct profile *merged = profile_new(kind);
    struct profile *base = profile_new(kind);
    must(merged && base);
    size_t at = 1;
    for (size_t i = 0; i < MAX_PROFILES && size - at >= 2; i++) {
        size_t len = data[at] | (size_t)data[at + 1] << 8;
        struct profile *read = NULL;
        at += 2;
        if (len > size - at)
            len = size - at;
        if (profile_proto_read(kind, data + at, len, &read, NULL) == APP_OK) {
            merge_one(merged, read);
            if (i == 0)
                must(profile_merge(base, read) == APP_OK);
        }
        profile_free(&read);
        at += len;
    }
    must(profile_symbolize(merged, resolve, NULL) == APP_OK);
    must(profile_subtract(merged, base) == APP_OK);
    write_all(merged);
    profile_free(&base);
    profile_free(&merged);
    return 0;
}
