/* SPDX-License-Identifier: MIT */
#include "support/cmocka.h"

#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "profiling/saved.h"
#include "support/temp_dir.h"

static struct profile *sample_profile(void)
{
    struct profile *profile = profile_new(&profile_kind_cpu);
    const struct profile_mapping program = {"/usr/bin/emojify-api", "0a1b", 0x1000, 0x9000, 0x1000};
    const struct profile_frame frames[] = {{0, 0x1300}, {0, 0x1100}};
    const int64_t values[] = {3, 30000000};
    size_t index;
    assert_non_null(profile);
    assert_int_equal(profile_mapping(profile, &program, &index), APP_OK);
    assert_int_equal(profile_add(profile, frames, 2, NULL, values), APP_OK);
    return profile;
}

struct fixture {
    struct temp_dir dir;
    struct profile *profile;
};

static int start(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    assert_non_null(fixture);
    temp_dir_init(&fixture->dir);
    fixture->profile = sample_profile();
    *state = fixture;
    return 0;
}

static int stop(void **state)
{
    struct fixture *fixture = *state;
    profile_free(&fixture->profile);
    temp_dir_release(&fixture->dir);
    free(fixture);
    return 0;
}

static void save(const struct fixture *fixture, const char *reason, char name[SAVED_NAME_MAX])
{
    struct err_buf why = {.detail = ""};
    if (saved_write(fixture->dir.path, reason, fixture->profile, name, &why))
        fail_msg("saved_write: %s", why.detail);
}

static void only_names_that_we_make_are_valid(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "profile",
        ".pb.gz",
        "20261122T102334.152Z-.pb.gz",
        "20261122T102334.152Z-cache.pb",
        "20261122T102334.152Z-cache.pb.gz.pb.g",
        "20261122T102334.152Z-../../x.pb.gz",
        "20261122T102334.152Z-a/b.pb.gz",
        "../20261122T102334.152Z-cache.pb.gz",
        "20261122T102334.152Zcache.pb.gz",
        "2026112xT102334.152Z-cache.pb.gz",
        "20261122T102334.152Z-c\"e.pb.gz",
        "20261122T102334.152Z-"
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
        "aaaa.pb.gz",
    };
    assert_true(saved_name_is_valid("20261122T102334.152Z-cache.pb.gz"));
    assert_true(saved_name_is_valid("20261122T102334.152Z-cpu-health_live.pb.gz"));
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        if (saved_name_is_valid(bad[i]))
            fail_msg("%s is taken for valid", bad[i]);
    }
}

static void a_profile_comes_back_as_it_was_saved(void **state)
{
    const struct fixture *fixture = *state;
    char name[SAVED_NAME_MAX] = "";
    struct profile *profile = NULL;
    save(fixture, "cpu-cache/\"x", name);
    assert_true(saved_name_is_valid(name));
    assert_non_null(strstr(name, "Z-cpu-cache__x.pb.gz"));
    assert_int_equal(saved_profile(fixture->dir.path, name, &profile), APP_OK);
    assert_int_equal(profile_total(profile, 1), 30000000);
    profile_free(&profile);
    int64_t age = time(NULL) + 1 - saved_newest(fixture->dir.path, "cpu-");
    assert_in_range(age, 0, 60);
    assert_int_equal(saved_newest(fixture->dir.path, "asked"), 0);
}

static void files_and_directory_are_for_nobody_else(void **state)
{
    const struct fixture *fixture = *state;
    char name[SAVED_NAME_MAX];
    char path[PATH_MAX];
    char below[SAVED_NAME_MAX + 16];
    struct stat status;
    save(fixture, "asked", name);
    temp_dir_path(&fixture->dir, "profiles", path);
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_mode & 07777, 0700);
    (void)snprintf(below, sizeof(below), "profiles/%s", name);
    temp_dir_path(&fixture->dir, below, path);
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_mode & 07777, 0600);

    temp_dir_path(&fixture->dir, "profiles", path);
    assert_int_equal(chmod(path, 0770), 0);
    struct err_buf why = {.detail = ""};
    assert_int_equal(saved_write(fixture->dir.path, "asked", fixture->profile, name, &why),
                     APP_UNAVAILABLE);
    assert_non_null(strstr(why.detail, "directory"));
}

