/* SPDX-License-Identifier: MIT */
/* Most series of a metric with many labels were never counted, and are passed over first. */
#include "lib/telemetry/metrics_columns.h"

#include <string.h>
#include <time.h>

#include "lib/base/clock.h"
#include "lib/telemetry/metrics_private.h"

enum { GROUP = 100 };

static bool is_grouped(const struct metric *metric, size_t label)
{
    return label > 0 && metric->labels[label].name && !metric->labels[label].value;
}

static size_t group_of(const struct metric *metric, size_t label, size_t index)
{
    const struct metric_label *numbers = &metric->labels[label];
    return (size_t)((numbers->from + (int)index) / GROUP - numbers->from / GROUP);
}

static size_t count_groups(const struct metrics *metrics, size_t row)
{
    const struct metric *metric = &metrics->options.table[row];
    size_t groups = 1;
    for (size_t i = 0; i < METRIC_LABELS_MAX; i++) {
        if (is_grouped(metric, i))
            groups *= group_of(metric, i, metrics->places[row].counts[i] - 1) + 1;
    }
    return groups;
}

static size_t row_columns(const struct metrics *metrics, size_t row)
{
    const struct metric_place *place = &metrics->places[row];
    return place->counts[0] * count_groups(metrics, row) * place->width;
}

static size_t first_column(const struct metrics *metrics, size_t row)
{
    size_t first = METRICS_COLUMN_TABLE;
    for (size_t i = 0; i < row; i++)
        first += row_columns(metrics, i);
    return first;
}

size_t metrics_column_count(const struct metrics *metrics)
{
    return first_column(metrics, metrics->options.count);
}

size_t metrics_column(const struct metrics *metrics, size_t row, struct metrics_column_at at)
{
    const struct metric_place *place = &metrics->places[row];
    return first_column(metrics, row) +
           (at.label * count_groups(metrics, row) + at.group) * place->width + at.part;
}

const struct metric *metrics_find(const struct metrics *metrics, const char *name, size_t *row)
{
    const struct metric *table = metrics->options.table;
    for (*row = 0; *row < metrics->options.count; (*row)++) {
        if (strcmp(table[*row].name, name) == 0)
            return &table[*row];
    }
    return NULL;
}

const char *metrics_layout(const struct metrics *metrics)
{
    return metrics->layout;
}

/* Where a series' numbers are added up, counted from the row's first column. */
static size_t column_of(const struct metrics *metrics, size_t row, size_t series)
{
    const struct metric *metric = &metrics->options.table[row];
    const struct metric_place *place = &metrics->places[row];
    size_t column = 0;
    size_t scale = place->width;
    for (size_t i = METRIC_LABELS_MAX; i-- > 0;) {
        size_t index = series % place->counts[i];
        series /= place->counts[i];
        if (i == 0) {
            column += index * scale;
        } else if (is_grouped(metric, i)) {
            column += group_of(metric, i, index) * scale;
            scale *= group_of(metric, i, place->counts[i] - 1) + 1;
        }
    }
    return column;
}

static void add_counters(const struct metrics *metrics, size_t row, uint64_t *values)
{
    const struct metric_place *place = &metrics->places[row];
    const _Atomic uint64_t *cells = metrics->memory.cells + place->first;
    for (size_t series = 0; series < place->series; series++) {
        for (size_t part = 0; part < place->width; part++) {
            uint64_t number =
                atomic_load_explicit(&cells[series * place->width + part], memory_order_relaxed);
            if (number != 0)
                values[column_of(metrics, row, series) + part] += number;
        }
    }
}

static void add_gauges(const struct metrics *metrics, size_t row, size_t slot, uint64_t *values)
{
    const struct metric_place *place = &metrics->places[row];
    const _Atomic int64_t *gauges = metrics_memory_gauges(&metrics->memory, slot) + place->first;
    for (size_t series = 0; series < place->series; series++)
        values[column_of(metrics, row, series)] +=
            (uint64_t)atomic_load_explicit(&gauges[series], memory_order_relaxed);
}

/* The clock of another process is finer than what /proc says of it. */
static void account_process(const struct metrics *metrics, size_t slot)
{
    clockid_t clock;
    struct timespec used;
    pid_t pid = (pid_t)atomic_load(&metrics->memory.slots[slot].pid);
    if (clock_getcpuclockid(pid, &clock) == 0 && clock_gettime(clock, &used) == 0)
        metrics_memory_account(&metrics->memory, slot,
                               (uint64_t)(used.tv_sec * NS_PER_S + used.tv_nsec));
}

static void add_process(const struct metrics *metrics, size_t slot, uint64_t *values)
{
    size_t first = METRICS_COLUMN_TABLE;
    account_process(metrics, slot);
    values[METRICS_COLUMN_PROCESSES]++;
    for (size_t row = 0; row < metrics->options.count; row++) {
        if (metrics->options.table[row].type == METRIC_GAUGE)
            add_gauges(metrics, row, slot, values + first);
        first += row_columns(metrics, row);
    }
}

void metrics_snapshot(struct metrics *metrics, uint64_t *values)
{
    size_t first = METRICS_COLUMN_TABLE;
    memset(values, 0, metrics_column_count(metrics) * sizeof(*values));
    for (size_t row = 0; row < metrics->options.count; row++) {
        if (metrics->options.table[row].type != METRIC_GAUGE)
            add_counters(metrics, row, values + first);
        first += row_columns(metrics, row);
    }
    for (size_t slot = 0; slot < LIMIT_METRICS_PROCESSES; slot++) {
        if (metrics_memory_alive(&metrics->memory, slot))
            add_process(metrics, slot, values);
    }
    values[METRICS_COLUMN_CPU] = atomic_load(&metrics->memory.header->cpu_ns);
}
