/* SPDX-License-Identifier: MIT */
#include "support/checked_load.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <xxhash.h>

#include "lib/base/clock.h"
#include "lib/base/digest.h"
#include "support/cmocka.h"
#include "support/process.h"

enum {
    PICTURES = CHECKED_LOAD_LEARNS / 2,
    FACELESS = 1, /* the first ones. Which emoji a face gets depends on the key */
    FAILURES_MAX = 20000,
    CLIENT_TIMEOUT_MS = 60000, /* nothing that the service promises takes longer */
    IDLE_MS = 20,
    BODY_MAX = 16 * 1024 * 1024
};

static const char *const names[PICTURES] = {"coffee.png", "camera.png", "grace_hopper.jpg",
                                            "astronaut.png"};

struct known {
    struct buf original;
    const char *type; /* header */
    char path[64];    /* of what was made of it */
    size_t len;       /* that picture's */
    uint64_t checksum;
};

struct client {
    struct checked_load *load;
    pthread_t thread;
    unsigned number;
    unsigned serial;
    bool posts;
};

struct checked_load {
    const struct scene *scene;
    struct checked_load_options options;
    struct known known[PICTURES];
    struct client clients[CHECKED_LOAD_THREADS_MAX];
    unsigned client_count;
    struct client prober; /* the caller's own */

    pthread_mutex_t lock; /* guards what follows */
    bool stop;
    bool paused;
    unsigned idle; /* clients that see the pause */
    struct checked_load_result result;
};

/* --- One request --------------------------------------------------------------------- */

struct attempt {
    struct client *client;
    char id[CHECKED_LOAD_ID];
    int64_t begun_ns;
    bool answered;
    struct http_reply reply;
};

static void perform(struct client *client, const char *path, const char *type,
                    const struct buf *body, struct attempt *attempt)
{
    char url[160];
    char header[CHECKED_LOAD_ID + 16];
    const char *headers[] = {header, type, NULL};
    *attempt = (struct attempt){.client = client, .begun_ns = clock_now_ns()};
    (void)snprintf(attempt->id, sizeof(attempt->id), "load-%u-%u", client->number,
                   client->serial++);
    (void)snprintf(header, sizeof(header), "X-Request-Id: %s", attempt->id);
    /* What has a query every web server passes on, whatever it could send itself. */
    (void)snprintf(url, sizeof(url), "%s%s%s", client->load->scene->stack.base, path,
                   !body && client->serial % 2 ? "?checked" : "");
    attempt->answered = http_perform(&(struct http_call){.url = url,
                                                         .headers = headers,
                                                         .body = body ? body->data : NULL,
                                                         .body_len = body ? body->len : 0,
                                                         .timeout_ms = CLIENT_TIMEOUT_MS},
                                     &attempt->reply);
}

enum verdict { RIGHT, FAILED, REFUSED, WRONG };

static void note_failure(struct checked_load_result *result, const struct attempt *attempt,
                         bool is_post)
{
    if (result->failure_count == FAILURES_MAX)
        return;
    struct checked_failure *failure = &result->failures[result->failure_count++];
    *failure = (struct checked_failure){.begun_ns = attempt->begun_ns,
                                        .ended_ns = clock_now_ns(),
                                        .status = attempt->answered ? attempt->reply.status : 0,
                                        .is_post = is_post};
    (void)snprintf(failure->id, sizeof(failure->id), "%s", attempt->id);
    (void)snprintf(failure->words, sizeof(failure->words), "%.99s",
                   attempt->answered ? http_reply_text(&attempt->reply) : attempt->reply.error);
}

