/* SPDX-License-Identifier: MIT */
/* Several threads want the same picture at the same time. */
#include "api/jobs/work.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "lib/base/clock.h"
#include "lib/picture/picture.h"
#include "support/cmocka.h"
#include "support/process.h"
#include "support/rig.h"

#define KEY "0123456789abcdef0123456789abcdef"

enum { CALLERS = 4, POLL_MS = 5 };

static int set_up(void **state)
{
    *state = rig_new();
    return 0;
}

static int tear_down(void **state)
{
    struct rig *rig = *state;
    rig_free(&rig);
    return 0;
}

struct caller {
    pthread_t thread;
    struct rig *rig;
    struct rig_thread own;
    struct pipeline_source source;
    struct work_call call;
    struct pipeline_result result;
    enum app_err err;
    bool shared;
};

static void *run(void *argument)
{
    struct caller *caller = argument;
    caller->err = work_run(&caller->own.pipeline, &caller->call, &caller->source, &caller->result,
                           &caller->shared);
    picture_thread_release();
    return NULL;
}

static void start_caller(struct caller *caller, struct rig *rig, const char *url, int64_t ms)
{
    *caller = (struct caller){.rig = rig, .source = {.key = KEY, .url = url}};
    caller->call = (struct work_call){.kind = TURN_REQUEST, .since_ns = clock_now_ns()};
    rig_thread_init(rig, &caller->own);
    caller->own.pipeline.deadline_ns = deadline_in_ms(ms);
    assert_int_equal(pthread_create(&caller->thread, NULL, run, caller), 0);
}

static void end_caller(struct caller *caller)
{
    assert_int_equal(pthread_join(caller->thread, NULL), 0);
    rig_thread_release(&caller->own);
}

static struct turn_state turns(struct rig *rig)
{
    const struct turn_call call = work_turn_call(&rig->app, TURN_REQUEST);
    return turn_state_read(rig->app.table, &call);
}

static void await_waiting(struct rig *rig, unsigned waiting)
{
    int64_t deadline_ns = deadline_in_ms(RIG_PATIENCE_MS);
    while (turns(rig).waiting != waiting) {
        if (deadline_left_ms(deadline_ns) == 0)
            fail_msg("%u wait, not %u", turns(rig).waiting, waiting);
        sleep_ms(POLL_MS);
    }
}

static void equal_work_is_done_once_and_all_get_the_result(void **state)
{
    struct rig *rig = *state;
    struct caller callers[CALLERS];
    struct rig_url url = rig_url(rig, "/slow.jpg");
    unsigned shared = 0;
    rig_serve_picture(rig, "/slow.jpg", 1500);
    for (size_t i = 0; i < CALLERS; i++)
        start_caller(&callers[i], rig, url.text, RIG_PATIENCE_MS);
    for (size_t i = 0; i < CALLERS; i++) {
        end_caller(&callers[i]);
        assert_int_equal(callers[i].err, APP_OK);
        assert_int_equal(callers[i].result.width, RIG_WIDTH);
        assert_string_equal(callers[i].result.content_type, "image/jpeg");
        shared += callers[i].shared;
    }
    assert_int_equal(shared, CALLERS - 1);
    assert_int_equal(origin_requests(rig->origin, "/slow.jpg"), 1);
    assert_int_equal(fake_cache_calls(rig->cache, "Put"), 2);
    assert_int_equal(turns(rig).running, 0);
    assert_int_equal(turns(rig).waiting, 0);
}

static void those_who_wait_get_the_failure_and_who_comes_later_tries_again(void **state)
{
    struct rig *rig = *state;
    struct caller callers[CALLERS];
    struct rig_url url = rig_url(rig, "/broken");
    static const char broken[] = "HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n";
    const struct origin_options slow = {.delay_ms = 1500};
    origin_on(rig->origin, "/broken", broken, strlen(broken), &slow);
    for (size_t i = 0; i < CALLERS; i++)
        start_caller(&callers[i], rig, url.text, RIG_PATIENCE_MS);
    await_waiting(rig, CALLERS - 1);
    for (size_t i = 0; i < CALLERS; i++) {
        end_caller(&callers[i]);
        assert_int_equal(callers[i].err, APP_ORIGIN_FAILED);
        assert_string_equal(callers[i].own.why.text, callers[0].own.why.text);
    }
    assert_int_equal(origin_requests(rig->origin, "/broken"), 1);
    rig_serve_picture(rig, "/broken", 0);
    start_caller(&callers[0], rig, url.text, RIG_PATIENCE_MS);
    end_caller(&callers[0]);
    assert_int_equal(callers[0].err, APP_OK);
    assert_false(callers[0].shared);
}

static void one_of_those_who_wait_goes_on_when_the_first_ones_time_is_over(void **state)
{
    struct rig *rig = *state;
    struct caller first, others[2];
    struct rig_url url = rig_url(rig, "/slow.jpg");
    rig_serve_picture(rig, "/slow.jpg", RIG_PATIENCE_MS);
    start_caller(&first, rig, url.text, 1500);
    while (origin_requests(rig->origin, "/slow.jpg") == 0)
        sleep_ms(POLL_MS);
    rig_serve_picture(rig, "/slow.jpg", 0); /* for who asks anew */
    for (size_t i = 0; i < 2; i++)
        start_caller(&others[i], rig, url.text, RIG_PATIENCE_MS);
    end_caller(&first);
    assert_int_equal(first.err, APP_ORIGIN_TIMEOUT);
    for (size_t i = 0; i < 2; i++) {
        end_caller(&others[i]);
        assert_int_equal(others[i].err, APP_OK);
    }
    assert_int_equal(others[0].shared + others[1].shared, 1);
    assert_int_equal(origin_requests(rig->origin, "/slow.jpg"), 2);
}

static void who_waits_for_equal_work_is_told_when_its_own_time_is_over(void **state)
{
    struct rig *rig = *state;
    struct caller first, other;
    struct rig_url url = rig_url(rig, "/slow.jpg");
    rig_serve_picture(rig, "/slow.jpg", 2000);
    start_caller(&first, rig, url.text, RIG_PATIENCE_MS);
    while (origin_requests(rig->origin, "/slow.jpg") == 0)
        sleep_ms(POLL_MS);
    start_caller(&other, rig, url.text, 200);
    end_caller(&other);
    assert_int_equal(other.err, APP_UNAVAILABLE);
    assert_string_equal(other.own.why.text, "another request for this picture did not end in time");
    end_caller(&first);
    assert_int_equal(first.err, APP_OK);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(equal_work_is_done_once_and_all_get_the_result),
        TEST(those_who_wait_get_the_failure_and_who_comes_later_tries_again),
        TEST(one_of_those_who_wait_goes_on_when_the_first_ones_time_is_over),
        TEST(who_waits_for_equal_work_is_told_when_its_own_time_is_over),
    };
    return cmocka_run_group_tests(tests, rig_start_library, rig_stop_library);
}
