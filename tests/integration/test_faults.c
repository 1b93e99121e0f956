/* SPDX-License-Identifier: MIT */
/* run: web=all seconds=20 */
/*
 * Upstreams that die, hang and come back. Each test leaves the stack healthy, as it found it.
 */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/clock.h"
#include "lib/base/digest.h"
#include "support/checked_load.h"
#include "support/cmocka.h"
#include "support/process.h"
#include "support/scene.h"

#if SCENE_SANITIZED
#define FACEBOX_TIMEOUT "15s"
enum { FACEBOX_TIMEOUT_MS = 15000, MARGIN_MS = 3000, BACK_MS = 30000 };
#else
#define FACEBOX_TIMEOUT "1500ms"
enum {
    FACEBOX_TIMEOUT_MS = 1500,
    MARGIN_MS = 800, /* of a busy machine */
    BACK_MS = 2000   /* service after an upstream's return */
};
#endif

enum {
    CACHE_TIMEOUT_MS = 1000,
    HEALTH_KEPT_MS = 1000, /* an upstream's answer is believed for so long */
    SIGNAL_MS = 100        /* until a signal has reached every thread */
};

static int start(void **state)
{
    /* Each GET asks the cache, whatever the local tier has. */
    return scene_start(state, (const char *const[]){"CACHE_TIMEOUT=1s", "LOCAL_CACHE_TTL=0",
                                                    "FACEBOX_TIMEOUT=" FACEBOX_TIMEOUT, NULL});
}

/* A picture that nobody has asked for yet; the same picture, of course. */
static struct scene_url new_picture(const struct scene *scene, const char *name)
{
    char path[128];
    struct buf picture;
    (void)snprintf(path, sizeof(path), "/pictures/camera.png?%s", name);
    scene_picture("camera.png", &picture);
    scene_serve(scene, path, "image/png", picture.data, picture.len);
    buf_release(&picture);
    return scene_url(scene, path);
}

struct cached {
    char path[64];
};

static struct cached cached_picture(const struct scene *scene)
{
    char key[MD5_HEX_LEN + 1];
    struct cached cached;
    scene_emojify(scene, scene_url(scene, "/pictures/coffee.png").text, key);
    (void)snprintf(cached.path, sizeof(cached.path), "/api/cache/%s", key);
    return cached;
}

static void assert_health_says(const struct scene *scene, const char *facebox, const char *cache)
{
    struct http_reply reply;
    char text[128];
    scene_wait_status(scene, "/api/health", 503, HEALTH_KEPT_MS + 2000);
    scene_get(scene, "/api/health", NULL, &reply);
    (void)snprintf(text, sizeof(text), "facebox: %s; cache: %s\n", facebox, cache);
    assert_string_equal(http_reply_text(&reply), text);
    http_reply_release(&reply);
    scene_get(scene, "/api/health/live", NULL, &reply);
    assert_int_equal(reply.status, 200);
    http_reply_release(&reply);
    scene_get(scene, "/api/health/ready", NULL, &reply);
    assert_int_equal(reply.status, 200);
    http_reply_release(&reply);
}

/* Kill it, and keep what is needed to start it again. */
static struct stack_program *kill_upstream(const struct scene *scene, const char *name)
{
    struct stack_program *program = stack_program_of(&scene->stack, name);
    assert_non_null(program);
    pid_t pid = scene_signal(scene, name, SIGKILL);
    assert_true(process_wait_gone(pid, 1000));
    return program;
}

static void start_again(struct stack_program **program)
{
    assert_true(stack_program_start(*program));
    stack_program_free(program);
}

static void signal_upstream(const struct scene *scene, const char *name, int signal_number)
{
    (void)scene_signal(scene, name, signal_number);
    sleep_ms(SIGNAL_MS);
}