static void note(const struct attempt *attempt, bool is_post, enum verdict verdict,
                 const char *wrong)
{
    struct checked_load *load = attempt->client->load;
    struct checked_load_result *result = &load->result;
    pthread_mutex_lock(&load->lock);
    result->gets += !is_post;
    result->posts += is_post;
    result->answered += attempt->answered;
    result->by_application +=
        attempt->answered && http_reply_header(&attempt->reply, "X-Request-Id") != NULL;
    result->good_gets += !is_post && verdict == RIGHT;
    result->good_posts += is_post && verdict == RIGHT;
    result->refused += verdict == REFUSED;
    if (verdict == FAILED)
        note_failure(result, attempt, is_post);
    if (verdict == WRONG && result->wrong++ == 0)
        (void)snprintf(result->first_wrong, sizeof(result->first_wrong),
                       "%s: %s: %d, %zu bytes: %.60s", attempt->id, wrong, attempt->reply.status,
                       attempt->reply.body.len, http_reply_text(&attempt->reply));
    pthread_mutex_unlock(&load->lock);
}

/*
 * Errors that say of themselves that it was not the client's doing. So is a 404 that is not the
 * application's: lighttpd's, when a process dies over what lighttpd could not send itself, for it
 * then goes back to the error that made it ask (see docs/faults.md).
 */
static bool is_failure(const struct attempt *attempt)
{
    return !attempt->answered || attempt->reply.status >= 500 ||
           (attempt->reply.status == 404 && !http_reply_header(&attempt->reply, "X-Request-Id"));
}

static bool get_picture(struct client *client, const char *path, const struct known *known)
{
    struct attempt attempt;
    enum verdict verdict = WRONG;
    perform(client, path, NULL, NULL, &attempt);
    const struct buf *body = &attempt.reply.body;
    if (is_failure(&attempt))
        verdict = FAILED;
    else if (attempt.reply.status == 200 && body->len == known->len &&
             XXH3_64bits(body->data, body->len) == known->checksum)
        verdict = RIGHT;
    note(&attempt, false, verdict, "not the picture that was stored");
    http_reply_release(&attempt.reply);
    return verdict == RIGHT;
}

/* The bytes of a photograph and some more behind their end: a new picture that looks the same. */
static bool make_upload(struct client *client, const struct known *known, struct buf *body,
                        char key[MD5_HEX_LEN + 1])
{
    char tail[64];
    (void)snprintf(tail, sizeof(tail), "%lld-%u-%u", (long long)clock_now_ns(), client->number,
                   client->serial);
    buf_init(body, BODY_MAX);
    return buf_append(body, known->original.data, known->original.len) == APP_OK &&
           buf_append_str(body, tail) == APP_OK &&
           sha256_hex("picture\n", body->data, body->len, key) == APP_OK;
}

static bool post_picture(struct client *client, const struct known *known)
{
    struct attempt attempt;
    struct buf body;
    char key[MD5_HEX_LEN + 1];
    char path[64];
    enum verdict verdict = WRONG;
    if (!make_upload(client, known, &body, key))
        abort();
    perform(client, "/api/", known->type, &body, &attempt);
    buf_release(&body);
    if (is_failure(&attempt))
        verdict = FAILED;
    else if (attempt.reply.status == 429)
        verdict = REFUSED;
    else if (attempt.reply.status == 200 && strcmp(http_reply_text(&attempt.reply), key) == 0)
        verdict = RIGHT;
    note(&attempt, true, verdict, "not the key of the picture");
    http_reply_release(&attempt.reply);
    (void)snprintf(path, sizeof(path), "/api/cache/%s", key);
    return verdict == RIGHT && get_picture(client, path, known);
}

/* --- Threads ------------------------------------------------------------------------- */

/* Waits out a pause; false: it is over. */
static bool go_on(struct checked_load *load)
{
    bool was_idle = false;
    pthread_mutex_lock(&load->lock);
    while (load->paused && !load->stop) {
        load->idle += !was_idle;
        was_idle = true;
        pthread_mutex_unlock(&load->lock);
        sleep_ms(IDLE_MS);
        pthread_mutex_lock(&load->lock);
    }
    load->idle -= was_idle;
    bool stop = load->stop;
    pthread_mutex_unlock(&load->lock);
    return !stop;
}

