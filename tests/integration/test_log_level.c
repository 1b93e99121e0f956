/* SPDX-License-Identifier: MIT */
/* run: web=all */
/* The log level changed while everything runs: of the pool, and of the other programs. */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "support/cmocka.h"
#include "support/process.h"
#include "support/scene.h"

enum { SIBLINGS = 3, PATIENCE_MS = 10000 };

#define TOKEN         "0123456789abcdef"
#define AUTHORIZATION ((const char *const[]){"Authorization: Bearer " TOKEN, NULL})

static int start(void **state)
{
    return scene_start(state,
                       (const char *const[]){"API_PROCESSES=3", "PROFILE_TOKEN=" TOKEN, NULL});
}

static int start_without_a_token(void **state)
{
    return scene_start(state, NULL);
}

static int count_logged(const struct scene *scene, const char *name, const char *text)
{
    struct buf log;
    int count = 0;
    scene_log(scene, name, &log);
    for (const char *at = log.data; (at = strstr(at, text)); at++)
        count++;
    buf_release(&log);
    return count;
}

static void wait_logged(const struct scene *scene, const char *name, const char *text, int count)
{
    int64_t deadline_ns = deadline_in_ms(PATIENCE_MS);
    while (count_logged(scene, name, text) < count) {
        if (clock_now_ns() > deadline_ns)
            fail_msg("%s.log has \"%s\" %d times", name, text, count_logged(scene, name, text));
        sleep_ms(50);
    }
    assert_int_equal(count_logged(scene, name, text), count);
}

static void post(const struct scene *scene, const char *path, const char *const *headers,
                 struct http_reply *reply)
{
    scene_ask(scene,
              &(struct http_call){
                  .method = "POST", .url = path, .headers = headers, .body = "", .body_len = 0},
              reply);
}

static void write_level(const struct scene *scene, const char *text)
{
    char run_dir[512];
    char path[1024];
    assert_true(stack_setting(&scene->stack, "api", "RUN_DIR", run_dir, sizeof(run_dir)));
    (void)snprintf(path, sizeof(path), "%s/log_level", run_dir);
    if (!text) {
        assert_int_equal(unlink(path), 0);
        return;
    }
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static void get(const struct scene *scene, const char *id)
{
    char header[64];
    struct http_reply reply;
    (void)snprintf(header, sizeof(header), "X-Request-Id: %s", id);
    scene_get(scene, "/api/health/live", (const char *const[]){header, NULL}, &reply);
    assert_int_equal(reply.status, 200);
    http_reply_release(&reply);
}

static void the_route_changes_the_whole_pool_for_a_while(void **state)
{
    const struct scene *scene = *state;
    struct http_reply reply;
    scene_get(scene, "/debug/log", AUTHORIZATION, &reply);
    assert_int_equal(reply.status, 200);
    assert_header(&reply, "Cache-Control", "no-store");
    assert_string_equal(http_reply_text(&reply),
                        "{\"level\":\"info\",\"configured\":\"info\",\"seconds_left\":0}\n");
    http_reply_release(&reply);
    get(scene, "before");

    post(scene, "/debug/log?level=debug&for=3", AUTHORIZATION, &reply);
    assert_int_equal(reply.status, 200);
    assert_non_null(
        strstr(http_reply_text(&reply), "{\"level\":\"debug\",\"configured\":\"info\""));
    http_reply_release(&reply);
    wait_logged(scene, "api", "Log level changed: level=debug", SIBLINGS);
    get(scene, "between");
    scene_wait_logged(scene, "api", "Request begun", "request_id=between ");

    wait_logged(scene, "api", "Log level changed: level=info", SIBLINGS); /* by itself */
    get(scene, "after");
    scene_wait_logged(scene, "api", "Request handled", "request_id=after ");
    assert_int_equal(count_logged(scene, "api", "Request begun: request_id=before "), 0);
    assert_int_equal(count_logged(scene, "api", "Request begun: request_id=after "), 0);
}

static void a_shell_can_do_it_as_well(void **state)
{
    const struct scene *scene = *state;
    struct http_reply reply;
    int changed = count_logged(scene, "api", "level=warn");
    write_level(scene, "warn\n");
    wait_logged(scene, "api", "level=warn", changed + SIBLINGS);
    scene_get(scene, "/debug/log", AUTHORIZATION, &reply);
    assert_non_null(strstr(http_reply_text(&reply), "\"level\":\"warn\""));
    http_reply_release(&reply);
    changed = count_logged(scene, "api", "Log level changed: level=info");
    write_level(scene, NULL);
    wait_logged(scene, "api", "Log level changed: level=info", changed + SIBLINGS);
}

static void what_is_asked_wrongly_changes_nothing(void **state)
{
    static const char *const paths[] = {
        "/debug/log",
        "/debug/log?level=loud",
        "/debug/log?level=debug&for=0",
        "/debug/log?level=debug&for=x",
        "/debug/log?level=debug&for=86401",
    };
    const struct scene *scene = *state;
    struct http_reply reply;
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        post(scene, paths[i], AUTHORIZATION, &reply);
        assert_error(&reply, 400, NULL);
        http_reply_release(&reply);
    }
    scene_get(scene, "/debug/log", AUTHORIZATION, &reply);
    assert_non_null(strstr(http_reply_text(&reply), "\"level\":\"info\""));
    http_reply_release(&reply);
}

