/* SPDX-License-Identifier: MIT */
/* run: web=all seconds=45 */
/*
 * Profiling as operators do it: with go tool pprof, google-pprof and protoc, and
 * on a pool that is busy, loses a sibling, or may write no more files.
 */
#include <ctype.h>
#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "support/cmocka.h"
#include "support/command.h"
#include "support/pprof.h"
#include "support/process.h"
#include "support/temp_dir.h"

enum {
    OUTPUT_MAX = 16 * 1024 * 1024,
    FILE_LIMIT = 4096,
    RESTART_MS = SCENE_SANITIZED ? 30000 : 10000,
    LOG_FLUSH_MS = 15000, /* lighttpd keeps its access log back for some seconds */
};

/* make test-long */
static bool is_long(void)
{
    return getenv("EMOJIFY_LONG_TESTS") != NULL;
}

/* Tests that need a program say so, when it is missing, where somebody reads it. */
static void need(const char *program)
{
    if (command_exists(program))
        return;
    print_message("SKIPPED: there is no %s here\n", program);
    skip();
}

static void assert_contains(const char *text, const char *part)
{
    if (!strstr(text, part))
        fail_msg("no \"%s\" in: %s", part, text);
}

/* A shell command that must succeed; its output. The caller releases it. */
static struct buf run(const char *command)
{
    struct buf out;
    buf_init(&out, OUTPUT_MAX);
    int status = command_run(command, &out);
    if (status != 0)
        fail_msg("%s: %d: %s", command, status, out.data);
    return out;
}

/* --- go tool pprof --------------------------------------------------------------------- */

/* The lines of the access log with that text, once it has come to the marked request. */
static unsigned count_requests(const struct scene *scene, const char *text, const char *marker)
{
    char path[64], command[PATH_MAX + 32];
    struct http_reply reply;
    (void)snprintf(path, sizeof(path), "/api/health/live?%s", marker);
    scene_get(scene, path, NULL, &reply);
    http_reply_release(&reply);
    (void)snprintf(command, sizeof(command), "cat '%s/access.log'", scene->stack.state);
    int64_t deadline_ns = deadline_in_ms(LOG_FLUSH_MS);
    for (;;) {
        struct buf log = run(command);
        bool whole = log.data && strstr(log.data, marker);
        unsigned count = 0;
        for (const char *at = log.data; whole && (at = strstr(at, text)); at += strlen(text))
            count++;
        buf_release(&log);
        if (whole)
            return count;
        if (deadline_left_ms(deadline_ns) == 0)
            fail_msg("the access log has no line of %s", path);
        sleep_ms(200);
    }
}

/* "Duration: 5.02s," */
static double duration_of(const char *top)
{
    const char *at = strstr(top, "Duration: ");
    if (at)
        return strtod(at + strlen("Duration: "), NULL);
    fail_msg("no duration in: %s", top);
    return 0;
}

/* How many have CPU time to show: behind mod_fcgid one that answers a profile does nothing else. */
static size_t busy_siblings(size_t profiles)
{
    return stack_web() == STACK_APACHE_FCGID ? PPROF_SIBLINGS - profiles : PPROF_SIBLINGS;
}

static void assert_pids_tagged(const struct scene *scene, const char *saved)
{
    char command[PATH_MAX + 64];
    struct pprof_pids pids = pprof_pids(scene);
    (void)snprintf(command, sizeof(command), "go tool pprof -symbolize=none -tags %s", saved);
    struct buf tags = run(command);
    int found = 0;
    for (int i = 0; i < PPROF_SIBLINGS; i++) {
        char pid[24];
        (void)snprintf(pid, sizeof(pid), ": %ld\n", (long)pids.all[i]);
        found += strstr(tags.data, pid) != NULL;
    }
    assert_in_range(found, busy_siblings(1), PPROF_SIBLINGS);
    assert_contains(tags.data, "route: ");
    buf_release(&tags);
}

static void assert_symbolized(const char *saved)
{
    char command[PATH_MAX + 64];
    (void)snprintf(command, sizeof(command), "go tool pprof -symbolize=none -raw %s", saved);
    struct buf raw = run(command);
    const char *mappings = strstr(raw.data, "\nMappings\n");
    assert_non_null(mappings);
    assert_contains(mappings, "emojify-api ");
    assert_contains(mappings, "[FN][FL][LN][IN]");
    buf_release(&raw);
}

