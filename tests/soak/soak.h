/* SPDX-License-Identifier: MIT */
/*
 * The parts of the soak (soak_main.c): what is done to the stack, and what is watched meanwhile.
 * docs/faults.md says what holds at its end and what the words mean.
 */
#ifndef TESTS_SOAK_H
#define TESTS_SOAK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "support/checked_load.h"
#include "support/scene.h"
#include "support/upheaval.h"

#define SOAK_TOKEN "the-token-of-the-soak"

enum { SOAK_SIBLINGS = 4, SOAK_WINDOWS_MAX = 4096, SOAK_RECOVERY_MS = 30000 };

/* What may be done from one time on and no longer from another. */
enum soak_phase {
    SOAK_EVERYTHING, /* also what starts every sibling anew */
    SOAK_ELDER,      /* one sibling, the elder, is spared what would end it */
    SOAK_STEADY      /* cache and face detection as well: they are only held up */
};

/* --- Faults ------------------------------------------------------------------------- */

struct soak_faults;

struct soak_faults *soak_faults_new(const struct scene *scene, struct checked_load *load,
                                    unsigned seed);
void soak_faults_free(struct soak_faults **faults);

/* One at random; returns when all is well again, or fails the test after SOAK_RECOVERY_MS. */
void soak_faults_one(struct soak_faults *faults, enum soak_phase phase, pid_t elder);

/* When requests could rightly fail. */
const struct upheaval_window *soak_faults_windows(const struct soak_faults *faults, size_t *count);
/* Processes of the application that were killed, the web server's restarts included. */
unsigned soak_faults_ended(const struct soak_faults *faults);
void soak_faults_report(struct soak_faults *faults);

/* --- Watching ------------------------------------------------------------------------ */

/* Reads the counters and takes profiles, in threads of its own. */
struct soak_watch;

struct soak_watch *soak_watch_start(const struct scene *scene);
/* Ends it; the first counter that fell is in `fallen`, "" when none did. */
struct soak_watch_result {
    unsigned scrapes, profiles;
    char fallen[200];
    struct checked_failure *failures; /* of profiles; owned by the result */
    size_t failure_count;
};
void soak_watch_stop(struct soak_watch **watch, struct soak_watch_result *result);

/* The sum of all series of that name and, if not NULL, that text in their labels. */
double soak_metric_sum(const struct scene *scene, const char *name, const char *label);

/* Resident memory and open descriptors; -1 when the process is gone. */
long soak_rss_kb(pid_t pid);
int soak_descriptors(pid_t pid);

#endif
