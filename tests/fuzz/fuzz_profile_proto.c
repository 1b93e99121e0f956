/* SPDX-License-Identifier: MIT */
/* A sibling's profile, from its bytes to everything that is made of it. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "profiling/flamegraph.h"
#include "profiling/legacy.h"
#include "profiling/profile_proto.h"
#include "profiling/profile_top.h"

enum { MAX_OUTPUT = 256 * 1024 * 1024 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(enum app_err err)
{
    if (err != APP_OK && err != APP_TOO_LARGE)
        abort();
}

/* What was read can be written, and read again. */
static void write_and_read(const struct profile *profile, struct buf *out)
{
    struct profile *again;
    enum app_err err = profile_proto_write(profile, false, out);
    check(err);
    if (!err && profile_proto_read(&profile_kind_cpu, out->data, out->len, &again, NULL) != APP_OK)
        abort();
    if (!err)
        profile_free(&again);
    buf_reset(out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct profile *profile;
    if (profile_proto_read(&profile_kind_cpu, data, size, &profile, NULL) != APP_OK)
        return 0;
    struct buf out;
    buf_init(&out, MAX_OUTPUT);
    write_and_read(profile, &out);
    check(legacy_cpu_write(profile, &out));
    buf_reset(&out);
    check(profile_top_text(profile, 1, 20, &out));
    buf_reset(&out);
    struct profile *base = profile_new(&profile_kind_cpu);
    if (!base || profile_merge(base, profile) != APP_OK)
        abort();
    const struct flamegraph_options options = {
        .profile = profile, .base = base, .value_index = 1, .title = "fuzz"};
    check(flamegraph_write(&options, &out));
    buf_release(&out);
    profile_free(&base);
    profile_free(&profile);
    return 0;
}
