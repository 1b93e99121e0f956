/* SPDX-License-Identifier: MIT */
/*
 * Every combination of labels has its number from the start, so that counting is
 * an index and an addition, and nobody ever has to agree on a new one.
 */
#include "lib/telemetry/metrics.h"

#include <inttypes.h>
#include <stdlib.h>
#include <time.h>

#include "lib/base/clock.h"
#include "lib/telemetry/metrics_private.h"

enum { LAYOUT_TEXT_MAX = 1024 * 1024 };

/* --- Layout ---------------------------------------------------------------------- */

static size_t count_values(const struct metric_label *label)
{
    if (!label->name)
        return 1;
    if (!label->value)
        return (size_t)(label->to - label->from) + 1;
    size_t count = 0;
    while (label->value(count))
        count++;
    return count;
}

static void place(struct metrics *metrics)
{
    struct metrics_memory *memory = &metrics->memory;
    for (size_t row = 0; row < metrics->options.count; row++) {
        const struct metric *metric = &metrics->options.table[row];
        struct metric_place *at = &metrics->places[row];
        size_t *used = metric->type == METRIC_GAUGE ? &memory->gauge_count : &memory->cell_count;
        at->series = 1;
        at->width = metric->type == METRIC_HISTOGRAM ? metric->bound_count + 2 : 1;
        for (size_t i = 0; i < METRIC_LABELS_MAX; i++) {
            at->counts[i] = count_values(&metric->labels[i]);
            at->series *= at->counts[i];
        }
        at->first = *used;
        *used += at->series * at->width;
    }
}

static enum app_err describe_label(struct buf *text, const struct metric_label *label)
{
    if (!label->name)
        return APP_OK;
    enum app_err err = buf_printf(text, " %s", label->name);
    if (!label->value)
        return err ? err : buf_printf(text, " %d-%d", label->from, label->to);
    for (size_t i = 0; !err && label->value(i); i++)
        err = buf_printf(text, " %s", label->value(i));
    return err;
}

/* Everything that decides where a number lies, as text. */
static enum app_err describe(const struct metrics *metrics, struct buf *text)
{
    enum app_err err = buf_printf(text, "%d slots\n", LIMIT_METRICS_PROCESSES);
    for (size_t row = 0; !err && row < metrics->options.count; row++) {
        const struct metric *metric = &metrics->options.table[row];
        err = buf_printf(text, "%s %d %d", metric->name, metric->type, metric->unit);
        for (size_t i = 0; !err && i < METRIC_LABELS_MAX; i++)
            err = describe_label(text, &metric->labels[i]);
        for (size_t i = 0; !err && i < metric->bound_count; i++)
            err = buf_printf(text, " %" PRId64, metric->bounds[i]);
        if (!err)
            err = buf_append_str(text, "\n");
    }
    return err;
}

static enum app_err digest_layout(const struct metrics *metrics, char layout[MD5_HEX_LEN + 1])
{
    struct buf text;
    buf_init(&text, LAYOUT_TEXT_MAX);
    enum app_err err = describe(metrics, &text);
    if (!err)
        err = md5_hex(text.data, text.len, layout);
    buf_release(&text);
    return err == APP_TOO_LARGE ? APP_INTERNAL : err;
}

/* --- Life ------------------------------------------------------------------------ */

static enum app_err open_memory(struct metrics *metrics)
{
    const struct metrics_options *options = &metrics->options;
    struct err_buf why = {.detail = ""};
    enum app_err err = digest_layout(metrics, metrics->layout);
    if (err)
        return err;
    if (options->directory[0] == '\0')
        return metrics_memory_private(&metrics->memory);
    err = metrics_memory_share(&metrics->memory, options->directory, metrics->layout, &why);
    if (!err)
        return APP_OK;
    log_warn(options->log, "Metrics are of this process only",
             LOG_FIELDS(LOG_STR("directory", options->directory), LOG_STR("reason", why.detail)));
    return metrics_memory_private(&metrics->memory);
}

