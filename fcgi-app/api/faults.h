/* SPDX-License-Identifier: MIT */
/*
 * Faults on purpose, to see what they do to clients, charts and profiles:
 * CACHE_ERROR_... and EMOJIFY_ERROR_... in the configuration. A rate is kept
 * exactly over all processes of the pool: of n requests in a row n times the rate
 * get the fault, give or take one. Any thread.
 */
#ifndef API_FAULTS_H
#define API_FAULTS_H

#include <stdbool.h>
#include <stdio.h>

#include "api/app.h"

struct cache_item;

/* Log a warning for each route that faults are configured for. */
void faults_announce(const struct api_config *config, const struct log *log);

/*
 * Decide about this request and count and log what was decided. A delay is over when it
 * returns, at the latest at the request's deadline; an error has been sent, and then
 * *answered is true. True: this request's reply is to be dumped, see faults_dump.
 */
enum app_err faults_inject(struct exchange *exchange, enum fault_route route, bool *answered,
                           bool *dump) __attribute__((warn_unused_result));

/* Whether the request of that number, counted from 0, is one of those that get the fault. */
bool faults_hits(uint64_t number, double rate);

/* Print what the cache answered, to standard error; faults_dump.c says why. */
void faults_dump(const char *id, const struct cache_item *item);

/* The same to any stream. */
void dump_cache_item(FILE *out, const char *id, const struct cache_item *item);

#endif
