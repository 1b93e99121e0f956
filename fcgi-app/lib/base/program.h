/* SPDX-License-Identifier: MIT */
/*
 * What the three programs' mains have in common: the command line, the
 * configuration, the signals and the descriptor limit.
 *
 * Order of calls in a main: program_start (it may have done all there is to
 * do, as for --help), the program's own libraries and threads, then
 * program_wait_for_stop, then everything down in reverse and
 * program_finish. Main thread only.
 */
#ifndef LIB_BASE_PROGRAM_H
#define LIB_BASE_PROGRAM_H

#include <stdbool.h>

#include "lib/base/config.h"

enum { PROGRAM_EXIT_CONFIG = 78 }; /* EX_CONFIG of sysexits.h; the units know it */

struct program {
    const char *name;    /* "emojify-api" */
    const char *module;  /* name in the log: "api" */
    const char *summary; /* one sentence for --help */
    struct config_table config_table;
    void *config;          /* filled by program_start */
    const int *log_format; /* members of *config */
    const int *log_level;
    const char **listen;      /* takes --listen's value; NULL: the program has no such option */
    const char *listen_help;  /* NULL as above */
    struct log_sink log_sink; /* made by program_start */
};

/*
 * Parse the command line, load and check the configuration, open the log, block
 * SIGTERM, SIGINT, SIGUSR1, SIGUSR2, SIGHUP, SIGPIPE and SIGXFSZ (never SIGPROF) in this and all
 * later threads, raise the descriptor limit to its hard limit.
 *
 * True: go on, with `program->log_sink` ready. False: the program is done, for
 * --help, --version, --check-config or a mistake, and must leave with
 * `*exit_status`; it has said why, and there is nothing to release. After a mistake in the
 * configuration the status is PROGRAM_EXIT_CONFIG: starting it again would not help.
 */
bool program_start(struct program *program, int argc, char **argv, int *exit_status);

/*
 * Tell the service manager that the program serves (READY=1), sleep until SIGTERM, SIGINT or
 * SIGUSR1 comes, tell it so (STOPPING=1) and return the signal's number. SIGHUP is ignored.
 * SIGUSR2 makes the log's sink take debug records as well, and the next one gives it its former
 * level back.
 */
int program_wait_for_stop(const struct log *log);

/* Release the configuration. */
void program_finish(struct program *program);

#endif
