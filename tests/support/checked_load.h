/* SPDX-License-Identifier: MIT */
/*
 * Clients that load a stack while it is being harmed, a connection a request, and compare the
 * checksum of every answer: half of a picture, another one, or "there is none" for one that was
 * stored is a wrong answer; an error that says that it is one is a failure, which is kept with
 * its time, so that it can be held against what was done to the stack then.
 *
 * checked_load_start, then read and pause as one likes, checked_load_stop. One thread uses it.
 */
#ifndef TESTS_SUPPORT_CHECKED_LOAD_H
#define TESTS_SUPPORT_CHECKED_LOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "support/scene.h"

enum {
    CHECKED_LOAD_THREADS_MAX = 16,
    CHECKED_LOAD_ID = 40,
    CHECKED_LOAD_LEARNS = 8 /* requests that checked_load_start makes itself */
};

struct checked_load_options {
    unsigned getters; /* threads that GET pictures */
    unsigned posters; /* threads that POST new ones and GET what came of them */
    long pause_ms;    /* of each thread between two requests */
};

struct checked_failure {
    int64_t begun_ns, ended_ns; /* of clock_now_ns */
    int status;                 /* 0: no answer */
    bool is_post;
    char id[CHECKED_LOAD_ID]; /* the request's X-Request-Id */
    char words[100];
};

struct checked_load_result {
    unsigned gets, posts; /* requests that are over */
    unsigned good_gets, good_posts;
    unsigned refused;        /* POSTs told to come again (429) */
    unsigned answered;       /* answers that came whole, whatever they said */
    unsigned by_application; /* of those, with its X-Request-Id */
    unsigned wrong;          /* wrong answers */
    char first_wrong[200];
    struct checked_failure *failures; /* owned by the result */
    size_t failure_count;
};

struct checked_load;

/* Emojifies the photographs first, by which it knows what is right. */
struct checked_load *checked_load_start(const struct scene *scene,
                                        const struct checked_load_options *options);

/* No new requests; returns when those under way are over. */
void checked_load_pause(struct checked_load *load);
void checked_load_resume(struct checked_load *load);

/* What happened so far. checked_load_result_release afterwards. */
void checked_load_read(struct checked_load *load, struct checked_load_result *result);

/* Ends the threads and frees the load; NULLs the caller's pointer. `result` may be NULL. */
void checked_load_stop(struct checked_load **load, struct checked_load_result *result);

void checked_load_result_release(struct checked_load_result *result);

/* The path of a picture that is stored. */
const char *checked_load_path(const struct checked_load *load);

/* One new picture posted and asked for, in the caller's thread; true: all was right. */
bool checked_load_post_once(struct checked_load *load);

#endif
