/* SPDX-License-Identifier: MIT */
#include "profiling/provider.h"

#include <string.h>

#include "profiling/legacy.h"
#include "profiling/profile_stacks.h"
#include "profiling/profile_top.h"

enum { TOP_ROWS = 80, STACKS = 2000 };

/* --- Collecting -------------------------------------------------------------------- */

static enum app_err collect_cpu(const struct provider_sources *sources,
                                const struct provider_call *call, struct profile **profile,
                                struct err_buf *why)
{
    return sampler_collect(sources->sampler, call->seconds, call->gone, call->gone_context, profile,
                           why);
}

static enum app_err collect_past(const struct provider_sources *sources,
                                 const struct provider_call *call, struct profile **profile,
                                 struct err_buf *why)
{
    return sampler_past(sources->sampler, call->seconds, call->ago, profile, why);
}

static enum app_err collect_toggled(const struct provider_sources *sources,
                                    const struct provider_call *call, struct profile **profile,
                                    struct err_buf *why)
{
    (void)call;
    return sampler_toggled(sources->sampler, profile, why);
}

static enum app_err collect_heap(const struct provider_sources *sources,
                                 const struct provider_call *call, struct profile **profile,
                                 struct err_buf *why)
{
    return heap_profile(sources->heap, call->provider->kind, profile, why);
}

static enum app_err collect_block(const struct provider_sources *sources,
                                  const struct provider_call *call, struct profile **profile,
                                  struct err_buf *why)
{
    (void)call, (void)why;
    return contention_profile(sources->contention, CONTENTION_BLOCK, profile);
}

static enum app_err collect_mutex(const struct provider_sources *sources,
                                  const struct provider_call *call, struct profile **profile,
                                  struct err_buf *why)
{
    (void)call, (void)why;
    return contention_profile(sources->contention, CONTENTION_MUTEX, profile);
}

static enum app_err collect_threads(const struct provider_sources *sources,
                                    const struct provider_call *call, struct profile **profile,
                                    struct err_buf *why)
{
    struct threads_dump *dump = NULL;
    enum app_err err = threads_dump(sources->threads, &dump, why);
    if (!err)
        err =
            threads_dump_profile(dump, call->provider->kind, 0, threads_dump_count(dump), profile);
    threads_dump_free(&dump);
    return err;
}

static enum app_err collect_each_thread(const struct provider_sources *sources,
                                        const struct provider_call *call, struct profile **profile,
                                        struct err_buf *why)
{
    struct threads_dump *dump = NULL;
    (void)call;
    enum app_err err = threads_dump(sources->threads, &dump, why);
    if (!err)
        err = threads_dump_each(dump, profile);
    threads_dump_free(&dump);
    return err;
}

/* --- Words of the program's own ------------------------------------------------------ */

static const char *waits(const struct pprof_words *words)
{
    return words->waits;
}

static const char *heap_setting(const struct pprof_words *words)
{
    return words->heap_setting;
}

/* --- The table ------------------------------------------------------------------------ */

static const struct provider providers[] = {
    {
        .name = "profile",
        .kind = &profile_kind_cpu,
        .title = "CPU profile",
        .seconds = PROVIDER_COLLECTS,
        .collect = collect_cpu,
        .merge = profile_merge,
        .text = profile_top_text,
        .text_rows = TOP_ROWS,
        .legacy = legacy_cpu_write,
        .past = "past",
        .views = {{.link = "flamegraph?seconds=5",
                   .name = "flame graph",
                   .text = "CPU of the next 5 seconds, as a picture with search"},
                  {.link = "profile?seconds=5&debug=1",
                   .name = "profile",
                   .text = "CPU of the next seconds: a table here, a profile for go tool pprof "
                           "without debug=1"}},
    },
    {
        .name = "past",
        .kind = &profile_kind_cpu,
        .title = "CPU profile",
        .is_variant = true,
        .collect = collect_past,
        .merge = profile_merge,
    },
    {
        .name = "cpu",
        .kind = &profile_kind_cpu,
        .seconds = PROVIDER_IGNORES,
        .collect = collect_toggled,
        .merge = profile_merge,
        .text = profile_top_text,
        .text_rows = TOP_ROWS,
        .views = {{.link = "cpu?debug=1",
                   .name = "cpu",
                   .text = "what the sampling switch collected"}},
    },
    {
        .name = "block",
        .kind = &profile_kind_contention,
        .seconds = PROVIDER_GROWS,
        .collect = collect_block,
        .merge = profile_merge,
        .text = profile_top_text,
        .text_rows = TOP_ROWS,
        .views = {{.link = "flamegraph?profile=block",
                   .name = "block",
                   .text = "time spent waiting for ",
                   .more = waits,
                   .label = "Waits"}},
    },
    {
        .name = "mutex",
        .kind = &profile_kind_contention,
        .seconds = PROVIDER_GROWS,
        .collect = collect_mutex,
        .merge = profile_merge,
        .text = profile_top_text,
        .text_rows = TOP_ROWS,
        .views = {{.link = "flamegraph?profile=mutex",
                   .name = "mutex",
                   .text = "time spent waiting for locks"}},
    },
    {
        .name = "heap",
        .kind = &profile_kind_heap,
        .seconds = PROVIDER_GROWS,
        .collect = collect_heap,
        .merge = profile_merge,
        .text = profile_top_text,
        .text_rows = TOP_ROWS,
        .legacy = legacy_heap_write,
        .views = {{.link = "flamegraph?profile=heap",
                   .name = "heap",
                   .text = "live memory",
                   .needs = heap_setting,
                   .label = "Memory"}},
    },
    {
        .name = "allocs",
        .kind = &profile_kind_allocs,
        .seconds = PROVIDER_GROWS,
        .collect = collect_heap,
        .merge = profile_merge,
        .text = profile_top_text,
        .text_rows = TOP_ROWS,
        .views = {{.link = "flamegraph?profile=allocs",
                   .name = "allocs",
                   .text = "all memory ever allocated",
                   .needs = heap_setting}},
    },
    {
        .name = "goroutine",
        .kind = &profile_kind_goroutine,
        .seconds = PROVIDER_GROWS,
        .collect = collect_threads,
        .merge = profile_merge,
        .text = profile_stacks_text,
        .text_rows = STACKS,
        .each = "threads",
        .views = {{.link = "goroutine?debug=1",
                   .name = "goroutine",
                   .text = "stacks of all threads of all processes"},
                  {.link = "goroutine?debug=2",
                   .name = "goroutine, each",
                   .text = "the same, each thread apart and by its name",
                   .label = "Threads"}},
    },
    {
        .name = "threads",
        .kind = &profile_kind_goroutine,
        .is_variant = true,
        .collect = collect_each_thread,
        .merge = profile_merge,
    },
    {
        .name = "threadcreate",
        .kind = &profile_kind_threads,
        .seconds = PROVIDER_GROWS,
        .collect = collect_threads,
        .merge = profile_merge,
        .text = profile_stacks_text,
        .text_rows = STACKS,
        .views = {{.link = "threadcreate?debug=1",
                   .name = "threadcreate",
                   .text = "the same, by thread"}},
    },
};

const struct provider *provider_at(size_t index)
{
    return index < sizeof(providers) / sizeof(providers[0]) ? &providers[index] : NULL;
}

const struct provider *provider_find(const char *name)
{
    const struct provider *provider;
    for (size_t i = 0; (provider = provider_at(i)); i++)
        if (strcmp(provider->name, name) == 0)
            return provider;
    return NULL;
}
