/* SPDX-License-Identifier: MIT */
/*
 * The program runs itself as a child with an environment of the test's choice;
 * the child calls sampler_prepare first of all and prints what it then finds.
 */
#include "profiling/sampler.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/cmocka.h"

/* "child <enabled> <heap bytes> [<argument>]" */
static int child(int argc, char **argv)
{
    struct err_buf why = {.text = ""};
    char name[17] = "", line[64] = "", pid[24];
    sigset_t blocked;

    if (argc > 5) { /* pretend to have been here already */
        (void)snprintf(pid, sizeof(pid), "%d", (int)getpid());
        setenv("SAMPLER_EXECUTED_AGAIN", pid, 1);
    }
    enum app_err err = sampler_prepare(argv[2][0] == '1', strtoll(argv[3], NULL, 10), argv, &why);
    prctl(PR_GET_NAME, name);
    pthread_sigmask(SIG_SETMASK, NULL, &blocked);
    if (!fgets(line, sizeof(line), stdin))
        line[0] = '\0';
    line[strcspn(line, "\n")] = '\0';
    const char *method = getenv("TCMALLOC_STACKTRACE_METHOD");
    const char *heap = getenv("TCMALLOC_SAMPLE_PARAMETER");
    printf("err=%s pid=%d args=%d last=%s name=%s stdin=%s sigprof=%s method=%s heap=%s profile=%s "
           "hz=%s again=%s\n",
           app_err_slug(err), (int)getpid(), argc, argv[argc - 1], name, line,
           sigismember(&blocked, SIGPROF) ? "blocked" : "open", method ? method : "-",
           heap ? heap : "-", getenv("CPUPROFILE") ? "set" : "-",
           getenv("CPUPROFILE_FREQUENCY") ? "set" : "-",
           getenv("SAMPLER_EXECUTED_AGAIN") ? "set" : "-");
    return 0;
}

/* Run the child; its output without the process id, which is checked here. */
static void run_child(const char *const *arguments, const char *const *environment, char *out,
                      size_t size)
{
    int in[2], result[2], status;
    char *const *argv; /* execve's prototype has no const, for reasons of history */
    char *const *envp;
    memcpy(&argv, &arguments, sizeof(argv));
    memcpy(&envp, &environment, sizeof(envp));
    assert_int_equal(pipe2(in, O_CLOEXEC), 0);
    assert_int_equal(pipe2(result, O_CLOEXEC), 0);
    assert_int_equal(write(in[1], "hello\n", 6), 6);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        sigset_t set;
        sigemptyset(&set);
        sigaddset(&set, SIGPROF);
        pthread_sigmask(SIG_BLOCK, &set, NULL);
        dup2(in[0], 0);
        dup2(result[1], 1);
        execve("/proc/self/exe", argv, envp);
        _exit(127);
    }
    close(in[0]);
    close(in[1]);
    close(result[1]);
    ssize_t got = read(result[0], out, size - 1);
    out[got > 0 ? got : 0] = '\0';
    close(result[0]);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);

    char expected[32];
    (void)snprintf(expected, sizeof(expected), " pid=%d", (int)pid);
    char *found = strstr(out, expected);
    if (!found) {
        fail_msg("%s has no%s", out, expected);
        return;
    }
    size_t length = strlen(expected);
    memmove(found, found + length, strlen(found + length) + 1);
}

#define ASAN_QUIET "ASAN_OPTIONS=detect_leaks=0"

static void assert_child(const char *const *arguments, const char *const *environment,
                         const char *expected)
{
    char out[512];
    run_child(arguments, environment, out, sizeof(out));
    assert_string_equal(out, expected);
}

static void what_is_missing_is_there_after_starting_again(void **state)
{
    (void)state;
    const char *const arguments[] = {"/a/path/test-program", "child", "1", "524288", "", NULL};
    const char *const environment[] = {ASAN_QUIET, NULL};
    assert_child(arguments, environment,
                 "err=ok args=5 last= name=test-program stdin=hello sigprof=open method=libgcc "
                 "heap=524288 profile=- hz=- again=-\n");
}

