/* SPDX-License-Identifier: MIT */
/*
 * The log level of the whole pool, changed while it runs. What is wanted stands in
 * a file that every process looks at, RUN_DIR/log_level:
 *
 *     debug 600
 *
 * a level, and for how many seconds from the file's time stamp on (600 if there is
 * no number): talkative logs that somebody forgot fill disks, so they always end.
 * Afterwards, and without a file, LOG_LEVEL holds. An operator may write the file
 * by hand; one that says something else is told about in the log and not followed.
 *
 * log_level_init, then the others from any thread. The sink's level is only touched
 * when what the file wants has changed.
 */
#ifndef API_LOG_LEVEL_H
#define API_LOG_LEVEL_H

#include <limits.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "lib/base/err.h"
#include "lib/base/log.h"

enum { LOG_LEVEL_SECONDS = 600, LOG_LEVEL_SECONDS_MAX = 86400 };

struct log_level_control {
    const struct log *log;
    enum log_level configured; /* LOG_LEVEL */
    char path[PATH_MAX];
    pthread_mutex_t lock;       /* guards what follows */
    enum log_level wanted;      /* that was last given to the sink */
    struct timespec complained; /* the stamp of the file that was told about */
};

/* What holds now. */
struct log_level_state {
    enum log_level level;
    enum log_level configured;
    int64_t seconds_left; /* 0: `level` is LOG_LEVEL's, and stays */
};

/* `log` must outlive it. APP_CONFIG: the directory's name is too long. */
enum app_err log_level_init(struct log_level_control *control, const char *run_dir,
                            const struct log *log) __attribute__((warn_unused_result));
/* Also of one that was zeroed only. */
void log_level_release(struct log_level_control *control);

/*
 * Look at the file and do what it says. `tidy`: remove it when its time is over,
 * which one process of the pool should do.
 */
void log_level_follow(struct log_level_control *control, bool tidy);

/*
 * Have all processes log at `level` for so many seconds, 1 to
 * LOG_LEVEL_SECONDS_MAX; this one does at once. APP_INTERNAL with the reason in
 * why->detail: the file cannot be written.
 */
enum app_err log_level_set(struct log_level_control *control, enum log_level level, int64_t seconds,
                           struct err_buf *why) __attribute__((warn_unused_result));

/* Follow the file and say what holds. */
struct log_level_state log_level_look(struct log_level_control *control);

#endif
