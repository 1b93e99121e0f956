/* SPDX-License-Identifier: MIT */
/*
 * What every integration test plays in: the stack, and an origin server in this
 * process that has the photographs of `make pictures` below /pictures/ and
 * counts who asks for them. And the words that those tests share.
 *
 * Every function fails the running test when something is not as it says; the
 * exceptions are scene_start and scene_stop, for cmocka's group fixtures.
 */
#ifndef TESTS_SUPPORT_SCENE_H
#define TESTS_SUPPORT_SCENE_H

#include <stddef.h>

#include <jansson.h>

#include "support/http.h"
#include "support/origin.h"
#include "support/stack.h"

#define SCENE_JSON ((const char *const[]){"Accept: application/json", NULL})

/* Sanitizers make programs some ten times slower and much larger. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SCENE_SANITIZED 1
#else
#define SCENE_SANITIZED 0
#endif

struct scene {
    struct stack stack;
    struct origin *origin;
};

/*
 * Start both; the application may fetch from every loopback address and high port,
 * besides `settings` ("NAME=value", ended by NULL; a repeated name: the last one
 * counts). 0, or -1 when they do not start.
 */
int scene_start(void **state, const char *const *settings);
int scene_stop(void **state);

/* The URL of a path of the origin. */
struct scene_url {
    char text[512];
};
struct scene_url scene_url(const struct scene *scene, const char *path);

/* Have the origin answer `path` with a file: 200 and that content type. */
void scene_serve(const struct scene *scene, const char *path, const char *type, const void *data,
                 size_t len);
/* The same with a photograph, after a while. */
void scene_serve_slowly(const struct scene *scene, const char *path, const char *picture,
                        unsigned delay_ms);

/* A photograph of build/pictures. */
void scene_picture(const char *name, struct buf *bytes);

/* An exchange with the stack; call->url is the path there. An answer must come. */
void scene_ask(const struct scene *scene, const struct http_call *call, struct http_reply *reply);

/* GET of a path, and POST of a text to /api/. `headers` may be NULL. */
void scene_get(const struct scene *scene, const char *path, const char *const *headers,
               struct http_reply *reply);
void scene_post(const struct scene *scene, const char *text, const char *const *headers,
                struct http_reply *reply);

/* POST the URL of a picture: must be 200; its key, 32 hex digits, in `key`. */
void scene_emojify(const struct scene *scene, const char *url, char key[33]);

/*
 * Wait until there are so many api processes. mod_fcgid starts one in the place of one that ended
 * when a request finds no other, so behind it as many pictures are asked for at the same time,
 * which EMOJIFY_QUEUE must allow.
 */
void scene_fill_pool(const struct scene *scene, size_t siblings);

/*
 * A signal to the only process of that name, whose pid is returned. There must be one: of
 * pid 0 kill() would make the test itself and all that it has started.
 */
pid_t scene_signal(const struct scene *scene, const char *name, int signal_number);

/* Poll the status of a GET until it is as wanted, for so long at most. */
void scene_wait_status(const struct scene *scene, const char *path, int status, int timeout_ms);

/*
 * Wait until a face detection service that was started again answers: how long that takes
 * is a matter of the machine, how soon it is used after that is one of the application.
 */
void scene_wait_facebox(const struct scene *scene);

/* The log of api, cache, facebox or web so far; the caller releases it. */
void scene_log(const struct scene *scene, const char *name, struct buf *text);

/*
 * Wait for a line of a log that has both texts: a line may come after the answer that it is
 * about.
 */
void scene_wait_logged(const struct scene *scene, const char *name, const char *one,
                       const char *other);

/* The value of a series, such as a{b="c"}, in /metrics; -1 when it is not there. */
double scene_metric(const struct scene *scene, const char *series);

/* Wait until it has that value: a request is counted after it was answered. */
void scene_wait_metric(const struct scene *scene, const char *series, double value);

/* --- What an answer must be like ---------------------------------------------- */

void assert_header(const struct http_reply *reply, const char *name, const char *value);

/* An error as text: that status, one line, its text if not NULL, nosniff, X-Request-Id. */
void assert_error(const struct http_reply *reply, int status, const char *text);

/* An error as RFC 9457 problem with that code. */
void assert_problem(const struct http_reply *reply, int status, const char *code);

/* A 200 with JSON; the caller releases the object. */
json_t *assert_json(const struct http_reply *reply);

#endif
