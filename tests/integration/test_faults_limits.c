/* SPDX-License-Identifier: MIT */
/* run: alone seconds=38 */
/*
 * No descriptors, no memory, no RUN_DIR: a running process is refused what it needs, by limits
 * that are put on it from outside and by what happens to the file system under it.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "support/cmocka.h"
#include "support/process.h"
#include "support/temp_dir.h"
#include "support/upheaval.h"

enum {
    SIBLINGS = 2,
    GETTERS = 8,
    FAULT_MS = 1500,
    REACHED_MS = 100,
    AGAIN_MS = SCENE_SANITIZED ? 60000 : 15000,
    DIED_MS = 20000,
    FULL_KB = 64 /* less than any of the tables takes */
};

static int start(void **state)
{
    return scene_start(state, (const char *const[]){"API_PROCESSES=2", "LOCAL_CACHE_TTL=0", NULL});
}

static pid_t a_sibling(const struct scene *scene)
{
    pid_t pid = 0;
    assert_true(upheaval_siblings(stack_pid(&scene->stack, "web"), &pid, 1) == 1);
    return pid;
}

/* A number from /proc/pid/status, such as VmSize in kB; -1 when there is none. */
static long status_of(pid_t pid, const char *name)
{
    char path[64];
    char line[256];
    long value = -1;
    size_t len = strlen(name);
    (void)snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
    FILE *file = fopen(path, "re");
    while (file && value < 0 && fgets(line, sizeof(line), file)) {
        if (strncmp(line, name, len) == 0 && line[len] == ':')
            value = strtol(line + len + 1, NULL, 10);
    }
    if (file)
        (void)fclose(file);
    return value;
}

/*
 * Set a soft limit of a process by prlimit(1), as the user that it runs as: root in a container
 * may not set anybody else's.
 */
static void limit(pid_t pid, const char *name, long value)
{
    char user[32], group[32], target[32], setting[64], words[256];
    struct stat owner;
    (void)snprintf(words, sizeof(words), "/proc/%d", (int)pid);
    assert_int_equal(stat(words, &owner), 0);
    (void)snprintf(user, sizeof(user), "--reuid=%u", (unsigned)owner.st_uid);
    (void)snprintf(group, sizeof(group), "--regid=%u", (unsigned)owner.st_gid);
    (void)snprintf(target, sizeof(target), "--pid=%d", (int)pid);
    (void)snprintf(setting, sizeof(setting), "--%s=%ld:", name, value);
    const char *const arguments[] = {"setpriv", user,   group,   "--clear-groups",
                                     "prlimit", target, setting, NULL};
    const char *const *first = geteuid() == 0 ? arguments : arguments + 4;
    if (process_run(first, NULL, true, words, sizeof(words)) != 0)
        fail_msg("prlimit: %s", words);
}

static void end_load(struct checked_load **load, const struct upheaval_window *window)
{
    struct checked_load_result result;
    checked_load_stop(load, &result);
    upheaval_assert_right(&result);
    const struct checked_failure *outside = upheaval_outside(&result, window, 1);
    if (outside)
        fail_msg("%s failed while nothing was done: %d %s", outside->id, outside->status,
                 outside->words);
    checked_load_result_release(&result);
}

/* --- Descriptors and memory ------------------------------------------------------------- */

static void a_process_without_descriptors_goes_on_as_soon_as_it_has_some(void **state)
{
    const struct scene *scene = *state;
    struct upheaval_times times = {.name = "a process had no descriptors left"};
    struct upheaval_window window;
    struct rlimit before;
    pid_t pid = a_sibling(scene);
    struct checked_load *load = checked_load_start(
        scene, &(struct checked_load_options){.getters = GETTERS, .posters = 1, .pause_ms = 2});
    long threads = status_of(pid, "Threads");
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0); /* which it has from us */
    window.begin_ns = clock_now_ns();
    /* None beyond standard error: not even those that it has closed meanwhile. */
    limit(pid, "nofile", 3);
    sleep_ms(FAULT_MS);
    limit(pid, "nofile", (long)before.rlim_cur);
    int64_t given_ns = clock_now_ns();
    while (!checked_load_post_once(load))
        assert_true(clock_now_ns() - given_ns < AGAIN_MS * NS_PER_MS);
    upheaval_add(&times, (clock_now_ns() - given_ns) / NS_PER_MS);
    window.end_ns = clock_now_ns() + REACHED_MS * NS_PER_MS;
    sleep_ms(FAULT_MS);
    upheaval_print(&times);
    end_load(&load, &window);
    assert_int_equal(a_sibling(scene), pid);
    assert_true(status_of(pid, "Threads") >= threads);
    scene_wait_logged(scene, "api", "[WARN]", "Too many open files");
}

