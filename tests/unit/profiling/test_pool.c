/* SPDX-License-Identifier: MIT */
/* Siblings are real processes, forked before this one has threads. */
#include "support/cmocka.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "profiling/pool.h"

static struct log_sink sink = {.fd = 2, .level = LOG_OFF};
static struct log test_log = {.sink = &sink, .module = "test"};
static char run_dir[64];

/* "echo X" answers X and the pid, "sleep" waits until the asker is gone, "fail" fails. */
static enum app_err serve(void *context, const char *command, bool (*gone)(void *),
                          void *gone_context, struct buf *answer, struct err_buf *why)
{
    (void)context;
    if (strcmp(command, "sleep") == 0) {
        for (int i = 0; i < 1000 && !gone(gone_context); i++)
            usleep(10000);
        return err_set(why, APP_CLIENT_GONE, "gone");
    }
    if (strcmp(command, "fail") == 0)
        return err_set(why, APP_BUSY, "no %s", "room");
    if (strcmp(command, "big") == 0) {
        for (int i = 0; i < 3000; i++)
            if (buf_append(answer, command, 3) || buf_printf(answer, "%01021d", i))
                return APP_NO_MEMORY;
        return APP_OK;
    }
    return buf_printf(answer, "%s %ld", command + 5, (long)getpid());
}

static enum app_err start(struct pool **pool)
{
    struct pool_options options = {.run_dir = run_dir, .log = &test_log, .serve = serve};
    struct err_buf why;
    return pool_new(&options, pool, &why);
}

/* A sibling that runs until it is killed; returns when it is registered. */
static pid_t start_sibling(void)
{
    int ready[2];
    char byte;
    assert_int_equal(pipe(ready), 0);
    pid_t pid = fork();
    if (pid == 0) {
        struct pool *pool;
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL); /* also when the test fails */
        if (start(&pool) == APP_OK && write(ready[1], "x", 1) == 1)
            for (;;)
                pause();
        _exit(1);
    }
    assert_int_equal(read(ready[0], &byte, 1), 1);
    close(ready[0]);
    close(ready[1]);
    return pid;
}

static void stop_sibling(pid_t pid)
{
    kill(pid, SIGKILL);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
}

struct collected {
    size_t good;
    size_t failed;
    size_t timed_out;
    size_t bytes;
    enum app_err last_error;
    char last_text[ERR_TEXT_MAX];
};

static void collect(void *context, const struct pool_answer *answer)
{
    struct collected *collected = context;
    if (answer->err == APP_OK) {
        char expected[64];
        collected->good++;
        collected->bytes += answer->len;
        (void)snprintf(expected, sizeof(expected), "hello %ld", (long)answer->pid);
        if (answer->len < 100)
            assert_string_equal(answer->data, expected);
        return;
    }
    if (answer->err == APP_UPSTREAM_TIMEOUT)
        collected->timed_out++;
    else
        collected->failed++;
    collected->last_error = answer->err;
    (void)snprintf(collected->last_text, sizeof(collected->last_text), "%s", answer->text);
}

static struct collected ask(struct pool *pool, const char *command, int64_t ms, size_t *asked)
{
    struct collected collected = {.good = 0};
    assert_int_equal(pool_ask(pool, command, deadline_in_ms(ms), collect, &collected, asked, NULL),
                     APP_OK);
    return collected;
}

static int set_up(void **state)
{
    (void)state;
    (void)snprintf(run_dir, sizeof(run_dir), "/tmp/emojify-pool-XXXXXX");
    assert_non_null(mkdtemp(run_dir));
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    char command[128];
    (void)snprintf(command, sizeof(command), "rm -rf %s", run_dir);
    return system(command);
}

static void every_sibling_answers_one_command(void **state)
{
    (void)state;
    pid_t siblings[3];
    struct pool *pool = NULL;
    size_t asked = 99;
    for (size_t i = 0; i < 3; i++)
        siblings[i] = start_sibling();
    assert_int_equal(start(&pool), APP_OK);
    struct collected collected = ask(pool, "echo hello", 5000, &asked);
    assert_int_equal(asked, 4);
    assert_int_equal(collected.good, 4);
    collected = ask(pool, "big", 10000, &asked);
    assert_int_equal(collected.good, 4);
    assert_int_equal(collected.bytes, 4 * 3000 * 1024);
    pool_free(&pool);
    assert_null(pool);
    for (size_t i = 0; i < 3; i++)
        stop_sibling(siblings[i]);
}

static void a_killed_sibling_is_forgotten(void **state)
{
    (void)state;
    pid_t pids[POOL_MAX_SIBLINGS];
    pid_t sibling = start_sibling();
    struct pool *pool = NULL;
    assert_int_equal(start(&pool), APP_OK);
    assert_int_equal(pool_siblings(pool, pids), 2);
    stop_sibling(sibling);
    assert_int_equal(pool_siblings(pool, pids), 1);
    assert_int_equal(pids[0], getpid());
    char path[128];
    (void)snprintf(path, sizeof(path), "%s/%ld.sock", run_dir, (long)sibling);
    assert_int_not_equal(access(path, F_OK), 0);
    pool_free(&pool);
}

