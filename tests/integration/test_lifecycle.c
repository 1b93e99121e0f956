/* SPDX-License-Identifier: MIT */
/* run: web=all tsan seconds=40 */
/* Starting, stopping, siblings, the command line, and what a process weighs while it waits. */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/program.h"
#include "support/cmocka.h"
#include "support/fcgi_peer.h"
#include "support/process.h"
#include "support/scene.h"

enum {
    STOP_MS = SCENE_SANITIZED ? 5000 : 1000, /* looking for leaks takes its time */
    RESTART_MS = 5000,
    SIBLINGS = 4,
    SIBLING_PSS_KB = 45 * 1024,
    PROCESS_RSS_KB = 80 * 1024
};

static int start(void **state)
{
    return scene_start(state, (const char *const[]){"API_PROCESSES=1", NULL});
}

static int start_siblings(void **state)
{
    return scene_start(state, (const char *const[]){"API_PROCESSES=4", NULL});
}

/* Never 0, which kill() would take for this process and its family. */
static pid_t api_pid(const struct scene *scene)
{
    pid_t pid = stack_pid(&scene->stack, "api");
    assert_true(pid > 0);
    return pid;
}

/* Wait until the web server has started another one in the place of `old`, as it must for us. */
static void wait_for_successor(const struct scene *scene, pid_t old)
{
    int64_t deadline_ns = deadline_in_ms(RESTART_MS);
    pid_t pid;
    do {
        assert_true(deadline_left_ms(deadline_ns) > 0);
        scene_wait_status(scene, "/api/health", 200, RESTART_MS);
    } while ((pid = stack_pid(&scene->stack, "api")) == 0 || pid == old);
}

/* --- Stopping ------------------------------------------------------------------- */

static void a_request_in_hand_is_finished_when_the_process_is_told_to_stop(void **state)
{
    const struct scene *scene = *state;
    pid_t old = api_pid(scene);
    struct http_reply reply;
    char address[64];
    struct scene_url url = scene_url(scene, "/slow.png");
    scene_serve_slowly(scene, "/slow.png", "camera.png", 1500);
    (void)snprintf(address, sizeof(address), "%s/api/", scene->stack.base);

    struct http_job *job = http_job_start(
        &(struct http_call){.url = address, .body = url.text, .body_len = strlen(url.text)});
    while (origin_requests(scene->origin, "/slow.png") == 0)
        sleep_ms(10);
    assert_int_equal(kill(old, SIGTERM), 0);
    assert_true(http_job_wait(&job, &reply));
    assert_int_equal(reply.status, 200);
    assert_true(reply.seconds > 1.4);
    http_reply_release(&reply);
    assert_true(process_wait_gone(old, STOP_MS));
    wait_for_successor(scene, old);
}

static void an_idle_process_stops_within_a_second_and_is_started_again(void **state)
{
    static const int signals[] = {SIGTERM, SIGINT, SIGUSR1};
    const struct scene *scene = *state;
    for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
        pid_t old = api_pid(scene);
        assert_int_equal(kill(old, signals[i]), 0);
        assert_true(process_wait_gone(old, STOP_MS));
        wait_for_successor(scene, old);
    }
}

static void a_process_that_was_killed_is_started_again(void **state)
{
    const struct scene *scene = *state;
    pid_t old = api_pid(scene);
    assert_int_equal(kill(old, SIGKILL), 0);
    wait_for_successor(scene, old);
}

/* --- Weight --------------------------------------------------------------------- */

static void an_idle_process_is_small(void **state)
{
    const struct scene *scene = *state;
    if (SCENE_SANITIZED)
        skip();
    pid_t old = api_pid(scene);
    assert_int_equal(kill(old, SIGTERM), 0);
    wait_for_successor(scene, old); /* one that has only said that it is healthy */
    long rss = process_memory_kb(api_pid(scene), "Rss");
    print_message("Rss of the idle process: %ld kB\n", rss);
    assert_in_range(rss, 1, PROCESS_RSS_KB);
}