static void the_ten_newest_are_kept(void **state)
{
    const struct fixture *fixture = *state;
    struct saved_profile list[SAVED_KEPT];
    char first[SAVED_NAME_MAX];
    char name[SAVED_NAME_MAX];
    struct buf bytes;
    save(fixture, "asked", first);
    for (int i = 0; i < SAVED_KEPT; i++) {
        usleep(2000); /* the time in the name */
        save(fixture, "asked", name);
    }
    assert_int_equal(saved_list(fixture->dir.path, list), SAVED_KEPT);
    assert_string_equal(list[0].name, name);
    assert_true(list[0].bytes > 0 && strcmp(list[0].name, list[SAVED_KEPT - 1].name) > 0);
    buf_init(&bytes, 1 << 20);
    assert_int_equal(saved_read(fixture->dir.path, first, &bytes), APP_NOT_FOUND);
    assert_int_equal(saved_read(fixture->dir.path, name, &bytes), APP_OK);
    assert_int_equal(saved_read(fixture->dir.path, "../profiles", &bytes), APP_NOT_FOUND);
    buf_release(&bytes);
}

static void a_full_disk_leaves_nothing_behind(void **state)
{
    const struct fixture *fixture = *state;
    struct saved_profile list[SAVED_KEPT];
    struct temp_dir below;
    char name[SAVED_NAME_MAX];
    struct err_buf why = {.detail = ""};
    struct rlimit old, tiny;
    save(fixture, "asked", name);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    tiny = (struct rlimit){20, old.rlim_max};
    (void)signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &tiny), 0);
    enum app_err err = saved_write(fixture->dir.path, "asked", fixture->profile, name, &why);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
    assert_int_equal(err, APP_UNAVAILABLE);
    assert_non_null(strstr(why.detail, "cannot be written"));
    assert_int_equal(saved_list(fixture->dir.path, list), 1);
    char path[PATH_MAX];
    temp_dir_path(&fixture->dir, "profiles", path);
    assert_true(strlen(path) < sizeof(below.path));
    memcpy(below.path, path, strlen(path) + 1);
    assert_int_equal(temp_dir_count(&below), 1);
}

static void what_a_killed_process_left_is_removed_later(void **state)
{
    const struct fixture *fixture = *state;
    char name[SAVED_NAME_MAX];
    save(fixture, "asked", name);
    temp_dir_write(&fixture->dir, "profiles/.old.pb.gz", "x", 1);
    temp_dir_set_times(&fixture->dir, "profiles/.old.pb.gz", 3600, 3600);
    temp_dir_write(&fixture->dir, "profiles/.being_written.pb.gz", "x", 1);
    save(fixture, "asked", name);
    assert_false(temp_dir_has(&fixture->dir, "profiles/.old.pb.gz"));
    assert_true(temp_dir_has(&fixture->dir, "profiles/.being_written.pb.gz"));
}

static void a_link_or_something_else_is_not_given_back(void **state)
{
    const struct fixture *fixture = *state;
    char name[SAVED_NAME_MAX];
    char path[PATH_MAX];
    struct buf bytes;
    struct profile *profile;
    buf_init(&bytes, 1 << 20);
    save(fixture, "asked", name);
    temp_dir_path(&fixture->dir, "profiles/20261122T102334.152Z-link.pb.gz", path);
    assert_int_equal(symlink("/etc/passwd", path), 0);
    assert_int_equal(saved_read(fixture->dir.path, "20261122T102334.152Z-link.pb.gz", &bytes),
                     APP_NOT_FOUND);
    temp_dir_write(&fixture->dir, "profiles/20261122T102334.152Z-text.pb.gz", "hello", 5);
    assert_int_equal(saved_profile(fixture->dir.path, "20261122T102334.152Z-text.pb.gz", &profile),
                     APP_BAD_REQUEST);
    buf_release(&bytes);
}

int main(void)
{
#define SAVED_TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_names_that_we_make_are_valid),
        SAVED_TEST(a_profile_comes_back_as_it_was_saved),
        SAVED_TEST(files_and_directory_are_for_nobody_else),
        SAVED_TEST(the_ten_newest_are_kept),
        SAVED_TEST(a_full_disk_leaves_nothing_behind),
        SAVED_TEST(what_a_killed_process_left_is_removed_later),
        SAVED_TEST(a_link_or_something_else_is_not_given_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
