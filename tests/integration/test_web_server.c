/* SPDX-License-Identifier: MIT */
/* run: web=all */
/*
 * What the configurations in httpd-conf promise whichever web server it is: the same answer to
 * the same bytes of a path, closed paths however they are written, and a graceful restart.
 */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/digest.h"
#include "support/cmocka.h"
#include "support/pprof.h"
#include "support/process.h"
#include "support/scene.h"

enum {
    RESTARTS = 2,
    SLOW_MS = 2000,
    LOAD_MS = 1500, /* before and after each restart */
    RESTARTED_MS = SCENE_SANITIZED ? 60000 : 20000
};

static int start(void **state)
{
    /* lighttpd itself takes "%2F" for "/" when it looks for a file to send. */
    return scene_start(state, (const char *const[]){"API_PROCESSES=4", "DIRECT=off", NULL});
}

/* --- Paths ------------------------------------------------------------------------ */

static void store(const struct scene *scene, const char *id, const char *text)
{
    char path[PATH_MAX];
    char name[MD5_HEX_LEN + 1];
    assert_int_equal(md5_hex(id, strlen(id), name), APP_OK);
    (void)snprintf(path, sizeof(path), "%.4000s/cache/%s", scene->stack.state, name);
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

/* The application decodes what the client sent, once, whatever the web server made of it. */
static void every_spelling_of_a_path_has_the_same_answer(void **state)
{
    static const struct {
        const char *path;
        int status;
    } cases[] = {
        {"/api/cache/kept-file", 200},
        {"/api/cache/kept%2dfile", 200},
        {"/api/cache/%6bept-file", 200},
        {"/%61pi/cache/kept-file", 200},
        {"/api/cache/kept-file?x=%2F&y=a+b", 200},
        {"/api/cache/kept%2Ffile", 400},
        {"/api/cache%2Fkept-file", 400},
        {"/api/cache/%2e%2e%2fcache%2fkept-file", 400},
        {"/api/cache/kept%252dfile", 404},
        {"/api/cache/kept-file%20", 404},
        {"/api/cache/caf%C3%A9", 404},
        {"/api/cache/kept-file%5C", 404},
    };
    const struct scene *scene = *state;
    store(scene, "kept-file", "GIF89a, kept");
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct http_reply reply;
        scene_get(scene, cases[i].path, NULL, &reply);
        if (reply.status != cases[i].status)
            fail_msg("%s: %d, not %d", cases[i].path, reply.status, cases[i].status);
        if (cases[i].status == 200)
            assert_string_equal(http_reply_text(&reply), "GIF89a, kept");
        http_reply_release(&reply);
    }
}

static void a_slash_that_is_encoded_is_refused_by_the_application(void **state)
{
    struct http_reply reply;
    scene_get(*state, "/api/cache/a%2Fb", NULL, &reply);
    assert_error(&reply, 400, "the request is malformed\n");
    http_reply_release(&reply);
}

/* A web server decides by the path as it reads it, the application by the bytes. */
static void no_spelling_opens_the_operators_paths(void **state)
{
    static const char *const paths[] = {"/metrics",
                                        "//metrics",
                                        "/api/../metrics",
                                        "/api/%2e%2e/metrics",
                                        "/api/..%2fmetrics",
                                        "/api%2f..%2fmetrics",
                                        "/%6detrics",
                                        "/metrics%2f",
                                        "/metrics/",
                                        "/./metrics",
                                        "/api/.%2e/metrics",
                                        "/metrics?x=/api/",
                                        "/api/%2e%2e%2fmetrics",
                                        "/api//../metrics",
                                        "/x/../metrics",
                                        "/%2e/metrics",
                                        "/api/health/../../metrics"};
    const struct scene *scene = *state;
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        struct http_reply reply;
        scene_ask(scene, &(struct http_call){.url = paths[i], .from = "127.0.0.2"}, &reply);
        if (reply.status < 400 || strstr(http_reply_text(&reply), "emojify_"))
            fail_msg("%s: %d", paths[i], reply.status);
        http_reply_release(&reply);
    }
}

/* --- Headers ------------------------------------------------------------------------ */

static void head_tells_the_length_of_get(void **state)
{
    struct http_reply reply;
    store(*state, "a-length", "GIF89a with 24 characters");
    scene_ask(*state, &(struct http_call){.method = "HEAD", .url = "/api/cache/a-length"}, &reply);
    assert_int_equal(reply.status, 200);
    assert_header(&reply, "Content-Length", "25");
    http_reply_release(&reply);
}

