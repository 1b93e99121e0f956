/* SPDX-License-Identifier: MIT */
/*
 * The pool here is this test program alone: it asks itself through its socket
 * in a directory of the test's own, as siblings ask one another.
 */
#include "profiling/profiling.h"

#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "profiling/legacy.h"
#include "profiling/pool.h"
#include "profiling/sampler.h"
#include "support/cmocka.h"
#include "support/profile_share.h"
#include "support/temp_dir.h"

enum { GATHERS_AT_ONCE = 4, TEXT_MAX = 64 * 1024 };

static struct log_sink sink = {.fd = 2, .level = LOG_OFF};
static const struct log quiet = {.sink = &sink, .module = "test"};

/* --- Work to be found --------------------------------------------------------------- */

static _Atomic bool stop_burning;
static _Atomic bool is_burning;

__attribute__((noinline)) static void burn(void)
{
    volatile double x = 1;
    atomic_store(&is_burning, true);
    while (!atomic_load_explicit(&stop_burning, memory_order_relaxed))
        for (int i = 0; i < 1000; i++)
            x = x * 1.0001 + 1;
}

__attribute__((noinline)) static void *handle_picture(void *unused)
{
    (void)unused;
    burn();
    return NULL;
}

struct play {
    struct temp_dir dir;
    char run_dir[PATH_MAX];
    struct pprof_route route;
    struct profiling *profiling;
    pthread_t burner;
};

static int start(void **state)
{
    struct play *play = calloc(1, sizeof(*play));
    struct err_buf why = {.text = ""};
    assert_non_null(play);
    temp_dir_init(&play->dir);
    temp_dir_path(&play->dir, "run", play->run_dir);
    play->route = (struct pprof_route){"picture", (uintptr_t)handle_picture};
    const struct pprof_options options = {
        .run_dir = play->run_dir,
        .words = {.version = "1.2-test", .heap_setting = "HEAP_SETTING"},
        .hz = 100,
        .ring_hz = 0,
        .routes = &play->route,
        .route_count = 1,
        .log = &quiet,
    };
    if (profiling_new(&options, &play->profiling, &why))
        fail_msg("profiling_new: %s %s", why.text, why.detail);
    atomic_store(&stop_burning, false);
    atomic_store(&is_burning, false);
    assert_int_equal(pthread_create(&play->burner, NULL, handle_picture, NULL), 0);
    while (!atomic_load(&is_burning))
        usleep(1000);
    *state = play;
    return 0;
}

static int stop(void **state)
{
    struct play *play = *state;
    atomic_store(&stop_burning, true);
    pthread_join(play->burner, NULL);
    profiling_free(&play->profiling);
    assert_null(play->profiling);
    assert_int_equal(access(play->run_dir, F_OK), 0);
    temp_dir_release(&play->dir);
    free(play);
    return 0;
}

static struct profiling_result gather(const struct play *play, const char *name, double seconds)
{
    const struct profiling_query query = {.provider = provider_find(name), .seconds = seconds};
    struct profiling_result result = {.profile = NULL};
    struct err_buf why = {.text = ""};
    enum app_err err = profiling_gather(play->profiling, &query, &result, &why);
    if (err)
        fail_msg("profiling_gather: %s %s %s", app_strerror(err), why.text, why.detail);
    assert_int_equal(result.answered, 1);
    assert_int_equal(result.asked, 1);
    return result;
}

/* --- Gathering ------------------------------------------------------------------------ */

static void a_cpu_profile_has_the_busy_function_its_route_and_the_process(void **state)
{
    struct profiling_result result = gather(*state, "profile", 1);
    const struct profile *profile = result.profile;
    struct profile_sample_view view;
    assert_ptr_equal(profile_kind_of(profile), &profile_kind_cpu);
    assert_in_range(profile_duration_ns(profile), 900 * NS_PER_MS, 2000 * NS_PER_MS);
    assert_int_equal(profile_period(profile), 10000000);

    int64_t total = profile_total(profile, 0);
    assert_true(total > 0);
    assert_true(profile_sum_in(profile, "burn", NULL, 0) * 2 > total);
    assert_true(profile_sum_in(profile, "burn", "picture", 0) * 2 > total);
    profile_sample_at(profile, 0, &view);
    assert_int_equal(view.labels->pid, getpid());

    bool covered = false;
    for (size_t i = 0; i < profile_comment_count(profile); i++)
        covered |= strcmp(profile_comment_at(profile, i), "processes 1/1") == 0;
    assert_true(covered);
    profile_free(&result.profile);
}

