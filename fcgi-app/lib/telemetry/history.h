/* SPDX-License-Identifier: MIT */
/*
 * What the pool's numbers were in the last minutes and hours: rings of rows in
 * memory that all processes share, so that any of them can tell, and the past
 * stays when one of them ends.
 *
 * A row is a snapshot of all columns (lib/telemetry/metrics_columns.h): counters as
 * they stood, so that the growth between any two rows is right whatever happened
 * between them, and gauges. All rings have the same columns and differ in their
 * steps. Times are CLOCK_MONOTONIC, which the processes of one machine share; rows
 * from before the machine's start are forgotten.
 *
 * One process at a time records (the leader of the pool), any thread of any process
 * reads, without a lock: a row that is being written is passed over. A recorder
 * that dies in the middle of one leaves no trace.
 */
#ifndef LIB_TELEMETRY_HISTORY_H
#define LIB_TELEMETRY_HISTORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/digest.h"
#include "lib/base/err.h"
#include "lib/base/log.h"

enum { HISTORY_RINGS = 2 };

struct history_ring {
    int64_t step_ns;
    size_t rows;
};

struct history_options {
    const char *directory; /* as of metrics_options; "": not shared */
    const char *layout;    /* MD5_HEX_LEN characters: digest of what the columns mean */
    size_t column_count;
    struct history_ring rings[HISTORY_RINGS];
    const struct log *log; /* for one WARN, when the directory cannot be used */
};

struct history;

/* APP_NO_MEMORY, APP_INTERNAL. */
enum app_err history_new(const struct history_options *options, struct history **history)
    __attribute__((warn_unused_result));
/* NULLs the caller's pointer. NULL allowed. */
void history_free(struct history **history);

/* Whether a step of any ring has begun since its newest row. */
bool history_is_due(const struct history *history, int64_t now_ns);

/* Add a row of column_count values to the rings that are due. One recorder at a time. */
void history_record(struct history *history, int64_t now_ns, const uint64_t *values);

/*
 * A row, `age` rows before the newest. False: there is none, or it is being
 * overwritten, and *time_ns and `values` (column_count of them) are undefined.
 */
bool history_row(const struct history *history, size_t ring, size_t age, int64_t *time_ns,
                 uint64_t *values);

/* What a span of time saw; `growth` is the caller's, a number for each column asked for. */
struct history_window {
    int64_t from_ns; /* of the rows that were found: within what was asked for */
    int64_t to_ns;
};

/*
 * How much `count` columns, which are counters, have grown from the first row at
 * or after from_ns to the last at or before to_ns. False: the ring has no two such
 * rows, or no memory. A counter that went down (its file was replaced) grew by 0.
 */
bool history_growth(const struct history *history, size_t ring, struct history_window asked,
                    const size_t *columns, size_t count, uint64_t *growth,
                    struct history_window *found);

#endif
