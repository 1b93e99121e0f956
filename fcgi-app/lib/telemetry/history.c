/* SPDX-License-Identifier: MIT */
/*
 * A row's time is 0 while it is written, and is looked at before and after it is
 * read. A ring's count of rows tells which is the newest: row n lies at n modulo
 * the ring's length. All atomics are sequentially consistent, since that order is
 * the whole protocol and a row every two seconds costs nothing.
 */
#include "lib/telemetry/history.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/clock.h"
#include "lib/base/shared_file.h"

struct ring_header {
    _Atomic uint64_t count; /* of rows that were ever written */
};

struct history_header {
    struct shared_file_header file;
    struct ring_header rings[HISTORY_RINGS];
};

struct row {
    _Atomic int64_t time_ns; /* 0: not written, or being so */
    _Atomic uint64_t values[];
};

struct history {
    struct history_options options;
    struct shared_file file;
};

/* --- Layout ---------------------------------------------------------------------- */

static size_t row_size(const struct history_options *options)
{
    return sizeof(struct row) + options->column_count * sizeof(uint64_t);
}

static size_t header_size(void)
{
    return (sizeof(struct history_header) + 63) / 64 * 64;
}

static size_t file_size(const struct history_options *options)
{
    size_t size = header_size();
    for (size_t i = 0; i < HISTORY_RINGS; i++)
        size += options->rings[i].rows * row_size(options);
    return size;
}

static struct history_header *header(const struct history *history)
{
    return history->file.map;
}

static struct row *row_at(const struct history *history, size_t ring, uint64_t number)
{
    const struct history_options *options = &history->options;
    size_t index = (size_t)(number % options->rings[ring].rows);
    for (size_t i = 0; i < ring; i++)
        index += options->rings[i].rows;
    char *at = (char *)history->file.map + header_size() + index * row_size(options);
    return (void *)at;
}

/* --- Life ------------------------------------------------------------------------ */

static enum app_err open_file(struct history *history)
{
    const struct history_options *options = &history->options;
    struct shared_file_options file = {
        .directory = options->directory,
        .name = "history",
        .size = file_size(options),
    };
    struct err_buf why = {.detail = ""};
    if (options->directory[0] == '\0')
        return shared_file_private(&history->file, file.size);
    memcpy(file.layout, options->layout, MD5_HEX_LEN);
    file.layout[MD5_HEX_LEN] = '\0';
    if (shared_file_open(&history->file, &file, &why) == APP_OK)
        return APP_OK;
    log_warn(options->log, "History is of this process only",
             LOG_FIELDS(LOG_STR("directory", options->directory), LOG_STR("reason", why.detail)));
    return shared_file_private(&history->file, file.size);
}

enum app_err history_new(const struct history_options *options, struct history **history)
{
    struct history *made = calloc(1, sizeof(*made));
    if (!made)
        return APP_NO_MEMORY;
    made->options = *options;
    made->file = SHARED_FILE_NONE;
    enum app_err err = open_file(made);
    if (err) {
        free(made);
        return err;
    }
    *history = made;
    return APP_OK;
}

void history_free(struct history **history)
{
    if (!*history)
        return;
    shared_file_release(&(*history)->file);
    free(*history);
    *history = NULL;
}

/* --- Recording ------------------------------------------------------------------- */

static int64_t newest_time(const struct history *history, size_t ring)
{
    uint64_t count = atomic_load(&header(history)->rings[ring].count);
    return count == 0 ? 0 : atomic_load(&row_at(history, ring, count - 1)->time_ns);
}

/* By the clock and not since the last row, so that a late one does not delay the next. */
static bool ring_is_due(const struct history *history, size_t ring, int64_t now_ns)
{
    int64_t step_ns = history->options.rings[ring].step_ns;
    int64_t newest_ns = newest_time(history, ring);
    return newest_ns == 0 || newest_ns > now_ns || now_ns / step_ns != newest_ns / step_ns;
}

bool history_is_due(const struct history *history, int64_t now_ns)
{
    for (size_t i = 0; i < HISTORY_RINGS; i++) {
        if (ring_is_due(history, i, now_ns))
            return true;
    }
    return false;
}

static void forget(struct history *history, size_t ring)
{
    for (size_t i = 0; i < history->options.rings[ring].rows; i++)
        atomic_store(&row_at(history, ring, i)->time_ns, 0);
    atomic_store(&header(history)->rings[ring].count, 0);
}

static void record(struct history *history, size_t ring, int64_t now_ns, const uint64_t *values)
{
    if (newest_time(history, ring) > now_ns) /* the machine was started since */
        forget(history, ring);
    _Atomic uint64_t *count = &header(history)->rings[ring].count;
    struct row *row = row_at(history, ring, atomic_load(count));
    atomic_store(&row->time_ns, 0);
    for (size_t i = 0; i < history->options.column_count; i++)
        atomic_store(&row->values[i], values[i]);
    atomic_store(&row->time_ns, now_ns);
    atomic_fetch_add(count, 1);
}

void history_record(struct history *history, int64_t now_ns, const uint64_t *values)
{
    for (size_t i = 0; i < HISTORY_RINGS; i++) {
        if (ring_is_due(history, i, now_ns))
            record(history, i, now_ns, values);
    }
}

/* --- Reading --------------------------------------------------------------------- */

/* The row `age` before the newest; NULL: the ring has none so old. */
static const struct row *find_row(const struct history *history, size_t ring, size_t age)
{
    uint64_t count = atomic_load(&header(history)->rings[ring].count);
    if (age >= count || age >= history->options.rings[ring].rows)
        return NULL;
    return row_at(history, ring, count - 1 - age);
}

/* Copy `count` columns. False: the row changed meanwhile. */
static bool read_columns(const struct row *row, const size_t *columns, size_t count,
                         int64_t *time_ns, uint64_t *values)
{
    int64_t before_ns = atomic_load(&row->time_ns);
    for (size_t i = 0; i < count; i++)
        values[i] = atomic_load(&row->values[columns ? columns[i] : i]);
    *time_ns = before_ns;
    return before_ns != 0 && atomic_load(&row->time_ns) == before_ns;
}

bool history_row(const struct history *history, size_t ring, size_t age, int64_t *time_ns,
                 uint64_t *values)
{
    const struct row *row = find_row(history, ring, age);
    return row && read_columns(row, NULL, history->options.column_count, time_ns, values);
}

bool history_growth(const struct history *history, size_t ring, struct history_window asked,
                    const size_t *columns, size_t count, uint64_t *growth,
                    struct history_window *found)
{
    uint64_t *values = calloc(count > 0 ? count : 1, sizeof(*values));
    uint64_t *last = calloc(count > 0 ? count : 1, sizeof(*last));
    const struct row *row;
    *found = (struct history_window){0, 0};
    for (size_t age = 0; values && last && (row = find_row(history, ring, age)); age++) {
        int64_t time_ns;
        if (!read_columns(row, columns, count, &time_ns, values) || time_ns > asked.to_ns)
            continue;
        if (time_ns < asked.from_ns)
            break;
        if (found->to_ns == 0) {
            found->to_ns = time_ns;
            memcpy(last, values, count * sizeof(*last));
        }
        found->from_ns = time_ns;
        for (size_t i = 0; i < count; i++)
            growth[i] = last[i] > values[i] ? last[i] - values[i] : 0;
    }
    free(values);
    free(last);
    return found->from_ns < found->to_ns;
}