static void a_goroutine_profile_has_every_thread(void **state)
{
    struct profiling_result result = gather(*state, "goroutine", 0);
    assert_ptr_equal(profile_kind_of(result.profile), &profile_kind_goroutine);
    assert_int_equal(profile_sum_in(result.profile, "burn", "picture", 0), 1);
    assert_int_equal(profile_sum_in(result.profile, "main", NULL, 0), 1);
    assert_true(profile_total(result.profile, 0) >= 3); /* and the pool's */
    profile_free(&result.profile);

    result = gather(*state, "threadcreate", 0);
    assert_ptr_equal(profile_kind_of(result.profile), &profile_kind_threads);
    assert_int_equal(profile_sum_in(result.profile, "burn", NULL, 0), 1);
    profile_free(&result.profile);
}

static void waits_that_did_not_happen_are_an_empty_profile(void **state)
{
    static const char *const names[] = {"block", "mutex"};
    for (size_t i = 0; i < 2; i++) {
        struct profiling_result result = gather(*state, names[i], 0);
        assert_ptr_equal(profile_kind_of(result.profile), &profile_kind_contention);
        profile_free(&result.profile);
    }
}

static void assert_not_found(const struct play *play, const struct profiling_query *query,
                             const char *text)
{
    struct err_buf why = {.text = ""};
    struct profile *junk = (struct profile *)&sink;
    struct profiling_result result = {junk, 77, 78};
    assert_int_equal(profiling_gather(play->profiling, query, &result, &why), APP_NOT_FOUND);
    if (!strstr(why.text, text))
        fail_msg("not \"%s\" but \"%s\"", text, why.text);
    assert_ptr_equal(result.profile, junk);
    assert_int_equal(result.answered, 77);
    assert_int_equal(result.asked, 78);
}

static void what_is_not_collected_is_not_found_with_its_reason(void **state)
{
    const struct play *play = *state;
    assert_not_found(play, &(struct profiling_query){.provider = provider_find("heap")},
                     "HEAP_SETTING is 0");
    assert_not_found(play, &(struct profiling_query){.provider = provider_find("allocs")},
                     "HEAP_SETTING is 0");
    assert_not_found(play, &(struct profiling_query){provider_find("past"), 5, 10},
                     "the ring is off");
    assert_not_found(play, &(struct profiling_query){.provider = provider_find("cpu")},
                     "sampling was never switched on");
}

struct gatherer {
    pthread_t thread;
    const struct play *play;
    enum app_err err;
};

static void *gather_a_second(void *object)
{
    struct gatherer *gatherer = object;
    const struct profiling_query query = {.provider = provider_find("profile"), .seconds = 1};
    struct profiling_result result = {.profile = NULL};
    struct err_buf why = {.text = ""};
    gatherer->err = profiling_gather(gatherer->play->profiling, &query, &result, &why);
    profile_free(&result.profile);
    return NULL;
}

static void only_so_many_are_gathered_at_once(void **state)
{
    struct gatherer gatherers[GATHERS_AT_ONCE + 1];
    unsigned done = 0, busy = 0;
    for (int i = 0; i <= GATHERS_AT_ONCE; i++) {
        gatherers[i] = (struct gatherer){.play = *state};
        assert_int_equal(pthread_create(&gatherers[i].thread, NULL, gather_a_second, &gatherers[i]),
                         0);
    }
    for (int i = 0; i <= GATHERS_AT_ONCE; i++) {
        pthread_join(gatherers[i].thread, NULL);
        done += gatherers[i].err == APP_OK;
        busy += gatherers[i].err == APP_BUSY;
    }
    assert_int_equal(done, GATHERS_AT_ONCE);
    assert_int_equal(busy, 1);
    struct profiling_result result = gather(*state, "goroutine", 0);
    profile_free(&result.profile);
}

/* --- The toggle and the states ------------------------------------------------------- */

/* This process's state; there is no other. */
static struct state state_of(const struct play *play)
{
    struct state *states = NULL;
    size_t count = 77;
    assert_int_equal(profiling_states(play->profiling, &states, &count), APP_OK);
    assert_int_equal(count, 1);
    struct state state = states[0];
    free(states);
    return state;
}

