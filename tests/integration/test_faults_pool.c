/* SPDX-License-Identifier: MIT */
/* run: alone seconds=31 */
/*
 * Siblings that die and are told to stop while clients load them. Every answer's bytes are
 * compared: a process that ends may cost the requests in its hands, never a wrong byte.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "support/cmocka.h"
#include "support/process.h"
#include "support/upheaval.h"

enum {
    SIBLINGS = 4,
    GETTERS = 8,
    KILLS = 6,
    STOPS = 6,
    AGAIN_MS = SCENE_SANITIZED ? 60000 : 10000, /* until a sibling was started again */
    REACHED_MS = 100                            /* until a client has read how it ended */
};

static int start(void **state)
{
    return scene_start(state, (const char *const[]){"API_PROCESSES=4", "LOCAL_CACHE_TTL=0", NULL});
}

static pid_t any_sibling(const struct scene *scene, unsigned *seed)
{
    pid_t pids[SIBLINGS * 2];
    size_t count = upheaval_siblings(stack_pid(&scene->stack, "web"), pids, SIBLINGS * 2);
    assert_true(count > 0);
    *seed = *seed * 1103515245 + 12345;
    return pids[count > 0 ? *seed / 65536 % count : 0];
}

static void assert_within(const struct checked_load_result *result,
                          const struct upheaval_window *windows, size_t count)
{
    const struct checked_failure *outside = upheaval_outside(result, windows, count);
    if (outside)
        fail_msg("%s failed while nothing was done: %d %s", outside->id, outside->status,
                 outside->words);
}

/* What a process has answered was not lost: no request that failed is in the log as done. */
static void assert_not_handled(const struct scene *scene, const struct checked_load_result *result)
{
    struct buf log;
    scene_log(scene, "api", &log);
    for (size_t i = 0; i < result->failure_count; i++) {
        char words[64];
        (void)snprintf(words, sizeof(words), "request_id=%s ", result->failures[i].id);
        const char *found = strstr(log.data, words);
        if (found && memmem(found, strcspn(found, "\n"), "status=200", 10))
            fail_msg("%s failed for its client, and was answered by the application",
                     result->failures[i].id);
    }
    buf_release(&log);
}

static void a_sibling_that_is_killed_fails_only_the_requests_in_its_hands(void **state)
{
    const struct scene *scene = *state;
    struct upheaval_window windows[KILLS];
    struct upheaval_times times = {.name = "a sibling was killed"};
    struct checked_load_result result;
    unsigned seed = (unsigned)getpid();
    struct checked_load *load = checked_load_start(
        scene, &(struct checked_load_options){.getters = GETTERS, .posters = 1, .pause_ms = 2});
    for (size_t i = 0; i < KILLS; i++) {
        sleep_ms(300);
        pid_t pid = any_sibling(scene, &seed);
        windows[i].begin_ns = clock_now_ns();
        assert_int_equal(kill(pid, SIGKILL), 0);
        /* A busy machine takes a while to close a killed process's sockets. */
        assert_true(process_wait_gone(pid, AGAIN_MS));
        windows[i].end_ns = clock_now_ns() + REACHED_MS * NS_PER_MS;
        upheaval_add(&times, upheaval_await_pool(scene, SIBLINGS, pid, AGAIN_MS));
    }
    checked_load_stop(&load, &result);
    upheaval_print(&times);
    upheaval_assert_right(&result);
    assert_within(&result, windows, KILLS);
    assert_true(result.failure_count <= KILLS * (GETTERS + 1));
    assert_not_handled(scene, &result);
    checked_load_result_release(&result);
}

static void siblings_that_are_told_to_stop_under_load_lose_no_request(void **state)
{
    const struct scene *scene = *state;
    struct upheaval_times times = {.name = "a sibling was told to stop"};
    struct checked_load_result result;
    unsigned seed = (unsigned)getpid();
    struct checked_load *load =
        checked_load_start(scene, &(struct checked_load_options){.getters = GETTERS, .posters = 1});
    for (size_t i = 0; i < STOPS; i++) {
        sleep_ms(200);
        pid_t pid = any_sibling(scene, &seed);
        assert_int_equal(kill(pid, SIGTERM), 0);
        upheaval_add(&times, upheaval_await_pool(scene, SIBLINGS, pid, AGAIN_MS));
    }
    checked_load_stop(&load, &result);
    upheaval_print(&times);
    upheaval_assert_right(&result);
    if (result.failure_count > 0)
        fail_msg("%zu failed, the first: %d %s", result.failure_count, result.failures[0].status,
                 result.failures[0].words);
    checked_load_result_release(&result);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_sibling_that_is_killed_fails_only_the_requests_in_its_hands),
        cmocka_unit_test(siblings_that_are_told_to_stop_under_load_lose_no_request),
    };
    if (!upheaval_can_run())
        return UPHEAVAL_SKIP;
    return cmocka_run_group_tests(tests, start, scene_stop);
}
