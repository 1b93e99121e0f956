/* SPDX-License-Identifier: MIT */
/* run: web=all */
/* What monitors, supervisors and load balancers see while all is well; test_faults has the rest. */
#include <string.h>

#include "support/cmocka.h"
#include "support/scene.h"

static int start(void **state)
{
    return scene_start(state, NULL);
}

static void health_has_the_lines_that_monitors_know(void **state)
{
    struct http_reply reply;
    scene_get(*state, "/api/health", NULL, &reply);
    assert_int_equal(reply.status, 200);
    assert_string_equal(http_reply_text(&reply), "OK\nFacebox version: 14\nCache status 1\n");
    assert_header(&reply, "Content-Type", "text/plain; charset=utf-8");
    assert_header(&reply, "Cache-Control", "no-store");
    assert_non_null(http_reply_header(&reply, "X-Request-Id"));
    http_reply_release(&reply);
}

static void health_is_json_for_who_asks_for_it(void **state)
{
    struct http_reply reply;
    const char *status, *facebox, *cache;
    int version;
    scene_get(*state, "/api/health", SCENE_JSON, &reply);
    json_t *answer = assert_json(&reply);
    assert_int_equal(json_unpack(answer, "{s:s, s:{s:s, s:i}, s:{s:s}}", "status", &status,
                                 "facebox", "status", &facebox, "version", &version, "cache",
                                 "status", &cache),
                     0);
    assert_string_equal(status, "ok");
    assert_string_equal(facebox, "ok");
    assert_string_equal(cache, "ok");
    assert_int_equal(version, 14);
    json_decref(answer);
    http_reply_release(&reply);
}

static void live_and_ready_say_ok(void **state)
{
    static const char *const paths[] = {"/api/health/live", "/api/health/ready"};
    for (size_t i = 0; i < 2; i++) {
        struct http_reply reply;
        scene_get(*state, paths[i], NULL, &reply);
        assert_int_equal(reply.status, 200);
        assert_string_equal(http_reply_text(&reply), "OK\n");
        http_reply_release(&reply);
    }
}

static void head_of_health_has_no_body(void **state)
{
    struct http_reply reply;
    scene_ask(*state, &(struct http_call){.method = "HEAD", .url = "/api/health"}, &reply);
    assert_int_equal(reply.status, 200);
    assert_int_equal(reply.body.len, 0);
    http_reply_release(&reply);
}

/* The operators' paths reach the application from this machine, and nobody from elsewhere. */
static void admin_paths_are_closed_to_addresses_that_are_not_listed(void **state)
{
    static const char *const paths[] = {"/metrics",       "/debug/",   "/debug/pprof/heap",
                                        "/pprof/profile", "/%64ebug/", "/api/../metrics",
                                        "//debug/pprof/"};
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        struct http_reply reply;
        scene_ask(*state, &(struct http_call){.url = paths[i], .from = "127.0.0.2"}, &reply);
        if (reply.status != 403)
            fail_msg("%s: %d", paths[i], reply.status);
        assert_null(http_reply_header(&reply, "X-Request-Id")); /* refused before the application */
        http_reply_release(&reply);

        scene_ask(*state, &(struct http_call){.url = paths[i]}, &reply);
        if (!http_reply_header(&reply, "X-Request-Id"))
            fail_msg("%s did not reach the application", paths[i]);
        http_reply_release(&reply);
    }
}

static void the_api_is_open_to_every_address(void **state)
{
    struct http_reply reply;
    scene_ask(*state, &(struct http_call){.url = "/api/health", .from = "127.0.0.2"}, &reply);
    assert_int_equal(reply.status, 200);
    http_reply_release(&reply);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(health_has_the_lines_that_monitors_know),
        cmocka_unit_test(health_is_json_for_who_asks_for_it),
        cmocka_unit_test(live_and_ready_say_ok),
        cmocka_unit_test(head_of_health_has_no_body),
        cmocka_unit_test(admin_paths_are_closed_to_addresses_that_are_not_listed),
        cmocka_unit_test(the_api_is_open_to_every_address),
    };
    return cmocka_run_group_tests(tests, start, scene_stop);
}
