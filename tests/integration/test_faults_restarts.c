/* SPDX-License-Identifier: MIT */
/* run: alone seconds=29 */
/*
 * Cache and face detection killed and started again every second while clients load the service:
 * requests may fail, no answer may be wrong, and at the end all is as before. Some seconds of it
 * here; `make soak` does it for a minute each (SOAK_FAULT_SECONDS).
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "lib/base/clock.h"
#include "support/cmocka.h"
#include "support/process.h"
#include "support/upheaval.h"

/* For one picture in the hands of a detector that was just started. */
#if SCENE_SANITIZED
#define FACEBOX_TIMEOUT "30s"
#else
#define FACEBOX_TIMEOUT "5s"
#endif

enum {
    SECONDS = 8,
    GETTERS = 4,
    POSTERS = 1,
    PAUSE_MS = 10,
    GONE_MS = 5000,
    BACK_MS = SCENE_SANITIZED ? 60000 : 10000
};

static int start(void **state)
{
    return scene_start(state, (const char *const[]){"API_PROCESSES=2", "CACHE_TIMEOUT=1s",
                                                    "FACEBOX_TIMEOUT=" FACEBOX_TIMEOUT,
                                                    "LOCAL_CACHE_TTL=0", NULL});
}

static void restart(const struct scene *scene, const char *name,
                    const struct stack_program *program)
{
    pid_t pid = stack_pid(&scene->stack, name);
    if (pid > 0) { /* one that could not start is no reason not to try again */
        assert_int_equal(kill(pid, SIGKILL), 0);
        assert_true(process_wait_gone(pid, GONE_MS));
    }
    assert_true(stack_program_start(program));
}

static void restart_every_second(const struct scene *scene, const char *name, const char *fault)
{
    struct upheaval_times times = {.name = fault};
    struct checked_load_result result;
    struct stack_program *program = stack_program_of(&scene->stack, name);
    assert_non_null(program);
    struct checked_load *load = checked_load_start(
        scene, &(struct checked_load_options){
                   .getters = GETTERS, .posters = POSTERS, .pause_ms = PAUSE_MS});
    for (int i = 0; i < upheaval_seconds(SECONDS); i++) {
        restart(scene, name, program);
        sleep_ms(1000);
    }
    /* From its last start; the program's own start is in it. */
    restart(scene, name, program);
    int64_t begun_ns = clock_now_ns();
    while (!checked_load_post_once(load)) {
        if (clock_now_ns() - begun_ns > BACK_MS * NS_PER_MS)
            fail_msg("no new picture %d ms after the last restart", BACK_MS);
        sleep_ms(10);
    }
    upheaval_add(&times, (clock_now_ns() - begun_ns) / NS_PER_MS);
    scene_wait_status(scene, "/api/health", 200, BACK_MS);
    checked_load_stop(&load, &result);
    stack_program_free(&program);
    upheaval_print(&times);
    upheaval_assert_right(&result);
    for (size_t i = 0; i < result.failure_count; i++) {
        if (result.failures[i].status == 0)
            fail_msg("%s: no answer: %s", result.failures[i].id, result.failures[i].words);
    }
    checked_load_result_release(&result);
}

static void a_cache_that_is_restarted_every_second_costs_no_wrong_answer(void **state)
{
    restart_every_second(*state, "cache", "the cache was restarted every second");
}

static void a_facebox_that_is_restarted_every_second_costs_no_wrong_answer(void **state)
{
    restart_every_second(*state, "facebox", "face detection was restarted every second");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_cache_that_is_restarted_every_second_costs_no_wrong_answer),
        cmocka_unit_test(a_facebox_that_is_restarted_every_second_costs_no_wrong_answer),
    };
    if (!upheaval_can_run())
        return UPHEAVAL_SKIP;
    return cmocka_run_group_tests(tests, start, scene_stop);
}
