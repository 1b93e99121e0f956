/* SPDX-License-Identifier: MIT */
/*
 * The table of work under way that all processes of the pool share, in RUN_DIR:
 * who runs or waits (turn.h), who does what for whom (flight.h), and what has
 * become of jobs in the background (job.h). Nothing in it outlives a reboot.
 *
 * A process that is killed leaves its entries behind, and the lock if it held it:
 * the others find that out by the lock of its slot in the file, and take its
 * entries away. Nobody waits for one that hangs: a lock that somebody keeps for a
 * second, a directory that cannot be used, a file system without room: the
 * process goes on with a table of its own, and one WARN says so.
 *
 * table_new before the workers, table_free after them.
 */
#ifndef API_JOBS_TABLE_H
#define API_JOBS_TABLE_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/base/err.h"
#include "lib/base/log.h"

struct table;
struct table_memory;

struct table_options {
    const char *directory;
    unsigned workers;      /* of this process */
    const struct log *log; /* copied; its sink must outlive the table */
};

/* APP_NO_MEMORY. */
enum app_err table_new(const struct table_options *options, struct table **table)
    __attribute__((warn_unused_result));
/* NULLs the caller's pointer. NULL allowed. */
void table_free(struct table **table);

/* Whether other processes see this table. */
bool table_is_shared(const struct table *table);

#endif
