/* SPDX-License-Identifier: MIT */
/* What the files of the profiling routes share. */
#ifndef API_ROUTES_PPROF_H
#define API_ROUTES_PPROF_H

#include "api/app.h"
#include "api/profiling/profiling.h"
#include "lib/base/arena.h"
#include "lib/base/buf.h"
#include "lib/fcgi/request.h"
#include "lib/fcgi/response.h"

enum { PPROF_MAX_ANSWER = 64 * 1024 * 1024, PPROF_MAX_QUESTION = 1024 * 1024 };

/*
 * The seconds of the query, as Go reads them: absent, not a number or not above
 * 0 is `otherwise`. APP_BAD_REQUEST beyond PROFILE_MAX_SECONDS, in Go's words.
 */
enum app_err pprof_seconds(struct exchange *exchange, double otherwise, double *seconds);

/* A number of the query; `otherwise` when it is absent or none. */
double pprof_number(const struct exchange *exchange, const char *name, double otherwise);

/* Take a profile and log who asked for it. Errors as profiling_gather. */
enum app_err pprof_gather(struct exchange *exchange, const struct profiling_query *query,
                          struct profiling_result *result);

/* Headers of every answer below /debug/pprof/. */
enum app_err pprof_begin(struct exchange *exchange);

/* A profile that was saved (pprof_saved.c). APP_NOT_FOUND, with the client's text. */
enum app_err pprof_load_saved(struct exchange *exchange, const char *name,
                              struct profile **profile);

/* GET and POST /debug/pprof/saved (pprof_saved.c). */
enum app_err pprof_saved(struct exchange *exchange);

/* The page of GET /debug/pprof/ (pprof_index.c), and of flamegraph (pprof_page.c). */
enum app_err pprof_index(struct exchange *exchange);
enum app_err pprof_flamegraph(struct exchange *exchange);

#endif
