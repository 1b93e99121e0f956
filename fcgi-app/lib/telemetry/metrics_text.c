/* SPDX-License-Identifier: MIT */
/*
 * The text of a scrape, as
 * https://prometheus.io/docs/instrumenting/exposition_formats/ has it. Each number
 * is read once, so that a histogram's parts agree with each other.
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "lib/base/clock.h"
#include "lib/telemetry/metrics_private.h"
#include "lib/telemetry/process_stats.h"

enum { LABELS_TEXT_MAX = 256 };

/* Writes on until the first failure. */
struct text {
    struct buf *out;
    enum app_err err;
};

__attribute__((format(printf, 2, 3))) static void put(struct text *text, const char *format, ...)
{
    char line[512];
    va_list args;
    if (text->err)
        return;
    va_start(args, format);
    int len = vsnprintf(line, sizeof(line), format, args);
    va_end(args);
    if (len < 0 || (size_t)len >= sizeof(line))
        text->err = APP_INTERNAL;
    else
        text->err = buf_append(text->out, line, (size_t)len);
}

static void put_unsigned(struct text *text, enum metric_unit unit, uint64_t number)
{
    if (unit == METRIC_SECONDS)
        put(text, "%" PRIu64 ".%09" PRIu64 "\n", number / NS_PER_S, number % NS_PER_S);
    else
        put(text, "%" PRIu64 "\n", number);
}

static void put_signed(struct text *text, enum metric_unit unit, int64_t number)
{
    if (number < 0) {
        put(text, "-");
        number = -number;
    }
    put_unsigned(text, unit, (uint64_t)number);
}