static void *run(void *object)
{
    struct client *client = object;
    struct checked_load *load = client->load;
    for (unsigned i = client->number; go_on(load); i++) {
        const struct known *known = &load->known[i % (client->posts ? FACELESS : PICTURES)];
        if (client->posts)
            (void)post_picture(client, known);
        else
            (void)get_picture(client, known->path, known);
        sleep_ms(load->options.pause_ms);
    }
    return NULL;
}

static void learn(const struct scene *scene, const char *name, struct known *known)
{
    char source[64];
    char key[MD5_HEX_LEN + 1];
    struct http_reply reply;
    scene_picture(name, &known->original);
    known->type = strstr(name, ".jpg") ? "Content-Type: image/jpeg" : "Content-Type: image/png";
    (void)snprintf(source, sizeof(source), "/pictures/%s", name);
    scene_emojify(scene, scene_url(scene, source).text, key);
    (void)snprintf(known->path, sizeof(known->path), "/api/cache/%s", key);
    scene_get(scene, known->path, NULL, &reply);
    assert_int_equal(reply.status, 200);
    known->len = reply.body.len;
    known->checksum = XXH3_64bits(reply.body.data, reply.body.len);
    http_reply_release(&reply);
}

struct checked_load *checked_load_start(const struct scene *scene,
                                        const struct checked_load_options *options)
{
    struct checked_load *load = calloc(1, sizeof(*load));
    assert_non_null(load);
    load->scene = scene;
    load->options = *options;
    load->client_count = options->getters + options->posters;
    assert_in_range(load->client_count, 0, CHECKED_LOAD_THREADS_MAX);
    load->result.failures = calloc(FAILURES_MAX, sizeof(*load->result.failures));
    assert_non_null(load->result.failures);
    pthread_mutex_init(&load->lock, NULL);
    for (size_t i = 0; i < PICTURES; i++)
        learn(scene, names[i], &load->known[i]);
    load->prober = (struct client){.load = load, .number = CHECKED_LOAD_THREADS_MAX};
    for (unsigned i = 0; i < load->client_count; i++) {
        struct client *client = &load->clients[i];
        *client = (struct client){.load = load, .number = i, .posts = i >= options->getters};
        assert_int_equal(pthread_create(&client->thread, NULL, run, client), 0);
    }
    return load;
}

void checked_load_pause(struct checked_load *load)
{
    bool all = false;
    pthread_mutex_lock(&load->lock);
    load->paused = true;
    pthread_mutex_unlock(&load->lock);
    while (!all) {
        sleep_ms(IDLE_MS);
        pthread_mutex_lock(&load->lock);
        all = load->idle == load->client_count;
        pthread_mutex_unlock(&load->lock);
    }
}

void checked_load_resume(struct checked_load *load)
{
    pthread_mutex_lock(&load->lock);
    load->paused = false;
    pthread_mutex_unlock(&load->lock);
}

void checked_load_read(struct checked_load *load, struct checked_load_result *result)
{
    pthread_mutex_lock(&load->lock);
    *result = load->result;
    size_t size = load->result.failure_count * sizeof(*result->failures);
    result->failures = malloc(size + 1);
    if (!result->failures)
        abort();
    memcpy(result->failures, load->result.failures, size);
    pthread_mutex_unlock(&load->lock);
}

void checked_load_stop(struct checked_load **stopped, struct checked_load_result *result)
{
    struct checked_load *load = *stopped;
    *stopped = NULL;
    pthread_mutex_lock(&load->lock);
    load->stop = true;
    pthread_mutex_unlock(&load->lock);
    for (unsigned i = 0; i < load->client_count; i++)
        pthread_join(load->clients[i].thread, NULL);
    if (result)
        *result = load->result;
    else
        free(load->result.failures);
    for (size_t i = 0; i < PICTURES; i++)
        buf_release(&load->known[i].original);
    pthread_mutex_destroy(&load->lock);
    free(load);
}

void checked_load_result_release(struct checked_load_result *result)
{
    free(result->failures);
    result->failures = NULL;
}

const char *checked_load_path(const struct checked_load *load)
{
    return load->known[0].path;
}

bool checked_load_post_once(struct checked_load *load)
{
    return post_picture(&load->prober, &load->known[0]);
}
