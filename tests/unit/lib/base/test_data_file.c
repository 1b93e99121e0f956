/* SPDX-License-Identifier: MIT */
/* A copy of this program, in a directory of its own, looks for files beside itself. */
#include "lib/base/data_file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "support/cmocka.h"
#include "support/temp_dir.h"

#define NAME "test.data"
#define WHAT "the test's file"

static struct temp_dir dir;

static int make_directory(void **state)
{
    (void)state;
    temp_dir_init(&dir);
    return 0;
}

static int remove_directory(void **state)
{
    (void)state;
    temp_dir_release(&dir);
    return 0;
}

static void assert_refused(const char *path, const char *reason)
{
    struct data_file file = {.len = 77};
    struct err_buf why = {.text = ""};
    assert_int_equal(data_file_open(path, NAME, WHAT, &file, &why), APP_CONFIG);
    if (!strstr(why.text, WHAT) || !strstr(why.text, reason) || (path && !strstr(why.text, path)))
        fail_msg("\"%s\"", why.text);
    assert_int_equal(file.len, 77);
}

static void a_file_is_mapped_and_let_go(void **state)
{
    (void)state;
    struct data_file file = {.len = 0};
    char path[PATH_MAX];
    temp_dir_write(&dir, NAME, "content", 7);
    temp_dir_path(&dir, NAME, path);
    assert_int_equal(data_file_open(path, NAME, WHAT, &file, NULL), APP_OK);
    assert_int_equal(file.len, 7);
    assert_memory_equal(file.data, "content", 7);
    data_file_close(&file);
    assert_null(file.data);
    assert_int_equal(file.len, 0);
    data_file_close(&file);
}

static void a_missing_file_is_named(void **state)
{
    (void)state;
    char path[PATH_MAX];
    temp_dir_path(&dir, "nothing", path);
    assert_refused(path, "No such file");
}

static void an_empty_file_is_refused(void **state)
{
    (void)state;
    char path[PATH_MAX];
    temp_dir_write(&dir, "empty", "", 0);
    temp_dir_path(&dir, "empty", path);
    assert_refused(path, "Invalid argument");
}

static void a_directory_is_refused(void **state)
{
    (void)state;
    assert_refused(dir.path, "Invalid argument");
}

static void a_file_of_nowhere_is_said_to_be_missing_in_both_places(void **state)
{
    (void)state;
    assert_refused(NULL, NAME);
    assert_refused(NULL, "../share/emojify-api/");
}

/* --- Beside the program ----------------------------------------------------------------- */

/* In the copy: prints what the file says, or why there is none. */
static int print_file(void)
{
    struct data_file file = {.len = 0};
    struct err_buf why = {.text = ""};
    if (data_file_open(NULL, NAME, WHAT, &file, &why)) {
        printf("%s\n", why.text);
        return 0;
    }
    printf("%.*s\n", (int)file.len, (const char *)file.data);
    data_file_close(&file);
    return 0;
}

static void copy_program(const char *to)
{
    char piece[65536];
    size_t len;
    FILE *from = fopen("/proc/self/exe", "rb");
    FILE *copy = fopen(to, "wb");
    assert_non_null(from);
    assert_non_null(copy);
    while ((len = fread(piece, 1, sizeof(piece), from)) > 0)
        assert_int_equal(fwrite(piece, 1, len, copy), len);
    (void)fclose(from);
    assert_int_equal(fclose(copy), 0);
    assert_int_equal(chmod(to, 0700), 0);
}

static void assert_copy_says(const char *program, const char *expected)
{
    char command[PATH_MAX + 16], line[PATH_MAX * 2] = "";
    (void)snprintf(command, sizeof(command), "'%s' print", program);
    FILE *output = popen(command, "r");
    assert_non_null(output);
    assert_non_null(fgets(line, sizeof(line), output));
    assert_int_equal(pclose(output), 0);
    if (!strstr(line, expected))
        fail_msg("\"%s\" instead of \"%s\"", line, expected);
}

static void write_below(const char *name, const char *content)
{
    temp_dir_write(&dir, name, content, strlen(content));
}

static void the_file_beside_the_program_comes_before_the_installed_one(void **state)
{
    (void)state;
    char program[PATH_MAX], path[PATH_MAX];
    static const char *const directories[] = {"bin", "share", "share/emojify-api"};
    for (size_t i = 0; i < sizeof(directories) / sizeof(directories[0]); i++) {
        temp_dir_path(&dir, directories[i], path);
        assert_int_equal(mkdir(path, 0700), 0);
    }
    temp_dir_path(&dir, "bin/program", program);
    copy_program(program);
    assert_copy_says(program, "bin/../share/emojify-api/");
    write_below("share/emojify-api/" NAME, "installed");
    assert_copy_says(program, "installed");
    write_below("bin/" NAME, "beside");
    assert_copy_says(program, "beside");
    write_below("bin/" NAME, ""); /* one that is there is not passed over */
    assert_copy_says(program, "Invalid argument");
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_is_mapped_and_let_go),
        cmocka_unit_test(a_missing_file_is_named),
        cmocka_unit_test(an_empty_file_is_refused),
        cmocka_unit_test(a_directory_is_refused),
        cmocka_unit_test(a_file_of_nowhere_is_said_to_be_missing_in_both_places),
        cmocka_unit_test(the_file_beside_the_program_comes_before_the_installed_one),
    };
    if (argc == 2 && strcmp(argv[1], "print") == 0)
        return print_file();
    return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
