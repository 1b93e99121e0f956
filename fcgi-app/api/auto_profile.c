/* SPDX-License-Identifier: MIT */
#include "api/auto_profile.h"

#include <limits.h>
#include <stdio.h>
#include <time.h>

#include "lib/base/clock.h"

enum { SECONDS = 5, PAUSE_S = 600 };

static const char reason[] = "cpu-";

static enum app_err take_and_save(struct auto_profile *self, char path[PATH_MAX],
                                  struct err_buf *why)
{
    char name_part[sizeof(reason) + sizeof(self->alarm.route)];
    char comment[128];
    (void)snprintf(comment, sizeof(comment), "saved since a request to %s costs %.1f times the CPU",
                   self->alarm.route, self->alarm.factor);
    (void)snprintf(name_part, sizeof(name_part), "%s%s", reason, self->alarm.route);
    const struct pprof_keeping keeping = {SECONDS, name_part, comment};
    return pprof_keep(self->profiling, &keeping, path, PATH_MAX, why);
}

static void *run(void *argument)
{
    struct auto_profile *self = argument;
    char path[PATH_MAX];
    char factor[16];
    struct err_buf why = {.text = ""};
    (void)pthread_setname_np(pthread_self(), "auto-profile");
    enum app_err err = take_and_save(self, path, &why);
    (void)snprintf(factor, sizeof(factor), "%.1f", self->alarm.factor);
    if (!err)
        log_warn(self->log, "A route has become costly: a profile was saved",
                 LOG_FIELDS(LOG_STR("route", self->alarm.route), LOG_STR("factor", factor),
                            LOG_MS("cpu_ms_before", self->alarm.before_ns),
                            LOG_MS("cpu_ms_now", self->alarm.now_ns), LOG_STR("path", path)));
    else if (!atomic_load(&self->stopping))
        log_warn(self->log, "A route has become costly, but its profile could not be saved",
                 LOG_FIELDS(LOG_STR("route", self->alarm.route), LOG_STR("factor", factor),
                            LOG_STR("error", app_err_slug(err)),
                            LOG_STR("reason", why.detail[0] ? why.detail : why.text)));
    atomic_store(&self->busy, false);
    return NULL;
}

static void join(struct auto_profile *self)
{
    if (self->started)
        (void)pthread_join(self->thread, NULL);
    self->started = false;
}

void auto_profile_look(struct auto_profile *self, int64_t now_ns)
{
    if (!self->profiling || atomic_load(&self->busy) || now_ns < self->not_before_ns ||
        !cpu_watch_look(&self->watch, self->history, now_ns, &self->alarm))
        return;
    join(self);
    /* Also when it fails; and when another process was the leader until now. */
    self->not_before_ns = now_ns + PAUSE_S * NS_PER_S;
    int64_t age_s = time(NULL) - pprof_kept_newest(self->profiling, reason);
    if (age_s >= 0 && age_s < PAUSE_S)
        return;
    atomic_store(&self->busy, true);
    self->started = pthread_create(&self->thread, NULL, run, self) == 0;
    if (!self->started)
        atomic_store(&self->busy, false);
}

void auto_profile_stop(struct auto_profile *self)
{
    atomic_store(&self->stopping, true);
    if (self->started)
        pprof_close(self->profiling);
    join(self);
}
