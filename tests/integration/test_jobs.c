/* SPDX-License-Identifier: MIT */
/* run: web=all tsan seconds=45 */
/* What a pool does at a time, what it does once for many, and what it does in the background. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/clock.h"
#include "lib/base/digest.h"
#include "support/cmocka.h"
#include "support/process.h"
#include "support/scene.h"

#define FACES_ASKED                                                                                \
    "emojify_upstream_duration_seconds_count{upstream=\"facebox\",operation=\"check\"}"

enum { SIBLINGS = 4, EQUAL = 20, PATIENCE_MS = 20000, POLL_MS = 20 };

/* --- Words ------------------------------------------------------------------------ */

static void post_job(const struct scene *scene, const char *url, struct http_reply *reply)
{
    scene_ask(scene,
              &(struct http_call){.url = "/api/emojify/", .body = url, .body_len = strlen(url)},
              reply);
}

/* The answer of a POST that was taken, released by the caller. */
static json_t *assert_taken(struct http_reply *reply)
{
    char location[64];
    if (reply->status != 202)
        fail_msg("%d: %s", reply->status, http_reply_text(reply));
    assert_header(reply, "Content-Type", "application/json");
    json_t *object = json_loadb(reply->body.data, reply->body.len, 0, NULL);
    const char *id = json_string_value(json_object_get(object, "id"));
    assert_non_null(id);
    (void)snprintf(location, sizeof(location), "/api/emojify/%s", id);
    assert_header(reply, "Location", location);
    assert_int_equal(json_object_size(object), 4);
    http_reply_release(reply);
    return object;
}

struct job_id {
    char text[MD5_HEX_LEN + 1];
};

static struct job_id begin_job(const struct scene *scene, const char *url)
{
    struct http_reply reply;
    struct job_id id;
    post_job(scene, url, &reply);
    json_t *object = assert_taken(&reply);
    (void)snprintf(id.text, sizeof(id.text), "%s",
                   json_string_value(json_object_get(object, "id")));
    json_decref(object);
    return id;
}

/* The state of a job. The web server may still ask a process that was just killed: 500 once. */
static json_t *ask_job(const struct scene *scene, const char *id)
{
    char path[128];
    (void)snprintf(path, sizeof(path), "/api/emojify/%s", id);
    for (int i = 0;; i++) {
        struct http_reply reply;
        scene_get(scene, path, NULL, &reply);
        if (reply.status == 200 || i == 100) {
            json_t *object = assert_json(&reply);
            assert_header(&reply, "Cache-Control", "no-store");
            http_reply_release(&reply);
            return object;
        }
        http_reply_release(&reply);
        sleep_ms(POLL_MS);
    }
}

static const char *text_of(const json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));
    return text ? text : "";
}

static int number_of(const json_t *object, const char *name)
{
    return (int)json_integer_value(json_object_get(object, name));
}

/* Poll until it has that status; released by the caller. */
static json_t *await_job(const struct scene *scene, const char *id, const char *status)
{
    int64_t deadline_ns = deadline_in_ms(PATIENCE_MS);
    for (;;) {
        json_t *object = ask_job(scene, id);
        if (strcmp(text_of(object, "status"), status) == 0)
            return object;
        if (deadline_left_ms(deadline_ns) == 0)
            fail_msg("%s is %s, not %s", id, text_of(object, "status"), status);
        json_decref(object);
        sleep_ms(POLL_MS);
    }
}

static struct http_job *start_post(const struct scene *scene, const struct scene_url *url,
                                   char base[64])
{
    static const char *const json[] = {"Accept: application/json", NULL};
    (void)snprintf(base, 64, "%s/api/", scene->stack.base);
    const struct http_call call = {
        .url = base, .headers = json, .body = url->text, .body_len = strlen(url->text)};
    return http_job_start(&call);
}

/* --- A pool of four ---------------------------------------------------------------- */

static int start_pool(void **state)
{
    return scene_start(state, (const char *const[]){"API_PROCESSES=4", "WORKERS=48",
                                                    "EMOJIFY_QUEUE=32", "FETCH_TIMEOUT=30s", NULL});
}