static void the_address_of_a_new_picture_is_a_link_and_no_redirect(void **state)
{
    struct http_reply reply;
    char link[128];
    scene_post(*state, scene_url(*state, "/pictures/camera.png").text, NULL, &reply);
    assert_int_equal(reply.status, 200);
    (void)snprintf(link, sizeof(link), "</api/cache/%s>; rel=\"item\"", http_reply_text(&reply));
    assert_header(&reply, "Link", link);
    assert_null(http_reply_header(&reply, "Location"));
    http_reply_release(&reply);
}

/* --- Who they are ------------------------------------------------------------------- */

static void assert_owner_is_not_root(pid_t pid)
{
    char path[64];
    struct stat status;
    (void)snprintf(path, sizeof(path), "/proc/%ld", (long)pid);
    assert_int_equal(stat(path, &status), 0);
    assert_int_not_equal(status.st_uid, 0);
}

static void the_application_never_runs_as_root(void **state)
{
    const struct scene *scene = *state;
    pid_t pids[8];
    size_t count = stack_pids(&scene->stack, "api", pids, 8);
    assert_int_equal(count, 4);
    for (size_t i = 0; i < count; i++)
        assert_owner_is_not_root(pids[i]);
}

/* --- Restart ------------------------------------------------------------------------ */

static struct http_job *post_slow_picture(const struct scene *scene, struct scene_url *url,
                                          char address[64])
{
    scene_serve_slowly(scene, "/slow.png", "camera.png", SLOW_MS);
    *url = scene_url(scene, "/slow.png");
    (void)snprintf(address, 64, "%s/api/", scene->stack.base);
    struct http_job *job = http_job_start(
        &(struct http_call){.url = address, .body = url->text, .body_len = strlen(url->text)});
    while (origin_requests(scene->origin, "/slow.png") == 0)
        sleep_ms(10);
    return job;
}

static void a_graceful_restart_waits_for_a_request_in_hand(void **state)
{
    const struct scene *scene = *state;
    char address[64];
    struct scene_url url;
    struct http_reply reply;
    struct http_job *job = post_slow_picture(scene, &url, address);
    (void)scene_signal(scene, "web", SIGUSR1);
    assert_true(http_job_wait(&job, &reply));
    assert_int_equal(reply.status, 200);
    assert_true(reply.seconds * 1000 > SLOW_MS - 100);
    http_reply_release(&reply);
    scene_wait_status(scene, "/api/health", 200, RESTARTED_MS);
}

/* The signal that `apachectl graceful` and Debian's `systemctl reload lighttpd` send. */
static void a_graceful_restart_under_load_loses_no_request(void **state)
{
    const struct scene *scene = *state;
    unsigned requests = 0, failed = 0;
    pid_t web = stack_pid(&scene->stack, "web");
    assert_true(web > 0);
    struct pprof_load *load = pprof_load_start(scene);
    for (int i = 0; i < RESTARTS; i++) {
        sleep_ms(LOAD_MS);
        assert_int_equal(kill(web, SIGUSR1), 0);
        sleep_ms(LOAD_MS);
        scene_wait_status(scene, "/api/health", 200, RESTARTED_MS);
    }
    pprof_load_stop(&load, &requests, &failed);
    print_message("%u of %u requests failed during %d restarts\n", failed, requests, RESTARTS);
    assert_int_equal(stack_pid(&scene->stack, "web"), web);
    assert_true(requests > 100);
    assert_int_equal(failed, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_spelling_of_a_path_has_the_same_answer),
        cmocka_unit_test(a_slash_that_is_encoded_is_refused_by_the_application),
        cmocka_unit_test(no_spelling_opens_the_operators_paths),
        cmocka_unit_test(head_tells_the_length_of_get),
        cmocka_unit_test(the_address_of_a_new_picture_is_a_link_and_no_redirect),
        cmocka_unit_test(the_application_never_runs_as_root),
        cmocka_unit_test(a_graceful_restart_waits_for_a_request_in_hand),
        cmocka_unit_test(a_graceful_restart_under_load_loses_no_request),
    };
    return cmocka_run_group_tests(tests, start, scene_stop);
}
