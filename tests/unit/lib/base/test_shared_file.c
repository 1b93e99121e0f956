/* SPDX-License-Identifier: MIT */
/* What tests/unit/lib/telemetry/test_metrics.c does not see of it: preparing, and no room. */
#include "lib/base/shared_file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/cmocka.h"
#include "support/temp_dir.h"

#define LAYOUT "0123456789abcdef0123456789abcdef"

enum { SIZE = 8192, SLOTS = 3 };

static unsigned prepared; /* how often */

static bool prepare(void *map)
{
    prepared++;
    memcpy((char *)map + sizeof(struct shared_file_header), "ready", 6);
    return true;
}

static bool prepare_badly(void *map)
{
    memcpy((char *)map + sizeof(struct shared_file_header), "half", 5);
    errno = ENOSYS;
    return false;
}

static int set_up(void **state)
{
    static struct temp_dir dir;
    temp_dir_init(&dir);
    prepared = 0;
    *state = &dir;
    return 0;
}

static int tear_down(void **state)
{
    temp_dir_release(*state);
    return 0;
}

static struct shared_file_options options_for(const struct temp_dir *dir)
{
    return (struct shared_file_options){
        .directory = dir->path, .name = "test", .layout = LAYOUT, .size = SIZE, .prepare = prepare};
}

static struct shared_file must_open(const struct temp_dir *dir)
{
    const struct shared_file_options options = options_for(dir);
    struct err_buf why = {.detail = ""};
    struct shared_file file;
    if (shared_file_open(&file, &options, &why))
        fail_msg("%s", why.detail);
    return file;
}

static char *content(const struct shared_file *file)
{
    return (char *)file->map + sizeof(struct shared_file_header);
}

static void the_file_is_prepared_once_and_seen_by_all(void **state)
{
    struct shared_file one = must_open(*state);
    struct shared_file other = must_open(*state);
    assert_int_equal(prepared, 1);
    assert_string_equal(content(&other), "ready");
    memcpy(content(&one), "spoken", 7);
    assert_string_equal(content(&other), "spoken");
    shared_file_release(&one);
    shared_file_release(&one);
    shared_file_release(&other);
    struct shared_file later = must_open(*state);
    assert_int_equal(prepared, 1);
    assert_string_equal(content(&later), "spoken");
    shared_file_release(&later);
}

static void a_file_that_could_not_be_prepared_is_prepared_by_the_next(void **state)
{
    struct shared_file_options options = options_for(*state);
    struct err_buf why = {.detail = ""};
    struct shared_file file;
    options.prepare = prepare_badly;
    assert_int_equal(shared_file_open(&file, &options, &why), APP_CONFIG);
    assert_non_null(strstr(why.detail, "cannot be prepared"));
    file = must_open(*state);
    assert_int_equal(prepared, 1);
    assert_string_equal(content(&file), "ready");
    shared_file_release(&file);
}

static void a_file_of_another_size_is_replaced(void **state)
{
    char path[PATH_MAX];
    temp_dir_path(*state, "test-" LAYOUT, path);
    struct shared_file before = must_open(*state);
    assert_int_equal(truncate(path, 2 * SIZE), 0);
    struct shared_file file = must_open(*state);
    assert_int_equal(prepared, 2);
    memcpy(content(&file), "new", 4);
    assert_string_equal(content(&before), "ready"); /* who has it goes on with it */
    shared_file_release(&file);
    shared_file_release(&before);
}

/* In a child, for a limit on file sizes is for the whole process. */
static int open_without_room(const struct temp_dir *dir)
{
    const struct rlimit none = {SIZE / 2, SIZE / 2};
    const struct shared_file_options options = options_for(dir);
    struct err_buf why = {.detail = ""};
    struct shared_file file;
    (void)signal(SIGXFSZ, SIG_IGN);
    if (setrlimit(RLIMIT_FSIZE, &none) != 0)
        return 1;
    if (shared_file_open(&file, &options, &why) != APP_CONFIG)
        return 2;
    return strstr(why.detail, "there is no room") ? 0 : 3;
}

static void without_room_there_is_no_file_rather_than_a_signal_later(void **state)
{
    int status = 0;
    pid_t child = fork();
    if (child == 0)
        _exit(open_without_room(*state));
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

static void a_directory_that_is_a_link_is_not_followed(void **state)
{
    const struct temp_dir *dir = *state;
    char path[PATH_MAX];
    struct shared_file_options options = options_for(dir);
    struct err_buf why = {.detail = ""};
    struct shared_file file;
    temp_dir_path(dir, "link", path);
    assert_int_equal(symlink("/tmp", path), 0);
    options.directory = path;
    assert_int_equal(shared_file_open(&file, &options, &why), APP_CONFIG);
    assert_non_null(strstr(why.detail, "cannot be opened"));
}

static void slots_are_held_until_the_file_is_released(void **state)
{
    struct shared_file files[SLOTS + 1];
    struct err_buf why = {.detail = ""};
    size_t slot = 77;
    for (size_t i = 0; i < SLOTS; i++) {
        files[i] = must_open(*state);
        assert_int_equal(shared_file_take_slot(&files[i], SLOTS, &slot, &why), APP_OK);
        assert_int_equal(slot, i);
    }
    files[SLOTS] = must_open(*state);
    assert_int_equal(shared_file_take_slot(&files[SLOTS], SLOTS, &slot, &why), APP_CONFIG);
    assert_string_equal(why.detail, "there are 3 processes already");
    assert_true(shared_file_is_held(&files[SLOTS], 1));
    assert_false(shared_file_is_held(&files[1], 1)); /* by ourselves */
    shared_file_release(&files[1]);
    assert_false(shared_file_is_held(&files[SLOTS], 1));
    assert_int_equal(shared_file_take_slot(&files[SLOTS], SLOTS, &slot, &why), APP_OK);
    assert_int_equal(slot, 1);
    for (size_t i = 0; i <= SLOTS; i++)
        shared_file_release(&files[i]);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_file_is_prepared_once_and_seen_by_all),
        TEST(a_file_that_could_not_be_prepared_is_prepared_by_the_next),
        TEST(a_file_of_another_size_is_replaced),
        TEST(without_room_there_is_no_file_rather_than_a_signal_later),
        TEST(a_directory_that_is_a_link_is_not_followed),
        TEST(slots_are_held_until_the_file_is_released),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
