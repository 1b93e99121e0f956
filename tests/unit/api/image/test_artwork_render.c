/* SPDX-License-Identifier: MIT */
/* run: no-tsan */
/* Runs the build-time program itself. What it makes of the real icons is test_artwork's. */
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/build_path.h"
#include "support/cmocka.h"

struct run {
    int status;
    char output[4096]; /* of stderr */
};

/* An argument of NULL is none. */
static struct run render(const char *icons, const char *output)
{
    char program[PATH_MAX];
    int pipe_ends[2];
    assert_int_equal(pipe(pipe_ends), 0);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, pipe_ends[1], STDERR_FILENO);
    posix_spawn_file_actions_addclose(&actions, pipe_ends[0]);
    char quiet[] = "ASAN_OPTIONS=detect_leaks=0", home[] = "HOME=/", name[] = "artwork-render";
    char *from = icons ? strdup(icons) : NULL, *to = output ? strdup(output) : NULL;
    char *arguments[] = {name, from, to, NULL};
    char *environment[] = {quiet, home, NULL};
    pid_t pid;
    assert_int_equal(posix_spawn(&pid, build_path("artwork-render", program, sizeof(program)),
                                 &actions, NULL, arguments, environment),
                     0);
    posix_spawn_file_actions_destroy(&actions);
    close(pipe_ends[1]);

    struct run run = {.status = -1};
    size_t len = 0;
    ssize_t got;
    while (len < sizeof(run.output) - 1 &&
           (got = read(pipe_ends[0], run.output + len, sizeof(run.output) - 1 - len)) > 0)
        len += (size_t)got;
    close(pipe_ends[0]);
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    run.status = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    free(from);
    free(to);
    return run;
}

static int count_files(const char *directory)
{
    int count = 0;
    DIR *dir = opendir(directory);
    assert_non_null(dir);
    for (struct dirent *entry; (entry = readdir(dir));)
        count += entry->d_name[0] != '.';
    closedir(dir);
    return count;
}

static void without_two_files_it_says_how_to_call_it(void **state)
{
    (void)state;
    struct run run = render("icons.json", NULL);
    assert_int_equal(run.status, 2);
    assert_non_null(strstr(run.output, "usage: artwork-render ICONS OUTPUT"));
}

/* Nothing is left beside the icons. */
static void assert_refused(const char *json, const char *reason)
{
    char directory[] = "/tmp/test_artwork_render.XXXXXX", icons[64], output[64];
    assert_non_null(mkdtemp(directory));
    (void)snprintf(icons, sizeof(icons), "%s/icons.json", directory);
    (void)snprintf(output, sizeof(output), "%s/out", directory);
    FILE *file = fopen(icons, "w");
    assert_non_null(file);
    fputs(json, file);
    fclose(file);
    struct run run = render(icons, output);
    assert_int_equal(run.status, EXIT_FAILURE);
    if (!strstr(run.output, reason))
        fail_msg("\"%s\" is not in: %s", reason, run.output);
    assert_int_equal(count_files(directory), 1);
    unlink(icons);
    rmdir(directory);
}

static void icons_that_are_not_as_expected_are_refused(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"", "icons.json: "},
        {"[]", "grinning-face: there is no drawing"},
        {"{\"icons\":{}}", "grinning-face: there is no drawing"},
        {"{\"icons\":{\"grinning-face\":{\"body\":7}}}", "grinning-face: there is no drawing"},
        {"{\"icons\":{\"grinning-face\":{\"body\":\"<oops\"}}}", "grinning-face: "},
        {"{\"icons\":{\"grinning-face\":{\"body\":\"<circle r='9'/>\"}}}", "hardly anything"},
        {"{\"icons\":{\"grinning-face\":{\"body\":\"<circle r='99'/>\"}}}",
         "beaming-face-with-smiling-eyes: there is no drawing"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        assert_refused(cases[i][0], cases[i][1]);
    struct run run = render("/nonexistent/icons.json", "/tmp/none");
    assert_int_equal(run.status, EXIT_FAILURE);
    assert_non_null(strstr(run.output, "/nonexistent/icons.json: "));
}

static void an_output_that_cannot_be_written_is_an_error(void **state)
{
    (void)state;
    struct run run = render("/dev/null", "/nonexistent/emoji.artwork");
    assert_int_equal(run.status, EXIT_FAILURE);
    assert_non_null(strstr(run.output, "/nonexistent/emoji.artwork: No such file"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_two_files_it_says_how_to_call_it),
        cmocka_unit_test(icons_that_are_not_as_expected_are_refused),
        cmocka_unit_test(an_output_that_cannot_be_written_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
