/* SPDX-License-Identifier: MIT */
#include "api/log_level.h"

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "support/cmocka.h"
#include "support/temp_dir.h"

enum { LOG_MAX = 4096 };

struct fixture {
    struct temp_dir dir;
    struct log_sink sink;
    struct log log;
    struct log_level_control control;
};

static int set_up(void **state)
{
    static struct fixture fixture;
    temp_dir_init(&fixture.dir);
    fixture.sink = (struct log_sink){.fd = memfd_create("log", MFD_CLOEXEC), .level = LOG_INFO};
    fixture.log = (struct log){.sink = &fixture.sink, .module = "api"};
    if (log_level_init(&fixture.control, fixture.dir.path, &fixture.log))
        return -1;
    *state = &fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    log_level_release(&fixture->control);
    temp_dir_release(&fixture->dir);
    return close(fixture->sink.fd);
}

static void write_file(struct fixture *fixture, const char *text)
{
    temp_dir_write(&fixture->dir, "log_level", text, strlen(text));
}

static size_t count_logged(const struct fixture *fixture, const char *text)
{
    char logged[LOG_MAX + 1];
    size_t count = 0;
    ssize_t len = pread(fixture->sink.fd, logged, LOG_MAX, 0);
    assert_true(len >= 0);
    logged[len] = '\0';
    for (const char *at = logged; (at = strstr(at, text)); at++)
        count++;
    return count;
}

static void assert_level(struct fixture *fixture, enum log_level level)
{
    log_level_follow(&fixture->control, false);
    assert_int_equal(atomic_load(&fixture->sink.level), level);
}

static void without_a_file_the_configured_level_holds(void **state)
{
    struct fixture *fixture = *state;
    assert_level(fixture, LOG_INFO);
    const struct log_level_state now = log_level_look(&fixture->control);
    assert_int_equal(now.level, LOG_INFO);
    assert_int_equal(now.configured, LOG_INFO);
    assert_int_equal(now.seconds_left, 0);
    assert_int_equal(count_logged(fixture, "Log level changed"), 0);
}

static void what_an_operator_writes_is_followed_for_ten_minutes(void **state)
{
    struct fixture *fixture = *state;
    write_file(fixture, "debug\n");
    assert_level(fixture, LOG_DEBUG);
    assert_level(fixture, LOG_DEBUG);
    assert_int_equal(count_logged(fixture, "Log level changed: level=debug seconds=600"), 1);
    temp_dir_set_times(&fixture->dir, "log_level", 0, 500);
    assert_in_range(log_level_look(&fixture->control).seconds_left, 98, 100);
    temp_dir_set_times(&fixture->dir, "log_level", 0, 601);
    assert_level(fixture, LOG_INFO);
    assert_int_equal(count_logged(fixture, "Log level changed: level=info"), 1);
}

static void a_number_says_for_how_many_seconds(void **state)
{
    struct fixture *fixture = *state;
    write_file(fixture, "  off 60\n");
    assert_level(fixture, LOG_OFF);
    assert_int_equal(count_logged(fixture, "level=off"), 1); /* the last word is written */
    temp_dir_set_times(&fixture->dir, "log_level", 0, 61);
    assert_level(fixture, LOG_INFO);
}

static void the_file_going_away_ends_it(void **state)
{
    struct fixture *fixture = *state;
    write_file(fixture, "trace");
    assert_level(fixture, LOG_TRACE);
    assert_int_equal(unlink(fixture->control.path), 0);
    assert_level(fixture, LOG_INFO);
}

static void what_is_no_level_is_told_about_once_and_not_followed(void **state)
{
    static const char *const texts[] = {"verbose",     "debug soon", "debug 0",
                                        "debug 86401", "debug 1 2",  "debug 99999999999999999999"};
    struct fixture *fixture = *state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        write_file(fixture, texts[i]);
        temp_dir_set_times(&fixture->dir, "log_level", 0, (long)i + 1);
        assert_level(fixture, LOG_INFO);
        assert_level(fixture, LOG_INFO);
        assert_int_equal(count_logged(fixture, "The file is not a log level"), i + 1);
    }
    write_file(fixture, ""); /* a shell is just writing it */
    assert_level(fixture, LOG_INFO);
    assert_int_equal(count_logged(fixture, "The file is not a log level"), 6);
}

static void a_link_or_a_directory_is_not_followed(void **state)
{
    struct fixture *fixture = *state;
    temp_dir_write(&fixture->dir, "other", "debug", 5);
    assert_int_equal(symlink("other", fixture->control.path), 0);
    assert_level(fixture, LOG_INFO);
    assert_int_equal(unlink(fixture->control.path), 0);
    assert_int_equal(mkdir(fixture->control.path, 0700), 0);
    assert_level(fixture, LOG_INFO);
}

static void setting_it_reaches_every_process(void **state)
{
    struct fixture *fixture = *state;
    struct log_sink sink = {.fd = -1, .level = LOG_INFO};
    const struct log log = {.sink = &sink, .module = "api"};
    struct log_level_control sibling = {.log = NULL};
    struct err_buf why;
    assert_int_equal(log_level_init(&sibling, fixture->dir.path, &log), APP_OK);
    assert_int_equal(log_level_set(&fixture->control, LOG_DEBUG, 30, &why), APP_OK);
    assert_int_equal(atomic_load(&fixture->sink.level), LOG_DEBUG); /* here at once */
    assert_int_equal(temp_dir_count(&fixture->dir), 1);
    log_level_follow(&sibling, false);
    assert_int_equal(atomic_load(&sink.level), LOG_DEBUG);
    assert_in_range(log_level_look(&sibling).seconds_left, 28, 30);
    log_level_release(&sibling);
}

static void who_tidies_up_removes_a_file_whose_time_is_over_and_no_other(void **state)
{
    struct fixture *fixture = *state;
    write_file(fixture, "debug 10");
    log_level_follow(&fixture->control, true);
    assert_true(temp_dir_has(&fixture->dir, "log_level"));
    temp_dir_set_times(&fixture->dir, "log_level", 0, 11);
    log_level_follow(&fixture->control, false);
    assert_true(temp_dir_has(&fixture->dir, "log_level"));
    log_level_follow(&fixture->control, true);
    assert_false(temp_dir_has(&fixture->dir, "log_level"));
}

static void a_directory_that_cannot_be_written_is_an_error(void **state)
{
    struct fixture *fixture = *state;
    struct log_level_control control = {.log = NULL};
    struct err_buf why = {.detail = ""};
    char path[PATH_MAX + 1];
    assert_int_equal(log_level_init(&control, "/nowhere", &fixture->log), APP_OK);
    assert_int_equal(log_level_set(&control, LOG_DEBUG, 30, &why), APP_INTERNAL);
    assert_non_null(strstr(why.detail, "No such file"));
    assert_int_equal(atomic_load(&fixture->sink.level), LOG_INFO);
    log_level_release(&control);
    memset(path, 'a', sizeof(path) - 1);
    path[sizeof(path) - 1] = '\0';
    assert_int_equal(log_level_init(&control, path, &fixture->log), APP_CONFIG);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(without_a_file_the_configured_level_holds),
        TEST(what_an_operator_writes_is_followed_for_ten_minutes),
        TEST(a_number_says_for_how_many_seconds),
        TEST(the_file_going_away_ends_it),
        TEST(what_is_no_level_is_told_about_once_and_not_followed),
        TEST(a_link_or_a_directory_is_not_followed),
        TEST(setting_it_reaches_every_process),
        TEST(who_tidies_up_removes_a_file_whose_time_is_over_and_no_other),
        TEST(a_directory_that_cannot_be_written_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