/* After a test that failed in the middle. */
static int let_all_go_on(void **state)
{
    const struct scene *scene = *state;
    pid_t cache = stack_pid(&scene->stack, "cache");
    pid_t facebox = stack_pid(&scene->stack, "facebox");
    if (cache > 0)
        (void)kill(cache, SIGCONT);
    if (facebox > 0)
        (void)kill(facebox, SIGCONT);
    return 0;
}

/* POST until it is 200, for BACK_MS at most. */
static void wait_for_post(const struct scene *scene, const char *url)
{
    int64_t deadline_ns = deadline_in_ms(BACK_MS);
    for (;;) {
        struct http_reply reply;
        scene_post(scene, url, NULL, &reply);
        int status = reply.status;
        if (status != 200 && deadline_left_ms(deadline_ns) == 0)
            fail_msg("still %d: %s", status, http_reply_text(&reply));
        http_reply_release(&reply);
        if (status == 200)
            return;
        sleep_ms(20);
    }
}

/* An upstream that is down: 502, or 503 once that is known; at once, or at its deadline. */
static void assert_upstream_down(const struct http_reply *reply, int timeout_ms)
{
    if (reply->status != 502 && reply->status != 503)
        fail_msg("%d: %s", reply->status, http_reply_text(reply));
    assert_error(reply, reply->status, NULL);
    assert_true(reply->seconds * 1000 < timeout_ms + MARGIN_MS);
}

static void assert_timed_out(const struct http_reply *reply, int timeout_ms)
{
    assert_error(reply, 504, NULL);
    if (reply->seconds * 1000 < timeout_ms - 100 || reply->seconds * 1000 > timeout_ms + MARGIN_MS)
        fail_msg("504 after %.3f s, not %d ms", reply->seconds, timeout_ms);
}

static void a_cache_that_was_killed_is_named_and_used_again_when_it_is_back(void **state)
{
    const struct scene *scene = *state;
    struct cached cached = cached_picture(scene);
    struct scene_url url = new_picture(scene, "killed-cache");
    struct http_reply reply;
    struct stack_program *program = kill_upstream(scene, "cache");

    scene_get(scene, cached.path, NULL, &reply);
    assert_upstream_down(&reply, CACHE_TIMEOUT_MS);
    http_reply_release(&reply);
    scene_post(scene, url.text, NULL, &reply);
    assert_upstream_down(&reply, CACHE_TIMEOUT_MS);
    http_reply_release(&reply);
    assert_health_says(scene, "ok", "failed");

    start_again(&program);
    scene_wait_status(scene, cached.path, 200, BACK_MS);
    wait_for_post(scene, url.text);
    scene_wait_status(scene, "/api/health", 200, BACK_MS);
}

/* Long enough for gRPC's own pauses between attempts to have grown. */
static void a_cache_that_was_away_for_long_is_used_as_soon_as_it_is_back(void **state)
{
    const struct scene *scene = *state;
    struct cached cached = cached_picture(scene);
    struct stack_program *program = kill_upstream(scene, "cache");
    int64_t end_ns = deadline_in_ms(6000);
    while (deadline_left_ms(end_ns) > 0) {
        struct http_reply reply;
        scene_get(scene, cached.path, NULL, &reply);
        assert_upstream_down(&reply, CACHE_TIMEOUT_MS);
        http_reply_release(&reply);
        sleep_ms(100);
    }
    start_again(&program);
    scene_wait_status(scene, cached.path, 200, BACK_MS);
    scene_wait_status(scene, "/api/health", 200, BACK_MS);
}

/*
 * Nobody has asked since the breaker opened, and the cache has long been back: one of them
 * finds that out, and the others do not suffer from coming beside it.
 */
