/* SPDX-License-Identifier: MIT */
#include "api/profiler.h"

#include "lib/base/clock.h"
#include "lib/telemetry/wait.h"
#include "profiling/profiling.h"
#include "support/cmocka.h"
#include "support/profile_share.h"
#include "support/temp_dir.h"

static struct log_sink sink = {.fd = 2, .level = LOG_OFF};
static struct app app;
static struct temp_dir dir;
static char run_dir[PATH_MAX];

static int start(void **state)
{
    struct err_buf why = {.text = ""};
    (void)state;
    temp_dir_init(&dir);
    temp_dir_path(&dir, "run", run_dir);
    app = (struct app){.log = {.sink = &sink, .module = "test"}};
    app.config.profile = true;
    app.config.profile_hz = 100;
    app.config.run_dir = run_dir;
    if (profiler_start(&app, &why))
        fail_msg("profiler_start: %s %s", why.text, why.detail);
    assert_non_null(app.profiling);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    profiler_stop(&app);
    assert_null(app.profiling);
    temp_dir_release(&dir);
    return 0;
}

__attribute__((noinline)) static void wait_for(enum wait_kind kind)
{
    struct wait wait = {kind, clock_now_ns() - 10 * NS_PER_MS};
    wait_end(&wait);
}

static struct profile *gather(enum profiling_source source)
{
    const struct profiling_query query = {.source = source};
    struct profiling_result result = {.profile = NULL};
    struct err_buf why = {.text = ""};
    assert_int_equal(profiling_gather(app.profiling, &query, &result, &why), APP_OK);
    return result.profile;
}

static void waits_are_in_the_profile_of_their_kind(void **state)
{
    (void)state;
    for (enum wait_kind kind = 0; kind < WAIT_KIND__MAX; kind++)
        wait_for(kind);
    struct profile *block = gather(PROFILING_BLOCK);
    assert_int_equal(profile_sum_in(block, "wait_for", NULL, 0), WAIT_KIND__MAX - 1);
    struct profile *mutex = gather(PROFILING_MUTEX);
    assert_int_equal(profile_sum_in(mutex, "wait_for", NULL, 0), 1);

    const struct profile_line *lines;
    size_t count = profile_frame_lines(mutex, 0, 0, &lines, NULL);
    assert_true(count > 0);
    assert_string_equal(lines[count - 1].function, "wait_for");
    profile_free(&block);
    profile_free(&mutex);
}

static void nobody_is_told_of_waits_once_it_stopped(void **state)
{
    (void)state;
    struct wait wait = wait_begin(WAIT_CACHE);
    assert_true(wait.since_ns > 0);
    profiler_stop(&app);
    wait_end(&wait);
    wait = wait_begin(WAIT_CACHE);
    assert_int_equal(wait.since_ns, 0);
}

static void nothing_is_there_while_it_is_off(void **state)
{
    (void)state;
    struct err_buf why = {.text = ""};
    struct app other = {.log = app.log};
    assert_int_equal(profiler_start(&other, &why), APP_OK);
    assert_null(other.profiling);
    profiler_stop(&other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(waits_are_in_the_profile_of_their_kind, start, stop),
        cmocka_unit_test_setup_teardown(nobody_is_told_of_waits_once_it_stopped, start, stop),
        cmocka_unit_test(nothing_is_there_while_it_is_off),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