static void go_tool_pprof_needs_one_request_for_names_and_all_siblings(void **state)
{
    const struct scene *scene = *state;
    struct temp_dir dir;
    char command[512], saved[128];
    unsigned failed;
    need("go");
    temp_dir_init(&dir);
    struct pprof_load *load = pprof_load_start(scene);
    (void)snprintf(command, sizeof(command),
                   "PPROF_TMPDIR=%s timeout 60 go tool pprof -symbolize=none -top "
                   "'http://any:" PPROF_TOKEN "@127.0.0.1:%d/debug/pprof/profile?seconds=5'",
                   dir.path, scene->stack.port);
    struct buf top = run(command);
    pprof_load_stop(&load, NULL, &failed);
    assert_int_equal(failed, 0);
    assert_contains(top.data, "File: emojify-api");
    assert_contains(top.data, "Type: cpu");
    assert_contains(top.data, "route_cache");
    double lasted = duration_of(top.data);
    if (lasted < 4.5 || lasted > 5.5 + 2 * SCENE_SANITIZED)
        fail_msg("a profile of 5 s says %g s", lasted);
    buf_release(&top);

    (void)snprintf(saved, sizeof(saved), "%s/pprof.*.pb.gz", dir.path);
    assert_pids_tagged(scene, saved);
    assert_symbolized(saved);
    temp_dir_release(&dir);
    assert_int_equal(count_requests(scene, "/debug/pprof/", "marker-of-go"), 1);
}

/* --- google-pprof ------------------------------------------------------------------------ */

/* Whether a line's last word is an address: digits of base 16, many of them. */
static bool ends_in_address(const char *line, size_t len)
{
    size_t digits = 0;
    while (digits < len && isxdigit((unsigned char)line[len - 1 - digits]))
        digits++;
    bool whole = digits == len || line[len - 1 - digits] == ' ' || line[len - 1 - digits] == 'x';
    return whole && digits >= 8;
}

static void assert_no_addresses(const char *text)
{
    size_t len;
    for (const char *line = text; *line; line += len + (line[len] == '\n')) {
        len = strcspn(line, "\n");
        if (ends_in_address(line, len))
            fail_msg("an address instead of a name: %.*s", (int)len, line);
    }
}

static void google_pprof_finds_every_name_whichever_sibling_it_asks(void **state)
{
    const struct scene *scene = *state;
    struct temp_dir dir;
    char command[512];
    int runs = is_long() ? 10 : 3;
    need("google-pprof");
    temp_dir_init(&dir);
    struct pprof_load *load = pprof_load_start(scene);
    (void)snprintf(command, sizeof(command),
                   "no_proxy='*' PPROF_TMPDIR=%s timeout 60 google-pprof --text --seconds=1 "
                   "http://any:" PPROF_TOKEN "@127.0.0.1:%d/pprof/profile",
                   dir.path, scene->stack.port);
    for (int i = 0; i < runs; i++) {
        struct buf text = run(command);
        assert_contains(text.data, "Total: ");
        assert_contains(text.data, "route_cache");
        assert_no_addresses(text.data);
        buf_release(&text);
    }
    pprof_load_stop(&load, NULL, NULL);
    temp_dir_release(&dir);
}

/* --- protoc ------------------------------------------------------------------------------ */

static void the_body_is_what_profile_proto_describes(void **state)
{
    char path[64], command[256];
    struct http_reply reply;
    need("protoc");
    struct pprof_load *load = pprof_load_start(*state);
    pprof_get(*state, "/debug/pprof/profile?seconds=1", &reply);
    pprof_load_stop(&load, NULL, NULL);
    assert_int_equal(reply.status, 200);
    command_file(reply.body.data, reply.body.len, path);
    http_reply_release(&reply);
    (void)snprintf(command, sizeof(command),
                   "gzip -dc <%s | protoc --decode perftools.profiles.Profile proto/profile.proto",
                   path);
    struct buf text = run(command);
    assert_int_equal(unlink(path), 0);
    assert_contains(text.data, "sample {");
    assert_contains(text.data, "has_inline_frames: true");
    assert_contains(text.data, "\"route_cache\"");
    /* What is not in the description would come out as a bare number. */
    for (const char *line = text.data; line; line = strchr(line, '\n')) {
        line += strspn(line, "\n ");
        if (isdigit((unsigned char)*line))
            fail_msg("a field that profile.proto does not have: %.40s", line);
    }
    buf_release(&text);
}

/* --- Disturbances -------------------------------------------------------------------------- */

static size_t count_descriptors(pid_t pid)
{
    char path[64];
    size_t count = 0;
    (void)snprintf(path, sizeof(path), "/proc/%ld/fd", (long)pid);
    DIR *dir = opendir(path);
    assert_non_null(dir);
    while (readdir(dir))
        count++;
    closedir(dir);
    return count;
}

/* The sibling that asks the others has a connection to each of them, so all but the busiest. */
static pid_t not_the_asker(const struct pprof_pids *pids, const size_t before[PPROF_SIBLINGS])
{
    size_t asker = 0, most = 0;
    for (size_t i = 0; i < PPROF_SIBLINGS; i++) {
        size_t more = count_descriptors(pids->all[i]) - before[i];
        if (more > most) {
            most = more;
            asker = i;
        }
    }
    return pids->all[(asker + 1) % PPROF_SIBLINGS];
}

