/* SPDX-License-Identifier: MIT */
/*
 * The profiler (profiling/) as this service has it: its settings, the names of the routes
 * for the route label of samples, and the waits that lib/telemetry/wait.h tells.
 *
 * profiler_prepare is the first thing in main; profiler_start once the signals are blocked;
 * profiler_stop when no request runs any more.
 */
#ifndef API_PROFILER_H
#define API_PROFILER_H

#include "lib/base/err.h"

struct app;

/*
 * gperftools takes what it needs from the environment when it is loaded, so the program
 * may have to execute itself again: before the log begins, which would begin twice. A bad
 * setting is none of its errors. APP_INTERNAL, see pprof_prepare.
 */
enum app_err profiler_prepare(char **argv, struct err_buf *why) __attribute__((warn_unused_result));

/*
 * Fill app->profiling, which stays NULL with PROFILE=off; app->routes is there already.
 * Errors as pprof_start; app->profiler may be there after one, for profiler_stop.
 */
enum app_err profiler_start(struct app *app, struct err_buf *why)
    __attribute__((warn_unused_result));

/* Safe to call when there is none. */
void profiler_stop(struct app *app);

#endif
