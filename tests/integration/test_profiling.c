/* SPDX-License-Identifier: MIT */
/* run: web=all seconds=33 */
/* The profiling routes of a pool of four siblings, as curl and a browser see them. */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/program.h"
#include "support/build_path.h"
#include "support/cmocka.h"
#include "support/command.h"
#include "support/fcgi_peer.h"
#include "support/pprof.h"
#include "support/process.h"

enum { LOG_MAX = 64 * 1024 * 1024, START_MS = SCENE_SANITIZED ? 30000 : 10000 };

/* GET with the token: that status, and `text` in the body. */
static void assert_get(const struct scene *scene, const char *path, int status, const char *text)
{
    struct http_reply reply;
    pprof_get(scene, path, &reply);
    if (reply.status != status || !strstr(http_reply_text(&reply), text))
        fail_msg("%s: not %d \"%s\" but %d: %s", path, status, text, reply.status,
                 http_reply_text(&reply));
    http_reply_release(&reply);
}

static void assert_contains(const char *text, const char *part)
{
    if (!strstr(text, part))
        fail_msg("no \"%s\" in: %s", part, text);
}

/* --- Off ------------------------------------------------------------------------------ */

static int run_api(const char *option, const char *const *environment, char *output, size_t size)
{
    char path[256];
    build_path("emojify-api", path, sizeof(path));
    return process_run((const char *const[]){path, option, NULL}, environment, true, output, size);
}

static void with_profiling_but_no_token_it_refuses_to_start(void **state)
{
    char output[4096];
    (void)state;
    const char *const no_token[] = {"PROFILE=on", NULL};
    assert_int_equal(run_api("--check-config", no_token, output, sizeof(output)),
                     PROGRAM_EXIT_CONFIG);
    assert_contains(output, "PROFILE=on needs PROFILE_TOKEN, or PROFILE_AUTH=none");
    assert_int_equal(run_api(NULL, no_token, output, sizeof(output)), PROGRAM_EXIT_CONFIG);
    assert_contains(output, "PROFILE=on needs PROFILE_TOKEN");

    const char *const short_token[] = {"PROFILE=on", "PROFILE_TOKEN=only-15-letters", NULL};
    assert_int_equal(run_api("--check-config", short_token, output, sizeof(output)),
                     PROGRAM_EXIT_CONFIG);
    assert_contains(output, "must have at least 16 characters");
    assert_null(strstr(output, "only-15-letters"));

    const char *const enough[] = {"PROFILE=on", "PROFILE_TOKEN=these-16-letters", NULL};
    assert_int_equal(run_api("--check-config", enough, output, sizeof(output)), 0);
    const char *const guarded[] = {"PROFILE=on", "PROFILE_AUTH=none", NULL};
    assert_int_equal(run_api("--check-config", guarded, output, sizeof(output)), 0);
}

static int status_of(const char *address, const char *method, const char *uri)
{
    char method_line[32], uri_line[128];
    struct fcgi_answer answer = {.ended = false};
    (void)snprintf(method_line, sizeof(method_line), "REQUEST_METHOD=%s", method);
    (void)snprintf(uri_line, sizeof(uri_line), "REQUEST_URI=%s", uri);
    int fd = fcgi_peer_connect(address);
    int status = 0;
    if (fd >= 0 &&
        fcgi_peer_request(fd, 0,
                          (const char *const[]){method_line, uri_line,
                                                "HTTP_AUTHORIZATION=Bearer " PPROF_TOKEN, NULL},
                          NULL, 0) &&
        fcgi_peer_receive(fd, START_MS, &answer))
        status = fcgi_answer_status(&answer);
    if (fd >= 0)
        close(fd);
    fcgi_answer_release(&answer);
    return status;
}