static void a_stopped_sibling_costs_its_own_answer_only(void **state)
{
    (void)state;
    pid_t sibling = start_sibling();
    struct pool *pool = NULL;
    size_t asked;
    assert_int_equal(start(&pool), APP_OK);
    kill(sibling, SIGSTOP);
    int64_t began = clock_now_ns();
    struct collected collected = ask(pool, "echo hello", 500, &asked);
    assert_true(clock_now_ns() - began < 3 * NS_PER_S);
    assert_int_equal(asked, 2);
    assert_int_equal(collected.good, 1);
    assert_int_equal(collected.timed_out, 1);
    pool_free(&pool);
    stop_sibling(sibling);
}

static pid_t to_kill;

static void *kill_soon(void *unused)
{
    usleep(200000);
    kill(to_kill, SIGKILL);
    return unused;
}

static void a_sibling_that_dies_meanwhile_is_reported(void **state)
{
    (void)state;
    to_kill = start_sibling();
    struct pool *pool = NULL;
    pthread_t killer;
    assert_int_equal(start(&pool), APP_OK);
    assert_int_equal(pthread_create(&killer, NULL, kill_soon, NULL), 0);
    struct collected collected = ask(pool, "sleep", 1000, NULL);
    pthread_join(killer, NULL);
    assert_int_equal(collected.failed, 1);
    assert_int_equal(collected.timed_out, 1);
    pool_free(&pool);
    assert_int_equal(waitpid(to_kill, NULL, 0), to_kill);
}

static void an_error_arrives_with_its_code_and_text(void **state)
{
    (void)state;
    struct pool *pool = NULL;
    assert_int_equal(start(&pool), APP_OK);
    struct collected collected = ask(pool, "fail", 2000, NULL);
    assert_int_equal(collected.failed, 1);
    assert_int_equal(collected.last_error, APP_BUSY);
    assert_string_equal(collected.last_text, "no room");
    pool_free(&pool);
}

static void a_command_whose_asker_left_ends(void **state)
{
    (void)state;
    struct pool *pool = NULL;
    assert_int_equal(start(&pool), APP_OK);
    struct collected collected = ask(pool, "sleep", 100, NULL);
    assert_int_equal(collected.timed_out, 1);
    int64_t began = clock_now_ns();
    pool_free(&pool); /* waits for the command's thread */
    assert_true(clock_now_ns() - began < 5 * NS_PER_S);
}

static void a_directory_that_was_wiped_is_joined_again(void **state)
{
    (void)state;
    pid_t pids[POOL_MAX_SIBLINGS];
    struct pool *pool = NULL;
    assert_int_equal(start(&pool), APP_OK);
    assert_int_equal(tear_down(NULL), 0);
    size_t count = 0;
    for (int i = 0; i < 50 && count == 0; i++) {
        usleep(100000);
        count = access(run_dir, F_OK) == 0 ? pool_siblings(pool, pids) : 0;
    }
    assert_int_equal(count, 1);
    struct stat status;
    assert_int_equal(stat(run_dir, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0700);
    pool_free(&pool);
}

static void without_a_usable_directory_a_process_asks_itself(void **state)
{
    (void)state;
    struct pool *pool = NULL;
    size_t asked = 0;
    (void)snprintf(run_dir, sizeof(run_dir), "/proc/self/nothing");
    assert_int_equal(start(&pool), APP_OK);
    struct collected collected = ask(pool, "echo hello", 2000, &asked);
    assert_int_equal(asked, 1);
    assert_int_equal(collected.good, 1);
    pool_free(&pool);
}

static void files_are_private_and_go_away_with_the_pool(void **state)
{
    (void)state;
    struct pool *pool = NULL;
    struct stat status;
    char path[128];
    assert_int_equal(chmod(run_dir, 0755), 0);
    assert_int_equal(start(&pool), APP_OK);
    assert_int_equal(stat(run_dir, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0700);
    (void)snprintf(path, sizeof(path), "%s/%ld.sock", run_dir, (long)getpid());
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0600);
    pool_free(&pool);
    assert_int_not_equal(access(path, F_OK), 0);
    assert_int_equal(rmdir(run_dir), 0);
    assert_int_equal(mkdir(run_dir, 0700), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(every_sibling_answers_one_command, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_killed_sibling_is_forgotten, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_stopped_sibling_costs_its_own_answer_only, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_sibling_that_dies_meanwhile_is_reported, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(an_error_arrives_with_its_code_and_text, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_command_whose_asker_left_ends, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_directory_that_was_wiped_is_joined_again, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(files_are_private_and_go_away_with_the_pool, set_up,
                                        tear_down),
        cmocka_unit_test(without_a_usable_directory_a_process_asks_itself),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