static void equal_posts_to_four_siblings_are_one_fetch_and_one_face_detection(void **state)
{
    const struct scene *scene = *state;
    struct http_job *jobs[EQUAL];
    char base[64];
    /* mod_fcgid hands over the others when the picture is in the cache already. */
    size_t equal = stack_web() == STACK_APACHE_FCGID ? SIBLINGS : EQUAL;
    double asked = scene_metric(scene, FACES_ASKED);
    double shared = scene_metric(scene, "emojify_shared_total");
    struct scene_url url = scene_url(scene, "/equal.png");
    scene_serve_slowly(scene, "/equal.png", "astronaut.png", 2000);
    for (size_t i = 0; i < equal; i++)
        jobs[i] = start_post(scene, &url, base);
    for (size_t i = 0; i < equal; i++) {
        struct http_reply reply;
        assert_true(http_job_wait(&jobs[i], &reply));
        json_t *object = assert_json(&reply);
        assert_int_equal(number_of(object, "width"), 512);
        assert_string_equal(text_of(object, "type"), "image/jpeg");
        json_decref(object);
        http_reply_release(&reply);
    }
    assert_int_equal(origin_requests(scene->origin, "/equal.png"), 1);
    scene_wait_metric(scene, FACES_ASKED, (asked > 0 ? asked : 0) + 1);
    scene_wait_metric(scene, "emojify_shared_total", shared + (double)equal - 1);
    scene_wait_metric(scene, "emojify_queue_length", 0);
    scene_wait_metric(scene, "emojify_jobs_running", 0);
}

static void a_job_goes_on_behind_its_answer_until_it_is_finished(void **state)
{
    const struct scene *scene = *state;
    struct http_reply reply;
    char path[64];
    struct scene_url url = scene_url(scene, "/job.png");
    scene_serve_slowly(scene, "/job.png", "astronaut.png", 2000);
    post_job(scene, url.text, &reply);
    assert_true(reply.seconds < 2);
    json_t *taken = assert_taken(&reply);
    const char *id = text_of(taken, "id");
    assert_string_equal(text_of(taken, "status"), "QUEUED");
    assert_int_equal(number_of(taken, "length"), 1);
    assert_int_equal(number_of(taken, "position"), 1);

    json_t *object = await_job(scene, id, "PROCESSING");
    assert_string_equal(text_of(object, "step"), "fetch");
    assert_int_equal(number_of(object, "position"), 0);
    assert_true(json_is_null(json_object_get(object, "key")));
    json_decref(object);
    object = await_job(scene, id, "FINISHED");
    assert_string_equal(text_of(object, "key"), id);
    assert_true(json_is_null(json_object_get(object, "error")));
    assert_true(json_is_null(json_object_get(object, "code")));
    assert_int_equal(number_of(object, "faces"), 1);
    assert_int_equal(json_object_size(object), 9);
    json_decref(object);

    (void)snprintf(path, sizeof(path), "/api/cache/%s", id);
    scene_wait_status(scene, path, 200, 0);
    json_decref(taken);
}

static void a_picture_that_is_there_already_is_finished_at_once(void **state)
{
    const struct scene *scene = *state;
    struct scene_url url = scene_url(scene, "/pictures/coffee.png");
    struct http_reply reply;
    char key[MD5_HEX_LEN + 1];
    scene_emojify(scene, url.text, key);
    post_job(scene, url.text, &reply);
    json_t *object = assert_taken(&reply);
    assert_string_equal(text_of(object, "status"), "FINISHED");
    assert_string_equal(text_of(object, "id"), key);
    json_decref(object);
    json_decref(await_job(scene, key, "FINISHED"));
}

static void an_uploaded_picture_is_a_job_as_well(void **state)
{
    const struct scene *scene = *state;
    static const char *const type[] = {"Content-Type: image/png", NULL};
    struct http_reply reply;
    struct buf bytes;
    scene_picture("camera.png", &bytes);
    scene_ask(
        scene,
        &(struct http_call){
            .url = "/api/emojify/", .headers = type, .body = bytes.data, .body_len = bytes.len},
        &reply);
    buf_release(&bytes);
    json_t *taken = assert_taken(&reply);
    json_decref(await_job(scene, text_of(taken, "id"), "FINISHED"));
    json_decref(taken);
}

static void a_job_that_fails_says_why_and_may_be_tried_again(void **state)
{
    const struct scene *scene = *state;
    struct scene_url url = scene_url(scene, "/later.png");
    struct job_id id = begin_job(scene, url.text);
    json_t *object = await_job(scene, id.text, "FAILED");
    assert_string_equal(text_of(object, "error"),
                        "the picture could not be fetched: the server answered 404");
    assert_string_equal(text_of(object, "code"), "fetch-failed");
    assert_string_equal(text_of(object, "step"), "fetch");
    assert_true(json_is_null(json_object_get(object, "key")));
    assert_true(json_is_null(json_object_get(object, "faces")));
    json_decref(object);
    scene_serve_slowly(scene, "/later.png", "camera.png", 0);
    assert_string_equal(begin_job(scene, url.text).text, id.text);
    json_decref(await_job(scene, id.text, "FINISHED"));
}