static void put_head(struct text *text, const char *name, const char *type, const char *help)
{
    put(text, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

/* --- The table ------------------------------------------------------------------- */

static size_t put_label(char *out, size_t size, bool first, const struct metric_label *label,
                        size_t index)
{
    const char *comma = first ? "" : ",";
    int len =
        label->value
            ? snprintf(out, size, "%s%s=\"%s\"", comma, label->name, label->value(index))
            : snprintf(out, size, "%s%s=\"%d\"", comma, label->name, label->from + (int)index);
    return len > 0 && (size_t)len < size ? (size_t)len : 0;
}

/* route="cache",status="200" of one series; "" without labels. */
static void write_labels(const struct metric *metric, const struct metric_place *place,
                         size_t series, char out[LABELS_TEXT_MAX])
{
    size_t index[METRIC_LABELS_MAX];
    size_t used = 0;
    for (size_t i = METRIC_LABELS_MAX; i-- > 0;) {
        index[i] = series % place->counts[i];
        series /= place->counts[i];
    }
    out[0] = '\0';
    for (size_t i = 0; i < METRIC_LABELS_MAX && metric->labels[i].name; i++)
        used +=
            put_label(out + used, LABELS_TEXT_MAX - used, used == 0, &metric->labels[i], index[i]);
}

static uint64_t read_cell(const struct metrics *metrics, size_t cell)
{
    return atomic_load_explicit(&metrics->memory.cells[cell], memory_order_relaxed);
}

static void put_counters(struct text *text, const struct metrics *metrics, size_t row)
{
    const struct metric *metric = &metrics->options.table[row];
    const struct metric_place *place = &metrics->places[row];
    for (size_t series = 0; series < place->series && !text->err; series++) {
        char labels[LABELS_TEXT_MAX];
        uint64_t number = read_cell(metrics, place->first + series);
        if (metric->sparse && number == 0)
            continue;
        write_labels(metric, place, series, labels);
        put(text, labels[0] ? "%s{%s} " : "%s%s ", metric->name, labels);
        put_unsigned(text, metric->unit, number);
    }
}

static void put_histogram(struct text *text, const struct metrics *metrics,
                          const struct metric *metric, size_t first, const char *labels)
{
    uint64_t buckets[METRIC_BOUNDS_MAX + 1];
    uint64_t total = 0;
    for (size_t i = 0; i <= metric->bound_count; i++) {
        buckets[i] = read_cell(metrics, first + i);
        total += buckets[i];
    }
    if (metric->sparse && total == 0)
        return;
    const char *comma = labels[0] ? "," : "";
    double scale = metric->unit == METRIC_SECONDS ? (double)NS_PER_S : 1;
    uint64_t so_far = 0;
    for (size_t i = 0; i < metric->bound_count; i++) {
        so_far += buckets[i];
        put(text, "%s_bucket{%s%sle=\"%g\"} %" PRIu64 "\n", metric->name, labels, comma,
            (double)metric->bounds[i] / scale, so_far);
    }
    put(text, "%s_bucket{%s%sle=\"+Inf\"} %" PRIu64 "\n", metric->name, labels, comma, total);
    put(text, labels[0] ? "%s_sum{%s} " : "%s_sum%s ", metric->name, labels);
    put_unsigned(text, metric->unit, read_cell(metrics, first + metric->bound_count + 1));
    put(text, labels[0] ? "%s_count{%s} " : "%s_count%s ", metric->name, labels);
    put(text, "%" PRIu64 "\n", total);
}

static void put_histograms(struct text *text, const struct metrics *metrics, size_t row)
{
    const struct metric *metric = &metrics->options.table[row];
    const struct metric_place *place = &metrics->places[row];
    for (size_t series = 0; series < place->series && !text->err; series++) {
        char labels[LABELS_TEXT_MAX];
        write_labels(metric, place, series, labels);
        put_histogram(text, metrics, metric, place->first + series * place->width, labels);
    }
}

/* What a process had in hand when it died is not there any more. */
static void put_gauges(struct text *text, const struct metrics *metrics, size_t row)
{
    const struct metric *metric = &metrics->options.table[row];
    const struct metric_place *place = &metrics->places[row];
    for (size_t series = 0; series < place->series && !text->err; series++) {
        char labels[LABELS_TEXT_MAX];
        int64_t sum = 0;
        for (size_t slot = 0; slot < LIMIT_METRICS_PROCESSES; slot++) {
            if (metrics_memory_alive(&metrics->memory, slot))
                sum += atomic_load_explicit(
                    &metrics_memory_gauges(&metrics->memory, slot)[place->first + series],
                    memory_order_relaxed);
        }
        if (metric->sparse && sum == 0)
            continue;
        write_labels(metric, place, series, labels);
        put(text, labels[0] ? "%s{%s} " : "%s%s ", metric->name, labels);
        put_signed(text, metric->unit, sum);
    }
}

static void put_row(struct text *text, const struct metrics *metrics, size_t row)
{
    static const char *const types[] = {
        [METRIC_COUNTER] = "counter", [METRIC_GAUGE] = "gauge", [METRIC_HISTOGRAM] = "histogram"};
    const struct metric *metric = &metrics->options.table[row];
    put_head(text, metric->name, types[metric->type], metric->help);
    switch (metric->type) {
    case METRIC_COUNTER:
        put_counters(text, metrics, row);
        break;
    case METRIC_GAUGE:
        put_gauges(text, metrics, row);
        break;
    case METRIC_HISTOGRAM:
        put_histograms(text, metrics, row);
        break;
    }
}

/* --- The processes --------------------------------------------------------------- */

/* What one number of each process is called. */
struct process_metric {
    const char *name;
    const char *type;
    const char *help;
    bool summed; /* the pool's sum is shown as well */
    double (*read)(const struct process_stats *stats);
};

static double read_cpu(const struct process_stats *stats)
{
    return (double)stats->cpu_ns / (double)NS_PER_S;
}

static double read_memory(const struct process_stats *stats)
{
    return (double)stats->resident_bytes;
}

static double read_descriptors(const struct process_stats *stats)
{
    return (double)stats->descriptors;
}

static double read_descriptor_limit(const struct process_stats *stats)
{
    return (double)stats->descriptor_limit;
}

static double read_threads(const struct process_stats *stats)
{
    return (double)stats->threads;
}

static double read_start(const struct process_stats *stats)
{
    return stats->start_unix_time;
}

static const struct process_metric process_metrics[] = {
    {"cpu_seconds_total", "counter", "CPU time, user and system", false, read_cpu},
    {"resident_memory_bytes", "gauge", "Resident memory; a sum counts shared pages repeatedly",
     true, read_memory},
    {"open_fds", "gauge", "Open file descriptors", true, read_descriptors},
    {"max_fds", "gauge", "File descriptors that may be open", false, read_descriptor_limit},
    {"threads", "gauge", "Threads", true, read_threads},
    {"start_time_seconds", "gauge", "Start, in seconds since 1970", false, read_start},
};

/* What CPU time they have used since the last look is taken up. */
size_t metrics_processes(struct metrics *metrics,
                         struct metrics_process processes[LIMIT_METRICS_PROCESSES])
{
    const struct metrics_memory *memory = &metrics->memory;
    size_t count = 0;
    metrics_account_self(metrics);
    for (size_t i = 0; i < LIMIT_METRICS_PROCESSES; i++) {
        struct metrics_slot *slot = &memory->slots[i];
        struct process_stats stats;
        int64_t pid = atomic_load(&slot->pid);
        if (!metrics_memory_alive(memory, i) || !process_stats_read(pid, &stats) ||
            stats.start_ticks != atomic_load(&slot->start_ticks))
            continue;
        metrics_memory_account(memory, i, stats.cpu_ns);
        stats.cpu_ns = atomic_load(&slot->cpu_ns); /* finer than the kernel's ticks */
        processes[count++] = (struct metrics_process){pid, stats};
    }
    return count;
}

static void put_process_metric(struct text *text, const char *prefix,
                               const struct process_metric *metric,
                               const struct metrics_process *processes, size_t count)
{
    char name[128];
    double sum = 0;
    (void)snprintf(name, sizeof(name), "%s_process_%s", prefix, metric->name);
    put_head(text, name, metric->type, metric->help);
    for (size_t i = 0; i < count; i++) {
        double number = metric->read(&processes[i].stats);
        put(text, "%s{pid=\"%" PRId64 "\"} %.15g\n", name, processes[i].pid, number);
        sum += number;
    }
    if (!metric->summed)
        return;
    (void)snprintf(name, sizeof(name), "%s_pool_%s", prefix, metric->name);
    put(text, "# HELP %s %s, of all processes together\n# TYPE %s %s\n%s %.15g\n", name,
        metric->help, name, metric->type, name, sum);
}

static void put_processes(struct text *text, struct metrics *metrics)
{
    const char *prefix = metrics->options.prefix;
    struct metrics_process processes[LIMIT_METRICS_PROCESSES];
    char name[128];
    size_t count = metrics_processes(metrics, processes);
    for (size_t i = 0; i < sizeof(process_metrics) / sizeof(process_metrics[0]); i++)
        put_process_metric(text, prefix, &process_metrics[i], processes, count);

    (void)snprintf(name, sizeof(name), "%s_pool_cpu_seconds_total", prefix);
    put_head(text, name, "counter", "CPU time of all processes, also of those that have ended");
    put(text, "%s ", name);
    put_unsigned(text, METRIC_SECONDS, atomic_load(&metrics->memory.header->cpu_ns));

    (void)snprintf(name, sizeof(name), "%s_pool_processes", prefix);
    put_head(text, name, "gauge", "Processes of the pool that run now");
    put(text, "%s %zu\n", name, count);
}

enum app_err metrics_write(struct metrics *metrics, struct buf *out)
{
    struct text text = {out, APP_OK};
    char name[128];
    for (size_t row = 0; row < metrics->options.count; row++)
        put_row(&text, metrics, row);
    put_processes(&text, metrics);
    (void)snprintf(name, sizeof(name), "%s_build_info", metrics->options.prefix);
    put_head(&text, name, "gauge", "Always 1; the labels say which build this process is");
    put(&text, "%s{version=\"%s\"} 1\n", name, metrics->options.version);
    return text.err;
}
