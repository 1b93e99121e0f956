/* SPDX-License-Identifier: MIT */
#include "api/profiler.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/app.h"
#include "api/routes/routes.h"
#include "lib/base/clock.h"
#include "lib/telemetry/wait.h"
#include "support/cmocka.h"
#include "support/pprof_asker.h"
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
    app.config.api_path = "/api/";
    app.config.authn_server = "";
    app.config.profile_token = "";
    assert_int_equal(routes_new(&app.config, &app.routes), APP_OK);
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
    assert_null(app.profiler);
    routes_free(&app.routes);
    temp_dir_release(&dir);
    return 0;
}

__attribute__((noinline)) static void wait_for(enum wait_kind kind)
{
    struct wait wait = {kind, clock_now_ns() - 10 * NS_PER_MS};
    wait_end(&wait);
}

/*
 * What the function itself has of a profile, in milliseconds. A stack begins with
 * wait_end, which is inlined into whoever waited.
 */
static double own_ms(struct pprof_asker *asker, const char *uri, const char *function)
{
    char end[64];
    const char *text = pprof_ask_text(asker, uri);
    (void)snprintf(end, sizeof(end), "  %s\n", function);
    const char *at = strstr(text, end);
    if (!at) {
        fail_msg("no %s in %s", function, text);
        return 0;
    }
    while (at > text && at[-1] != '\n')
        at--;
    return strtod(at, NULL);
}

static void waits_are_in_the_profile_of_their_kind(void **state)
{
    (void)state;
    struct pprof_asker asker = {.pprof = app.profiling};
    for (enum wait_kind kind = 0; kind < WAIT_KIND__MAX; kind++)
        wait_for(kind);
    double block = own_ms(&asker, "/debug/pprof/block?debug=1", "wait_end");
    double mutex = own_ms(&asker, "/debug/pprof/mutex?debug=1", "wait_end");
    assert_true(block >= 10 * (WAIT_KIND__MAX - 1) && block < 10 * WAIT_KIND__MAX);
    assert_true(mutex >= 10 && mutex < 20);
    pprof_asker_release(&asker);
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
