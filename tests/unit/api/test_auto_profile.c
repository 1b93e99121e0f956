/* SPDX-License-Identifier: MIT */
/* The clock and the numbers are the test's, the profile is a real one. */
#include "support/cmocka.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "api/auto_profile.h"
#include "lib/base/clock.h"
#include "profiling/saved.h"
#include "support/route_history.h"
#include "support/temp_dir.h"

enum { PATIENCE_MS = 30000, LOG_MAX = 8192 };

struct fixture {
    struct temp_dir dir;
    char run_dir[PATH_MAX];
    struct log_sink sink;
    struct log log;
    struct pprof *profiling;
    struct route_history history;
    struct auto_profile watcher;
};

static int start(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    struct err_buf why = {.text = ""};
    assert_non_null(fixture);
    temp_dir_init(&fixture->dir);
    temp_dir_path(&fixture->dir, "run", fixture->run_dir);
    fixture->sink = (struct log_sink){.fd = memfd_create("log", MFD_CLOEXEC), .level = LOG_INFO};
    fixture->log = (struct log){.sink = &fixture->sink, .module = "test"};
    const struct pprof_options options = {
        .run_dir = fixture->run_dir, .hz = 100, .log = &fixture->log};
    if (pprof_start(&options, &fixture->profiling, &why))
        fail_msg("pprof_start: %s %s", why.text, why.detail);
    route_history_init(&fixture->history);
    fixture->watcher = (struct auto_profile){
        .profiling = fixture->profiling,
        .history = fixture->history.past,
        .log = &fixture->log,
        .watch = cpu_watch_defaults,
    };
    *state = fixture;
    return 0;
}

static int stop(void **state)
{
    struct fixture *fixture = *state;
    auto_profile_stop(&fixture->watcher);
    pprof_stop(&fixture->profiling);
    route_history_release(&fixture->history);
    temp_dir_release(&fixture->dir);
    close(fixture->sink.fd);
    free(fixture);
    return 0;
}

static void become_costly(struct fixture *fixture)
{
    route_history_pass(&fixture->history, "cache", 900, 100, 200);
    route_history_pass(&fixture->history, "cache", 32, 100, 1000);
}

/* Look, and wait for what comes of it. */
static void look_and_wait(struct fixture *fixture)
{
    int64_t deadline_ns = deadline_in_ms(PATIENCE_MS);
    auto_profile_look(&fixture->watcher, fixture->history.now_ns);
    while (atomic_load(&fixture->watcher.busy)) {
        assert_true(deadline_left_ms(deadline_ns) > 0);
        usleep(10000);
    }
}

static void assert_logged(const struct fixture *fixture, const char *part)
{
    char text[LOG_MAX + 1];
    ssize_t len = pread(fixture->sink.fd, text, LOG_MAX, 0);
    assert_true(len >= 0);
    text[len] = '\0';
    if (!strstr(text, part))
        fail_msg("the log has no %s: %s", part, text);
}

static void a_costly_route_has_its_profile_saved_and_named_in_the_log(void **state)
{
    struct fixture *fixture = *state;
    struct saved_profile saved[SAVED_KEPT];
    struct profile *profile;
    look_and_wait(fixture);
    assert_int_equal(saved_list(fixture->run_dir, saved), 0);

    become_costly(fixture);
    look_and_wait(fixture);
    assert_int_equal(saved_list(fixture->run_dir, saved), 1);
    assert_non_null(strstr(saved[0].name, "Z-cpu-cache.pb.gz"));
    assert_logged(fixture, "route=cache");
    assert_logged(fixture, "factor=5.0");
    assert_logged(fixture, saved[0].name);
    assert_int_equal(saved_profile(fixture->run_dir, saved[0].name, &profile), APP_OK);
    assert_in_range(profile_duration_ns(profile), 4500 * NS_PER_MS, 6500 * NS_PER_MS);
    profile_free(&profile);

    /* Ten minutes of peace; another process that becomes the leader keeps them too. */
    look_and_wait(fixture);
    fixture->watcher.not_before_ns = 0;
    look_and_wait(fixture);
    assert_int_equal(saved_list(fixture->run_dir, saved), 1);
}

static void a_stop_does_not_wait_for_the_profile(void **state)
{
    struct fixture *fixture = *state;
    become_costly(fixture);
    auto_profile_look(&fixture->watcher, fixture->history.now_ns);
    assert_true(atomic_load(&fixture->watcher.busy));
    int64_t before_ns = clock_now_ns();
    auto_profile_stop(&fixture->watcher);
    assert_true(clock_now_ns() - before_ns < 3 * NS_PER_S);
}

static void a_profile_that_cannot_be_saved_is_one_log_line_in_ten_minutes(void **state)
{
    struct fixture *fixture = *state;
    char path[PATH_MAX];
    struct stat before, after;
    temp_dir_path(&fixture->dir, "run/profiles", path);
    assert_int_equal(mkdir(path, 0777), 0);
    assert_int_equal(chmod(path, 0777), 0); /* not ours alone */
    become_costly(fixture);
    look_and_wait(fixture);
    assert_logged(fixture, "could not be saved");
    assert_int_equal(fstat(fixture->sink.fd, &before), 0);
    fixture->history.now_ns += 500 * NS_PER_S;
    look_and_wait(fixture);
    assert_int_equal(fstat(fixture->sink.fd, &after), 0);
    assert_int_equal(before.st_size, after.st_size);
}

int main(void)
{
#define AUTO_TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)
    const struct CMUnitTest tests[] = {
        AUTO_TEST(a_costly_route_has_its_profile_saved_and_named_in_the_log),
        AUTO_TEST(a_stop_does_not_wait_for_the_profile),
        AUTO_TEST(a_profile_that_cannot_be_saved_is_one_log_line_in_ten_minutes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
