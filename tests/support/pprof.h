/* SPDX-License-Identifier: MIT */
/*
 * What the integration tests of profiling share: a stack of several siblings
 * with profiling on, load on it, and an independent reader of profile.proto, so
 * that what our writer says is not believed because our reader understands it.
 */
#ifndef TESTS_SUPPORT_PPROF_H
#define TESTS_SUPPORT_PPROF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "support/scene.h"

#define PPROF_TOKEN "the-admins-own-long-token"

enum { PPROF_SIBLINGS = 4 };

/* For cmocka's group fixtures: scene_start with PPROF_SIBLINGS, a ring and heap samples. */
int pprof_scene_start(void **state);

/* GET and POST with the token; an answer must come. */
void pprof_get(const struct scene *scene, const char *path, struct http_reply *reply);
void pprof_post(const struct scene *scene, const char *path, const char *form,
                struct http_reply *reply);

/* The same in a thread of its own; pprof_job_wait must get a profile and frees the job. */
struct pprof_job;
struct pprof_job *pprof_job_start(const struct scene *scene, const char *path);
void pprof_job_wait(struct pprof_job **job, struct http_reply *reply);

/* The pids of the siblings, in ascending order; all must be there. */
struct pprof_pids {
    pid_t all[PPROF_SIBLINGS];
};
struct pprof_pids pprof_pids(const struct scene *scene);

/* Threads that fetch a picture again and again, so that every sibling has work. */
struct pprof_load;
struct pprof_load *pprof_load_start(const struct scene *scene);
/* Stop them; how many requests there were and how many of them had no 200: the first is printed. */
void pprof_load_stop(struct pprof_load **load, unsigned *requests, unsigned *failed);

/* A profile.proto, gzipped or not, taken apart; fails the test when it is not well-formed. */
struct pprof_file {
    int64_t duration_ns;
    size_t samples;
    pid_t pids[PPROF_SIBLINGS + 1]; /* different ones of the label pid */
    size_t pid_count;

    /* private */
    unsigned char *bytes;
    size_t len;
};
void pprof_read(const struct http_reply *reply, struct pprof_file *file);
void pprof_release(struct pprof_file *file);

/* Whether it is among the strings of the profile: a function, a comment, a value type. */
bool pprof_has_string(const struct pprof_file *file, const char *text);

#endif