static void the_first_who_come_together_after_an_outage_are_all_served(void **state)
{
    enum { TOGETHER = 8, UNTIL_STALE_MS = 1600 };
    const struct scene *scene = *state;
    struct scene_url url = scene_url(scene, "/pictures/coffee.png");
    struct cached cached = cached_picture(scene);
    struct http_job *jobs[TOGETHER];
    struct http_reply reply;
    char address[64];
    (void)snprintf(address, sizeof(address), "%s/api/", scene->stack.base);

    struct stack_program *program = kill_upstream(scene, "cache");
    for (int status = 0; status != 503;) { /* until the breaker is open */
        scene_get(scene, cached.path, NULL, &reply);
        assert_upstream_down(&reply, CACHE_TIMEOUT_MS);
        status = reply.status;
        http_reply_release(&reply);
    }
    start_again(&program);
    sleep_ms(UNTIL_STALE_MS);
    scene_wait_status(scene, "/api/health", 200, BACK_MS);

    /* Each asks the cache by itself, unlike GETs of one picture. */
    for (int i = 0; i < TOGETHER; i++)
        jobs[i] = http_job_start(
            &(struct http_call){.url = address, .body = url.text, .body_len = strlen(url.text)});
    for (int i = 0; i < TOGETHER; i++) {
        assert_true(http_job_wait(&jobs[i], &reply));
        if (reply.status != 200)
            fail_msg("%d: %s", reply.status, http_reply_text(&reply));
        http_reply_release(&reply);
    }
}

static void a_facebox_that_was_killed_is_named_and_used_again_when_it_is_back(void **state)
{
    const struct scene *scene = *state;
    struct cached cached = cached_picture(scene);
    struct scene_url url = new_picture(scene, "killed-facebox");
    struct http_reply reply;
    struct stack_program *program = kill_upstream(scene, "facebox");

    scene_post(scene, url.text, NULL, &reply);
    assert_upstream_down(&reply, FACEBOX_TIMEOUT_MS);
    http_reply_release(&reply);
    scene_get(scene, cached.path, NULL, &reply); /* does not need it */
    assert_int_equal(reply.status, 200);
    http_reply_release(&reply);
    assert_health_says(scene, "failed", "ok");

    start_again(&program);
    scene_wait_facebox(scene);
    wait_for_post(scene, url.text);
    scene_wait_status(scene, "/api/health", 200, BACK_MS);
}

static void a_cache_that_hangs_is_a_gateway_timeout_until_it_goes_on(void **state)
{
    const struct scene *scene = *state;
    struct cached cached = cached_picture(scene);
    struct http_reply reply;
    signal_upstream(scene, "cache", SIGSTOP);

    scene_get(scene, cached.path, NULL, &reply);
    assert_timed_out(&reply, CACHE_TIMEOUT_MS);
    http_reply_release(&reply);
    scene_get(scene, cached.path, SCENE_JSON, &reply);
    assert_problem(&reply, 504, "upstream-timeout");
    http_reply_release(&reply);
    assert_health_says(scene, "ok", "no answer in time");

    signal_upstream(scene, "cache", SIGCONT);
    scene_wait_status(scene, cached.path, 200, BACK_MS);
    scene_wait_status(scene, "/api/health", 200, BACK_MS);
}

/* The application connects before its first request, and must not wait for long. */
static void a_cache_that_hangs_keeps_no_process_from_starting(void **state)
{
    enum { START_MS = 3000, PROCESSES_MAX = 16 };
    const struct scene *scene = *state;
    struct cached cached = cached_picture(scene);
    pid_t pids[PROCESSES_MAX];
    size_t count = stack_pids(&scene->stack, "api", pids, PROCESSES_MAX);
    assert_in_range(count, 1, PROCESSES_MAX);
    signal_upstream(scene, "cache", SIGSTOP);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(kill(pids[i], SIGKILL), 0);
        assert_true(process_wait_gone(pids[i], 1000));
    }
    int64_t begun_ns = clock_now_ns();
    scene_wait_status(scene, "/api/health/live", 200, START_MS);
    assert_true(clock_now_ns() - begun_ns < START_MS * NS_PER_MS);
    signal_upstream(scene, "cache", SIGCONT);
    scene_wait_status(scene, cached.path, 200, BACK_MS);
}