static void without_profiling_its_routes_do_not_exist(void **state)
{
    static const char *const paths[] = {"/debug/pprof/",        "/debug/pprof",
                                        "/debug/pprof/profile", "/debug/pprof/sampling",
                                        "/debug/pprof/no-such", "/pprof/profile"};
    char path[256];
    char address[] = "unix:/tmp/emojify-alone-XXXXXX";
    (void)state;
    int fd = mkstemp(address + strlen("unix:"));
    assert_true(fd >= 0);
    close(fd);
    assert_int_equal(unlink(address + strlen("unix:")), 0);
    build_path("emojify-api", path, sizeof(path));
    pid_t pid = process_start(&(struct process_options){
        .arguments = (const char *const[]){path, "--listen", address, NULL},
        .environment = (const char *const[]){"LOG_LEVEL=warn", "PROFILE_TOKEN=" PPROF_TOKEN, NULL},
        .in = -1,
        .out = -1});
    int64_t deadline_ns = deadline_in_ms(START_MS);
    while (status_of(address, "GET", "/health/live") != 200) {
        assert_true(deadline_left_ms(deadline_ns) > 0);
        sleep_ms(50);
    }
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        assert_int_equal(status_of(address, "GET", paths[i]), 404);
        assert_int_equal(status_of(address, "POST", paths[i]), 404);
    }
    assert_int_equal(kill(pid, SIGTERM), 0);
    assert_int_equal(process_wait(pid), 0);
}

/* --- Who may ---------------------------------------------------------------------------- */

static void without_the_token_there_is_nothing_to_see(void **state)
{
    static const char *const paths[] = {"/debug/pprof/", "/debug/pprof/goroutine",
                                        "/debug/pprof/no-such", "/pprof/cmdline"};
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        struct http_reply reply;
        scene_get(*state, paths[i], NULL, &reply);
        assert_error(&reply, 401, "the admin token is needed\n");
        assert_header(&reply, "WWW-Authenticate",
                      "Basic realm=\"emojify-api admin\", charset=\"UTF-8\"");
        http_reply_release(&reply);
    }
}

static void a_wrong_token_is_refused(void **state)
{
    struct http_reply reply;
    scene_get(*state, "/debug/pprof/", (const char *const[]){"Authorization: Bearer wrong", NULL},
              &reply);
    assert_error(&reply, 401, "the admin token is needed\n");
    http_reply_release(&reply);
}

static void the_token_is_a_password_for_any_user(void **state)
{
    const struct scene *scene = *state;
    char url[128];
    struct http_reply reply;
    (void)snprintf(url, sizeof(url), "http://any:" PPROF_TOKEN "@127.0.0.1:%d/debug/pprof/cmdline",
                   scene->stack.port);
    assert_true(http_perform(&(struct http_call){.url = url}, &reply));
    assert_int_equal(reply.status, 200);
    http_reply_release(&reply);
}

static void another_sites_page_gets_nothing(void **state)
{
    struct http_reply reply;
    scene_get(*state, "/debug/pprof/",
              (const char *const[]){"Authorization: Bearer " PPROF_TOKEN,
                                    "Origin: http://evil.example", NULL},
              &reply);
    assert_error(&reply, 403, NULL);
    assert_null(http_reply_header(&reply, "Access-Control-Allow-Origin"));
    http_reply_release(&reply);
}

/* --- Pages ------------------------------------------------------------------------------- */

static void the_index_lists_every_sibling_and_profile(void **state)
{
    static const char *const links[] = {
        "profile?seconds=5", "goroutine?debug=1", "threadcreate?debug=1",
        "cmdline",           "sampling",          "flamegraph?seconds=5"};
    struct pprof_pids pids = pprof_pids(*state);
    struct http_reply reply;
    pprof_get(*state, "/debug/pprof/", &reply);
    assert_int_equal(reply.status, 200);
    assert_header(&reply, "Content-Type", "text/html; charset=utf-8");
    assert_header(&reply, "Cache-Control", "no-store");
    assert_contains(http_reply_header(&reply, "Content-Security-Policy"), "default-src 'none'");
    assert_contains(http_reply_text(&reply), "4 processes");
    for (int i = 0; i < PPROF_SIBLINGS; i++) {
        char cell[40];
        (void)snprintf(cell, sizeof(cell), "<td>%ld</td>", (long)pids.all[i]);
        assert_contains(http_reply_text(&reply), cell);
    }
    for (size_t i = 0; i < sizeof(links) / sizeof(links[0]); i++) {
        char link[64];
        (void)snprintf(link, sizeof(link), "href=\"%s", links[i]);
        assert_contains(http_reply_text(&reply), link);
    }
    http_reply_release(&reply);
}

