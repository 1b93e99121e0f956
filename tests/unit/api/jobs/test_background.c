/* SPDX-License-Identifier: MIT */
/* Jobs in the background of one process, from being added to their end, or its own. */
#include "api/jobs/background.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/handler.h"
#include "lib/base/clock.h"
#include "lib/base/limits.h"
#include "lib/picture/picture.h"
#include "lib/telemetry/trace.h"
#include "support/cmocka.h"
#include "support/process.h"
#include "support/rig.h"

enum { POLL_MS = 5 };

struct fixture {
    struct rig *rig;
    struct background *background;
};

static int set_up(void **state)
{
    static struct fixture fixture;
    fixture.rig = rig_new();
    const struct background_options options = {.app = &fixture.rig->app,
                                               .threads = 2,
                                               .worker_init = handler_worker_init,
                                               .worker_release = handler_worker_release};
    assert_int_equal(background_new(&options, &fixture.background), APP_OK);
    *state = &fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    assert_int_equal(background_stop(fixture->background, RIG_PATIENCE_MS), 0);
    background_free(&fixture->background);
    rig_free(&fixture->rig);
    return 0;
}

static enum app_err add(struct fixture *fixture, const char *key, const char *path,
                        struct job_view *view, struct err_buf *why)
{
    struct rig_url url = rig_url(fixture->rig, path);
    char *copy = strdup(url.text); /* gone when add returns, as a request's would be */
    const struct trace trace = {.trace_id = ""};
    const struct background_request request = {.source = {.key = key, .url = copy},
                                               .id = "request",
                                               .trace = &trace,
                                               .since_ns = clock_now_ns()};
    enum app_err err = background_add(fixture->background, &request, view, why);
    free(copy);
    return err;
}

static struct job_view await(struct fixture *fixture, const char *key, enum job_status status)
{
    int64_t deadline_ns = deadline_in_ms(RIG_PATIENCE_MS);
    struct job_view view;
    for (;;) {
        job_read(fixture->rig->app.table, key, &view);
        if (view.status == status)
            return view;
        if (deadline_left_ms(deadline_ns) == 0)
            fail_msg("%s is %s, not %s", key, job_status_name(view.status),
                     job_status_name(status));
        sleep_ms(POLL_MS);
    }
}

static void a_job_is_done_behind_the_one_who_added_it(void **state)
{
    struct fixture *fixture = *state;
    struct job_view view;
    rig_serve_picture(fixture->rig, "/slow.jpg", 200);
    assert_int_equal(add(fixture, "a", "/slow.jpg", &view, NULL), APP_OK);
    assert_int_equal(view.status, JOB_QUEUED);
    assert_int_equal(view.position, 1);
    (void)await(fixture, "a", JOB_FINISHED);
    assert_int_equal(fake_cache_calls(fixture->rig->cache, "Put"), 2);
}

static void a_picture_that_is_given_is_kept_until_it_is_done(void **state)
{
    struct fixture *fixture = *state;
    const struct sample *picture = &fixture->rig->picture;
    const struct trace trace = {.trace_id = "", .state = "vendor=1"};
    struct job_view view;
    char *copy = malloc(picture->len);
    assert_non_null(copy);
    memcpy(copy, picture->data, picture->len);
    const struct background_request request = {
        .source = {.key = "a", .bytes = copy, .len = picture->len}, .id = "r", .trace = &trace};
    assert_int_equal(background_add(fixture->background, &request, &view, NULL), APP_OK);
    free(copy);
    (void)await(fixture, "a", JOB_FINISHED);
}

static void a_job_that_fails_says_why(void **state)
{
    struct fixture *fixture = *state;
    struct job_view view;
    assert_int_equal(add(fixture, "a", "/nothing", &view, NULL), APP_OK);
    view = await(fixture, "a", JOB_FAILED);
    assert_int_equal(view.step, PIPELINE_FETCH);
    assert_non_null(strstr(view.error, "404"));
}

static void a_job_that_is_under_way_is_not_begun_again(void **state)
{
    struct fixture *fixture = *state;
    struct job_view view;
    rig_serve_picture(fixture->rig, "/slow.jpg", 300);
    assert_int_equal(add(fixture, "a", "/slow.jpg", &view, NULL), APP_OK);
    assert_int_equal(add(fixture, "a", "/slow.jpg", &view, NULL), APP_OK);
    (void)await(fixture, "a", JOB_FINISHED);
    assert_int_equal(origin_requests(fixture->rig->origin, "/slow.jpg"), 1);
}

static void the_pictures_that_wait_are_bounded_together(void **state)
{
    struct fixture *fixture = *state;
    const struct trace trace = {.trace_id = ""};
    struct err_buf why = {.text = ""};
    struct job_view view;
    char *large = calloc(1, LIMIT_JOBS_BYTES / 2);
    assert_non_null(large);
    struct background_request request = {
        .source = {.key = "a", .bytes = large, .len = LIMIT_JOBS_BYTES / 2},
        .id = "r",
        .trace = &trace};
    rig_serve_picture(fixture->rig, "/slow.jpg", 1000);
    assert_int_equal(add(fixture, "x", "/slow.jpg", &view, NULL), APP_OK);
    assert_int_equal(add(fixture, "y", "/slow.jpg", &view, NULL), APP_OK);
    (void)await(fixture, "x", JOB_PROCESSING);
    (void)await(fixture, "y", JOB_PROCESSING); /* both threads are at work */
    assert_int_equal(background_add(fixture->background, &request, &view, &why), APP_OK);
    request.source.key = "b";
    assert_int_equal(background_add(fixture->background, &request, &view, &why), APP_BUSY);
    assert_non_null(strstr(why.text, "too large together"));
    free(large);
    assert_int_equal(await(fixture, "a", JOB_FAILED).step, PIPELINE_DETECT); /* no picture */
}

static void a_stop_fails_what_waits_and_finishes_what_runs(void **state)
{
    struct fixture *fixture = *state;
    struct job_view view;
    struct err_buf why = {.text = ""};
    const char *const keys[] = {"a", "b", "c", "d"};
    char path[16];
    for (size_t i = 0; i < 4; i++) {
        (void)snprintf(path, sizeof(path), "/%s.jpg", keys[i]);
        rig_serve_picture(fixture->rig, path, 500);
        assert_int_equal(add(fixture, keys[i], path, &view, NULL), APP_OK);
    }
    (void)await(fixture, "a", JOB_PROCESSING);
    (void)await(fixture, "b", JOB_PROCESSING);
    assert_int_equal(background_stop(fixture->background, 0), 2);
    for (size_t i = 2; i < 4; i++) {
        job_read(fixture->rig->app.table, keys[i], &view);
        assert_int_equal(view.status, JOB_FAILED);
        assert_string_equal(view.error, "the service is being stopped: try again");
    }
    assert_int_equal(add(fixture, "e", "/a.jpg", &view, &why), APP_UNAVAILABLE);
    assert_int_equal(background_stop(fixture->background, RIG_PATIENCE_MS), 0);
    for (size_t i = 0; i < 2; i++) {
        job_read(fixture->rig->app.table, keys[i], &view);
        assert_int_equal(view.status, JOB_FINISHED);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_job_is_done_behind_the_one_who_added_it),
        TEST(a_picture_that_is_given_is_kept_until_it_is_done),
        TEST(a_job_that_fails_says_why),
        TEST(a_job_that_is_under_way_is_not_begun_again),
        TEST(the_pictures_that_wait_are_bounded_together),
        TEST(a_stop_fails_what_waits_and_finishes_what_runs),
    };
    return cmocka_run_group_tests(tests, rig_start_library, rig_stop_library);
}