static void the_toggle_is_in_the_state_and_its_samples_in_a_profile(void **state)
{
    const struct play *play = *state;
    struct err_buf why = {.text = ""};
    struct profiling_coverage coverage = {77, 77};
    assert_int_equal(state_of(play).pid, getpid());
    assert_string_equal(state_of(play).version, "1.2-test");
    assert_false(state_of(play).sampler.toggle);
    assert_int_equal(state_of(play).sampler.windows, 0);

    assert_int_equal(profiling_toggle(play->profiling, true, 60, &coverage, &why), APP_OK);
    assert_true(state_of(play).sampler.toggle);
    assert_int_equal(state_of(play).sampler.hz, 100);
    assert_in_range(state_of(play).sampler.toggle_left_s, 50, 60);
    usleep(700 * 1000);
    assert_int_equal(profiling_toggle(play->profiling, false, 0, &coverage, &why), APP_OK);
    assert_false(state_of(play).sampler.toggle);
    assert_int_equal(state_of(play).sampler.toggle_left_s, 0);

    struct profiling_result result = gather(play, "cpu", 0);
    assert_true(profile_sum_in(result.profile, "burn", "picture", 0) > 0);
    profile_free(&result.profile);
}

static enum app_err refuse(void *context, const char *command, bool (*gone)(void *gone_context),
                           void *gone_context, struct buf *answer, struct err_buf *why)
{
    (void)context, (void)command, (void)gone, (void)gone_context, (void)answer;
    return err_set(why, APP_NOT_IMPLEMENTED, "not here");
}

/* A sibling that is of another build; returns when it is registered. */
static pid_t start_refusing_sibling(const struct play *play)
{
    int ready[2];
    char byte;
    assert_int_equal(pipe(ready), 0);
    pid_t pid = fork();
    if (pid == 0) {
        const struct pool_options options = {
            .run_dir = play->run_dir, .log = &quiet, .serve = refuse};
        struct err_buf why;
        struct pool *pool;
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL); /* also when the test fails */
        if (pool_new(&options, &pool, &why) == APP_OK && write(ready[1], "x", 1) == 1)
            for (;;)
                pause();
        _exit(1);
    }
    assert_int_equal(read(ready[0], &byte, 1), 1);
    close(ready[0]);
    close(ready[1]);
    return pid;
}

static void the_toggle_counts_those_that_obeyed(void **state)
{
    const struct play *play = *state;
    struct err_buf why = {.text = ""};
    struct profiling_coverage coverage = {77, 77};
    pid_t sibling = start_refusing_sibling(play);
    enum app_err err = profiling_toggle(play->profiling, true, 60, &coverage, &why);
    (void)kill(sibling, SIGKILL);
    assert_int_equal(waitpid(sibling, NULL, 0), sibling);
    assert_int_equal(err, APP_OK);
    assert_int_equal(coverage.answered, 1);
    assert_int_equal(coverage.asked, 2);
    assert_int_equal(profiling_toggle(play->profiling, false, 0, &coverage, &why), APP_OK);
    assert_int_equal(coverage.asked, 1);
}

/* --- What a sibling of another version may ask ---------------------------------------- */

/* The answer to a command as it comes through the process's socket. */
static void ask_raw(const struct play *play, const char *command, char *answer, size_t size)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t len = 0;
    ssize_t got;
    int path_len = snprintf(address.sun_path, sizeof(address.sun_path), "%s/run/%ld.sock",
                            play->dir.path, (long)getpid());
    assert_in_range(path_len, 1, sizeof(address.sun_path) - 1);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(send(fd, command, strlen(command), MSG_NOSIGNAL), strlen(command));
    while (len < size - 1 && (got = recv(fd, answer + len, size - 1 - len, 0)) > 0)
        len += (size_t)got;
    answer[len] = '\0';
    close(fd);
}

static void an_unknown_command_is_answered_as_such(void **state)
{
    static const char *const commands[] = {"nonsense\n", "\n", "toggle\n", "toggle on\n",
                                           "state now\n"};
    char answer[1024];
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
        ask_raw(*state, commands[i], answer, sizeof(answer));
        if (!strstr(answer, "ERR ") || !strstr(answer, "does not know"))
            fail_msg("%s: %s", commands[i], answer);
    }
    ask_raw(*state, "state\n", answer, sizeof(answer));
    assert_int_equal(strncmp(answer, "OK ", 3), 0);
    assert_non_null(strstr(answer, "\"version\":\"1.2-test\""));
}