static void the_index_without_its_slash_leads_to_it(void **state)
{
    struct http_reply reply;
    pprof_get(*state, "/debug/pprof", &reply);
    assert_int_equal(reply.status, 301);
    assert_header(&reply, "Location", "/debug/pprof/");
    http_reply_release(&reply);
}

static void the_flame_graph_is_a_page_that_needs_nothing_from_elsewhere(void **state)
{
    struct http_reply reply;
    pprof_get(*state, "/debug/pprof/flamegraph?seconds=1", &reply);
    assert_int_equal(reply.status, 200);
    assert_header(&reply, "Content-Type", "text/html; charset=utf-8");
    assert_header(&reply, "X-Profile-Processes", "4/4");
    const char *policy = http_reply_header(&reply, "Content-Security-Policy");
    assert_non_null(policy);
    assert_contains(policy, "default-src 'none'");
    assert_contains(policy, "sha256-");
    assert_null(strstr(policy, "unsafe"));
    assert_null(strstr(policy, "http"));
    assert_contains(http_reply_text(&reply), "4 of 4 processes");
    /* The namespace of SVG is a name and is never fetched. */
    for (const char *at = http_reply_text(&reply); (at = strstr(at, "://")); at += 3)
        if (strncmp(at, "://www.w3.org/2000/svg", 22) != 0)
            fail_msg("the page has %.60s", at - 5);
    assert_null(strstr(http_reply_text(&reply), "src="));
    assert_null(strstr(http_reply_text(&reply), "href=\"/"));
    http_reply_release(&reply);
    assert_get(*state, "/debug/pprof/flamegraph?profile=nonsense", 404, "Unknown profile");
    assert_get(*state, "/debug/pprof/flamegraph?profile=goroutine", 200, "route_pprof");
}

/* --- CPU profiles -------------------------------------------------------------------------- */

static void assert_duration(const struct pprof_file *file, double seconds)
{
    double wide = SCENE_SANITIZED ? 2 : 0.5;
    double lasted = (double)file->duration_ns / 1e9;
    if (lasted < seconds - 0.1 || lasted > seconds + wide)
        fail_msg("a profile of %g s says %g s", seconds, lasted);
}

static void overlapping_profiles_have_each_its_own_duration(void **state)
{
    static const char *const paths[] = {"/debug/pprof/profile?seconds=2",
                                        "/debug/pprof/profile?seconds=3",
                                        "/debug/pprof/profile?seconds=5"};
    static const double seconds[] = {2, 3, 5};
    struct pprof_job *jobs[3];
    struct pprof_load *load = pprof_load_start(*state);
    for (int i = 0; i < 3; i++) {
        jobs[i] = pprof_job_start(*state, paths[i]);
        sleep_ms(300);
    }
    for (int i = 0; i < 3; i++) {
        struct http_reply reply;
        struct pprof_file file;
        pprof_job_wait(&jobs[i], &reply);
        assert_header(&reply, "X-Profile-Processes", "4/4");
        assert_header(&reply, "Content-Disposition", "attachment; filename=\"profile\"");
        assert_header(&reply, "Cache-Control", "no-store");
        pprof_read(&reply, &file);
        assert_duration(&file, seconds[i]);
        assert_true(file.samples > 0);
        assert_true(pprof_has_string(&file, "route_cache"));
        assert_true(pprof_has_string(&file, "cpu"));
        assert_true(pprof_has_string(&file, "processes 4/4"));
        pprof_release(&file);
        http_reply_release(&reply);
    }
    pprof_load_stop(&load, NULL, NULL);
}

static void a_window_of_the_past_comes_from_the_ring(void **state)
{
    struct http_reply reply;
    struct pprof_file file;
    struct pprof_load *load = pprof_load_start(*state);
    sleep_ms(4000);
    pprof_load_stop(&load, NULL, NULL);
    pprof_get(*state, "/debug/pprof/profile?seconds=4&ago=5", &reply);
    assert_true(reply.seconds < (SCENE_SANITIZED ? 20 : 3));
    pprof_read(&reply, &file);
    assert_in_range(file.duration_ns, 1, 6 * NS_PER_S);
    assert_true(file.samples > 0);
    assert_true(pprof_has_string(&file, "route_cache"));
    pprof_release(&file);
    http_reply_release(&reply);
    assert_get(*state, "/debug/pprof/profile?seconds=1&ago=3000", 404, "the past that is kept");
}