enum app_err metrics_new(const struct metrics_options *options, struct metrics **metrics)
{
    struct metrics *made = calloc(1, sizeof(*made));
    if (!made)
        return APP_NO_MEMORY;
    made->options = *options;
    made->memory.file = SHARED_FILE_NONE;
    made->places = calloc(options->count > 0 ? options->count : 1, sizeof(*made->places));
    enum app_err err = made->places ? APP_OK : APP_NO_MEMORY;
    if (!err) {
        place(made);
        err = open_memory(made);
    }
    if (err) {
        free(made->places);
        free(made);
        return err;
    }
    metrics_account_self(made);
    *metrics = made;
    return APP_OK;
}

void metrics_free(struct metrics **metrics)
{
    struct metrics *freed = *metrics;
    if (!freed)
        return;
    metrics_account_self(freed);
    metrics_memory_release(&freed->memory);
    free(freed->places);
    free(freed);
    *metrics = NULL;
}

bool metrics_is_shared(const struct metrics *metrics)
{
    return metrics->memory.file.fd >= 0;
}

/* --- Counting -------------------------------------------------------------------- */

static size_t series_at(const struct metric_place *place, struct metric_at at)
{
    size_t series = 0;
    for (size_t i = 0; i < METRIC_LABELS_MAX; i++) {
        size_t last = place->counts[i] - 1;
        series = series * place->counts[i] + (at.label[i] < last ? at.label[i] : last);
    }
    return place->first + series * place->width;
}

uint64_t metrics_add(struct metrics *metrics, size_t row, struct metric_at at, uint64_t amount)
{
    size_t cell = series_at(&metrics->places[row], at);
    return atomic_fetch_add_explicit(&metrics->memory.cells[cell], amount, memory_order_relaxed);
}

void metrics_count_to(struct metrics *metrics, size_t row, struct metric_at at, uint64_t total)
{
    _Atomic uint64_t *cell = &metrics->memory.cells[series_at(&metrics->places[row], at)];
    uint64_t before = atomic_load_explicit(cell, memory_order_relaxed);
    while (before < total && !atomic_compare_exchange_weak(cell, &before, total))
        ;
}

void metrics_observe(struct metrics *metrics, size_t row, struct metric_at at, int64_t value)
{
    const struct metric *metric = &metrics->options.table[row];
    _Atomic uint64_t *buckets = &metrics->memory.cells[series_at(&metrics->places[row], at)];
    size_t bucket = 0;
    while (bucket < metric->bound_count && value > metric->bounds[bucket])
        bucket++;
    atomic_fetch_add_explicit(&buckets[bucket], 1, memory_order_relaxed);
    if (value > 0) /* a sum is a counter, and never goes down */
        atomic_fetch_add_explicit(&buckets[metric->bound_count + 1], (uint64_t)value,
                                  memory_order_relaxed);
}

static _Atomic int64_t *gauge_at(struct metrics *metrics, size_t row, struct metric_at at)
{
    return metrics_memory_gauges(&metrics->memory, metrics->memory.slot) +
           series_at(&metrics->places[row], at);
}

void metrics_gauge_add(struct metrics *metrics, size_t row, struct metric_at at, int64_t amount)
{
    atomic_fetch_add_explicit(gauge_at(metrics, row, at), amount, memory_order_relaxed);
}

void metrics_gauge_set(struct metrics *metrics, size_t row, struct metric_at at, int64_t value)
{
    atomic_store_explicit(gauge_at(metrics, row, at), value, memory_order_relaxed);
}

/* --- This process ---------------------------------------------------------------- */

void metrics_account_self(struct metrics *metrics)
{
    struct timespec used;
    if (clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used) == 0)
        metrics_memory_account(&metrics->memory, metrics->memory.slot,
                               (uint64_t)(used.tv_sec * NS_PER_S + used.tv_nsec));
}

void metrics_tick(struct metrics *metrics, int64_t now_ns)
{
    int64_t before = atomic_load_explicit(&metrics->ticked_ns, memory_order_relaxed);
    if (now_ns - before >= NS_PER_S &&
        atomic_compare_exchange_strong(&metrics->ticked_ns, &before, now_ns))
        metrics_account_self(metrics);
}