static void a_process_without_memory_ends_and_costs_no_wrong_byte(void **state)
{
    const struct scene *scene = *state;
    struct upheaval_times times = {.name = "a process had no memory left"};
    struct upheaval_window window;
    pid_t pid = a_sibling(scene);
    if (SCENE_SANITIZED)
        skip(); /* the shadow memory is beyond every limit */
    struct checked_load *load =
        checked_load_start(scene, &(struct checked_load_options){.getters = GETTERS, .posters = 4});
    window.begin_ns = clock_now_ns();
    limit(pid, "as", status_of(pid, "VmRSS") * 1024);
    bool ended = process_wait_gone(pid, DIED_MS);
    if (!ended)
        assert_int_equal(kill(pid, SIGKILL), 0); /* it has lived without any more */
    upheaval_add(&times, upheaval_await_pool(scene, SIBLINGS, pid, AGAIN_MS));
    window.end_ns = clock_now_ns() + REACHED_MS * NS_PER_MS;
    sleep_ms(FAULT_MS);
    print_message(ended ? "it ended by itself\n" : "it went on without memory\n");
    upheaval_print(&times);
    end_load(&load, &window);
}

/* --- RUN_DIR ------------------------------------------------------------------------------ */

/* All of the service with what RUN_DIR is now, and a sibling that starts with it. */
static void assert_all_goes_on(const struct scene *scene, const char *fault)
{
    struct upheaval_times times = {.name = fault};
    struct http_reply reply;
    struct checked_load_result result;
    pid_t pid = a_sibling(scene);
    struct checked_load *load = checked_load_start(
        scene, &(struct checked_load_options){.getters = 4, .posters = 1, .pause_ms = 2});
    sleep_ms(FAULT_MS / 3);
    int64_t begun_ns = clock_now_ns();
    assert_int_equal(kill(pid, SIGTERM), 0);
    assert_true(process_wait_gone(pid, AGAIN_MS));
    pid_t pids[SIBLINGS * 2];
    pid_t web = stack_pid(&scene->stack, "web");
    while (upheaval_siblings(web, pids, SIBLINGS * 2) < SIBLINGS)
        assert_true(clock_now_ns() - begun_ns < AGAIN_MS * NS_PER_MS);
    upheaval_add(&times, (clock_now_ns() - begun_ns) / NS_PER_MS);
    sleep_ms(FAULT_MS);
    scene_get(scene, "/metrics", NULL, &reply);
    assert_int_equal(reply.status, 200);
    http_reply_release(&reply);
    checked_load_stop(&load, &result);
    upheaval_print(&times);
    upheaval_assert_right(&result);
    if (result.failure_count > 0)
        fail_msg("%zu failed, the first: %d %s", result.failure_count, result.failures[0].status,
                 result.failures[0].words);
    checked_load_result_release(&result);
}

static void a_run_dir_that_is_deleted_is_made_again_or_done_without(void **state)
{
    const struct scene *scene = *state;
    char directory[PATH_MAX];
    char words[64];
    assert_true(stack_setting(&scene->stack, "api", "RUN_DIR", directory, sizeof(directory)));
    assert_int_equal(process_run((const char *const[]){"rm", "-rf", directory, NULL}, NULL, true,
                                 words, sizeof(words)),
                     0);
    assert_all_goes_on(scene, "RUN_DIR was deleted");
}