static void a_profile_can_be_read_as_a_table(void **state)
{
    struct pprof_load *load = pprof_load_start(*state);
    assert_get(*state, "/debug/pprof/profile?seconds=1&debug=1", 200, "Duration: ");
    pprof_load_stop(&load, NULL, NULL);
}

static void what_cannot_be_is_refused_in_gos_words(void **state)
{
    struct http_reply reply;
    pprof_get(*state, "/debug/pprof/profile?seconds=61", &reply);
    assert_error(&reply, 400, "profile duration exceeds server's WriteTimeout\n");
    assert_header(&reply, "X-Go-Pprof", "1");
    http_reply_release(&reply);
    pprof_get(*state, "/debug/pprof/no-such", &reply);
    assert_error(&reply, 404, "Unknown profile\n");
    assert_header(&reply, "X-Go-Pprof", "1");
    http_reply_release(&reply);
    pprof_get(*state, "/debug/pprof/trace?seconds=1", &reply);
    assert_error(&reply, 501, "there are no execution traces of a C program; take a profile\n");
    assert_header(&reply, "X-Go-Pprof", "1");
    http_reply_release(&reply);
    pprof_get(*state, "/debug/pprof/goroutine?seconds=0", &reply);
    assert_error(&reply, 400, "invalid value for \"seconds\" - must be a positive integer\n");
    http_reply_release(&reply);
    pprof_get(*state, "/debug/pprof/goroutine?seconds=1&debug=1", &reply);
    assert_error(&reply, 400, "seconds and debug params are incompatible\n");
    http_reply_release(&reply);
    pprof_post(*state, "/debug/pprof/profile", "seconds=1", &reply);
    assert_error(&reply, 405, NULL);
    assert_header(&reply, "Allow", "GET, HEAD");
    http_reply_release(&reply);
    assert_get(*state, "/pprof/profile?seconds=61", 400,
               "%warn profile duration exceeds server's WriteTimeout\n");
    assert_get(*state, "/pprof/growth", 404, "%warn ");
}

/* --- Other profiles -------------------------------------------------------------------------- */

static void assert_profile(const struct scene *scene, const char *path, const char *filename,
                           const char *type)
{
    char disposition[96];
    struct http_reply reply;
    struct pprof_file file;
    pprof_get(scene, path, &reply);
    if (reply.status != 200)
        fail_msg("%s: %d %s", path, reply.status, http_reply_text(&reply));
    (void)snprintf(disposition, sizeof(disposition), "attachment; filename=\"%s\"", filename);
    assert_header(&reply, "Content-Disposition", disposition);
    assert_header(&reply, "X-Profile-Processes", "4/4");
    pprof_read(&reply, &file);
    if (!pprof_has_string(&file, type))
        fail_msg("%s has no values of type %s", path, type);
    pprof_release(&file);
    http_reply_release(&reply);
}

static void every_named_profile_covers_the_pool(void **state)
{
    assert_profile(*state, "/debug/pprof/block", "block", "contentions");
    assert_profile(*state, "/debug/pprof/mutex", "mutex", "delay");
    assert_profile(*state, "/debug/pprof/goroutine", "goroutine", "goroutine");
    assert_profile(*state, "/debug/pprof/threadcreate", "threadcreate", "threadcreate");
    assert_profile(*state, "/debug/pprof/block?seconds=1", "block-delta", "contentions");
}

static void the_memory_profiles_are_there_where_tcmalloc_is(void **state)
{
    if (SCENE_SANITIZED) {
        assert_get(*state, "/debug/pprof/heap", 404, "another allocator than tcmalloc");
        assert_get(*state, "/debug/pprof/allocs", 404, "another allocator than tcmalloc");
        assert_get(*state, "/pprof/heap", 404, "%warn ");
        return;
    }
    assert_profile(*state, "/debug/pprof/heap", "heap", "inuse_space");
    assert_profile(*state, "/debug/pprof/allocs", "allocs", "alloc_space");
    assert_get(*state, "/pprof/heap", 200, "heap profile: ");
}