static void what_nobody_asked_for_is_unknown(void **state)
{
    const struct scene *scene = *state;
    json_t *object = ask_job(scene, "0123456789abcdef0123456789abcdef");
    assert_string_equal(text_of(object, "status"), "UNKNOWN");
    assert_true(json_is_null(json_object_get(object, "step")));
    json_decref(object);
}

static void what_is_no_url_and_what_is_no_method_is_refused_as_elsewhere(void **state)
{
    const struct scene *scene = *state;
    struct http_reply reply;
    post_job(scene, "no url", &reply);
    assert_error(&reply, 400, "no url is not a valid URL\n");
    http_reply_release(&reply);
    scene_ask(scene, &(struct http_call){.method = "PUT", .url = "/api/emojify/"}, &reply);
    assert_error(&reply, 405, NULL);
    assert_header(&reply, "Allow", "POST");
    http_reply_release(&reply);
    scene_ask(scene, &(struct http_call){.method = "PUT", .url = "/api/emojify/abc"}, &reply);
    assert_error(&reply, 405, NULL);
    assert_header(&reply, "Allow", "GET, HEAD");
    http_reply_release(&reply);
}

/* Whose job it is cannot be seen from outside, so they go one after the other. */
static void a_job_whose_process_is_killed_has_failed(void **state)
{
    const struct scene *scene = *state;
    pid_t pids[SIBLINGS];
    struct scene_url url = scene_url(scene, "/killed.png");
    scene_serve_slowly(scene, "/killed.png", "astronaut.png", 15000);
    struct job_id id = begin_job(scene, url.text);
    json_decref(await_job(scene, id.text, "PROCESSING"));
    size_t count = stack_pids(&scene->stack, "api", pids, SIBLINGS);
    assert_int_equal(count, SIBLINGS);
    bool failed = false;
    for (size_t i = 0; i < count && !failed; i++) {
        assert_int_equal(kill(pids[i], SIGKILL), 0);
        assert_true(process_wait_gone(pids[i], PATIENCE_MS));
        json_t *object = ask_job(scene, id.text);
        failed = strcmp(text_of(object, "status"), "FAILED") == 0;
        assert_string_equal(text_of(object, "error"),
                            failed ? "the process that did it has ended" : "");
        json_decref(object);
    }
    assert_true(failed);
}

/* --- One process, one picture at a time ---------------------------------------------- */

static int start_narrow(void **state)
{
    return scene_start(state,
                       (const char *const[]){"EMOJIFY_CONCURRENCY=1", "EMOJIFY_QUEUE=1",
                                             "FETCH_CONCURRENCY=1", "FETCH_TIMEOUT=30s", NULL});
}

static void beyond_the_queue_a_post_is_told_to_come_again(void **state)
{
    const struct scene *scene = *state;
    struct http_job *jobs[2];
    struct http_reply reply;
    char base[64];
    struct scene_url urls[3];
    const char *const paths[] = {"/runs.png", "/waits.png", "/refused.png"};
    for (size_t i = 0; i < 3; i++) {
        urls[i] = scene_url(scene, paths[i]);
        scene_serve_slowly(scene, paths[i], "camera.png", 4000);
    }
    jobs[0] = start_post(scene, &urls[0], base);
    scene_wait_metric(scene, "emojify_fetching", 1);
    jobs[1] = start_post(scene, &urls[1], base);
    scene_wait_metric(scene, "emojify_queue_length", 1);

    scene_post(scene, urls[2].text, NULL, &reply);
    assert_error(&reply, 429,
                 "too many pictures are being worked on, and the queue is full: try again later\n");
    assert_header(&reply, "Retry-After", "1");
    http_reply_release(&reply);
    scene_post(scene, urls[2].text, SCENE_JSON, &reply);
    assert_problem(&reply, 429, "busy");
    http_reply_release(&reply);

    for (size_t i = 0; i < 2; i++) {
        assert_true(http_job_wait(&jobs[i], &reply));
        assert_int_equal(reply.status, 200);
        http_reply_release(&reply);
    }
    scene_post(scene, urls[2].text, NULL, &reply);
    assert_int_equal(reply.status, 200);
    http_reply_release(&reply);
}