/* --- RUN_DIR on a file system of its own ---------------------------------------------------- */

static char mounted[64];

static bool mount_run_dir(const char *options)
{
    struct temp_dir directory;
    temp_dir_init(&directory);
    (void)snprintf(mounted, sizeof(mounted), "%s", directory.path);
    return mount("tmpfs", mounted, "tmpfs", MS_NOSUID | MS_NODEV, options) == 0 &&
           chmod(mounted, 0700) == 0;
}

static void unmount_run_dir(void)
{
    (void)umount2(mounted, MNT_DETACH);
    (void)rmdir(mounted);
}

static int start_in(void **state, const char *options)
{
    char setting[96];
    if (!mount_run_dir(options)) {
        (void)rmdir(mounted);
        *state = NULL; /* not root, or in a container that may not */
        return 0;
    }
    (void)snprintf(setting, sizeof(setting), "RUN_DIR=%s", mounted);
    int result = scene_start(
        state, (const char *const[]){"API_PROCESSES=2", "LOCAL_CACHE_TTL=0", setting, NULL});
    if (result != 0)
        unmount_run_dir();
    return result;
}

static int start_roomy(void **state)
{
    return start_in(state, "size=64m,mode=0700");
}

static int start_full(void **state)
{
    char options[64];
    (void)snprintf(options, sizeof(options), "size=%dk,mode=0700", FULL_KB);
    return start_in(state, options);
}

static int stop_mounted(void **state)
{
    if (!*state)
        return 0;
    int result = scene_stop(state);
    unmount_run_dir();
    return result;
}

static void fill(const char *directory)
{
    char path[128];
    static const char block[65536];
    (void)snprintf(path, sizeof(path), "%s/filler", directory);
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    for (size_t size = sizeof(block); size > 0;) {
        if (write(fd, block, size) <= 0)
            size /= 2;
    }
    assert_int_equal(errno, ENOSPC);
    close(fd);
}

static void a_run_dir_that_is_full_when_the_service_starts_is_done_without(void **state)
{
    if (!*state)
        skip();
    assert_all_goes_on(*state, "RUN_DIR had no room from the start");
}

static void a_run_dir_that_fills_up_costs_nothing(void **state)
{
    if (!*state)
        skip();
    fill(mounted);
    assert_all_goes_on(*state, "RUN_DIR was full");
    char path[128];
    (void)snprintf(path, sizeof(path), "%s/filler", mounted);
    assert_int_equal(unlink(path), 0);
}

static void a_run_dir_that_becomes_read_only_costs_nothing(void **state)
{
    if (!*state)
        skip();
    /* Over itself, for a file system is not made read-only while files in it are open. */
    assert_int_equal(mount(mounted, mounted, NULL, MS_BIND, NULL), 0);
    assert_int_equal(mount(NULL, mounted, NULL, MS_REMOUNT | MS_BIND | MS_RDONLY, NULL), 0);
    assert_all_goes_on(*state, "RUN_DIR was read-only");
    assert_int_equal(umount2(mounted, MNT_DETACH), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_process_without_descriptors_goes_on_as_soon_as_it_has_some),
        cmocka_unit_test(a_process_without_memory_ends_and_costs_no_wrong_byte),
        cmocka_unit_test(a_run_dir_that_is_deleted_is_made_again_or_done_without),
    };
    const struct CMUnitTest roomy[] = {
        cmocka_unit_test(a_run_dir_that_fills_up_costs_nothing),
        cmocka_unit_test(a_run_dir_that_becomes_read_only_costs_nothing),
    };
    const struct CMUnitTest full[] = {
        cmocka_unit_test(a_run_dir_that_is_full_when_the_service_starts_is_done_without),
    };
    if (!upheaval_can_run())
        return UPHEAVAL_SKIP;
    int failed = cmocka_run_group_tests(tests, start, scene_stop);
    failed += cmocka_run_group_tests(roomy, start_roomy, stop_mounted);
    return failed + cmocka_run_group_tests(full, start_full, stop_mounted);
}
