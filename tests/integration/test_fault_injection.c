/* SPDX-License-Identifier: MIT */
/* run: web=all */
/* Faults on purpose, over a pool of three. test_faults has those that are not. */
#include <stdio.h>
#include <string.h>

#include "support/cmocka.h"
#include "support/scene.h"

/* --- Errors for pictures, delays for new ones --------------------------------------- */

static int start_errors(void **state)
{
    return scene_start(state,
                       (const char *const[]){"API_PROCESSES=3", "CACHE_ERROR_RATE=0.3",
                                             "CACHE_ERROR_TYPE=http_error", "CACHE_ERROR_CODE=503",
                                             "EMOJIFY_ERROR_RATE=0.5", "EMOJIFY_ERROR_TYPE=delay",
                                             "EMOJIFY_ERROR_DELAY=400ms", NULL});
}

static void the_rate_holds_exactly_over_all_siblings(void **state)
{
    const struct scene *scene = *state;
    int injected = 0;
    for (int i = 0; i < 100; i++) {
        struct http_reply reply;
        scene_get(scene, "/api/cache/nothing", NULL, &reply);
        if (reply.status == 503) {
            assert_string_equal(http_reply_text(&reply), "Error serving request\n");
            assert_header(&reply, "Content-Type", "text/plain; charset=utf-8");
            assert_header(&reply, "X-Content-Type-Options", "nosniff");
            injected++;
        } else {
            assert_int_equal(reply.status, 404);
        }
        http_reply_release(&reply);
    }
    assert_int_equal(injected, 30);
    scene_wait_metric(scene, "emojify_injected_faults_total{route=\"cache\",type=\"http_error\"}",
                      30);
    scene_wait_metric(scene, "emojify_fault_decisions_total{route=\"cache\"}", 100);
    scene_wait_metric(scene,
                      "emojify_requests_total{route=\"cache\",method=\"GET\",status=\"503\"}", 30);
    scene_wait_logged(scene, "api", "Injected fault", "route=cache type=http_error");
}

static void a_delayed_request_goes_on_afterwards(void **state)
{
    const struct scene *scene = *state;
    int delayed = 0;
    for (int i = 0; i < 4; i++) {
        struct http_reply reply;
        scene_post(scene, "no url", NULL, &reply);
        assert_error(&reply, 400, NULL);
        delayed += reply.seconds >= 0.4;
        http_reply_release(&reply);
    }
    assert_int_equal(delayed, 2);
}

static void the_start_says_that_faults_are_injected(void **state)
{
    const struct scene *scene = *state;
    scene_wait_logged(scene, "api", "Faults are injected on purpose",
                      "route=cache type=http_error rate=0.3");
    scene_wait_logged(scene, "api", "Faults are injected on purpose",
                      "route=emojify type=delay rate=0.5");
}

static void the_other_routes_are_left_alone(void **state)
{
    const struct scene *scene = *state;
    for (int i = 0; i < 20; i++) {
        struct http_reply reply;
        scene_get(scene, "/api/health/live", NULL, &reply);
        assert_int_equal(reply.status, 200);
        http_reply_release(&reply);
    }
}

/* --- Dumps --------------------------------------------------------------------------- */

static int start_dumps(void **state)
{
    return scene_start(state,
                       (const char *const[]){"CACHE_ERROR_RATE=1", "CACHE_ERROR_TYPE=dump", NULL});
}

static void a_dumped_picture_is_served_whole_and_printed_whole(void **state)
{
    const struct scene *scene = *state;
    struct http_reply reply;
    struct buf log;
    char key[33];
    char path[64];
    char expected[64];
    scene_emojify(scene, scene_url(scene, "/pictures/grace_hopper.jpg").text, key);
    (void)snprintf(path, sizeof(path), "/api/cache/%s", key);
    scene_get(scene, path, NULL, &reply);
    assert_int_equal(reply.status, 200);
    assert_header(&reply, "Content-Type", "image/jpeg");
    assert_true(reply.body.len > 10000);

    (void)snprintf(expected, sizeof(expected), "id: \"%s\"\ndata: \"\\377\\330\\377", key);
    scene_log(scene, "api", &log);
    const char *dumped = strstr(log.data, expected);
    assert_non_null(dumped);
    const char *data = strstr(dumped, "data: ") + 7;
    size_t bytes = 0;
    while (*data != '"' && *data != '\0') {
        data += *data != '\\' ? 1 : data[1] >= '0' && data[1] <= '7' ? 4 : 2;
        bytes++;
    }
    assert_int_equal(bytes, reply.body.len);
    assert_int_equal(strncmp(data, "\"\n", 2), 0);
    buf_release(&log);
    http_reply_release(&reply);
    scene_wait_metric(scene, "emojify_injected_faults_total{route=\"cache\",type=\"dump\"}", 1);
}

int main(void)
{
    const struct CMUnitTest errors[] = {
        cmocka_unit_test(the_rate_holds_exactly_over_all_siblings),
        cmocka_unit_test(a_delayed_request_goes_on_afterwards),
        cmocka_unit_test(the_start_says_that_faults_are_injected),
        cmocka_unit_test(the_other_routes_are_left_alone),
    };
    const struct CMUnitTest dumps[] = {
        cmocka_unit_test(a_dumped_picture_is_served_whole_and_printed_whole),
    };
    int failed = cmocka_run_group_tests(errors, start_errors, scene_stop);
    return failed + cmocka_run_group_tests(dumps, start_dumps, scene_stop);
}
