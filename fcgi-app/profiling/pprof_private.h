/* SPDX-License-Identifier: MIT */
/* What the files of pprof.h share. Private to profiling/pprof*.c. */
#ifndef PROFILING_PPROF_PRIVATE_H
#define PROFILING_PPROF_PRIVATE_H

#include "profiling/pprof.h"
#include "profiling/profiling.h"

enum { PPROF_MAX_ANSWER = 64 * 1024 * 1024, PPROF_TITLE_MAX = 256 };

struct pprof {
    struct pprof_options options;
    struct profiling *profiling;
};

/* A request under way. */
struct pprof_call {
    struct pprof *pprof;
    const struct pprof_request *request;
    const char *name; /* the path's last part */
    bool is_post;
    bool sent; /* there is an answer, or nobody to get it */
    struct err_buf *why;
};

/* A page of /debug/pprof/{name} that is no profile; rows are in pprof.c. */
struct pprof_page {
    const char *name;
    enum app_err (*answer)(struct pprof_call *call);
    bool takes_post;
    const char *text; /* in the index; NULL: not there */
};
/* NULL: there are no more. */
const struct pprof_page *pprof_page_at(size_t index);

/* --- Asking and answering ---------------------------------------------------------- */

enum app_err pprof_header(struct pprof_call *call, const char *name, const char *value);
enum app_err pprof_send(struct pprof_call *call, int status, const char *content_type,
                        const void *body, size_t len);

/* The same of text/plain with 200, text/html and application/json. */
enum app_err pprof_send_text(struct pprof_call *call, const struct buf *text);
enum app_err pprof_send_html(struct pprof_call *call, const struct buf *page);
enum app_err pprof_send_json(struct pprof_call *call, int status, const struct buf *text);

/* A file to be kept by that name. */
enum app_err pprof_send_file(struct pprof_call *call, const char *filename,
                             const struct buf *bytes);

/* A profile as a table of functions, or of stacks, by its type. */
enum app_err pprof_send_table(struct pprof_call *call, const struct provider *provider,
                              const struct profile *profile);

/* A number of the query; `otherwise` when it is absent or none. */
double pprof_number(const struct pprof_call *call, const char *name, double otherwise);

/*
 * The seconds of the query, as Go reads them: absent, not a number or not above
 * 0 is `otherwise`. APP_BAD_REQUEST beyond max_seconds, in Go's words.
 */
enum app_err pprof_seconds(struct pprof_call *call, double otherwise, double *seconds);

/* Take a profile and log who asked for it. Errors as profiling_place and profiling_gather. */
enum app_err pprof_gather(struct pprof_call *call, const struct profiling_query *query,
                          struct profiling_result *result);

/* --- The paths ------------------------------------------------------------------------ */

/* /debug/pprof/{name} and /pprof/{name} of a profile (pprof_profile.c). */
enum app_err pprof_profile(struct pprof_call *call, const struct provider *provider);
enum app_err pprof_legacy_profile(struct pprof_call *call, const struct provider *provider);

/* /debug/pprof/ (pprof_index.c), and its pages (pprof_flamegraph.c, pprof_process.c). */
enum app_err pprof_index(struct pprof_call *call);
enum app_err pprof_flamegraph(struct pprof_call *call);
enum app_err pprof_cmdline(struct pprof_call *call);
enum app_err pprof_symbol(struct pprof_call *call);
enum app_err pprof_legacy_symbol(struct pprof_call *call);
enum app_err pprof_sampling(struct pprof_call *call);

/* /debug/pprof/saved and saved/{name} (pprof_saved.c). */
enum app_err pprof_saved(struct pprof_call *call);
enum app_err pprof_saved_file(struct pprof_call *call);

/* A profile that was saved. APP_NOT_FOUND, with the client's text; others as saved_profile. */
enum app_err pprof_load_saved(struct pprof_call *call, const char *name, struct profile **profile);

#endif