static void what_is_wrong_is_put_right(void **state)
{
    (void)state;
    const char *const arguments[] = {"program", "child", "1", "0", "argument", NULL};
    const char *const environment[] = {ASAN_QUIET, "TCMALLOC_STACKTRACE_METHOD=libunwind",
                                       "TCMALLOC_SAMPLE_PARAMETER=1", NULL};
    assert_child(arguments, environment,
                 "err=ok args=5 last=argument name=program stdin=hello sigprof=open method=libgcc "
                 "heap=- profile=- hz=- again=-\n");
}

static void nothing_is_started_again_when_all_is_there(void **state)
{
    (void)state;
    const char *const arguments[] = {"program", "child", "1", "77", NULL};
    const char *const environment[] = {ASAN_QUIET, "TCMALLOC_STACKTRACE_METHOD=libgcc",
                                       "TCMALLOC_SAMPLE_PARAMETER=77", NULL};
    /* The name is then the kernel's own, after the file the test executed. */
    assert_child(arguments, environment,
                 "err=ok args=4 last=77 name=exe stdin=hello sigprof=open method=libgcc "
                 "heap=77 profile=- hz=- again=-\n");
}

static void variables_that_start_profiles_on_their_own_are_dropped(void **state)
{
    (void)state;
    char path[] = "/tmp/test-sampler-prepare-XXXXXX";
    char variable[64];
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    close(fd);
    (void)snprintf(variable, sizeof(variable), "CPUPROFILE=%s", path);
    const char *const environment[] = {ASAN_QUIET, variable, "CPUPROFILE_FREQUENCY=4000",
                                       "CPUPROFILE_REALTIME=1", NULL};
    const char *const off[] = {"program", "child", "0", "0", NULL};
    const char *const on[] = {"program", "child", "1", "0", NULL};
    assert_child(off, environment,
                 "err=ok args=4 last=0 name=program stdin=hello sigprof=open method=- "
                 "heap=- profile=- hz=- again=-\n");
    assert_child(on, environment,
                 "err=ok args=4 last=0 name=program stdin=hello sigprof=open method=libgcc "
                 "heap=- profile=- hz=- again=-\n");
    unlink(path);
}

static void nothing_else_is_touched_when_profiling_is_off(void **state)
{
    (void)state;
    const char *const arguments[] = {"program", "child", "0", "77", NULL};
    const char *const environment[] = {ASAN_QUIET, "TCMALLOC_SAMPLE_PARAMETER=5", NULL};
    assert_child(arguments, environment,
                 "err=ok args=4 last=77 name=exe stdin=hello sigprof=open method=- "
                 "heap=5 profile=- hz=- again=-\n");
}

static void it_never_starts_again_twice(void **state)
{
    (void)state;
    const char *const arguments[] = {"program", "child", "1", "0", "x", "again", NULL};
    const char *const environment[] = {ASAN_QUIET, NULL};
    assert_child(arguments, environment,
                 "err=internal args=6 last=again name=program stdin=hello sigprof=open method=- "
                 "heap=- profile=- hz=- again=-\n");
}

static void another_processs_mark_does_not_count(void **state)
{
    (void)state;
    const char *const arguments[] = {"program", "child", "1", "0", NULL};
    const char *const environment[] = {ASAN_QUIET, "SAMPLER_EXECUTED_AGAIN=1", NULL};
    assert_child(arguments, environment,
                 "err=ok args=4 last=0 name=program stdin=hello sigprof=open method=libgcc "
                 "heap=- profile=- hz=- again=-\n");
}

int main(int argc, char **argv)
{
    if (argc > 3 && strcmp(argv[1], "child") == 0)
        return child(argc, argv);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_missing_is_there_after_starting_again),
        cmocka_unit_test(what_is_wrong_is_put_right),
        cmocka_unit_test(nothing_is_started_again_when_all_is_there),
        cmocka_unit_test(variables_that_start_profiles_on_their_own_are_dropped),
        cmocka_unit_test(nothing_else_is_touched_when_profiling_is_off),
        cmocka_unit_test(it_never_starts_again_twice),
        cmocka_unit_test(another_processs_mark_does_not_count),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