static void it_needs_the_admin_token_and_no_other_site(void **state)
{
    static const char *const cross_site[] = {"Authorization: Bearer " TOKEN,
                                             "Sec-Fetch-Site: cross-site", NULL};
    const struct scene *scene = *state;
    struct http_reply reply;
    post(scene, "/debug/log?level=debug", NULL, &reply);
    assert_error(&reply, 401, NULL);
    http_reply_release(&reply);
    post(scene, "/debug/log?level=debug", (const char *const[]){"Authorization: Bearer x", NULL},
         &reply);
    assert_error(&reply, 401, NULL);
    http_reply_release(&reply);
    post(scene, "/debug/log?level=debug", cross_site, &reply);
    assert_error(&reply, 403, NULL);
    http_reply_release(&reply);
    scene_get(scene, "/debug/pprof/", AUTHORIZATION, &reply); /* the token opens only what is on */
    assert_int_equal(reply.status, 404);
    http_reply_release(&reply);
}

static void a_signal_toggles_the_other_programs(void **state)
{
    static const char *const names[] = {"cache", "facebox"};
    const struct scene *scene = *state;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        pid_t pid = stack_pid(&scene->stack, names[i]);
        assert_int_not_equal(pid, 0);
        assert_int_equal(kill(pid, SIGUSR2), 0);
        wait_logged(scene, names[i], "Log level changed: level=debug", 1);
        if (i == 0) {
            struct http_reply reply;
            scene_get(scene, "/api/cache/nothing", NULL, &reply);
            http_reply_release(&reply);
            scene_wait_logged(scene, "cache", "[DEBUG]", "method=/Cache/Get");
        }
        assert_int_equal(kill(pid, SIGUSR2), 0);
        wait_logged(scene, names[i], "Log level changed: level=info", 1);
        assert_int_equal(stack_pid(&scene->stack, names[i]), pid);
    }
}

static void without_a_token_there_is_no_such_route(void **state)
{
    static const char *const methods[] = {"GET", "POST", "DELETE"};
    const struct scene *scene = *state;
    for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
        struct http_reply reply;
        scene_ask(scene,
                  &(struct http_call){.method = methods[i],
                                      .url = "/debug/log?level=debug",
                                      .headers = AUTHORIZATION,
                                      .body = ""},
                  &reply);
        assert_error(&reply, 404, NULL);
        http_reply_release(&reply);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_route_changes_the_whole_pool_for_a_while),
        cmocka_unit_test(a_shell_can_do_it_as_well),
        cmocka_unit_test(what_is_asked_wrongly_changes_nothing),
        cmocka_unit_test(it_needs_the_admin_token_and_no_other_site),
        cmocka_unit_test(a_signal_toggles_the_other_programs),
    };
    const struct CMUnitTest closed[] = {
        cmocka_unit_test(without_a_token_there_is_no_such_route),
    };
    int failed = cmocka_run_group_tests(tests, start, scene_stop);
    return failed + cmocka_run_group_tests(closed, start_without_a_token, scene_stop);
}
