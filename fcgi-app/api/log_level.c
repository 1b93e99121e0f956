/* SPDX-License-Identifier: MIT */
/*
 * A file, because it is what every process of the pool sees, whichever of them is
 * asked, and what a shell can write as well.
 */
#include "api/log_level.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { CONTENT_MAX = 64 };

/* What the file says. */
struct order {
    enum log_level level;
    int64_t seconds_left; /* 0: there is no file, or its time is over */
    bool is_over;         /* the latter */
};

enum app_err log_level_init(struct log_level_control *control, const char *run_dir,
                            const struct log *log)
{
    int len = snprintf(control->path, sizeof(control->path), "%s/log_level", run_dir);
    if (len < 0 || (size_t)len >= sizeof(control->path))
        return APP_CONFIG;
    control->log = log;
    control->configured = (enum log_level)atomic_load(&log->sink->level);
    control->wanted = control->configured;
    control->complained = (struct timespec){0, 0};
    pthread_mutex_init(&control->lock, NULL);
    return APP_OK;
}

void log_level_release(struct log_level_control *control)
{
    if (control->log)
        pthread_mutex_destroy(&control->lock);
    control->log = NULL;
}

/* "debug", "debug 600"; white space at the end is a shell's. */
static bool parse(char *content, enum log_level *level, int64_t *seconds)
{
    char *rest = NULL;
    const char *name = strtok_r(content, " \t\r\n", &rest);
    const char *number = name ? strtok_r(NULL, " \t\r\n", &rest) : NULL;
    *seconds = LOG_LEVEL_SECONDS;
    if (!name || !log_level_parse(name, level) || strtok_r(NULL, " \t\r\n", &rest))
        return false;
    if (!number)
        return true;
    char *end;
    errno = 0;
    *seconds = strtoll(number, &end, 10);
    return errno == 0 && *end == '\0' && *seconds >= 1 && *seconds <= LOG_LEVEL_SECONDS_MAX;
}

/* Once for a file, and not while somebody is writing it. Caller holds the lock. */
static void complain(struct log_level_control *control, const char *content,
                     const struct timespec *stamp)
{
    if (content[0] == '\0' || memcmp(stamp, &control->complained, sizeof(*stamp)) == 0)
        return;
    control->complained = *stamp;
    log_warn(control->log, "The file is not a log level, such as: debug 600",
             LOG_FIELDS(LOG_STR("file", control->path), LOG_STR("content", content)));
}

/* Caller holds the lock. */
static struct order read_order(struct log_level_control *control)
{
    struct order order = {.level = control->configured};
    struct stat status;
    struct timespec now;
    char content[CONTENT_MAX];
    char shown[CONTENT_MAX];
    int64_t seconds;
    int fd = open(control->path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0)
        return order;
    ssize_t len = fstat(fd, &status) == 0 && S_ISREG(status.st_mode)
                      ? read(fd, content, sizeof(content) - 1)
                      : -1;
    (void)close(fd);
    if (len < 0)
        return order;
    content[len] = '\0';
    memcpy(shown, content, sizeof(shown));
    enum log_level level;
    if (!parse(content, &level, &seconds)) {
        complain(control, shown, &status.st_mtim);
        return order;
    }
    clock_gettime(CLOCK_REALTIME, &now);
    int64_t left = status.st_mtim.tv_sec + seconds - now.tv_sec;
    if (left <= 0) {
        order.is_over = true;
        return order;
    }
    order.level = level;
    order.seconds_left = left < seconds ? left : seconds; /* a clock may have been set back */
    return order;
}

/* Caller holds the lock. Told whatever the level, for this explains what comes or is missing. */
static void apply(struct log_level_control *control, const struct order *order)
{
    if (order->level == control->wanted)
        return;
    control->wanted = order->level;
    atomic_store(&control->log->sink->level, (int)order->level);
    log_write(control->log, LOG_INFO, "Log level changed",
              LOG_FIELDS(LOG_STR("level", log_level_name(order->level)),
                         LOG_INT("seconds", order->seconds_left)));
}

static struct order follow(struct log_level_control *control)
{
    pthread_mutex_lock(&control->lock);
    struct order order = read_order(control);
    apply(control, &order);
    pthread_mutex_unlock(&control->lock);
    return order;
}

void log_level_follow(struct log_level_control *control, bool tidy)
{
    const struct order order = follow(control);
    if (tidy && order.is_over)
        (void)unlink(control->path);
}

struct log_level_state log_level_look(struct log_level_control *control)
{
    const struct order order = follow(control);
    return (struct log_level_state){order.level, control->configured, order.seconds_left};
}

static enum app_err failed(struct err_buf *why, const char *what)
{
    err_detail(why, "%s: %s", what, strerrordesc_np(errno));
    return APP_INTERNAL;
}

/* Whole or not at all: written aside, then renamed. */
enum app_err log_level_set(struct log_level_control *control, enum log_level level, int64_t seconds,
                           struct err_buf *why)
{
    char aside[PATH_MAX + 32];
    char content[CONTENT_MAX];
    int len =
        snprintf(content, sizeof(content), "%s %" PRId64 "\n", log_level_name(level), seconds);
    (void)snprintf(aside, sizeof(aside), "%s.%d.%d", control->path, (int)getpid(), (int)gettid());
    int fd = open(aside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return failed(why, "the file for the log level cannot be made");
    enum app_err err = APP_OK;
    if (write(fd, content, (size_t)len) != len)
        err = failed(why, "the file for the log level cannot be written");
    (void)close(fd);
    if (!err && rename(aside, control->path) != 0)
        err = failed(why, "the file for the log level cannot be put in place");
    if (err)
        (void)unlink(aside);
    else
        log_level_follow(control, false);
    return err;
}