static void wait_for_siblings(const struct scene *scene, pid_t dead)
{
    int64_t deadline_ns = deadline_in_ms(RESTART_MS);
    assert_true(process_wait_gone(dead, RESTART_MS));
    scene_fill_pool(scene, PPROF_SIBLINGS);
    /* It is in the pool a moment after it is there. */
    for (;;) {
        struct http_reply reply;
        pprof_get(scene, "/debug/pprof/threadcreate", &reply);
        const char *covered = http_reply_header(&reply, "X-Profile-Processes");
        bool all = covered && strcmp(covered, "4/4") == 0;
        http_reply_release(&reply);
        if (all)
            return;
        assert_true(deadline_left_ms(deadline_ns) > 0);
        sleep_ms(100);
    }
}

static void a_sibling_that_dies_is_missing_and_the_profile_is_valid(void **state)
{
    const struct scene *scene = *state;
    struct pprof_pids pids = pprof_pids(scene);
    size_t before[PPROF_SIBLINGS];
    struct http_reply reply;
    struct pprof_file file;
    for (size_t i = 0; i < PPROF_SIBLINGS; i++)
        before[i] = count_descriptors(pids.all[i]);
    struct pprof_job *job = pprof_job_start(scene, "/debug/pprof/profile?seconds=3");
    sleep_ms(1000);
    pid_t victim = not_the_asker(&pids, before);
    assert_int_equal(kill(victim, SIGKILL), 0);
    pprof_job_wait(&job, &reply);
    assert_header(&reply, "X-Profile-Processes", "3/4");
    pprof_read(&reply, &file);
    assert_true(pprof_has_string(&file, "processes 3/4"));
    char comment[64];
    (void)snprintf(comment, sizeof(comment), "process %ld is missing: it ended", (long)victim);
    assert_true(pprof_has_string(&file, comment));
    assert_in_range(file.duration_ns, 29 * (NS_PER_S / 10), 5 * NS_PER_S);
    pprof_release(&file);
    http_reply_release(&reply);
    wait_for_siblings(scene, victim);
}

enum { PROFILES_AT_ONCE = 3 };

/* Three profiles at once while requests come in; how many requests. */
static unsigned profile_under_load(const struct scene *scene)
{
    struct pprof_job *jobs[PROFILES_AT_ONCE];
    unsigned requests, failed;
    struct pprof_pids before = pprof_pids(scene);
    struct pprof_load *load = pprof_load_start(scene);
    for (int i = 0; i < PROFILES_AT_ONCE; i++)
        jobs[i] = pprof_job_start(scene, "/debug/pprof/profile?seconds=2");
    for (int i = 0; i < PROFILES_AT_ONCE; i++) {
        struct http_reply reply;
        struct pprof_file file;
        pprof_job_wait(&jobs[i], &reply);
        assert_header(&reply, "X-Profile-Processes", "4/4");
        pprof_read(&reply, &file);
        assert_true(file.samples > 0);
        assert_in_range(file.pid_count, busy_siblings(3), PPROF_SIBLINGS);
        pprof_release(&file);
        http_reply_release(&reply);
    }
    pprof_load_stop(&load, &requests, &failed);
    print_message("%u requests during profiles\n", requests);
    assert_true(requests > 100);
    assert_int_equal(failed, 0);
    struct pprof_pids after = pprof_pids(scene);
    assert_memory_equal(&before, &after, sizeof(before));
    return requests;
}

static void profiles_under_load_disturb_no_request_and_end_no_process(void **state)
{
    unsigned profiles = 0;
    unsigned requests = 0;
    do {
        requests += profile_under_load(*state);
        profiles += PROFILES_AT_ONCE;
    } while (is_long() && (profiles < 20 || requests < 20000));
    print_message("%u profiles during %u requests\n", profiles, requests);
}

static void limit_files(const struct scene *scene, rlim_t bytes)
{
    struct pprof_pids pids = pprof_pids(scene);
    for (int i = 0; i < PPROF_SIBLINGS; i++)
        assert_true(process_limit_files(pids.all[i], bytes));
}

static void a_limit_on_file_sizes_ends_no_process_that_is_profiled(void **state)
{
    const struct scene *scene = *state;
    limit_files(scene, FILE_LIMIT);
    (void)profile_under_load(scene);
    limit_files(scene, RLIM_INFINITY);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(go_tool_pprof_needs_one_request_for_names_and_all_siblings),
        cmocka_unit_test(google_pprof_finds_every_name_whichever_sibling_it_asks),
        cmocka_unit_test(the_body_is_what_profile_proto_describes),
        cmocka_unit_test(a_sibling_that_dies_is_missing_and_the_profile_is_valid),
        cmocka_unit_test(profiles_under_load_disturb_no_request_and_end_no_process),
        cmocka_unit_test(a_limit_on_file_sizes_ends_no_process_that_is_profiled),
    };
    return cmocka_run_group_tests(tests, pprof_scene_start, scene_stop);
}
