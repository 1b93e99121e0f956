/* SPDX-License-Identifier: MIT */
/* Runs the build-time program itself. What it makes of the real font is test_artwork's. */
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <setjmp.h>
#include <spawn.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "support/build_path.h"

struct run {
    int status;
    char output[4096]; /* of stderr */
};

/* `output` may be empty, for none; `setting` is one more environment variable. */
static struct run render(const char *output, const char *setting)
{
    char program[PATH_MAX];
    int pipe_ends[2];
    assert_int_equal(pipe(pipe_ends), 0);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, pipe_ends[1], STDERR_FILENO);
    posix_spawn_file_actions_addclose(&actions, pipe_ends[0]);
    char quiet[] = "ASAN_OPTIONS=detect_leaks=0", *more = strdup(setting), *path = strdup(output);
    char name[] = "artwork-render";
    char *arguments[] = {name, *path ? path : NULL, NULL};
    char *environment[] = {quiet, more, NULL};
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
    free(more);
    free(path);
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

static void without_an_output_it_says_how_to_call_it(void **state)
{
    (void)state;
    struct run run = render("", "HOME=/");
    assert_int_equal(run.status, 2);
    assert_non_null(strstr(run.output, "usage: artwork-render OUTPUT"));
}

static void without_the_font_it_fails_and_leaves_nothing(void **state)
{
    (void)state;
    char directory[] = "/tmp/test_artwork_render.XXXXXX", path[64], setting[96], output[64];
    assert_non_null(mkdtemp(directory));
    (void)snprintf(path, sizeof(path), "%s/fonts.conf", directory);
    FILE *config = fopen(path, "w");
    assert_non_null(config);
    fputs("<fontconfig><dir>/usr/share/fonts/truetype/dejavu</dir></fontconfig>\n", config);
    fclose(config);
    (void)snprintf(setting, sizeof(setting), "FONTCONFIG_FILE=%s", path);
    (void)snprintf(output, sizeof(output), "%s/out", directory);
    struct run run = render(output, setting);
    assert_int_equal(run.status, EXIT_FAILURE);
    if (!strstr(run.output, "fonts-noto-color-emoji"))
        fail_msg("%s", run.output);
    assert_int_equal(count_files(directory), 1);
    unlink(path);
    rmdir(directory);
}

static void an_output_that_cannot_be_written_is_an_error(void **state)
{
    (void)state;
    struct run run = render("/nonexistent/emoji.artwork", "HOME=/");
    assert_int_equal(run.status, EXIT_FAILURE);
    assert_non_null(strstr(run.output, "/nonexistent/emoji.artwork: No such file"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_an_output_it_says_how_to_call_it),
        cmocka_unit_test(without_the_font_it_fails_and_leaves_nothing),
        cmocka_unit_test(an_output_that_cannot_be_written_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