static void as_many_siblings_run_as_were_asked_for_and_each_is_small(void **state)
{
    const struct scene *scene = *state;
    pid_t pids[SIBLINGS + 2];
    assert_int_equal(stack_pids(&scene->stack, "api", pids, SIBLINGS + 2), SIBLINGS);
    for (int i = 0; i < SIBLINGS; i++) {
        long pss = process_memory_kb(pids[i], "Pss");
        print_message("Pss of sibling %d: %ld kB\n", i, pss);
        if (!SCENE_SANITIZED)
            assert_in_range(pss, 1, SIBLING_PSS_KB);
    }
}

static void the_siblings_go_on_when_one_is_stopped(void **state)
{
    const struct scene *scene = *state;
    pid_t pid;
    assert_int_equal(stack_pids(&scene->stack, "api", &pid, 1), 1);
    assert_int_equal(kill(pid, SIGTERM), 0);
    for (int i = 0; i < 50; i++) {
        struct http_reply reply;
        scene_get(scene, "/api/health/live", NULL, &reply);
        assert_int_equal(reply.status, 200);
        http_reply_release(&reply);
    }
}

/* --- Programs on their own ------------------------------------------------------ */

struct program_path {
    char text[256];
};

static struct program_path program_path(const char *name)
{
    struct program_path path;
    const char *build = getenv("BUILD");
    (void)snprintf(path.text, sizeof(path.text), "%s/emojify-%s", build ? build : "build/release",
                   name);
    return path;
}

/* Run a program with one option and one setting; its words in `output`. */
static int run(const char *name, const char *option, const char *setting, char *output, size_t size)
{
    struct program_path path = program_path(name);
    const char *const arguments[] = {path.text, option, NULL};
    const char *const environment[] = {setting, NULL};
    return process_run(arguments, environment, true, output, size);
}

static const char *const programs[] = {"api", "cache", "facebox"};

static void
programs_tell_their_version_their_help_and_whether_their_settings_are_valid(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(programs) / sizeof(programs[0]); i++) {
        char output[16384];
        char expected[64];
        (void)snprintf(expected, sizeof(expected), "emojify-%s " APP_VERSION "\n", programs[i]);
        assert_int_equal(run(programs[i], "--version", NULL, output, sizeof(output)), 0);
        assert_string_equal(output, expected);

        assert_int_equal(run(programs[i], "--help", NULL, output, sizeof(output)), 0);
        assert_non_null(strstr(output, "--check-config"));
        assert_non_null(strstr(output, "LOG_LEVEL"));

        assert_int_equal(run(programs[i], "--check-config", NULL, output, sizeof(output)), 0);
        assert_int_equal(run(programs[i], "--nonsense", NULL, output, sizeof(output)), 2);
    }
}