static void a_cache_that_stands_still_for_a_moment_fails_nobody(void **state)
{
    enum { TIMES = 5, STILL_MS = 150 /* and SIGNAL_MS */ };
    const struct scene *scene = *state;
    struct checked_load_result result;
    struct checked_load *load =
        checked_load_start(scene, &(struct checked_load_options){.getters = 8});
    for (int i = 0; i < TIMES; i++) {
        signal_upstream(scene, "cache", SIGSTOP);
        sleep_ms(STILL_MS);
        signal_upstream(scene, "cache", SIGCONT);
    }
    checked_load_stop(&load, &result);
    if (result.failure_count > 0)
        fail_msg("%zu of %u requests failed, the first: %d %s", result.failure_count, result.gets,
                 result.failures[0].status, result.failures[0].words);
    assert_int_equal(result.wrong, 0);
    checked_load_result_release(&result);
}

static void a_facebox_that_hangs_is_a_gateway_timeout_and_holds_up_nobody_else(void **state)
{
    const struct scene *scene = *state;
    struct cached cached = cached_picture(scene);
    struct scene_url url = new_picture(scene, "hung-facebox");
    struct http_reply reply;
    char address[64];
    (void)snprintf(address, sizeof(address), "%s/api/", scene->stack.base);
    signal_upstream(scene, "facebox", SIGSTOP);

    struct http_job *job = http_job_start(
        &(struct http_call){.url = address, .body = url.text, .body_len = strlen(url.text)});
    sleep_ms(200);
    for (int i = 0; i < 5; i++) {
        scene_get(scene, cached.path, NULL, &reply);
        assert_int_equal(reply.status, 200);
        assert_true(reply.seconds < 0.5);
        http_reply_release(&reply);
    }
    assert_true(http_job_wait(&job, &reply));
    assert_timed_out(&reply, FACEBOX_TIMEOUT_MS);
    http_reply_release(&reply);

    signal_upstream(scene, "facebox", SIGCONT);
    wait_for_post(scene, url.text);
    scene_wait_status(scene, "/api/health", 200, BACK_MS);
}

static void a_picture_that_could_not_be_stored_is_fetched_anew_the_next_time(void **state)
{
    const struct scene *scene = *state;
    struct scene_url url = new_picture(scene, "not-stored");
    struct http_reply reply;
    struct stack_program *program = kill_upstream(scene, "facebox");
    scene_post(scene, url.text, NULL, &reply);
    assert_upstream_down(&reply, FACEBOX_TIMEOUT_MS);
    http_reply_release(&reply);
    start_again(&program);
    scene_wait_facebox(scene);
    wait_for_post(scene, url.text);
    assert_true(origin_requests(scene->origin, "/pictures/camera.png?not-stored") >= 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_cache_that_was_killed_is_named_and_used_again_when_it_is_back),
        cmocka_unit_test(a_facebox_that_was_killed_is_named_and_used_again_when_it_is_back),
        cmocka_unit_test_teardown(a_cache_that_hangs_is_a_gateway_timeout_until_it_goes_on,
                                  let_all_go_on),
        cmocka_unit_test_teardown(
            a_facebox_that_hangs_is_a_gateway_timeout_and_holds_up_nobody_else, let_all_go_on),
        cmocka_unit_test(a_picture_that_could_not_be_stored_is_fetched_anew_the_next_time),
    };
    /* In which the web server has no part: once is enough. */
    const struct CMUnitTest once[] = {
        cmocka_unit_test(a_cache_that_was_away_for_long_is_used_as_soon_as_it_is_back),
        cmocka_unit_test(the_first_who_come_together_after_an_outage_are_all_served),
        cmocka_unit_test_teardown(a_cache_that_hangs_keeps_no_process_from_starting, let_all_go_on),
        cmocka_unit_test_teardown(a_cache_that_stands_still_for_a_moment_fails_nobody,
                                  let_all_go_on),
    };
    int failed = cmocka_run_group_tests(tests, start, scene_stop);
    return stack_web() == STACK_LIGHTTPD ? failed + cmocka_run_group_tests(once, start, scene_stop)
                                         : failed;
}