static void the_threads_of_all_siblings_are_a_text(void **state)
{
    struct pprof_pids pids = pprof_pids(*state);
    struct http_reply reply;
    pprof_get(*state, "/debug/pprof/goroutine?debug=1", &reply);
    assert_int_equal(reply.status, 200);
    assert_header(&reply, "Content-Type", "text/plain; charset=utf-8");
    for (int i = 0; i < PPROF_SIBLINGS; i++) {
        char label[32];
        (void)snprintf(label, sizeof(label), " pid=%ld", (long)pids.all[i]);
        assert_contains(http_reply_text(&reply), label);
    }
    assert_contains(http_reply_text(&reply), "program_wait_for_stop");
    http_reply_release(&reply);

    /* Each thread apart, by its name. */
    pprof_get(*state, "/debug/pprof/goroutine?debug=2", &reply);
    assert_int_equal(reply.status, 200);
    char label[64];
    (void)snprintf(label, sizeof(label), " pid=%ld thread=%ld ", (long)pids.all[0],
                   (long)pids.all[0]);
    assert_contains(http_reply_text(&reply), label);
    assert_contains(http_reply_text(&reply), " chores\n");
    http_reply_release(&reply);
}

static void the_command_line_has_no_secrets(void **state)
{
    static const char *const paths[] = {"/debug/pprof/cmdline", "/pprof/cmdline"};
    for (size_t i = 0; i < 2; i++) {
        struct http_reply reply;
        pprof_get(*state, paths[i], &reply);
        assert_int_equal(reply.status, 200);
        assert_header(&reply, "Content-Type", "text/plain; charset=utf-8");
        assert_contains(http_reply_text(&reply), "emojify-api");
        assert_null(memmem(reply.body.data, reply.body.len, PPROF_TOKEN, strlen(PPROF_TOKEN)));
        http_reply_release(&reply);
    }
}

static void symbols_are_answered_to_get_and_post(void **state)
{
    static const char *const paths[] = {"/debug/pprof/symbol", "/pprof/symbol"};
    for (size_t i = 0; i < 2; i++) {
        char path[64];
        struct http_reply reply;
        pprof_get(*state, paths[i], &reply);
        assert_int_equal(reply.status, 200);
        assert_string_equal(http_reply_text(&reply), "num_symbols: 1\n");
        http_reply_release(&reply);

        (void)snprintf(path, sizeof(path), "%s?0x1", paths[i]);
        assert_get(*state, path, 200, "num_symbols: 1\n0x1 [unknown]\n");
        pprof_post(*state, paths[i], "0x1+nonsense+0x0000000000000001", &reply);
        assert_int_equal(reply.status, 200);
        assert_contains(http_reply_text(&reply), "0x1 [unknown]\n");
        http_reply_release(&reply);
    }
}

/* --- The toggle --------------------------------------------------------------------------------
 */

/* How many siblings say so. */
static size_t count_states(const struct http_reply *reply, const char *key)
{
    json_t *object = assert_json(reply);
    const json_t *states = json_object_get(object, "processes");
    size_t index, count = 0;
    json_t *entry;
    assert_int_equal(json_array_size(states), PPROF_SIBLINGS);
    json_array_foreach(states, index, entry)
    {
        count += json_is_true(json_object_get(entry, key));
    }
    json_decref(object);
    return count;
}

static size_t count_toggled(const struct scene *scene)
{
    struct http_reply reply;
    pprof_get(scene, "/debug/pprof/sampling", &reply);
    size_t count = count_states(&reply, "toggle");
    assert_int_equal(count_states(&reply, "ring"), PPROF_SIBLINGS);
    http_reply_release(&reply);
    return count;
}

