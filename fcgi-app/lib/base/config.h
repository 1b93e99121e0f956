/* SPDX-License-Identifier: MIT */
/*
 * Configuration from the environment, by one table a program.
 *
 * A row says a setting's name, type, default, bounds and help; the parser, the
 * --help text and the log line at start all read that row, so they cannot
 * disagree. Environment only, because that is what lighttpd's bin-environment,
 * Apache's FcgidInitialEnv, systemd and containers have in common.
 *
 * Durations are in Go's syntax (300ms, 1.5s, 5m, 1000h; a bare number is
 * seconds), sizes take K, M or G (powers of 1024). A secret NAME may also be
 * given as a file in NAME_FILE; setting both is an error. An empty value is the
 * same as an unset one.
 *
 * Life cycle: config_load once at start, then read-only from any thread,
 * config_release at the end.
 */
#ifndef LIB_BASE_CONFIG_H
#define LIB_BASE_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "lib/base/err.h"
#include "lib/base/log.h"

/* What a row's member is in the program's struct. */
enum config_type {
    CONFIG_STRING,   /* const char *, never NULL, "" when unset */
    CONFIG_SECRET,   /* const char *, shown as *** */
    CONFIG_BOOL,     /* bool; true/false, on/off, yes/no, 1/0 */
    CONFIG_INT,      /* int64_t */
    CONFIG_DURATION, /* int64_t, milliseconds */
    CONFIG_SIZE,     /* int64_t, bytes */
    CONFIG_FRACTION, /* double, 0 to 1 */
    CONFIG_CHOICE,   /* int, index into the row's choices */
    CONFIG__MAX
};

struct config_entry {
    const char *name; /* of the environment variable */
    enum config_type type;
    size_t offset;       /* offsetof the member in the program's struct */
    const char *initial; /* default, as one would write it; NULL for "" */
    const char *min;     /* for the numeric types, in the same syntax; NULL: none */
    const char *max;
    const char *choices; /* CONFIG_CHOICE: "text|json" */
    const char *help;    /* one sentence, no full stop */
    /* Further check of a string, NULL for none: says in `why` what is wrong. */
    enum app_err (*check)(const char *value, struct err_buf *why);
};

struct config_table {
    const struct config_entry *entries;
    size_t count;
    /* A check across rows, once all are filled; NULL: none. Says in `why` what is wrong. */
    enum app_err (*check)(const void *config, struct err_buf *why);
};

/* Where a value is looked up: getenv, or a test's own. NULL when unset. */
typedef char *config_lookup(const char *name);

/*
 * Fill `config`, which must be zeroed, from `lookup`. On APP_CONFIG `why->text`
 * has the setting's name, the value and what is allowed (a secret's value is
 * not repeated) and `config` holds nothing to release. APP_NO_MEMORY.
 */
enum app_err config_load(const struct config_table *table, void *config, config_lookup *lookup,
                         struct err_buf *why) __attribute__((warn_unused_result));

/* Free the strings and zero the members. Safe to call twice. */
void config_release(const struct config_table *table, void *config);

/* Print the table for --help: name, default, bounds and help of each row. */
void config_print_help(const struct config_table *table, FILE *out);

/* The same as a table in Markdown, for docs/configuration.md. */
void config_print_markdown(const struct config_table *table, FILE *out);

/* Log the effective configuration in one record, secrets masked. */
void config_log(const struct config_table *table, const void *config, const struct log *log);

/* A duration in milliseconds. APP_CONFIG when `text` is not one. */
enum app_err config_parse_duration(const char *text, int64_t *ms);

/* A size in bytes. APP_CONFIG when `text` is not one. */
enum app_err config_parse_size(const char *text, int64_t *bytes);

#endif