/* --- Symbols --------------------------------------------------------------------------- */

static void the_symbol_question_is_answered_by_gathered_files(void **state)
{
    const struct play *play = *state;
    struct buf out;
    buf_init(&out, TEXT_MAX);
    assert_int_equal(profiling_symbols(play->profiling, "", 0, false, &out), APP_OK);
    assert_string_equal(out.data, "num_symbols: 1\n");

    struct profiling_result result = gather(play, "goroutine", 0);
    char question[32];
    bool named = false;
    for (size_t i = 0; i < profile_sample_count(result.profile) && !named; i++) {
        struct profile_sample_view view;
        profile_sample_at(result.profile, i, &view);
        for (size_t frame = 0; frame < view.depth && !named; frame++) {
            const struct profile_line *lines;
            uint64_t address;
            size_t count = profile_frame_lines(result.profile, i, frame, &lines, &address);
            size_t mapping = profile_frame_mapping(result.profile, i, frame);
            if (count == 0 || strcmp(lines[count - 1].function, "handle_picture") != 0)
                continue;
            uint64_t legacy = legacy_address(profile_mapping_at(result.profile, mapping), address);
            (void)snprintf(question, sizeof(question), "0x%" PRIx64, legacy);
            named = true;
        }
    }
    assert_true(named);
    buf_reset(&out);
    assert_int_equal(profiling_symbols(play->profiling, question, strlen(question), false, &out),
                     APP_OK);
    assert_non_null(strstr(out.data, question));
    assert_non_null(strstr(out.data, " handle_picture\n"));
    profile_free(&result.profile);
    buf_release(&out);
}

/* --- Life ------------------------------------------------------------------------------- */

static void nothing_is_freed_as_nothing(void **state)
{
    (void)state;
    struct profiling *profiling = NULL;
    profiling_free(&profiling);
    assert_null(profiling);
}

static void where_the_timer_is_taken_there_is_no_ring_and_so_no_profiling(void **state)
{
    const struct play *play = *state;
    struct err_buf why = {.text = ""};
    struct profiling *junk = (struct profiling *)&sink;
    struct profiling *second = junk;
    struct profiling_coverage coverage;
    const struct pprof_options options = {
        .run_dir = play->run_dir, .hz = 100, .ring_hz = 19, .log = &quiet};
    assert_int_equal(profiling_toggle(play->profiling, true, 60, &coverage, &why), APP_OK);
    assert_int_equal(profiling_new(&options, &second, &why), APP_UNAVAILABLE);
    assert_ptr_equal(second, junk);
    assert_true(why.text[0]);
}

int main(int argc, char **argv)
{
    struct err_buf why = {.text = ""};
    (void)argc;
#ifdef __SANITIZE_THREAD__
    print_message("SKIPPED: ThreadSanitizer delivers signals late, so nothing is sampled\n");
    return 0;
#endif
    if (sampler_prepare(true, 0, argv, &why) != APP_OK) {
        print_message("sampler_prepare: %s %s\n", why.text, why.detail);
        return EXIT_FAILURE;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_freed_as_nothing),
        cmocka_unit_test_setup_teardown(
            a_cpu_profile_has_the_busy_function_its_route_and_the_process, start, stop),
        cmocka_unit_test_setup_teardown(a_goroutine_profile_has_every_thread, start, stop),
        cmocka_unit_test_setup_teardown(waits_that_did_not_happen_are_an_empty_profile, start,
                                        stop),
        cmocka_unit_test_setup_teardown(what_is_not_collected_is_not_found_with_its_reason, start,
                                        stop),
        cmocka_unit_test_setup_teardown(only_so_many_are_gathered_at_once, start, stop),
        cmocka_unit_test_setup_teardown(the_toggle_is_in_the_state_and_its_samples_in_a_profile,
                                        start, stop),
        cmocka_unit_test_setup_teardown(the_toggle_counts_those_that_obeyed, start, stop),
        cmocka_unit_test_setup_teardown(an_unknown_command_is_answered_as_such, start, stop),
        cmocka_unit_test_setup_teardown(the_symbol_question_is_answered_by_gathered_files, start,
                                        stop),
        cmocka_unit_test_setup_teardown(
            where_the_timer_is_taken_there_is_no_ring_and_so_no_profiling, start, stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