static void the_toggle_is_for_all_siblings_and_ends_by_itself(void **state)
{
    struct http_reply reply;
    assert_get(*state, "/debug/pprof/cpu", 404, "sampling was never switched on");
    struct pprof_load *load = pprof_load_start(*state);
    pprof_post(*state, "/debug/pprof/sampling", "cpu=on&for=2", &reply);
    assert_int_equal(count_states(&reply, "toggle"), PPROF_SIBLINGS);
    http_reply_release(&reply);
    int64_t deadline_ns = deadline_in_ms(SCENE_SANITIZED ? 30000 : 8000);
    while (count_toggled(*state) > 0) {
        assert_true(deadline_left_ms(deadline_ns) > 0);
        sleep_ms(200);
    }
    pprof_load_stop(&load, NULL, NULL);

    struct pprof_file file;
    pprof_get(*state, "/debug/pprof/cpu", &reply);
    pprof_read(&reply, &file);
    assert_true(file.samples > 0);
    assert_true(pprof_has_string(&file, "route_cache"));
    pprof_release(&file);
    http_reply_release(&reply);
}

static void the_toggle_can_be_switched_off_and_refuses_nonsense(void **state)
{
    static const char *const bad[] = {
        "", "cpu=maybe", "for=5", "cpu=on&for=0", "cpu=on&for=x", "cpu=on&for=86401"};
    struct http_reply reply;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        pprof_post(*state, "/debug/pprof/sampling", bad[i], &reply);
        assert_error(&reply, 400, NULL);
        http_reply_release(&reply);
    }
    pprof_post(*state, "/debug/pprof/sampling?cpu=on", "", &reply);
    assert_int_equal(count_states(&reply, "toggle"), PPROF_SIBLINGS);
    http_reply_release(&reply);
    pprof_post(*state, "/debug/pprof/sampling", "cpu=off", &reply);
    assert_int_equal(count_states(&reply, "toggle"), 0);
    http_reply_release(&reply);
}

/* --- Last: what all of that has left in the logs -------------------------------------------------
 */

static void the_token_is_in_no_log(void **state)
{
    /* Also as the password of "any" in base64. */
    static const char *const secrets[] = {PPROF_TOKEN, "YW55OnRoZS1hZG1pbnMtb3duLWxvbmctdG9rZW4"};
    const struct scene *scene = *state;
    char command[PATH_MAX + 32];
    struct buf logs;
    buf_init(&logs, LOG_MAX);
    (void)snprintf(command, sizeof(command), "cat '%s'/*.log", scene->stack.state);
    assert_int_equal(command_run(command, &logs), 0);
    assert_contains(logs.data, "Profile asked for");
    assert_contains(logs.data, "Admin request refused");
    for (size_t i = 0; i < 2; i++)
        assert_null(memmem(logs.data, logs.len, secrets[i], strlen(secrets[i])));
    buf_release(&logs);
}

int main(void)
{
    const struct CMUnitTest alone[] = {
        cmocka_unit_test(with_profiling_but_no_token_it_refuses_to_start),
        cmocka_unit_test(without_profiling_its_routes_do_not_exist),
    };
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_the_token_there_is_nothing_to_see),
        cmocka_unit_test(a_wrong_token_is_refused),
        cmocka_unit_test(the_token_is_a_password_for_any_user),
        cmocka_unit_test(another_sites_page_gets_nothing),
        cmocka_unit_test(the_index_lists_every_sibling_and_profile),
        cmocka_unit_test(the_index_without_its_slash_leads_to_it),
        cmocka_unit_test(the_flame_graph_is_a_page_that_needs_nothing_from_elsewhere),
        cmocka_unit_test(overlapping_profiles_have_each_its_own_duration),
        cmocka_unit_test(a_window_of_the_past_comes_from_the_ring),
        cmocka_unit_test(a_profile_can_be_read_as_a_table),
        cmocka_unit_test(what_cannot_be_is_refused_in_gos_words),
        cmocka_unit_test(every_named_profile_covers_the_pool),
        cmocka_unit_test(the_memory_profiles_are_there_where_tcmalloc_is),
        cmocka_unit_test(the_threads_of_all_siblings_are_a_text),
        cmocka_unit_test(the_command_line_has_no_secrets),
        cmocka_unit_test(symbols_are_answered_to_get_and_post),
        cmocka_unit_test(the_toggle_is_for_all_siblings_and_ends_by_itself),
        cmocka_unit_test(the_toggle_can_be_switched_off_and_refuses_nonsense),
        cmocka_unit_test(the_token_is_in_no_log),
    };
    int failed = cmocka_run_group_tests(alone, NULL, NULL);
    return failed + cmocka_run_group_tests(tests, pprof_scene_start, scene_stop);
}