static void a_bad_setting_stops_the_start_with_its_name_value_and_range(void **state)
{
    static const struct {
        const char *program;
        const char *setting;
        const char *allowed;
    } cases[] = {
        {"api", "CACHE_TIMEOUT=2h", "10ms to 60s"},
        {"api", "WORKERS=many", "0 to 1024"},
        {"api", "EMOJIFY_FORMAT=bmp", "auto|jpeg|png|webp"},
        {"api", "API_PATH=api", "must begin and end with /"},
        {"api", "CACHE_ADDRESS=nowhere", "must be host:port"},
        {"api", "FETCH_ALLOW_CIDR=10.0.0.0/33", ""},
        {"api", "METRICS_AUTH=token", "needs PROFILE_TOKEN"},
        {"api", "LOG_LEVEL=loud", "trace|debug|info|warn|error|off"},
        {"cache", "BIND_PORT=65536", "0 to 65535"},
        {"cache", "CACHE_MAX_LIFE=-1", ""},
        {"facebox", "FACEBOX_WORKERS=257", "0 to 256"},
        {"facebox", "LOG_FORMAT=xml", "text|json"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char output[4096];
        /* Not only with --check-config: the start itself refuses. */
        assert_int_equal(run(cases[i].program, NULL, cases[i].setting, output, sizeof(output)),
                         PROGRAM_EXIT_CONFIG);
        if (!strstr(output, cases[i].setting) || !strstr(output, cases[i].allowed))
            fail_msg("%s: %s", cases[i].setting, output);
        assert_int_equal(
            run(cases[i].program, "--check-config", cases[i].setting, output, sizeof(output)),
            PROGRAM_EXIT_CONFIG);
    }
}

static void standing_alone_it_serves_a_socket_of_its_own_and_removes_it_at_the_end(void **state)
{
    (void)state;
    char address[] = "unix:/tmp/emojify-alone-XXXXXX";
    struct program_path path = program_path("api");
    const char *const arguments[] = {path.text, "--listen", address, NULL};
    const char *const environment[] = {"LOG_LEVEL=warn", NULL};
    struct fcgi_answer answer;
    int fd = mkstemp(address + strlen("unix:"));
    assert_true(fd >= 0);
    close(fd);
    assert_int_equal(unlink(address + strlen("unix:")), 0);

    struct process_options options = {
        .arguments = arguments, .environment = environment, .in = -1, .out = -1};
    pid_t pid = process_start(&options);
    int64_t deadline_ns = deadline_in_ms(10000);
    bool answered = false;
    while (!answered) {
        assert_true(deadline_left_ms(deadline_ns) > 0);
        answer = (struct fcgi_answer){.ended = false};
        answered = fcgi_peer_get(address, "/health/live", &answer);
        if (!answered) {
            fcgi_answer_release(&answer);
            sleep_ms(50);
        }
    }
    assert_int_equal(fcgi_answer_status(&answer), 200);
    assert_string_equal(answer.body, "OK\n");
    fcgi_answer_release(&answer);

    assert_int_equal(kill(pid, SIGTERM), 0);
    assert_int_equal(process_wait(pid), 0);
    assert_int_not_equal(access(address + strlen("unix:"), F_OK), 0);
}

/* --- The whole stack ------------------------------------------------------------ */

/* stack.sh with that command and a further setting or NULL. Returns its exit status. */
static int run_stack(const char *command, uint16_t port, const char *setting, char *output,
                     size_t size)
{
    char port_setting[16];
    char path[1024];
    char build[512];
    const char *const arguments[] = {"httpd-conf/stack.sh", command, NULL};
    const char *const environment[] = {port_setting, path, build, "START_SECONDS=5", setting, NULL};
    (void)snprintf(port_setting, sizeof(port_setting), "PORT=%d", port);
    (void)snprintf(path, sizeof(path), "PATH=%s", getenv("PATH"));
    (void)snprintf(build, sizeof(build), "BUILD=%s",
                   getenv("BUILD") ? getenv("BUILD") : "build/release");
    return process_run(arguments, environment, true, output, size);
}

/* A stack that could not start has said why and left nothing that runs. */
static void assert_start_fails(uint16_t port, const char *setting, const char *reason)
{
    char output[8192];
    if (run_stack("up", port, setting, output, sizeof(output)) == 0) {
        char ignored[256];
        (void)run_stack("down", port, NULL, ignored, sizeof(ignored));
        fail_msg("it started with %s", setting);
    }
    if (!strstr(output, reason))
        fail_msg("%s: not \"%s\" but: %s", setting, reason, output);
    assert_int_equal(run_stack("pids", port, NULL, output, sizeof(output)), 0);
    assert_string_equal(output, "");

    char state[64];
    (void)snprintf(state, sizeof(state), "build/run/%d", port);
    (void)process_run((const char *const[]){"rm", "-rf", state, NULL}, NULL, true, output,
                      sizeof(output));
}

static void a_second_start_on_the_same_port_is_refused_and_harms_nothing(void **state)
{
    const struct scene *scene = *state;
    char output[4096];
    assert_int_not_equal(run_stack("up", scene->stack.port, NULL, output, sizeof(output)), 0);
    assert_non_null(strstr(output, "runs on port"));
    struct http_reply reply;
    scene_get(scene, "/api/health", NULL, &reply);
    assert_int_equal(reply.status, 200);
    http_reply_release(&reply);
}

static void two_stacks_run_side_by_side(void **state)
{
    const struct scene *scene = *state;
    struct stack other;
    assert_true(stack_start(&other, NULL));
    char url[64];
    struct http_reply reply;
    (void)snprintf(url, sizeof(url), "%s/api/health", other.base);
    assert_true(http_perform(&(struct http_call){.url = url}, &reply));
    assert_int_equal(reply.status, 200);
    http_reply_release(&reply);
    pid_t ours = stack_pid(&scene->stack, "cache");
    assert_int_not_equal(stack_pid(&other, "cache"), ours);
    assert_true(stack_stop(&other));

    assert_int_equal(stack_pid(&scene->stack, "cache"), ours);
    scene_get(scene, "/api/health", NULL, &reply);
    assert_int_equal(reply.status, 200);
    http_reply_release(&reply);
}

/* A port near the running stack's that is free. */
static uint16_t another_port(const struct scene *scene)
{
    return (uint16_t)(scene->stack.port + 1000);
}

static void a_bad_setting_stops_the_whole_start(void **state)
{
    assert_start_fails(another_port(*state), "WORKERS=-1", "WORKERS=-1: must be");
    assert_start_fails(another_port(*state), "CACHE_MAX_LIFE=x", "CACHE_MAX_LIFE=x: must be");
    assert_start_fails(another_port(*state), "API_PROCESSES=0", "API_PROCESSES=0: must be");
    assert_start_fails(another_port(*state), "WEB=none", "WEB=none: must be");
}

static void a_given_upstream_that_is_dead_fails_the_start_and_is_named(void **state)
{
    assert_start_fails(another_port(*state), "FACEBOX=http://127.0.0.1:1",
                       "facebox: failed; cache: ok");
}

static void a_given_upstream_is_used_and_none_of_ours_started(void **state)
{
    const struct scene *scene = *state;
    char facebox[128] = "FACEBOX=";
    char cache[PATH_MAX] = "CACHE_ADDRESS=";
    assert_true(stack_setting(&scene->stack, "api", "FACEBOX", facebox + strlen(facebox), 100));
    assert_true(stack_setting(&scene->stack, "api", "CACHE_ADDRESS", cache + strlen(cache), 1000));
    struct stack other;
    assert_true(stack_start(&other, (const char *const[]){facebox, cache, NULL}));
    pid_t pid;
    assert_int_equal(stack_pids(&other, "web", &pid, 1), 1);
    assert_int_equal(stack_pids(&other, "api", &pid, 1), 1);
    assert_int_equal(stack_pids(&other, "cache", &pid, 1), 0);
    assert_int_equal(stack_pids(&other, "facebox", &pid, 1), 0);
    assert_true(stack_stop(&other));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_request_in_hand_is_finished_when_the_process_is_told_to_stop),
        cmocka_unit_test(an_idle_process_stops_within_a_second_and_is_started_again),
        cmocka_unit_test(a_process_that_was_killed_is_started_again),
        cmocka_unit_test(an_idle_process_is_small),
        cmocka_unit_test(a_second_start_on_the_same_port_is_refused_and_harms_nothing),
        cmocka_unit_test(two_stacks_run_side_by_side),
        cmocka_unit_test(a_given_upstream_is_used_and_none_of_ours_started),
        cmocka_unit_test(a_bad_setting_stops_the_whole_start),
        cmocka_unit_test(a_given_upstream_that_is_dead_fails_the_start_and_is_named),
    };
    const struct CMUnitTest siblings[] = {
        cmocka_unit_test(as_many_siblings_run_as_were_asked_for_and_each_is_small),
        cmocka_unit_test(the_siblings_go_on_when_one_is_stopped),
    };
    const struct CMUnitTest alone[] = {
        cmocka_unit_test(
            programs_tell_their_version_their_help_and_whether_their_settings_are_valid),
        cmocka_unit_test(a_bad_setting_stops_the_start_with_its_name_value_and_range),
        cmocka_unit_test(standing_alone_it_serves_a_socket_of_its_own_and_removes_it_at_the_end),
    };
    int failed = cmocka_run_group_tests(tests, start, scene_stop);
    failed += cmocka_run_group_tests(siblings, start_siblings, scene_stop);
    return failed + cmocka_run_group_tests(alone, NULL, NULL);
}