static void jobs_are_told_their_place_in_the_queue(void **state)
{
    const struct scene *scene = *state;
    struct job_id ids[3];
    char path[32];
    for (int i = 0; i < 3; i++) {
        (void)snprintf(path, sizeof(path), "/place-%d.png", i);
        scene_serve_slowly(scene, path, "camera.png", 3000);
        struct scene_url url = scene_url(scene, path);
        ids[i] = begin_job(scene, url.text);
        if (i == 0)
            json_decref(await_job(scene, ids[0].text, "PROCESSING"));
    }
    json_t *object = ask_job(scene, ids[2].text);
    assert_string_equal(text_of(object, "status"), "QUEUED");
    assert_int_equal(number_of(object, "position"), 2);
    assert_int_equal(number_of(object, "length"), 2);
    json_decref(object);
    json_decref(await_job(scene, ids[1].text, "PROCESSING"));
    object = ask_job(scene, ids[2].text);
    assert_int_equal(number_of(object, "position"), 1);
    json_decref(object);
    json_decref(await_job(scene, ids[2].text, "FINISHED"));
}

static void a_stop_finishes_the_job_that_runs_and_fails_what_waits(void **state)
{
    const struct scene *scene = *state;
    scene_serve_slowly(scene, "/stop-runs.png", "camera.png", 2000);
    struct scene_url runs = scene_url(scene, "/stop-runs.png");
    struct scene_url waits = scene_url(scene, "/stop-waits.png");
    struct job_id running = begin_job(scene, runs.text);
    json_decref(await_job(scene, running.text, "PROCESSING"));
    struct job_id waiting = begin_job(scene, waits.text);
    pid_t api = scene_signal(scene, "api", SIGTERM);
    assert_true(process_wait_gone(api, PATIENCE_MS));
    /* The next process has the table of the one before. */
    scene_wait_status(scene, "/api/health/live", 200, PATIENCE_MS);
    json_decref(await_job(scene, running.text, "FINISHED"));
    json_t *object = await_job(scene, waiting.text, "FAILED");
    assert_string_equal(text_of(object, "error"), "the service is being stopped: try again");
    json_decref(object);
}

/* --- One worker ------------------------------------------------------------------------ */

static int start_single(void **state)
{
    return scene_start(state, (const char *const[]){"WORKERS=1", "API_PROCESSES=2", NULL});
}

static void a_process_with_one_worker_does_nothing_in_the_background(void **state)
{
    const struct scene *scene = *state;
    struct http_reply reply;
    char key[MD5_HEX_LEN + 1];
    struct scene_url url = scene_url(scene, "/pictures/camera.png");
    post_job(scene, url.text, &reply);
    assert_error(&reply, 501,
                 "nothing is done in the background here, for WORKERS is 1: use POST /api/\n");
    http_reply_release(&reply);
    scene_get(scene, "/api/emojify/0123456789abcdef0123456789abcdef", NULL, &reply);
    assert_error(&reply, 501, NULL);
    http_reply_release(&reply);
    scene_emojify(scene, url.text, key);
}

int main(void)
{
    const struct CMUnitTest shared[] = {
        cmocka_unit_test(equal_posts_to_four_siblings_are_one_fetch_and_one_face_detection),
    };
    const struct CMUnitTest full[] = {
        cmocka_unit_test(beyond_the_queue_a_post_is_told_to_come_again),
    };
    const struct CMUnitTest pool[] = {
        cmocka_unit_test(a_job_goes_on_behind_its_answer_until_it_is_finished),
        cmocka_unit_test(a_picture_that_is_there_already_is_finished_at_once),
        cmocka_unit_test(an_uploaded_picture_is_a_job_as_well),
        cmocka_unit_test(a_job_that_fails_says_why_and_may_be_tried_again),
        cmocka_unit_test(what_nobody_asked_for_is_unknown),
        cmocka_unit_test(what_is_no_url_and_what_is_no_method_is_refused_as_elsewhere),
        cmocka_unit_test(a_job_whose_process_is_killed_has_failed),
    };
    const struct CMUnitTest narrow[] = {
        cmocka_unit_test(jobs_are_told_their_place_in_the_queue),
        cmocka_unit_test(a_stop_finishes_the_job_that_runs_and_fails_what_waits),
    };
    const struct CMUnitTest single[] = {
        cmocka_unit_test(a_process_with_one_worker_does_nothing_in_the_background),
    };
    int failed = cmocka_run_group_tests(shared, start_pool, scene_stop);
    failed += cmocka_run_group_tests(full, start_narrow, scene_stop);
    if (stack_web() != STACK_APACHE_FCGID) { /* there every process has one worker */
        failed += cmocka_run_group_tests(pool, start_pool, scene_stop);
        failed += cmocka_run_group_tests(narrow, start_narrow, scene_stop);
    }
    return failed + cmocka_run_group_tests(single, start_single, scene_stop);
}
